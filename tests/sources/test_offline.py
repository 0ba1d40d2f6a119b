"""Offline: the cache and mirrors alone, of any age, and an error that names what is missing."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import InvalidArgumentError, SectionImageError, ServiceError
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.save_mirror import save_mirror
from commandline import COARSE, IMAGE, SMALL, run


def opened(server: Any, **options: Any) -> xr.Dataset:
    return atldld_xr.open_dataset(SMALL.id, source=server.url, resolution=100, **options)


def age() -> None:
    """Make all that is in the cache ten years older."""
    for path in Path(atldld_xr.config.get("cache.directory")).rglob("*.json"):
        kept = json.loads(path.read_text())
        kept["fetched"] -= 10 * 365 * 86_400
        path.write_text(json.dumps(kept))


def asks_nothing(server: Any) -> None:
    assert server.log == []


@pytest.mark.parametrize("chunks", ["auto", None])
def test_what_was_kept_is_taken_however_old_it_is(server: Any, chunks: Any) -> None:
    expected = opened(server).image.compute()
    age()
    server.clear_log()
    found = opened(server, offline=True, chunks=chunks)
    xr.testing.assert_identical(found.image.compute(), expected)
    with atldld_xr.config.set({"offline": True}):
        xr.testing.assert_identical(opened(server, chunks=chunks).image.compute(), expected)
    asks_nothing(server)


def test_metadata_that_were_never_kept_are_named(server: Any) -> None:
    with pytest.raises(ServiceError, match=f"section data set {SMALL.id}: .*offline is on") as told:
        opened(server, offline=True)
    assert "not in the cache" in str(told.value)
    with pytest.raises(ServiceError, match=f"section image {IMAGE.id}: .*offline"):
        atldld_xr.open_image(IMAGE.id, source=server.url, offline=True)
    asks_nothing(server)


@pytest.mark.parametrize("chunks", ["auto", None])
def test_images_that_were_never_kept_are_named(server: Any, chunks: Any) -> None:
    TILES.reset()  # of earlier tests: what is in memory is had
    opened(server)
    server.clear_log()
    ds = opened(server, offline=True, chunks=chunks)
    with pytest.raises(SectionImageError, match=r"section image \d+.*offline is on"):
        ds.image[0].compute()
    filled = opened(server, offline=True, chunks=chunks, on_error="fill")
    assert (filled.atldld.failures().reason.str.contains("offline")).all()
    image = atldld_xr.open_image
    with pytest.raises(ServiceError, match="offline"):
        image(IMAGE.id, source=server.url, offline=True)
    asks_nothing(server)
    opened(server).image[0].compute()  # what failed offline is no failure of the data
    assert server.image_requests == 1


def test_the_argument_is_stronger_than_the_setting(server: Any) -> None:
    with atldld_xr.config.set({"offline": True}):
        with pytest.raises(ServiceError):
            opened(server)
        opened(server, offline=False).image[0].compute()
    assert server.image_requests == 1


def test_the_setting_counts_when_something_is_needed(server: Any) -> None:
    ds = opened(server)
    with (
        atldld_xr.config.set({"offline": True}),
        pytest.raises(SectionImageError, match="offline"),
    ):
        ds.image[0].compute()
    ds.image[0].compute()


def test_offline_travels_with_the_source(server: Any) -> None:
    source = pickle.loads(pickle.dumps(ApiSource(server.url, offline=True)))
    with pytest.raises(ServiceError, match="offline"):
        source.dataset_record(SMALL.id)
    with pytest.raises(ServiceError, match="offline"):
        source.answer("model::Gene", "a query")
    # The same data by the same name in graphs and stores, as for `refresh`.
    assert source == ApiSource(server.url)
    asks_nothing(server)


@pytest.mark.parametrize("wrong", [1, 0, "yes", "", []])
def test_what_offline_cannot_be(wrong: Any) -> None:
    for take in (atldld_xr.open_dataset, atldld_xr.info, atldld_xr.open_image):
        name = IMAGE.id if take is atldld_xr.open_image else "phantom"
        with pytest.raises(InvalidArgumentError, match="offline must be True, False or None"):
            take(name, source="phantom", offline=wrong)
    with (
        atldld_xr.config.set({"offline": "perhaps"}),
        pytest.raises(InvalidArgumentError, match="setting offline"),
    ):
        ApiSource("http://127.0.0.1:9").dataset_record(5)


def test_refresh_and_offline_exclude_each_other(server: Any) -> None:
    opened(server)
    for setting, argument in ((False, True), (True, None)):
        with (
            atldld_xr.config.set({"offline": setting}),
            pytest.raises(InvalidArgumentError, match=r"refresh .* offline"),
        ):
            opened(server, refresh=True, offline=argument)
    opened(server, refresh=True, offline=False)
    assert server.metadata_requests == 2


def test_mirrors_and_the_phantom_are_no_service(tmp_path: Path) -> None:
    save_mirror([SMALL.id], str(tmp_path), source=PhantomSource((SMALL,)), tiers=[3])
    for name, source in ((SMALL.id, str(tmp_path)), ("phantom", None)):
        ds = atldld_xr.open_dataset(name, source=source, resolution=200, tier=3, offline=True)
        assert ds.image[0].compute().size


@pytest.mark.parametrize("command", ["info", "export", "image"])
def test_offline_on_the_command_line(server: Any, tmp_path: Path, command: str) -> None:
    line = {
        "info": ["info", SMALL.id, *COARSE],
        "export": ["export", SMALL.id, tmp_path / "a.zarr", *COARSE],
        "image": ["image", IMAGE.id, tmp_path / "a.png", "--tier", 3],
    }[command]
    line += ["--source", server.url]
    assert "offline is on" in run(*line, "--offline", code=1).stderr
    with atldld_xr.config.set({"offline": True}):
        assert "offline is on" in run(*line, code=1).stderr
    asks_nothing(server)
    run(*line)
    server.clear_log()
    run(*line, "--offline", *(["--mode", "w"] if command == "export" else []))
    asks_nothing(server)


def test_the_engine_takes_it_too(server: Any) -> None:
    with pytest.raises(ServiceError, match="offline"):
        xr.open_dataset(f"allen:{SMALL.id}", engine="atldld", source=server.url, offline=True)
