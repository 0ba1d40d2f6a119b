"""The test server, over a real socket: what it answers, what it breaks, and what it counts."""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
import simplejpeg

from atldld_xr.allen.metadata import parse_dataset, parse_image
from atldld_xr.testing import (
    CORONAL,
    CORONAL_ID,
    SAGITTAL,
    SAGITTAL_ID,
    AllenServer,
    Faults,
    Phantom,
    draw,
)
from atldld_xr.testing.faults import KINDS
from atldld_xr.testing.pictures import Memo
from atldld_xr.testing.rma import RmaError, parse_paths, parse_query

DATASET = parse_dataset(CORONAL.record)
IMAGE = next(i for i in DATASET.images if i.x and i.y)


@pytest.fixture(scope="module")
def shared():
    with AllenServer() as server:
        yield server


@pytest.fixture
def server(shared):
    shared.faults = Faults()
    shared.clear_log()
    yield shared
    shared.faults = Faults()


@pytest.fixture(scope="module")
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def decode(body):
    grey = simplejpeg.decode_jpeg_header(body)[2].lower() == "gray"
    return simplejpeg.decode_jpeg(body, colorspace="GRAY" if grey else "RGB", strict=True)


def query(http, server, criteria, **params):
    answer = http.get(f"{server.url}/data/query.json", params={"criteria": criteria, **params})
    return answer.status_code, answer.json()


def small(http, server, image_id=IMAGE.id, **params):
    params = {"downsample": 4, **params}
    return http.get(f"{server.url}/section_image_download/{image_id}", params=params, timeout=5)


# Metadata


def test_one_query_gets_a_whole_data_set(server, http):
    include = (
        "products,genes,equalization,specimen(donor(age)),alignment3d,section_images(alignment2d)"
    )
    answer = http.get(
        f"{server.url}/data/SectionDataSet/{CORONAL_ID}.json", params={"include": include}
    )
    envelope = answer.json()
    assert envelope | {"msg": []} == {
        "success": True,
        "id": 0,
        "start_row": 0,
        "num_rows": 1,
        "total_rows": 1,
        "msg": [],
    }
    assert parse_dataset(envelope["msg"][0]) == DATASET
    assert envelope["msg"][0]["specimen"]["donor"]["age"]["days"] == 56


def test_associations_come_only_when_included(server, http):
    address = f"{server.url}/data/SectionDataSet/{CORONAL_ID}.json"
    bare = http.get(address).json()["msg"][0]
    assert bare["id"] == CORONAL_ID
    assert not {"alignment3d", "section_images", "genes", "specimen"} & set(bare)
    images = http.get(address, params={"include": "section_images"}).json()["msg"][0]
    assert all("alignment2d" not in image for image in images["section_images"])
    working = http.get(address, params={"include": "section_images[failed$eqfalse](alignment2d)"})
    assert len(working.json()["msg"][0]["section_images"]) == CORONAL.count - 1


def test_the_queries_of_the_atldld_package(server, http):
    # As it sends them: brackets and dollars are not encoded.
    for model, criteria, include, count in (
        ("SectionDataSet", f"[id$eq{SAGITTAL_ID}]", "alignment3d", 1),
        ("SectionImage", f"[data_set_id$eq{SAGITTAL_ID}]", "alignment2d", SAGITTAL.count),
    ):
        for encoded in (False, True):
            text = (
                f"model::{model},rma::criteria,{criteria},rma::include,{include},"
                "rma::options[start_row$eq0][num_rows$eq25000]"
            )
            target = requests.utils.quote(text) if encoded else text
            with socket.create_connection(("127.0.0.1", int(server.url.split(":")[2][:5]))) as raw:
                path = f"/api/v2/data/query.json?criteria={target}"
                raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                body = b"".join(iter(lambda: raw.recv(65536), b"")).split(b"\r\n\r\n", 1)[1]
            msg = json.loads(body)["msg"]
            assert len(msg) == count
            assert all(include in record for record in msg)


def test_an_image_record(server, http):
    address = f"{server.url}/data/SectionImage/{IMAGE.id}.json"
    record = http.get(address, params={"include": "alignment2d"}).json()["msg"][0]
    assert parse_image(record).x == IMAGE.x
    assert record["alignment2d"]["tsv_00"] == IMAGE.tsv[0][0]


@pytest.mark.parametrize("model", ["SectionDataSet", "SectionImage"])
def test_an_unknown_id_is_no_error(server, http, model):
    answer = http.get(f"{server.url}/data/{model}/5.json", params={"include": "alignment2d"})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "id": 0,
        "start_row": 0,
        "num_rows": 0,
        "total_rows": 0,
        "msg": [],
    }


@pytest.mark.parametrize(
    "criteria",
    [
        "model::Nonsense",
        "model::SectionImage,rma::criteria,[nonsense$eq1]",
        "model::SectionImage,rma::criteria,[id$is1]",
        "model::SectionImage,rma::criteria,[id$eq1",
        "model::SectionImage,rma::include,nonsense",
        "model::SectionImage,rma::options[num_rows$eqmany]",
        "model::SectionImage,rma::options[colour$eq'red']",
        "rma::criteria,[id$eq1]",
        "nonsense",
    ],
)
def test_bad_criteria_fail_in_words(server, http, criteria):
    status, envelope = query(http, server, criteria)
    assert status >= 400
    assert envelope["success"] is False
    assert isinstance(envelope["msg"], str)
    assert len(envelope["msg"]) > 5


def test_pages():
    phantoms = [Phantom(id=k, count=3) for k in range(101, 161)]
    with AllenServer(phantoms, max_rows=25) as server, requests.Session() as http:
        _, first = query(http, server, "model::SectionDataSet")
        assert (first["num_rows"], first["total_rows"]) == (25, 60)
        seen = []
        for start in range(0, 60, 25):
            options = f"rma::options[num_rows$eq2000][start_row$eq{start}][order$eq'id$desc']"
            _, page = query(http, server, f"model::SectionDataSet,{options}")
            assert page["start_row"] == start
            seen += [r["id"] for r in page["msg"]]
        assert seen == list(range(160, 100, -1))
    with AllenServer(phantoms) as server, requests.Session() as http:
        assert query(http, server, "model::SectionDataSet")[1]["num_rows"] == 50
        everything = "model::SectionDataSet,rma::options[num_rows$eq'all']"
        assert query(http, server, everything)[1]["num_rows"] == 60


def test_joins_and_operators(server, http):
    def ids(criteria):
        envelope = query(http, server, f"model::SectionDataSet,rma::criteria,{criteria}")[1]
        assert envelope["success"] is True, envelope["msg"]
        return [r["id"] for r in envelope["msg"]]

    both = [CORONAL_ID, SAGITTAL_ID]
    assert ids("[failed$eqfalse],products[id$eq910000000]") == both
    assert ids("[failed$eqtrue]") == []
    assert ids("plane_of_section[name$eq'sagittal']") == [SAGITTAL_ID]
    assert ids("genes[acronym$eq'Phanc']") == [CORONAL_ID]
    assert ids("genes[acronym$il'PHAN*']") == both
    assert ids("specimen(donor[sex$eq'M'](age[name$eq'P56']))") == both
    assert ids("specimen(donor[sex$eqF])") == []
    assert ids(f"[id$in{CORONAL_ID},5]") == [CORONAL_ID]
    assert ids(f"[id$gt{CORONAL_ID}][reference_space_id$ne9]") == [SAGITTAL_ID]
    assert ids(f"section_images[id$eq{IMAGE.id}]") == [CORONAL_ID]


def test_parsing_keeps_quoted_commas_and_nesting():
    parsed = parse_query(
        "model::M,rma::criteria,[a$eq'x,(y'],genes[b$in1,2](probes[c$eq3]),rma::include,age"
    )
    assert parsed.model == "M"
    assert parsed.criteria[0].filters == (("a", "eq", "x,(y"),)
    assert parsed.criteria[1].filters == (("b", "in", "1,2"),)
    assert parsed.criteria[1].inner[0].filters == (("c", "eq", "3"),)
    assert parsed.include[0].name == "age"
    with pytest.raises(RmaError):
        parse_paths("genes[a$eq1](")


def test_conversions(server, http):
    address = f"{server.url}/image_to_reference/{IMAGE.id}.json"
    answer = http.get(address, params={"x": 812.5, "y": 300}).json()
    point = answer["msg"]["image_to_reference"]
    params = {**point, "section_data_set_ids": f"{CORONAL_ID},{SAGITTAL_ID}"}
    found = http.get(f"{server.url}/reference_to_image/9.json", params=params).json()["msg"]
    assert len(found) == 1  # the sagittal one is in space 10
    sync = found[0]["image_sync"]
    assert sync["section_image_id"] == IMAGE.id
    assert sync["section_data_set_id"] == CORONAL_ID
    assert (sync["x"], sync["y"]) == pytest.approx((812.5, 300), abs=0.1)
    other = DATASET.images[-1]
    far = {"x": 0, "y": 4000, "z": 5700, "section_data_set_ids": CORONAL_ID}
    nearest = http.get(f"{server.url}/reference_to_image/9.json", params=far).json()["msg"][0]
    assert nearest["image_sync"]["section_number"] == other.section_number
    assert http.get(f"{server.url}/image_to_reference/5.json?x=1&y=1").json()["success"] is False
    assert http.get(f"{server.url}/image_to_reference/5.json?x=1").status_code == 400


# Images


def test_a_whole_section_by_way_of_a_redirect(server, http):
    answer = small(http, server)
    assert [r.status_code for r in answer.history] == [302]
    assert "/cgi-bin/imageservice?" in answer.url
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    pixels = decode(answer.content)
    drawn = draw(CORONAL, IMAGE, 4, 0, 0, IMAGE.width >> 4, IMAGE.height >> 4)
    assert pixels.shape == drawn.shape
    assert np.abs(pixels.astype(int) - drawn).mean() < 1
    assert simplejpeg.decode_jpeg_header(answer.content)[3] == "444"
    assert (
        http.get(f"{server.url}/image_download/{IMAGE.id}?downsample=4").content == answer.content
    )


def test_without_redirect():
    with AllenServer(redirect=False) as server, requests.Session() as http:
        answer = small(http, server)
        assert answer.history == []
        assert decode(answer.content).shape[1] == IMAGE.width >> 4
        assert server.image_requests == len(server.log) == 1


@pytest.mark.parametrize("tier", [0, 2])
def test_windows_are_counted_from_the_slide(server, http, tier):
    left, top = (300 >> tier) << tier, (440 >> tier) << tier
    params = {"left": IMAGE.x + left, "top": IMAGE.y + top, "width": 70, "height": 52}
    pixels = decode(small(http, server, downsample=tier, **params).content)
    drawn = draw(CORONAL, IMAGE, tier, left >> tier, top >> tier, 70, 52)
    assert np.abs(pixels.astype(int) - drawn).mean() < 1.5
    # Without a place, a window starts at the section's corner, not the slide's.
    corner = decode(small(http, server, downsample=tier, width=40, height=30).content)
    drawn = draw(CORONAL, IMAGE, tier, 0, 0, 40, 30)
    assert np.abs(corner.astype(int) - drawn).mean() < 1.5


def test_windows_end_with_the_slide_and_show_glass_beside_the_section(server, http):
    record = CORONAL.image_record(IMAGE.id)
    left = record["image_width"] - 160
    pixels = decode(small(http, server, downsample=2, left=left, width=500, height=20).content)
    assert pixels.shape == (20, (record["image_width"] >> 2) - (left >> 2), 3)
    pixels = decode(small(http, server, left=-320, top=-64, width=50, height=30).content)
    assert pixels.shape == (26, 30, 3)
    if IMAGE.x >= 128:
        beside = decode(small(http, server, left=IMAGE.x - 128, width=8, height=8).content)
        assert beside.min() > 230


@pytest.mark.parametrize(
    "params",
    [
        {"downsample": IMAGE.tier_count},
        {"downsample": -1},
        {"downsample": "x"},
        {"left": 10**7},
        {"width": 0},
    ],
)
def test_images_that_cannot_be(server, http, params):
    assert small(http, server, **params).status_code == 400


def test_unknown_images_and_paths_are_not_found(server, http):
    assert small(http, server, image_id=5).status_code == 404
    for path in ("/nothing", "/api/v2/nothing", "/cgi-bin/imageservice"):
        assert http.get(server.url.removesuffix("/api/v2") + path).status_code == 404


def test_views_and_quality(server, http):
    colours = decode(small(http, server, view="expression").content)
    width, height = IMAGE.width >> 4, IMAGE.height >> 4
    drawn = draw(CORONAL, IMAGE, 4, 0, 0, width, height, "expression")
    assert np.abs(colours.astype(int) - drawn).mean() < 2
    grey = small(
        http, server, view="expression", filter="colormap", filterVals="0,1,0,256,0"
    ).content
    assert simplejpeg.decode_jpeg_header(grey)[2].lower() == "gray"
    drawn = draw(CORONAL, IMAGE, 4, 0, 0, width, height, "intensity")
    assert np.abs(decode(grey)[..., 0].astype(int) - drawn).mean() < 1
    assert len(small(http, server, quality=20).content) < len(small(http, server).content) / 2


# A folder


@pytest.fixture
def folder(tmp_path):
    envelope = {"success": True, "msg": [CORONAL.record]}
    (tmp_path / f"section_data_set_{CORONAL_ID}.json").write_text(json.dumps(envelope))
    whole = draw(CORONAL, IMAGE, 2, 0, 0, IMAGE.width >> 2, IMAGE.height >> 2)
    jpeg = simplejpeg.encode_jpeg(whole, quality=97, colorsubsampling="444")
    (tmp_path / f"section_image_{IMAGE.id}_downsample_2.jpg").write_bytes(jpeg)
    tile = simplejpeg.encode_jpeg(np.full((20, 30, 3), 7, np.uint8))
    (tmp_path / f"section_image_{IMAGE.id}_downsample_0_64_32_30x20.jpg").write_bytes(tile)
    mask = simplejpeg.encode_jpeg(np.full((20, 30, 3), 9, np.uint8))
    name = f"section_image_{IMAGE.id}_downsample_0_64_32_30x20_expression.jpg"
    (tmp_path / name).write_bytes(mask)
    return tmp_path


def test_a_folder_is_served(folder):
    with AllenServer(mirror=folder) as server, requests.Session() as http:
        address = f"{server.url}/data/SectionDataSet/{CORONAL_ID}.json"
        include = {"include": "alignment3d,section_images(alignment2d)"}
        assert parse_dataset(http.get(address, params=include).json()["msg"][0]).id == CORONAL_ID
        file = folder / f"section_image_{IMAGE.id}_downsample_2.jpg"
        assert small(http, server, downsample=2).content == file.read_bytes()
        window = {"left": IMAGE.x + 64, "top": IMAGE.y + 32, "width": 30, "height": 20}
        tile = folder / f"section_image_{IMAGE.id}_downsample_0_64_32_30x20.jpg"
        assert small(http, server, downsample=0, **window).content == tile.read_bytes()
        mask = Path(str(tile).replace(".jpg", "_expression.jpg")).read_bytes()
        assert small(http, server, downsample=0, view="expression", **window).content == mask
        # Coarser tiers and windows are made from the whole file; finer ones are not to be had.
        whole = decode(file.read_bytes())
        height, width = IMAGE.height >> 4, IMAGE.width >> 4
        means = whole[: height * 4, : width * 4].reshape(height, 4, width, 4, 3).mean((1, 3))
        assert np.abs(decode(small(http, server).content) - means).mean() < 1
        part = {"left": IMAGE.x + 400, "top": IMAGE.y + 800, "width": 60, "height": 40}
        cut = decode(small(http, server, downsample=2, **part).content)
        assert np.abs(cut.astype(int) - whole[200:240, 100:160]).mean() < 2
        assert small(http, server, downsample=1).status_code == 404
        assert small(http, server, view="expression").status_code == 404
        assert small(http, server, image_id=DATASET.images[0].id).status_code == 404


def test_a_folder_with_nothing_in_it(tmp_path):
    with pytest.raises(FileNotFoundError):
        AllenServer(mirror=tmp_path)


# Faults


def test_faults_in_status(server, http):
    server.faults = Faults(rate=1, kinds=("429",), retry_after=3)
    answer = small(http, server)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    server.faults = Faults(rate=1, kinds=("503",))
    assert small(http, server).status_code == 503


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_faults_in_the_connection(server, kind):
    server.faults = Faults(rate=1, kinds=(kind,))
    with requests.Session() as http, pytest.raises(requests.RequestException) as error:
        small(http, server)
    reset = "ConnectionResetError" in repr(error.value) or "reset by peer" in str(error.value)
    assert reset == (kind == "reset")
    server.faults = Faults()
    with requests.Session() as http:
        assert small(http, server).ok


def test_faults_in_the_body(server, http):
    good = small(http, server).content
    bodies = {}
    for kind in ("html", "corrupt", "short", "wrong_size", "slow"):
        server.faults = Faults(rate=1, kinds=(kind,), delay=0.1)
        answer = small(http, server)
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        bodies[kind] = answer.content
        html = answer.headers["Content-Type"].startswith("text/html")
        assert html == (kind == "html")
        assert (answer.elapsed.total_seconds() >= 0.1) == (kind == "slow")
    assert b"<html" in bodies["html"]
    assert len(bodies["corrupt"]) == len(good)
    assert (bodies["corrupt"][:2], bodies["corrupt"][-2:]) == (b"\xff\xd8", b"\xff\xd9")
    with pytest.raises(ValueError, match=r"."):
        simplejpeg.decode_jpeg(bodies["corrupt"])
    assert bodies["short"] == good[: len(good) // 2]
    assert decode(bodies["wrong_size"]).shape != decode(good).shape
    assert bodies["slow"] == good


def test_a_grey_picture_of_the_wrong_size(server, http):
    server.faults = Faults(rate=1, kinds=("wrong_size",))
    body = small(http, server, view="expression", filter="colormap").content
    assert decode(body).shape == ((IMAGE.height >> 4) // 2, IMAGE.width >> 4, 1)


def test_faults_are_a_share_of_requests_and_repeat(server, http):
    def statuses(**options):
        server.faults = Faults(kinds=("503",), **options)
        return [small(http, server, downsample=5).status_code for _ in range(60)]

    some = statuses(rate=0.3)
    assert 8 < some.count(503) < 30
    assert statuses(rate=0.3) == some
    assert statuses(rate=0.3, seed=1) != some
    assert statuses(first=2)[:4] == [503, 503, 200, 200]
    assert set(statuses()) == {200}


def test_images_that_never_come(server, http):
    other = DATASET.images[0].id
    server.faults = Faults(never={IMAGE.id}, missing={other})
    for _ in range(3):
        assert small(http, server).content.startswith(b"<html")
        assert small(http, server, image_id=other).status_code == 404
    assert small(http, server, image_id=DATASET.images[1].id).content.startswith(b"\xff\xd8")
    assert server.image_requests == 7


def test_metadata_has_faults_only_on_demand(server, http):
    address = f"{server.url}/data/SectionDataSet/{CORONAL_ID}.json"
    server.faults = Faults(rate=1)
    assert http.get(address).ok
    server.faults = Faults(rate=1, metadata=True)
    assert http.get(address).status_code == 503
    server.faults = Faults(rate=1, metadata=True, kinds=("html", "short", "corrupt", "wrong_size"))
    for _ in range(4):
        with pytest.raises(requests.JSONDecodeError):
            http.get(address).json()


def test_faults_are_checked():
    with pytest.raises(ValueError, match="kinds"):
        Faults(kinds=("404",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rate"):
        Faults(rate=2)
    assert {Faults(rate=1, kinds=KINDS).pick(k, 1) for k in range(200)} == set(KINDS)


# Accounts


def test_the_log_counts_logical_requests(server, http):
    http.get(f"{server.url}/data/SectionDataSet/{CORONAL_ID}.json")
    body = small(http, server).content
    small(http, server, image_id=5)
    assert (server.metadata_requests, server.image_requests) == (1, 2)
    assert [r.status for r in server.log] == [200, 302, 200, 302, 404]
    picture = server.log[2]
    assert (picture.image_id, picture.bytes, picture.fault) == (IMAGE.id, len(body), None)
    assert picture.query["downsample"] == "4"
    assert server.bytes_sent == sum(r.bytes for r in server.log) >= len(body)
    server.clear_log()
    assert (server.log, server.bytes_sent, server.most_at_once) == ([], 0, 0)


def test_the_log_counts_what_was_sent(server):
    body = requests.get(f"{server.url}/image_download/{IMAGE.id}?downsample=4").content
    server.faults = Faults(rate=1, kinds=("truncated",))
    with pytest.raises(requests.RequestException):
        requests.get(f"{server.url}/image_download/{IMAGE.id}?downsample=4")
    assert server.log[-1].bytes == len(body) // 2
    assert server.log[-1].fault == "truncated"


def test_the_most_at_once(server):
    small_ones = [i.id for i in DATASET.images[:6]]
    server.faults = Faults(rate=1, kinds=("slow",), delay=0.15)

    def get(image_id):
        with requests.Session() as http:
            return small(http, server, image_id=image_id, downsample=5).status_code

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(get, small_ones)) == {200}
    assert server.most_at_once == 3


def test_connections_are_kept_alive(server, http):
    small(http, server)
    threads = threading.active_count()
    for _ in range(5):
        small(http, server)
    assert threading.active_count() == threads


def test_drawing_costs_once():
    made = []

    def make():
        made.append(1)
        return b"x" * 40

    memo = Memo(limit=100)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: memo.get("a", make), range(50))) == {b"x" * 40}
    assert len(made) == 1
    for key in "bca":  # only two fit
        memo.get(key, make)
    assert len(made) == 4


# The end


def test_it_ends_cleanly_with_connections_open():
    before = set(threading.enumerate())
    with warnings.catch_warnings(), requests.Session() as http:
        warnings.simplefilter("error")
        server = AllenServer().start()
        assert small(http, server).ok
        address = ("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))
        with socket.create_connection(address):  # and one that never asked for anything
            server.close()
        server.close()
        assert not set(threading.enumerate()) - before
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(address, timeout=1).close()
        assert server.image_requests == 1
        gc.collect()


def test_two_servers_at_once():
    with AllenServer() as one, AllenServer([SAGITTAL]) as two, requests.Session() as http:
        assert one.url != two.url
        assert http.get(f"{two.url}/data/SectionDataSet/{CORONAL_ID}.json").json()["msg"] == []
        assert one.log == []


def test_in_the_foreground():
    command = [sys.executable, "-m", "atldld_xr.testing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        assert p.stderr is not None
        try:
            url = p.stdout.readline().strip()
            assert requests.get(f"{url}/data/SectionDataSet/{CORONAL_ID}.json").ok
        finally:
            p.terminate()
        assert p.stderr.read() == ""
