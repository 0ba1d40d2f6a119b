"""Consolidated metadata: all of a store's in its root, for readers that cannot list. Pure.

Zarr's own function gives the same, with a warning at each call, as its format 3 does not specify
this yet. Without it readers are warned, and copies on a web server do not open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_NAMES = {3: ("zarr.json",), 2: (".zgroup", ".zattrs", ".zarray")}

CONSOLIDATED = {3: "zarr.json", 2: ".zmetadata"}
"""The file that has the metadata of all, by Zarr's format."""

_NONE = {"kind": "inline", "must_understand": False, "metadata": {}}


def is_metadata(key: str, zarr_format: int) -> bool:
    """Return whether a file says what a node is."""
    return key.rpartition("/")[2] in _NAMES[zarr_format]


def consolidated(files: Mapping[str, Any], zarr_format: int) -> dict[str, Any]:
    """Return what the file that has all metadata says.

    Parameters
    ----------
    files : mapping
        What each file of metadata says, as parsed from JSON, by key; all others are let be.
    zarr_format : {2, 3}
        Of the store.
    """
    keys = sorted((key for key in files if is_metadata(key, zarr_format)), key=_depth)
    if zarr_format == 2:
        return {
            "metadata": {key: _explicit(key, files[key]) for key in keys},
            "zarr_consolidated_format": 1,
        }
    root = CONSOLIDATED[3]
    nodes = {
        key.removesuffix(f"/{root}"): _explicit(key, files[key]) for key in keys if key != root
    }
    return _with(files[root], _NONE | {"metadata": nodes})


def encoded(document: Mapping[str, Any], zarr_format: int) -> bytes:
    """Return a document as JSON, laid out as Zarr does."""
    return json.dumps(document, indent=2 if zarr_format == 3 else None).encode()


def same(document: Any, other: Any) -> bool:
    """Return whether two documents say the same; not a number is the same as itself."""
    try:
        return json.dumps(document, sort_keys=True) == json.dumps(other, sort_keys=True)
    except RecursionError:  # nothing of Zarr's is nested so deep
        return False


def _explicit(key: str, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node's metadata; that of a group below the root says that nothing else is in it."""
    if key.endswith("/.zgroup") or node.get("node_type") == "group":
        return _with(node, _NONE)
    return node


def _with(group: Mapping[str, Any], nodes: Mapping[str, Any]) -> dict[str, Any]:
    last = {"node_type"} & group.keys()  # as Zarr has it
    rest = {k: v for k, v in group.items() if k not in last and k != "consolidated_metadata"}
    return rest | {"consolidated_metadata": nodes} | {k: group[k] for k in last}


def _depth(key: str) -> tuple[int, str]:
    return key.count("/"), key
