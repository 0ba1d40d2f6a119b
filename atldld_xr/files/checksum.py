"""CRC-32C, as stores record it. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _crc32c() -> Any:
    import google_crc32c

    return google_crc32c.extend


def checksum(content: bytes, before: int = 0) -> int:
    """Return the CRC-32C of some bytes, as Zarr's own codec of that name computes it.

    Parameters
    ----------
    content : bytes
        Of what.
    before : int
        That of the bytes before these, if there are any.
    """
    return int(_crc32c()(before, content))
