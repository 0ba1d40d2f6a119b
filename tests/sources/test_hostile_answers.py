"""Answers and mirrors that are made to harm: an error of ours each time, and little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from answering import Server, running
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.cli import cli
from atldld_xr.errors import (
    DatasetNotFoundError,
    SectionImageError,
    ServiceError,
    StoreError,
)
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror
from bombs import LARGE, ODD, unfolding

SMALL = Phantom(id=900_000_001, resolution=40.0, count=2)

CHILD = """
import json, re, sys
from pathlib import Path
import atldld_xr
from atldld_xr.errors import AtldldError
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.phantom import PhantomSource

def kind(call):
    try:
        call()
    except AtldldError as error:
        message = str(error)
        assert len(message) <= 2000 and message.isprintable(), message
        return type(error).__name__
    return "none"

peaks, kinds = {}, {}
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3

url, folder, many, *names = sys.argv[1:]
small = names[int(many):]
atldld_xr.open_dataset("phantom")
peaks["at first"] = peak()
for number, name in enumerate(names):
    kinds[name] = kind(lambda: atldld_xr.open_dataset(1, source=f"{url}/{number}/api/v2"))
    peaks[name] = peak()
    if name not in small:
        continue
    mirror = Path(folder, str(number))
    found = [kind(lambda: atldld_xr.open_dataset(1, source=mirror))]
    found += [kind(lambda: MirrorSource(mirror).image_record(7))]
    (mirror / "section_data_set_1.json").rename(mirror / "mirror.json")
    found += [kind(lambda: MirrorSource(mirror).image_record(7))]
    kinds[f"{name}, mirrored"] = " ".join(found)
print(json.dumps([peaks, kinds]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no peak memory here")
def test_whatever_is_sent_memory_is_bounded(tmp_path):
    bodies = {name: make() for name, make in LARGE.items()} | ODD
    packed = {name: unfolding(body, 1) for name, body in bodies.items()}
    packed["lists"] = unfolding(b"[]," * 1000, 85_000)
    names = list(bodies)
    for number, name in enumerate(names):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "section_data_set_1.json").write_bytes(bodies[name])

    def send(handler):
        name = names[int(handler.path.split("/")[1])]
        handler.reply(200, packed[name], Content_Encoding="gzip")

    environment = os.environ | {
        "ATLDLD_XR_HTTP__RETRIES": "0",
        "ATLDLD_XR_CACHE__DIRECTORY": str(tmp_path / "cache"),
    }
    with running(Server()) as server:
        server.answers = [send]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, server.url, str(tmp_path), str(len(LARGE) - 1), *names],
            capture_output=True,
            text=True,
            env=environment,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    peaks, kinds = json.loads(done.stdout)
    # Above what importing takes, which depends on what else is installed: pandas imports pyarrow.
    assert max(peaks.values()) - peaks["at first"] < 385
    assert "none" not in " ".join(kinds.values())


# Mirrors: manifests of which nothing is so, and files that are none.

GOOD = {"format": 1, "source": "", "section_data_sets": [1], "images": {}, "failures": []}
MANIFESTS = [
    {"section_data_sets": ["../../etc/passwd", "1"]},
    {"section_data_sets": [1, "2", None]},
    {"section_data_sets": None},
    {"section_data_sets": [[1]]},
    {"section_data_sets": [True]},
    {"section_data_sets": [10**400]},
    {"section_data_sets": {"1": 1}},
    {"section_data_sets": [1, 2, 3]},
    {"images": {"../1": {"image": {"4": True}}}},
    {"images": {"1": {"image": {"4": None, "99": True}}}},
    {"images": {"1": {"image": {"-1": True}}}},
    {"images": {"1": {"image": ["4"]}}},
    {"images": {"1": {"../image": {"4": True}}}},
    {"images": {"1": {None: {}}}},
    {"images": {"9" * 5000: {}}},
    {"images": [1]},
    {"failures": [{"file": "../../../etc/passwd"}]},
    {"failures": [{"file": ["a"]}]},
    {"failures": [None]},
    {"failures": {"file": 1}},
    {"failures": [{"file": 5}]},
    {"failures": [{"file": None}]},
    {"failures": [{}]},
    {"format": 3},
    {"images": {"1": {"image": {"4": {}}}}},
    {"images": {"0": {"image": {"4": True}}}},
    {"images": {"9999999999999999999": {"image": {"4": True}}}},
    {"images": {"1": 0}},
]


@pytest.mark.parametrize("change", MANIFESTS, ids=lambda change: f"{change!r:.60}")
def test_a_manifest_that_cannot_be_is_refused_and_kept(change, tmp_path):
    path = tmp_path / "m" / "mirror.json"
    path.parent.mkdir()
    path.write_text(written := json.dumps(GOOD | change))
    mirror = MirrorSource(path.parent)
    source = PhantomSource((SMALL,))
    if change == {"section_data_sets": [1, 2, 3]}:  # that are not there
        with pytest.raises(DatasetNotFoundError, match="no section data set 5"):
            mirror.dataset_record(5)
        with pytest.raises(DatasetNotFoundError, match="no section image 7"):
            mirror.image_record(7)
        save_mirror([SMALL.id], path.parent, source=source, tiers=[1])
        assert json.loads(path.read_text())["section_data_sets"] == [1, 2, 3, SMALL.id]
        return
    for call in (
        lambda: mirror.dataset_record(5),
        lambda: mirror.image_record(7),
        lambda: save_mirror([SMALL.id], path.parent, source=source, tiers=[1]),
    ):
        with pytest.raises(StoreError, match=r"m/mirror\.json cannot be understood: ") as caught:
            call()
        assert len(str(caught.value)) < 600
    assert path.read_text() == written
    assert os.listdir(path.parent) == ["mirror.json"]
    assert {p.parent for p in tmp_path.rglob("*.*")} <= {tmp_path, path.parent}


X = [{str(number): [0.5, "\U0001f600"]} for number in range(130_000)]
LARGE_MANIFESTS = {
    "images": lambda: f'{{"images": {{{",".join(_images(900_000))}}}, "x": {json.dumps(X)}}}',
    "too many images": lambda: f'{{"images": {{{",".join(_images(1_100_000))}}}}}',
    "too many kinds": lambda: f'{{"images": {{{",".join(_kinds(20_000))}}}}}',
    "blanks": lambda: '"1": {' + " " * 30_000_000,
    "quotes": lambda: '"1' * 10_000_000,
    "unended": lambda: '"1": {"image": {},' * 1_000_000,
    "unended views": lambda: '"1": {"image": {}' + ',"image": {}' * 2_000_000,
    "too large": lambda: " " * 101_000_000,
    "text": lambda: f'"{"é" * 7_900_000}\U0001f600"',
    "lists": lambda: f"[{'[],' * 5_000_000}0]",
}


def _images(count):
    return (f'"{n}":{{"image":{{"4":true}}}}' for n in range(1, count))


def _kinds(count):
    return (f'"{n}":{{"image":{{"4":{n}}}}}' for n in range(1, count))


MANIFEST_CHILD = """
import re, sys, time
from pathlib import Path
from atldld_xr.errors import StoreError
from atldld_xr.sources.mirror import MirrorSource
for folder in sys.argv[1:]:
    started = time.process_time()
    try:
        MirrorSource(folder).manifest()
    except StoreError as error:
        assert len(str(error)) < 600, error
    else:
        raise SystemExit(f"{folder} was read")
    assert time.process_time() - started < 8, folder
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no peak memory here")
def test_whatever_is_in_a_manifest_memory_is_bounded(tmp_path):
    for name, make in LARGE_MANIFESTS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "mirror.json").write_text(make())
    done = subprocess.run(
        [sys.executable, "-c", MANIFEST_CHILD, *(str(tmp_path / n) for n in LARGE_MANIFESTS)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert float(done.stdout) < 500


def test_what_a_mirror_has_in_place_of_files(tmp_path):
    save_mirror([SMALL.id], tmp_path, source=PhantomSource((SMALL,)), tiers=[1])
    mirror = MirrorSource(tmp_path)
    image = parse_dataset(mirror.dataset_record(SMALL.id)).images[0]
    [path] = tmp_path.glob(f"section_image_{image.id}_*")
    tile = Tile(1, 0, 0, tier_size(image.width, 1), tier_size(image.height, 1), whole=True)
    assert mirror.read(image, tile, "image").shape == (tile.height, tile.width, 3)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SectionImageError, match="no plain file"):
        mirror.read(image, tile, "image")
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(SectionImageError, match="no plain file"):
        mirror.read(image, tile, "image")
    path.unlink()
    path.write_bytes(bytes(10_000_000))
    with pytest.raises(SectionImageError, match="which cannot be"):
        mirror.read(image, tile, "image")
    record = tmp_path / f"section_data_set_{SMALL.id}.json"
    record.unlink()
    os.mkfifo(record)
    with pytest.raises(StoreError, match="no plain file"):
        mirror.dataset_record(SMALL.id)


def test_a_page_about_a_mirror_is_not_taken_in_without_end():
    page = unfolding(b'<a href="section_data_set_1.json">' * 1000, 1000)
    with running(Server()) as server:
        server.answers = [lambda handler: handler.reply(200, page, Content_Encoding="gzip")]
        mirror = MirrorSource(f"{server.url}/m", {"skip_instance_cache": True})
        with pytest.raises(StoreError, match="more than"):
            mirror.dataset_record(1)
        # The page is too long to tell what is not there, and is no manifest either.
        with pytest.raises(DatasetNotFoundError, match="none that can be listed"):
            mirror.image_record(7)


def test_names_of_a_data_set_can_be_shown_anywhere(tmp_path):
    odd = "\ud800\x1b[2J\x9b\u202e\n" + "x" * 10_000
    record = PhantomSource((SMALL,)).dataset_record(SMALL.id)
    record = record | {"genes": [{"acronym": odd}, {"acronym": ["\ud800"]}]}
    envelope = json.dumps({"success": True, "msg": [record]})
    (tmp_path / f"section_data_set_{SMALL.id}.json").write_text(envelope)
    for name in parse_dataset(MirrorSource(tmp_path).dataset_record(SMALL.id)).genes:
        assert name.isprintable()
        assert len(name) <= 100
        name.encode()
    told = CliRunner().invoke(cli, ["info", str(SMALL.id), "--source", str(tmp_path)])
    assert told.exit_code == 0, told.exception
    assert r"\ud800\x1b[2J\x9b\u202e xxx" in told.stdout


@pytest.mark.parametrize(
    "msg", ["sorry " * 900_000, "\x1b[31m\n\ud800", ["no"] * 100_000, {"a": 1}]
)
def test_what_a_failure_says_is_repeated_in_short(msg):
    body = json.dumps({"success": False, "msg": msg}).encode()
    for code in (200, 400):
        with running(Server()) as server:
            server.answers = [lambda handler, code=code: handler.reply(code, body)]
            with pytest.raises(ServiceError) as caught:
                ApiSource(f"{server.url}/api/v2").dataset_record(1)
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()
