"""explain of volumes: what is told before anything is fetched is what is asked for then."""

from __future__ import annotations

import pytest

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.testing import AllenServer, Phantom

LARGE = Phantom(id=900000004, count=6, resolution=8.0)
PARTS = {
    "all": {},
    "a plane": {"coronal": 60},
    "a window": {"coronal": slice(40, 70), "y": slice(20, 40), "x": slice(30, 70, 3)},
    "a column": {"y": 40, "x": slice(60, 50, -2)},
}


@pytest.fixture(scope="module")
def server():
    with AllenServer(phantoms=[LARGE]) as server:
        yield server


@pytest.mark.parametrize("part", list(PARTS))
@pytest.mark.parametrize("chunks", ["auto", None])
def test_requests_are_those_that_are_told(server, chunks, part):
    TILES.reset()
    with atldld_xr.config.set({"cache.enabled": False}):
        ds = atldld_xr.open_volume(
            LARGE.id, source=server.url, resolution=100, tier=0, method="linear", chunks=chunks
        )
        image = ds.image.isel(PARTS[part])
        server.clear_log()
        found = image.atldld.explain()
        assert not server.log
        image.compute()
    assert server.image_requests == found.requests > 0
    asked = {r.image_id for r in server.log if r.image_id is not None}
    assert asked == {s.section_image_id for s in found.sections if s.requests}
    assert found.blocks >= len(asked)


@pytest.mark.parametrize("on_error", ["raise", "fill"])
def test_an_export_asks_for_what_is_told(server, tmp_path, on_error):
    options = {"resolution": 100, "tier": 0, "on_error": on_error}
    with atldld_xr.config.set({"cache.enabled": False}):
        ds = atldld_xr.open_volume(LARGE.id, source=server.url, **options)
        server.clear_log()
        found = ds.atldld.explain()
        report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    assert server.image_requests == found.requests > 0
    asked = [
        (r.image_id, r.query) for r in server.log if r.image_id is not None and r.status == 200
    ]
    assert len(asked) == len(set(map(str, asked)))  # each piece once
    assert (report.blocks, report.nbytes) == (found.chunks, found.output_bytes)
