"""The table as Parquet: a folder of files, made of the finished rows, some data sets in each.

The rows themselves are a Zarr store within it, under a name that readers of Parquet pass over. So
it is gone on with as any store is, and both say the same.
"""

from __future__ import annotations

import io
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from atldld_xr.collection.columns import FACTS, REASONS
from atldld_xr.collection.layout import ROWS
from atldld_xr.errors import MissingExtraError, StoreError
from atldld_xr.files.file_store import FileStore

if TYPE_CHECKING:
    import pandas as pd

_ROWS = "_rows.zarr"
_PART = re.compile(r"part-\d{6}\.parquet")
_AT_ONCE = 32
"""Data sets of a file: some 27 000 lines of Allen's 840 structures."""

_TEXTS = ("gene", "plane", "structure", "name", "reason", "sections_not_counted", "error")


def is_parquet(url: str) -> bool:
    """Tell whether an address is one of Parquet."""
    return url.rstrip("/").lower().endswith(".parquet")


def rows_of(url: str) -> str:
    """Return where the rows of a table are: in the table, or it itself."""
    return f"{url.rstrip('/')}/{_ROWS}" if is_parquet(url) else url


def check_folder(folder: FileStore) -> None:
    """Refuse what cannot become a folder of Parquet, before anything is done.

    Raises
    ------
    MissingExtraError
        If the package that writes it is not there.
    StoreError
        If there is something else.
    """
    try:
        import_module("pyarrow")
    except ImportError as error:
        raise MissingExtraError(
            'Parquet needs the extra "parquet": pip install "atldld-xr[parquet]"'
        ) from error
    folder.check_writable()
    if folder.top() == "file":
        raise StoreError(f"{folder.url} is a file; nothing was written")
    others = [n for n in folder.names() if n[:1] not in ("", ".", "_") and not _PART.fullmatch(n)]
    if others:
        raise StoreError(
            f"{folder.url} holds something else, as {min(others)!r:.80}; nothing was written"
        )


def write_parts(folder: FileStore, rows: FileStore) -> None:
    """Write the files of a finished table, those that are not so already.

    Raises
    ------
    StoreError
        If they cannot be written.
    """
    table = xr.open_zarr(rows.zarr_store(), chunks=None)
    keys: list[str] = []
    for start in range(0, table.sizes[ROWS], _AT_ONCE):
        part = table.isel({ROWS: slice(start, start + _AT_ONCE)})
        content = io.BytesIO()
        long_table(part).to_parquet(content, engine="pyarrow", index=False)
        keys.append(f"part-{len(keys):06d}.parquet")
        folder.update(keys[-1], content.getvalue())
    folder.remove(n for n in folder.names() if _PART.fullmatch(n) and n not in keys)


def long_table(table: xr.Dataset) -> pd.DataFrame:
    """Return a table, or some rows of it, with a line for each data set, structure and side."""
    reasons = np.array([*REASONS, *[""] * (256 - len(REASONS))], object)
    told: Any = table.assign(reason=(table["reason"].dims, reasons[table["reason"].values]))
    frame: pd.DataFrame = told.to_dataframe(dim_order=list(table["reason"].dims)).reset_index()
    if "hemisphere_id" not in frame:
        frame["hemisphere_id"] = int(table["hemisphere_id"])
    first = [ROWS, *FACTS, "structure", "structure_id", "name", "hemisphere_id"]
    frame = frame[[*first, *(name for name in frame if name not in first)]]
    return frame.astype({name: "string" for name in _TEXTS})
