"""Mirrors: read wherever they lie, saved from any source, equal to the service to the bit."""

from __future__ import annotations

import functools
import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.allen.metadata import SectionImage, parse_dataset
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    SectionImageError,
    StoreError,
)
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.settings import config
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.mirror import MirrorSource, image_file
from atldld_xr.sources.mirror_contents import (
    Contents,
    names_in_page,
    read_manifest,
    write_manifest,
)
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.protocol import WHOLE_SIDE, Source
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.testing.faults import KINDS, Faults
from atldld_xr.testing.server import AllenServer

DATASET = 900_000_001
# Few sections, just too large at tier 0 to be read in one piece.
SMALL = Phantom(id=DATASET, resolution=3.6, count=4)


@pytest.fixture(scope="module")
def running() -> Iterator[AllenServer]:
    with AllenServer([SMALL]) as server:
        yield server


@pytest.fixture
def server(running: AllenServer) -> Iterator[AllenServer]:
    running.faults = Faults()
    running.clear_log()
    with config.set({"http.retries": 8, "http.backoff": 0.001, "cache.enabled": False}):
        yield running


@pytest.fixture
def api(server: AllenServer) -> ApiSource:
    return ApiSource(server.url)


@pytest.fixture
def images(api: ApiSource) -> tuple[SectionImage, ...]:
    return parse_dataset(api.dataset_record(DATASET)).images


def tiles(source: Source, image: SectionImage, tier: int) -> list[Tile]:
    width, height = tier_size(image.width, tier), tier_size(image.height, tier)
    side = source.tile_side(image, tier, "image")
    return [
        Tile(
            tier,
            x,
            y,
            min(side, width - x),
            min(side, height - y),
            whole=side >= max(width, height),
        )
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def names(path: Path) -> set[str]:
    return {p.name for p in path.iterdir()}


def test_what_is_saved_equals_the_service_to_the_bit(
    api: ApiSource, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    views = ("image", "intensity")
    calls = []
    summary = save_mirror(
        [DATASET],
        str(tmp_path / "mirror"),
        source=api,
        tiers=[3, 4],
        views=views,
        progress=lambda done, total: calls.append((done, total)),
    )
    mirror = MirrorSource(str(tmp_path / "mirror"))
    assert mirror.dataset_record(DATASET) == api.dataset_record(DATASET)
    assert mirror.image_record(images[0].id)["id"] == images[0].id
    for image in images:
        for view in views:
            if view == "image" or image.has_expression:
                assert mirror.tiers(image, view) == {3, 4}
                assert mirror.tile_side(image, 3, view) == api.tile_side(image, 3, view)
                [tile] = tiles(api, image, 3)
                assert mirror.fetch_bytes(image, tile, view) == api.fetch_bytes(image, tile, view)
                assert np.array_equal(mirror.read(image, tile, view), api.read(image, tile, view))
    count = len(calls)
    assert calls == [(n + 1, count) for n in range(count)]
    paths = list((tmp_path / "mirror").iterdir())
    assert summary.files == count + 1 == len(paths) - 1  # the manifest is counted by nobody
    written = sum(p.stat().st_size for p in paths if p.name != "mirror.json")
    assert (summary.bytes, summary.skipped, summary.failures) == (written, 0, ())


def test_large_tiers_are_saved_on_the_services_grid(
    api: ApiSource, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    image = next(i for i in images if max(i.width, i.height) > WHOLE_SIDE)
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[0])
    mirror = MirrorSource(str(tmp_path))
    grid = tiles(api, image, 0)
    assert len(grid) > 1
    assert tiles(mirror, image, 0) == grid
    for tile in grid[:3] + grid[-3:]:
        assert np.array_equal(mirror.read(image, tile, "image"), api.read(image, tile, "image"))
    [square, *_] = tmp_path.glob(f"section_image_{image.id}_downsample_0_0_0_*.jpg")
    square.unlink()
    mirror.dataset_record(DATASET)
    with pytest.raises(SectionImageError, match="misses a part of its image at tier 0"):
        mirror.read(image, grid[1], "image")


def test_saving_again_fetches_only_what_is_missing_or_damaged(
    api: ApiSource, server: AllenServer, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
    whole = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    [tile] = tiles(api, images[0], 4)
    cut = tmp_path / image_file(images[0].id, tile, "image")
    cut.write_bytes(cut.read_bytes()[:-50])
    (tmp_path / image_file(images[1].id, tile, "image")).unlink()
    server.clear_log()
    summary = save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
    assert server.image_requests == 2
    assert summary.skipped == len(images) - 2
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == whole


def test_saving_survives_faults(api: ApiSource, server: AllenServer, tmp_path: Path) -> None:
    save_mirror([DATASET], str(tmp_path / "a"), source=api, tiers=[4])
    server.faults = Faults(rate=0.4, kinds=KINDS, seed=3)
    save_mirror([DATASET], str(tmp_path / "b"), source=api, tiers=[4])
    for path in (tmp_path / "a").iterdir():
        assert (tmp_path / "b" / path.name).read_bytes() == path.read_bytes()


def test_failures_are_recorded_and_tried_again(
    api: ApiSource, server: AllenServer, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    lost = images[1]
    server.faults = Faults(never=frozenset({lost.id}))
    with config.set({"http.retries": 1}):
        with pytest.raises(SectionImageError):
            save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
        summary = save_mirror([DATASET], str(tmp_path), source=api, tiers=[4], on_error="skip")
    [failure] = summary.failures
    assert failure.section_image_id == lost.id
    assert "no JPEG" in failure.reason
    manifest = json.loads((tmp_path / "mirror.json").read_text())
    assert [f["file"] for f in manifest["failures"]] == [failure.file]
    assert str(lost.id) not in manifest["images"]

    mirror = MirrorSource(str(tmp_path))
    mirror.dataset_record(DATASET)
    assert mirror.tiers(lost, "image") == frozenset()
    with pytest.raises(SectionImageError, match=r"no image of it at tier 4 \(it has none at all\)"):
        mirror.read(lost, tiles(api, lost, 4)[0], "image")

    server.faults = Faults()
    assert save_mirror([DATASET], str(tmp_path), source=api, tiers=[4]).failures == ()
    assert json.loads((tmp_path / "mirror.json").read_text())["failures"] == []
    mirror.dataset_record(DATASET)
    assert mirror.tiers(lost, "image") == {4}


def test_a_mirror_can_be_mirrored_and_the_phantom_drawn(tmp_path: Path) -> None:
    phantom = PhantomSource((SMALL,))
    first, second = str(tmp_path / "first"), "memory://mirrors/second"
    save_mirror([DATASET], first, source=phantom, tiers=[3], views=("image", "intensity"))
    save_mirror([DATASET], second, source=MirrorSource(first), tiers=[3])
    image = parse_dataset(MirrorSource(second).dataset_record(DATASET)).images[0]
    [tile] = tiles(phantom, image, 3)
    drawn = phantom.read(image, tile, "image").astype(int)
    copies = [MirrorSource(path).read(image, tile, "image") for path in (first, second)]
    assert np.array_equal(*copies)
    assert np.abs(drawn - copies[0]).max() <= 8  # as near as JPEG can
    fsspec.filesystem("memory").rm("/mirrors", recursive=True)


def test_a_whole_section_is_one_tile_however_large(
    api: ApiSource, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    import simplejpeg

    image = next(i for i in images if max(i.width, i.height) > WHOLE_SIDE)
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
    pixels = np.full((image.height, image.width, 3), 77, np.uint8)
    whole = Tile(0, 0, 0, image.width, image.height, whole=True)
    path = tmp_path / image_file(image.id, whole, "image")
    path.write_bytes(simplejpeg.encode_jpeg(pixels))
    mirror = MirrorSource(str(tmp_path))
    mirror.dataset_record(DATASET)
    assert mirror.tiers(image, "image") == {0, 4}
    assert tiles(mirror, image, 0) == [whole]
    assert (mirror.read(image, whole, "image") == 77).all()
    with pytest.raises(SectionImageError, match=r"at tier 2 \(it has tiers 0, 4\)"):
        mirror.read(image, tiles(api, image, 2)[0], "image")
    with pytest.raises(SectionImageError, match="no expression mask of it at tier 2"):
        mirror.read(image, tiles(api, image, 2)[0], "expression")


def test_a_damaged_image_is_told_without_waiting(
    api: ApiSource, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
    [tile] = tiles(api, images[0], 4)
    path = tmp_path / image_file(images[0].id, tile, "image")
    path.write_bytes(b"<html>")
    with pytest.raises(SectionImageError, match="no JPEG but starts with '<html>'") as caught:
        MirrorSource(str(tmp_path)).read(images[0], tile, "image")
    assert caught.value.address == str(path)
    assert "retr" not in caught.value.reason


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def list_directory(self, path: object) -> None:
        self.send_error(403)


def test_a_web_server_that_cannot_list_is_read_by_its_manifest(
    api: ApiSource, images: tuple[SectionImage, ...], tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp", reason="fsspec reads http through aiohttp")
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[3])
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            options = {"skip_instance_cache": True}
            mirror = MirrorSource(f"http://127.0.0.1:{web.server_port}", options)
            assert mirror.dataset_record(DATASET) == api.dataset_record(DATASET)
            image = images[0]
            assert mirror.tiers(image, "image") == {3}
            [tile] = tiles(mirror, image, 3)
            assert mirror.fetch_bytes(image, tile, "image") == api.fetch_bytes(image, tile, "image")
            with pytest.raises(DatasetNotFoundError, match=f"it holds {DATASET}"):
                mirror.dataset_record(5)
            with pytest.raises(SectionImageError, match="it has tiers 3"):
                mirror.read(image, tiles(api, image, 4)[0], "image")

            (tmp_path / "mirror.json").unlink()
            mirror.dataset_record(DATASET)
            assert mirror.tiers(image, "image") is None
            assert mirror.tile_side(image, 0, "image") == api.tile_side(image, 0, "image")
            assert mirror.read(image, tile, "image").shape == (tile.height, tile.width, 3)
        finally:
            web.shutdown()
            thread.join()


def test_a_file_under_way_is_not_one_that_a_page_has() -> None:
    whole, data = "section_image_7_downsample_4.jpg", "section_data_set_5.json"
    page = f'<a href="{whole}">{whole}</a> {data}. <a href="{{0}}">{{0}}</a>'
    under_way = "section_image_8_downsample_4.jpg.0123abcd.atldld-part"
    assert names_in_page(page.format(under_way).encode()) == {whole, data}


def test_what_is_not_there_is_told(api: ApiSource, tmp_path: Path) -> None:
    nowhere = MirrorSource(str(tmp_path / "nowhere"))
    with pytest.raises(DatasetNotFoundError, match=f"in {tmp_path}/nowhere: there is no mirror"):
        nowhere.dataset_record(DATASET)
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
    mirror = MirrorSource(str(tmp_path))
    with pytest.raises(DatasetNotFoundError, match=f"no section data set 5 .*it holds {DATASET}"):
        mirror.dataset_record(5)
    with pytest.raises(DatasetNotFoundError, match="no section image 5 "):
        mirror.image_record(5)
    with pytest.raises(InvalidArgumentError):
        mirror.dataset_record("../../etc")
    (tmp_path / f"section_data_set_{DATASET}.json").write_text("{")
    with pytest.raises(MetadataError, match="is damaged"):
        mirror.dataset_record(DATASET)


def test_a_file_about_another_data_set_is_refused(api: ApiSource, tmp_path: Path) -> None:
    save_mirror([DATASET], str(tmp_path), source=api, tiers=[4])
    (tmp_path / f"section_data_set_{DATASET}.json").rename(tmp_path / "section_data_set_5.json")
    mirror = MirrorSource(str(tmp_path))
    with pytest.raises(MetadataError, match=f"set_5.* is about {DATASET}"):
        mirror.dataset_record(5)
    with pytest.raises(MetadataError, match=r"set_5\.json is about"):
        mirror.image_record(7)


def test_it_travels_and_keeps_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = MirrorSource("s3://bucket/mirror/", {"key": "me", "secret": "hush"})
    assert pickle.loads(pickle.dumps(mirror)) == mirror
    assert len({mirror, MirrorSource("s3://bucket/mirror", mirror.storage_options)}) == 1
    assert "hush" not in repr(mirror) + mirror.url
    for address in ("https://me:hush@host/mirror", "https://host/mirror?sig=hush"):
        with pytest.raises(InvalidArgumentError) as caught:
            MirrorSource(address)
        assert "hush" not in str(caught.value)
    monkeypatch.chdir(tmp_path)
    assert MirrorSource("here").path == str(tmp_path / "here")


@pytest.mark.parametrize(
    "options",
    [
        {"tiers": []},
        {"tiers": [-1]},
        {"tiers": [99]},
        {"tiers": ["4"]},
        {"views": []},
        {"views": ["colours"]},
        {"on_error": "ignore"},
    ],
)
def test_arguments_are_checked_before_anything_is_written(
    tmp_path: Path, options: dict[str, object]
) -> None:
    arguments = {"source": PhantomSource((SMALL,)), "tiers": [4]} | options
    with pytest.raises(InvalidArgumentError):
        save_mirror([DATASET], str(tmp_path / "mirror"), **arguments)
    assert names(tmp_path) <= {"cache"}


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        save_mirror(
            [DATASET], str(tmp_path / "file" / "m"), source=PhantomSource((SMALL,)), tiers=[4]
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": 5},
        {"path": None},
        {"path": b"m"},
        {"views": [["a"]]},
        {"views": "image"},
        {"views": 5},
        {"views": None},
        {"tiers": 5},
        {"tiers": [[4]]},
        {"tiers": ["x" * 5000]},
        {"on_error": ["skip"]},
    ],
)
def test_arguments_of_no_such_type_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError) as caught:
        atldld_xr.mirror("phantom", **{"path": tmp_path / "m", "tiers": [6]} | arguments)
    assert len(str(caught.value)) < 300
    if "path" in arguments:
        with pytest.raises(InvalidArgumentError, match="is no path or URL of a mirror"):
            MirrorSource(arguments["path"])
    assert names(tmp_path) <= {"cache"}


# Manifests of many

HOW = st.booleans() | st.sampled_from([(512, 2048), (1024,), (2048,)])
TIERS = st.dictionaries(st.integers(0, 19), HOW, max_size=3)
HELD = st.dictionaries(
    st.integers(1, 2**63 - 1),
    st.dictionaries(st.sampled_from(["image", "expression", "intensity"]), TIERS, min_size=1),
)


@given(
    images=HELD,
    datasets=st.frozensets(st.integers(1, 2**63 - 1)),
    reason=st.text() | st.just('"7": {"image": {"4": true}},'),
    indent=st.sampled_from([None, 1]),
)
def test_a_manifest_is_read_as_it_was_written(
    images: dict[int, Any], datasets: frozenset[int], reason: str, indent: int | None
) -> None:
    file = "section_image_7_downsample_4.jpg"
    contents = Contents(True, datasets, images, {file: {"file": file, "reason": reason}})
    written = write_manifest(contents, reason)
    assert read_manifest(written) == contents
    # And as earlier versions wrote it.
    assert read_manifest(json.dumps(json.loads(written), indent=indent).encode()) == contents


def test_what_a_large_manifest_says_stays(tmp_path: Path) -> None:
    entry = '  "{}": {{\n   "image": {{\n    "4": false\n   }}\n  }}'
    images = ",\n".join(map(entry.format, range(100_000, 350_000)))
    datasets = ", ".join(map(str, range(1, 4311)))
    head = f'{{"format": 1, "source": "x", "section_data_sets": [{datasets}]'
    (tmp_path / "mirror.json").write_text(f'{head}, "images": {{{images}}}, "failures": []}}')
    assert len(MirrorSource(tmp_path).manifest().images) == 250_000
    save_mirror([DATASET], tmp_path, source=PhantomSource((SMALL,)), tiers=[4])
    manifest = json.loads((tmp_path / "mirror.json").read_text())
    assert set(map(str, range(100_000, 350_000))) < set(manifest["images"])
    copied = parse_dataset(PhantomSource((SMALL,)).dataset_record(DATASET)).images
    assert len(manifest["images"]) == 250_000 + len(copied)
    assert manifest["section_data_sets"] == [*range(1, 4311), DATASET]


def test_no_manifest_is_written_that_would_not_be_read() -> None:
    views: dict[str, dict[int, bool]] = {"image": {}}
    images = {image_id: views for image_id in range(1, 1_000_002)}
    with pytest.raises(ValueError, match="images"):
        write_manifest(Contents(True, images=images), "")


def test_the_real_layout_is_read(tmp_path: Path) -> None:
    # The names as the service's own downloads are saved: no manifest, one whole image at tier 2.
    record = PhantomSource((SMALL,)).dataset_record(DATASET)
    envelope = {"success": True, "id": 0, "num_rows": 1, "total_rows": 1, "msg": [record]}
    (tmp_path / f"section_data_set_{DATASET}.json").write_text(json.dumps(envelope))
    image = parse_dataset(record).images[0]
    (tmp_path / f"section_image_{image.id}_downsample_2.jpg").write_bytes(b"")
    (tmp_path / f"section_image_{image.id}_downsample_1_0_0_512x512_expression.jpg").write_bytes(
        b""
    )
    mirror = MirrorSource(str(tmp_path))
    assert mirror.tiers(image, "image") == {2}
    assert mirror.tiers(image, "expression") == {1}
    assert mirror.tiers(image, "intensity") == frozenset()
