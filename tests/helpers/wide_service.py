"""A service of sections some squares of 2048 px wide, and mirrors of it made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import SectionImage, parse_dataset
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.settings import config
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.kept_pieces import split
from atldld_xr.sources.mirror_contents import image_file
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.server import AllenServer

DATASET = 900_000_004
WIDE = Phantom(id=DATASET, resolution=2.1, count=3)  # 3 x 2 squares of 2048 px at tier 0


@pytest.fixture(scope="module")
def running() -> Iterator[AllenServer]:
    with AllenServer([WIDE]) as server:
        yield server


@pytest.fixture
def server(running: AllenServer) -> Iterator[AllenServer]:
    running.faults = Faults()
    running.clear_log()
    with config.set({"http.retries": 2, "http.backoff": 0.001, "cache.enabled": False}):
        yield running


@pytest.fixture
def api(server: AllenServer) -> ApiSource:
    return ApiSource(server.url)


@pytest.fixture
def image(api: ApiSource) -> SectionImage:
    return parse_dataset(api.dataset_record(DATASET)).images[0]


def all_of(image: SectionImage) -> Tile:
    return Tile(0, 0, 0, tier_size(image.width, 0), tier_size(image.height, 0), whole=True)


def lay(api: ApiSource, path: Path, image: SectionImage, pieces: list[Tile]) -> None:
    """Write the files of a mirror by hand, as another version may have."""
    envelope = {"success": True, "id": 0, "num_rows": 1, "total_rows": 1}
    envelope["msg"] = [api.dataset_record(DATASET)]
    path.mkdir(exist_ok=True)
    (path / f"section_data_set_{DATASET}.json").write_text(json.dumps(envelope))
    for piece in pieces:
        data = api.fetch_bytes(image, piece, "image")
        (path / image_file(image.id, piece, "image")).write_bytes(data)


def squares(image: SectionImage, side: int) -> list[Tile]:
    return list(split(all_of(image), side))


def section_of(source: Any, image: SectionImage, **options: Any) -> xr.Dataset:
    ds = atldld_xr.open_dataset(DATASET, source=source, resolution=2.1, tier=0, **options)
    at = [int(i) for i in ds.section_image_id].index(image.id)
    return ds.isel(coronal=slice(at, at + 1))
