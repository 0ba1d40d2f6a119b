"""Fixtures of tables: six small data sets behind a service, and a small atlas."""

from __future__ import annotations

import pytest

from atldld_xr.testing import AllenServer
from atldld_xr.testing.atlas import write_atlas
from collection import SIX


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return write_atlas(tmp_path_factory.mktemp("atlas") / "atlas")


@pytest.fixture(scope="module")
def shared():
    with AllenServer(phantoms=SIX) as server:
        yield server
