"""Settings, like zarr's and dask's: argument > ``config.set`` > environment > file > default."""

from __future__ import annotations

from typing import Any

from donfig import Config

config: Any = Config(
    "atldld_xr",
    defaults=[
        {
            # The Allen service, or something that answers like it.
            "api_url": "https://api.brain-map.org/api/v2",
            "cache": {
                "enabled": True,
                "directory": None,  # None: the user's cache directory of the platform
                "limit": 10_000_000_000,  # bytes of images kept on disk
                "metadata_days": 7,  # how long a record is taken as current
            },
            "memory": {"limit": 256_000_000},  # bytes of decoded tiles kept without Dask
            "http": {
                "connections": 8,  # at once, per process
                "retries": 6,
                "backoff": 0.5,  # seconds, doubled at each retry, with jitter
                "longest_wait": 60,  # seconds, between two tries
                "connect_timeout": 10,  # seconds
                "read_timeout": 60,  # seconds without a byte
            },
        }
    ],
)
"""The settings. ``ATLDLD_XR_API_URL`` sets ``api_url``, ``ATLDLD_XR_CACHE__LIMIT`` ``cache.limit``,
and so on; files are read from ``~/.config/atldld_xr/*.yaml``."""
