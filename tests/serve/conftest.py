"""What tests of serving share: nothing kept in memory from the test before."""

from __future__ import annotations

import pytest

from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.serve.plan_store import CHUNKS


@pytest.fixture(autouse=True)
def _forget():
    CHUNKS().reset()
    TILES.reset()
