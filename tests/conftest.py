"""What all tests share: nothing kept from the user's cache or settings, and none of it touched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import atldld_xr

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _own_settings(tmp_path):
    """Give each test a cache of its own, and retries that do not wait."""
    settings = {
        "cache.directory": str(tmp_path / "cache"),
        "http.backoff": 0.01,
        "http.longest_wait": 0.5,
    }
    with atldld_xr.config.set(settings):
        yield
