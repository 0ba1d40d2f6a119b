"""Stores that are not as an export left them: refused with the reason, or mended, never believed."""

from __future__ import annotations

import pytest

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.metadata import parse_dataset
from atldld_xr.testing import AllenServer
from kills import SMALL, entered, opened

IMAGES = [image.id for image in parse_dataset(SMALL.record).images]
RECORDS = "atldld_xr_export"
PAGE = f"{RECORDS}/pages/000001.jsonl"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give a Dataset, a half-finished store of it and one that is whole."""
    folder = tmp_path_factory.mktemp("made")
    with (
        AllenServer(phantoms=[SMALL]) as server,
        atldld_xr.config.set({"cache.enabled": False, "http.backoff": 0.01, "http.retries": 0}),
    ):
        ds = opened(server.url, resolution=100)
        ds.atldld.to_zarr(folder / "whole" / "a.zarr")
        ds = opened(server.url, resolution=100)
        half = folder / "half" / "a.zarr"
        _half(ds, half, server)
        yield ds, half, folder / "whole" / "a.zarr"


def _half(ds, store, server):
    """Write some of a store: the disk is full in the middle."""
    from atldld_xr.export.place import Place

    put, room = Place.put, iter(range(45))

    def put_while_there_is_room(self, key, content, **options):
        if "/c/" in key and key.startswith(("image/", "coverage/", "displacement/")):
            if next(room, None) is None:
                raise StoreError("full")
        put(self, key, content, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Place, "put", put_while_there_is_room)
        with pytest.raises(StoreError, match="full"):
            ds.atldld.to_zarr(store)
    assert 0 < len(entered(store)) < 45
