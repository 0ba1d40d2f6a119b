"""Answers of the service in the cache: taken for days if whole, for minutes if not, or anew."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import atldld_xr
from answering import Handler, Server, running, status
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    ServiceError,
)
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror
from commandline import IMAGE, IMAGES, SMALL, run

Record = dict[str, Any]
COARSE = ["--resolution", 100]


def answer(*records: Record) -> Callable[[Handler], None]:
    envelope = {"success": True, "num_rows": len(records), "total_rows": len(records)}
    return lambda handler: handler.reply(200, json.dumps(envelope | {"msg": records}).encode())


def spoilt(**changes: Any) -> Record:
    return copy.deepcopy(dict(SMALL.record)) | changes


def with_section(**changes: Any) -> Record:
    record = spoilt()
    record["section_images"][0] |= changes
    return record


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    with atldld_xr.config.set({"http.retries": 0}):
        yield


@pytest.fixture
def changing() -> Iterator[Server]:
    """Serve what a test says, one answer after the other."""
    with running(Server()) as server:
        yield server


def open_from(server: Server, **options: Any) -> xr.Dataset:
    return atldld_xr.open_dataset(
        SMALL.id, source=f"{server.url}/api/v2", resolution=100, **options
    )


def pass_time(minutes: float) -> None:
    """Make all that is in the cache older."""
    for path in Path(atldld_xr.config.get("cache.directory")).rglob("*.json"):
        kept = json.loads(path.read_text())
        kept["fetched"] -= 60 * minutes
        path.write_text(json.dumps(kept))


INCOMPLETE = {
    "a section without alignment": with_section(alignment2d=None),
    "a number that is null": with_section(width=None),
    "two sections in one place": with_section(section_number=IMAGES[-1].section_number),
    "no alignment": spoilt(alignment3d=None),
    "no images": spoilt(section_images=[]),
    "no reference space": spoilt(reference_space_id=None),
}  # fmt: skip


@pytest.mark.parametrize("first", INCOMPLETE.values(), ids=INCOMPLETE)
def test_what_is_incomplete_is_taken_for_minutes(changing: Server, first: Record) -> None:
    whole = len(IMAGES)
    changing.answers = [answer(first), answer(dict(SMALL.record))]

    def sections() -> int:
        try:
            return len(open_from(changing).coronal)
        except MetadataError:
            return 0

    assert sections() < whole
    pass_time(9)
    assert sections() < whole
    assert len(changing.requests) == 1
    pass_time(2)
    assert sections() == whole
    pass_time(6 * 24 * 60)
    assert sections() == whole
    assert len(changing.requests) == 2
    pass_time(2 * 24 * 60)
    assert sections() == whole
    assert len(changing.requests) == 3


def test_a_section_that_allen_failed_is_no_reason(changing: Server) -> None:
    changing.answers = [answer(with_section(failed=True) | {"failed": True})]
    for minutes in (0, 60, 60 * 24):
        pass_time(minutes)
        open_from(changing)
    assert len(changing.requests) == 1


def test_an_incomplete_image_is_taken_for_minutes(changing: Server) -> None:
    record = dict(SMALL.record["section_images"][0])
    changing.answers = [answer(record | {"width": None}), answer(record)]
    source = f"{changing.url}/api/v2"
    for minutes in (0, 9):
        pass_time(minutes)
        with pytest.raises(MetadataError, match="no width"):
            atldld_xr.open_image(IMAGE.id, source=source)
    pass_time(2)
    atldld_xr.open_image(IMAGE.id, source=source)
    pass_time(60)
    atldld_xr.open_image(IMAGE.id, source=source)
    assert len(changing.requests) == 2


def test_the_minutes_are_a_setting(changing: Server) -> None:
    changing.answers = [answer(with_section(alignment2d=None))]
    for minutes, requests in ((0, 2), (float("inf"), 2), (1, 4)):
        with atldld_xr.config.set({"cache.incomplete_minutes": minutes}):
            open_from(changing)
            pass_time(100)
            open_from(changing)
        assert len(changing.requests) == requests


def test_files_of_earlier_versions_are_asked_for_again_once(changing: Server) -> None:
    changing.answers = [answer(dict(SMALL.record))]
    open_from(changing)
    [path] = Path(atldld_xr.config.get("cache.directory")).rglob("*.json")
    kept = json.loads(path.read_text())
    del kept["complete"]
    path.write_text(json.dumps(kept))
    pass_time(60)
    for _ in range(2):
        open_from(changing)
        assert len(changing.requests) == 2


def test_an_id_that_is_not_there_is_not_remembered(changing: Server) -> None:
    changing.answers = [answer(), status(404), answer(dict(SMALL.record))]
    for _ in range(2):
        with pytest.raises(DatasetNotFoundError):
            open_from(changing)
    assert open_from(changing).sizes["coronal"] == len(IMAGES)


# Anew


def test_refresh_asks_for_metadata_and_for_no_image(server: Any) -> None:
    first = atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=100)
    first.image.compute()
    images, metadata = server.image_requests, server.metadata_requests
    again = atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=100, refresh=True)
    xr.testing.assert_identical(again.compute(), first.compute())
    assert again.image.data.name == first.image.data.name
    assert (server.image_requests, server.metadata_requests) == (images, metadata + 1)
    atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=100)
    assert server.metadata_requests == metadata + 1


def with_engine(dataset: Any, **options: Any) -> xr.Dataset:
    return xr.open_dataset(f"allen:{dataset}", engine="atldld", **options)


def from_source(dataset: Any, *, source: str, refresh: bool) -> xr.Dataset:
    return atldld_xr.open_dataset(dataset, source=ApiSource(source), refresh=refresh)


WAYS: dict[str, tuple[int, Callable[..., object]]] = {
    "open_dataset": (SMALL.id, atldld_xr.open_dataset),
    "a source": (SMALL.id, from_source),
    "the engine": (SMALL.id, with_engine),
    "open_image": (IMAGE.id, atldld_xr.open_image),
    "info": (SMALL.id, atldld_xr.info),
    "preview": (SMALL.id, atldld_xr.preview),
    "mirror": (SMALL.id, partial(atldld_xr.mirror, path="memory://refresh", tiers=[3])),
}
LINES: dict[str, list[Any]] = {
    "info": ["info", SMALL.id],
    "image": ["image", IMAGE.id, "OUT/a.png", "--tier", 3],
    "preview": ["preview", SMALL.id, "OUT/a.png"],
    "export": ["export", SMALL.id, "OUT/a.zarr", *COARSE],
    "mirror": ["mirror", SMALL.id, "OUT/m", "--tiers", 3],
}


@pytest.mark.parametrize("way", WAYS)
def test_refresh_everywhere(server: Any, way: str) -> None:
    number, take = WAYS[way]
    for anew, requests in ((False, 1), (False, 1), (True, 2), (False, 2)):
        take(number, source=server.url, refresh=anew)
        assert server.metadata_requests == requests


@pytest.mark.parametrize("line", LINES)
def test_refresh_on_the_command_line(server: Any, tmp_path: Path, line: str) -> None:
    command = [str(arg).replace("OUT", str(tmp_path)) for arg in LINES[line]]
    for flags, requests in (([], 1), ([], 1), (["--refresh"], 2)):
        run(*command, "--source", server.url, *flags)
        assert server.metadata_requests == requests


def test_refresh_of_what_keeps_nothing_and_what_it_cannot_be() -> None:
    atldld_xr.open_dataset("phantom", refresh=True)
    for wrong in (1, "yes", None):
        with pytest.raises(InvalidArgumentError, match="refresh must be True or False"):
            atldld_xr.open_dataset("phantom", refresh=wrong)  # type: ignore[arg-type]


def test_what_is_gone_is_forgotten(changing: Server) -> None:
    changing.answers = [answer(dict(SMALL.record)), answer()]
    open_from(changing)
    for refresh in (True, False):
        with pytest.raises(DatasetNotFoundError):
            open_from(changing, refresh=refresh)


def test_without_the_service_nothing_older_is_taken_unless_one_says_so(changing: Server) -> None:
    changing.answers = [answer(dict(SMALL.record)), status(503)]
    open_from(changing)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with pytest.raises(ServiceError, match=f"503.*; the cache has .*{today}.* refresh=False takes"):
        open_from(changing, refresh=True)
    open_from(changing)
    pass_time(8 * 24 * 60)
    with pytest.raises(ServiceError, match=r"setting cache\.metadata_days=inf takes"):
        open_from(changing)
    with atldld_xr.config.set({"cache.metadata_days": float("inf")}):
        open_from(changing)


def test_a_mirror_that_has_grown_is_looked_at_anew(tmp_path: Path) -> None:
    source = PhantomSource((SMALL,))
    (tmp_path / "notes.txt").write_text("what it is for")
    mirror = MirrorSource(str(tmp_path))
    for take in (mirror.image_record, mirror.dataset_record):
        with pytest.raises(DatasetNotFoundError):
            take(IMAGE.id)
    save_mirror([SMALL.id], str(tmp_path), source=source, tiers=[3])
    assert atldld_xr.open_image(IMAGE.id, tier=3, source=mirror).image.compute().size
