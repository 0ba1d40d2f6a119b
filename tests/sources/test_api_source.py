"""The Allen service as a source: its faults end in right pixels or in a clear error."""

from __future__ import annotations

import contextlib
import json
import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atldld_xr.allen import rma
from atldld_xr.allen.ids import PHANTOMS, parse_dataset_name
from atldld_xr.allen.metadata import SectionImage, parse_dataset
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    SectionImageError,
    ServiceError,
)
from atldld_xr.settings import config
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.protocol import Source, service_tile_side
from atldld_xr.sources.resolve import resolve
from atldld_xr.testing.faults import KINDS, Faults
from atldld_xr.testing.server import AllenServer

DATASET = PHANTOMS["phantom"]


@pytest.fixture(scope="module")
def running() -> Iterator[AllenServer]:
    with AllenServer() as server:
        yield server


@pytest.fixture
def server(running: AllenServer) -> Iterator[AllenServer]:
    running.faults = Faults()
    running.clear_log()
    with config.set({"http.retries": 8, "http.backoff": 0.001}):
        yield running


@pytest.fixture
def source(server: AllenServer) -> ApiSource:
    return ApiSource(server.url)


@pytest.fixture
def image(source: ApiSource) -> SectionImage:
    dataset = parse_dataset(source.dataset_record(DATASET))
    return next(i for i in dataset.images if i.has_expression)


def whole(image: SectionImage, tier: int) -> Tile:
    width, height = tier_size(image.width, tier), tier_size(image.height, tier)
    return Tile(tier, 0, 0, width, height, whole=True)


def test_it_is_a_source_that_travels(source: ApiSource) -> None:
    assert isinstance(source, Source)
    assert pickle.loads(pickle.dumps(source)) == source
    assert hash(source) == hash(ApiSource(source.url + "/"))


def test_one_request_gets_a_data_set_and_the_cache_keeps_it(
    source: ApiSource, server: AllenServer
) -> None:
    first = source.dataset_record(DATASET)
    assert parse_dataset(first).id == DATASET
    assert server.metadata_requests == 1
    assert source.dataset_record(DATASET) == first
    assert server.metadata_requests == 1
    with config.set({"cache.metadata_days": 0}):
        source.dataset_record(DATASET)
    assert server.metadata_requests == 2
    with config.set({"cache.enabled": False}):
        source.dataset_record(DATASET)
    assert server.metadata_requests == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"fetched": "x"}', b'{"fetched": 1e999}'])
def test_a_damaged_or_old_record_in_the_cache_is_fetched_again(
    source: ApiSource, server: AllenServer, content: bytes
) -> None:
    first = source.dataset_record(DATASET)
    [path] = Path(config.get("cache.directory")).rglob("*.json")
    path.write_bytes(content)
    assert source.dataset_record(DATASET) == first
    kept = json.loads(path.read_text())
    for age in (8 * 86400, -3600):  # too old; from a clock that was ahead
        path.write_text(json.dumps(kept | {"fetched": time.time() - age}))
        assert source.dataset_record(DATASET) == first
    assert server.metadata_requests == 4


def _answer_with(monkeypatch: pytest.MonkeyPatch, record_id: object) -> None:
    envelope = {"success": True, "num_rows": 1, "total_rows": 1, "msg": [{"id": record_id}]}
    monkeypatch.setattr(ApiSource, "_ask", lambda *_: envelope)


@pytest.mark.parametrize("other", [6, "5", None])
def test_another_record_than_was_asked_for_is_refused(
    source: ApiSource, monkeypatch: pytest.MonkeyPatch, other: object
) -> None:
    _answer_with(monkeypatch, other)
    for act in (source.dataset_record, source.image_record):
        with pytest.raises(MetadataError, match=f"5: .* answered with {other!r}"):
            act(5)
    assert not list(Path(config.get("cache.directory")).rglob("*.json"))


def test_another_record_in_the_cache_is_fetched_again(
    source: ApiSource, server: AllenServer
) -> None:
    first = source.dataset_record(DATASET)
    [path] = Path(config.get("cache.directory")).rglob("*.json")
    kept = json.loads(path.read_text())
    for msg in ([{"id": 5}], [], "free text"):
        path.write_text(json.dumps(kept | {"answer": kept["answer"] | {"msg": msg}}))
        assert source.dataset_record(DATASET) == first
    assert server.metadata_requests == 4


def test_each_address_has_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [
        "http://h/a_b/api/v2",
        "http://h/a/b/api/v2",
        "https://h/a/b/api/v2",
        "https://H/A/b/api/v2",
        "http://h:80/a/b",
        "http://" + 40 * "long-name." + "org/a",
    ]
    _answer_with(monkeypatch, 5)
    for number, url in enumerate(urls, 1):
        ApiSource(url).dataset_record(5)
        folders = [p.name for p in Path(config.get("cache.directory")).glob("*/") if p.is_dir()]
        assert len(folders) == number
    assert sum(name.startswith("h-") for name in folders) == 4
    ApiSource(urls[0] + "/").dataset_record(5)
    assert len(list(Path(config.get("cache.directory")).rglob("*.json"))) == len(urls)


def test_an_image_has_a_record(source: ApiSource, image: SectionImage) -> None:
    record = source.image_record(image.id)
    assert record["id"] == image.id
    assert record["alignment2d"]["tsv_00"] == image.tsv[0][0]


@pytest.mark.parametrize("bad", [0, -1, 2**63, 1.0, True, "1.0", "../../etc", None, [1]])
def test_ids_are_checked_before_anything_is_asked(
    source: ApiSource, server: AllenServer, bad: object
) -> None:
    for act in (source.dataset_record, source.image_record):
        with pytest.raises(InvalidArgumentError, match="positive whole number"):
            act(bad)
    assert not server.log


def test_numpy_ids_are_ids(source: ApiSource) -> None:
    assert source.dataset_record(np.int64(DATASET))["id"] == DATASET


def test_unknown_ids_are_told(source: ApiSource, server: AllenServer) -> None:
    with pytest.raises(DatasetNotFoundError, match=f"no section data set 4711 at {server.url}"):
        source.dataset_record(4711)
    with pytest.raises(DatasetNotFoundError, match="no section image 4711"):
        source.image_record(4711)
    assert not list(Path(config.get("cache.directory")).rglob("*.json"))


def test_a_service_that_is_away_is_told(tmp_path: Path) -> None:
    with AllenServer() as server:
        source = ApiSource(server.url)
    with (
        config.set({"http.retries": 1}),
        pytest.raises(ServiceError, match=f"section data set {DATASET}: .*refused, after 1 retry"),
    ):
        source.dataset_record(DATASET)


def test_the_services_own_message_is_told(source: ApiSource) -> None:
    with pytest.raises(ServiceError, match="NoSuchModel"):
        source.answer(
            rma.stages("NoSuchModel", criteria="", include=(), order="id", start=0, rows=1),
            "a query",
        )


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_survive_every_fault(source: ApiSource, server: AllenServer, kind: str) -> None:
    expected = source.dataset_record(DATASET)
    server.clear_log()
    server.faults = Faults(kinds=(kind,), first=2, metadata=True)
    with config.set({"cache.enabled": False}):
        assert source.dataset_record(DATASET) == expected
    assert len(server.log) == (1 if kind == "slow" else 3)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_survive_every_fault(
    source: ApiSource, server: AllenServer, image: SectionImage, kind: str
) -> None:
    tile = whole(image, 3)
    with config.set({"cache.enabled": False}):
        expected = source.fetch_bytes(image, tile, "image")
    server.clear_log()
    server.faults = Faults(kinds=(kind,), first=2)
    assert source.fetch_bytes(image, tile, "image") == expected
    assert server.image_requests == (1 if kind == "slow" else 3)
    [path] = Path(config.get("cache.directory")).rglob("*.jpg")
    assert path.read_bytes() == expected


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "slow"])
def test_what_cannot_be_had_is_told(
    source: ApiSource, server: AllenServer, image: SectionImage, kind: str
) -> None:
    server.faults = Faults(never=frozenset({image.id}), never_kind=kind)
    with (
        config.set({"http.retries": 2}),
        pytest.raises(SectionImageError, match="after 2 retries") as caught,
    ):
        source.read(image, whole(image, 3), "image")
    assert caught.value.section_image_id == image.id
    address = f"{server.url}/section_image_download/{image.id}?downsample=3"
    assert caught.value.address == address
    assert server.image_requests == 3
    assert not list(Path(config.get("cache.directory")).rglob("*.jpg"))


def test_a_missing_image_is_asked_for_once(
    source: ApiSource, server: AllenServer, image: SectionImage
) -> None:
    server.faults = Faults(missing=frozenset({image.id}))
    with pytest.raises(SectionImageError, match="404"):
        source.read(image, whole(image, 3), "image")
    assert server.image_requests == 1


def test_the_cache_saves_requests_and_is_not_trusted(
    source: ApiSource, server: AllenServer, image: SectionImage
) -> None:
    tile = whole(image, 3)
    expected = source.read(image, tile, "image")
    assert np.array_equal(source.read(image, tile, "image"), expected)
    assert server.image_requests == 1
    [path] = Path(config.get("cache.directory")).rglob("*.jpg")
    good = path.read_bytes()
    for bad in (b"", b"<html>", good[:-100], good[: len(good) // 2] + b"\xff\xd9"):
        path.write_bytes(bad)
        assert np.array_equal(source.read(image, tile, "image"), expected)
        assert path.read_bytes() == good
    assert server.image_requests == 5


def test_views_have_their_shapes_and_their_own_files(
    source: ApiSource, server: AllenServer, image: SectionImage
) -> None:
    tile = whole(image, 3)
    shapes = {v: source.read(image, tile, v).shape for v in ("image", "expression", "intensity")}
    size = (tile.height, tile.width)
    assert shapes == {"image": (*size, 3), "expression": (*size, 3), "intensity": size}
    paths = Path(config.get("cache.directory")).rglob("*.jpg")
    assert {p.name for p in paths} == {"3.jpg", "3_expression.jpg", "3_intensity.jpg"}
    queries = [r.query for r in server.log if "section_image_download" in r.path]
    assert queries[-1] == {
        "downsample": "3",
        "view": "expression",
        "filter": "colormap",
        "filterVals": "0,1,0,256,0",
    }


def test_a_tile_is_asked_for_in_pixels_of_the_slide(
    source: ApiSource, server: AllenServer, image: SectionImage
) -> None:
    tile = Tile(tier=2, left=64, top=32, width=96, height=80, whole=False)
    pixels = source.read(image, tile, "image")
    full = source.read(image, whole(image, 2), "image")
    assert pixels.shape == (80, 96, 3)
    difference = pixels.astype(int) - full[32:112, 64:160]
    assert np.abs(difference).mean() < 3  # JPEG windows differ a little with their origin

    moved = replace(image, x=1000, y=2000)
    # There may be no such place on the phantom's slide: what is asked for is the point.
    with (
        config.set({"cache.enabled": False, "http.retries": 0}),
        contextlib.suppress(SectionImageError),
    ):
        source.read(moved, tile, "image")
    query = next(r.query for r in reversed(server.log) if "section_image_download" in r.path)
    assert {k: int(query[k]) for k in ("left", "top", "width", "height")} == {
        "left": 1000 + 64 * 4,
        "top": 2000 + 32 * 4,
        "width": 96,
        "height": 80,
    }


def test_the_grid_is_the_services(source: ApiSource, image: SectionImage) -> None:
    assert source.tiers(image, "image") is None
    for tier in range(image.tier_count):
        assert source.tile_side(image, tier, "image") == service_tile_side(image, tier)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (123, 123),
        ("123", 123),
        ("allen:123", 123),
        ("phantom", 900000001),
        ("phantom-sagittal", 900000002),
    ],
)
def test_names_of_data_sets(name: object, number: int) -> None:
    assert parse_dataset_name(name) == number


@pytest.mark.parametrize(
    "name", ["../../etc", -1, 1.5, 2**63, "9" * 30, True, None, "", "allen:", " 1", "1\n", "٣", [1]]
)
def test_what_names_no_data_set(name: object) -> None:
    with pytest.raises(InvalidArgumentError):
        parse_dataset_name(name)


def test_what_a_source_may_be(tmp_path: Path) -> None:
    api = ApiSource("https://example.org/api/v2")
    assert resolve(api) is api
    assert resolve("https://example.org/api/v2/") == api
    assert resolve("phantom", 5) == resolve(None, "phantom-sagittal") == PhantomSource()
    with config.set({"api_url": "http://127.0.0.1:1/api/v2"}):
        assert resolve(None, 5) == ApiSource("http://127.0.0.1:1/api/v2")
    for path in (tmp_path, str(tmp_path)):
        assert resolve(path) == MirrorSource(str(tmp_path))
    for url in ("s3://bucket/mirror", "memory://mirror", "https://example.org/mirror"):
        assert resolve(url) == MirrorSource(url)


@pytest.mark.parametrize(
    "bad", ["no/such/folder", "nope://x", "", 5, "http://ho st/api/v2", "http://[/api/v2"]
)
def test_what_is_no_source(bad: object) -> None:
    with pytest.raises(InvalidArgumentError):
        resolve(bad)
