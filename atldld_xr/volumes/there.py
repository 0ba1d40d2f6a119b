"""Whether a volume is there already, by the list of planes beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atldld_xr.foreign_json import InvalidJsonError, parse_json
from atldld_xr.volumes.target import sidecar

# What comes of reading, or of who read; all else is what was asked for.
_FOUND = ("made_by", "volume", "failures", "valid_planes")
_FOUND_OF_A_PLANE = ("valid", "reason")


def listing_there(target: Path) -> dict[str, Any] | None:
    """Return the list beside a volume that is there; None if either is missing, or is none."""
    try:
        found = parse_json(sidecar(target).read_bytes()) if target.is_file() else None
    except (OSError, InvalidJsonError):
        return None
    planes = found.get("planes") if isinstance(found, dict) else None
    is_list = isinstance(planes, list) and all(isinstance(plane, dict) for plane in planes)
    return found if is_list else None


def is_same(there: Mapping[str, Any], text: str) -> bool:
    """Tell whether a list is of what another would be of, whatever of it could be read."""
    return _asked(there) == _asked(json.loads(text))


def _asked(listing: Mapping[str, Any]) -> dict[str, Any]:
    left_out = (*_FOUND, str(listing.get("section_data_set_id")))
    asked = {name: value for name, value in listing.items() if name not in left_out}
    planes = [
        {name: value for name, value in plane.items() if name not in _FOUND_OF_A_PLANE}
        for plane in listing["planes"]
    ]
    return asked | {"planes": planes}
