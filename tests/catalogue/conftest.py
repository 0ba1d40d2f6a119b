"""A service of a catalogue of thousands, and no images: what is searched in these tests."""

from __future__ import annotations

import pytest

import atldld_xr
from atldld_xr.testing import AllenServer, Catalogue, Faults
from catalogued import COUNT


@pytest.fixture(scope="package")
def catalogue():
    return Catalogue(COUNT)


@pytest.fixture(scope="package")
def _server(catalogue):
    with AllenServer([], catalogue=catalogue) as server:
        yield server


@pytest.fixture
def server(_server):
    _server.faults = Faults()
    _server.clear_log()
    with atldld_xr.config.set({"source": _server.url}):
        yield _server
