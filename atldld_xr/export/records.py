"""Records: what a store says about itself, checked before anything follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from atldld_xr.errors import StoreError
from atldld_xr.export.encoding import checksum
from atldld_xr.export.layout import FORMAT, RECORDS, STATE
from atldld_xr.export.place import Place

PLAN = f"{RECORDS}/zarr.json"

MOST = 1 << 24
"""Bytes of JSON that a store's metadata can sensibly have."""


class RecordsError(StoreError):
    """A store's records are damaged, or of something else: it cannot be gone on with."""


def parse(content: bytes) -> Any:
    """Return what JSON says; a ValueError for whatever is none, and for what is nested too deep."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_plan(store: Place) -> dict[str, Any] | None:
    """Return what a store's records say that it is made of; None if it has none.

    Raises
    ------
    RecordsError
        If they cannot be understood.
    """
    content = store.get(PLAN, MOST)
    if content is None:
        return None
    try:
        plan: dict[str, Any] = parse(content)["attributes"]
        known = plan["format"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(store) from None
    if known != FORMAT:
        raise RecordsError(
            f"{store.url} was written by another version of this package: its records have format "
            f"{known!r:.40}, this version's have {FORMAT}"
        )
    if not _is_plan(plan):
        raise _damaged(store)
    return plan


def is_complete(store: Place) -> bool:
    """Return whether a store says that all of it has been written."""
    try:
        return bool(parse(store.get("zarr.json", MOST) or b"{}")["attributes"][STATE] == "complete")
    except (ValueError, KeyError, TypeError):
        return False


def changed_files(store: Place, plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files of metadata and coordinates that are not as the plan says."""
    for name, metadata in plan["arrays"].items():
        key = f"{name}/zarr.json"
        try:
            found = parse(store.get(key, MOST) or b"null")
        except ValueError:
            found = None
        if found != metadata:
            yield key
    for key, told in plan["crc32c of files"].items():
        content = store.get(key)
        if content is None or checksum(content) != told:
            yield key


def _is_plan(plan: dict[str, Any]) -> bool:
    """Return whether a plan has what it must, and names nothing outside its store."""
    try:
        arrays, values, files = plan["arrays"], plan["values"], plan["crc32c of files"]
        return (
            isinstance(plan["dataset"], dict)
            and all(isinstance(metadata, dict) for metadata in arrays.values())
            and all(
                isinstance(dtype, str) and type(count) is int for dtype, count in values.values()
            )
            and all(type(told) is int for told in files.values())
            and all(map(_is_key, [*arrays, *values, *files]))
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _is_key(key: str) -> bool:
    return "\0" not in key and not {"", ".", ".."} & {*key.split("/")}


def _damaged(store: Place) -> RecordsError:
    return RecordsError(
        f"{store.url}/{PLAN} is damaged: it is no record of an export. "
        'mode="w" (--mode w) starts anew'
    )
