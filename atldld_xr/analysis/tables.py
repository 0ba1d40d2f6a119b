"""What a summary is written as, and taken as: tables, and values by acronym."""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path

import numpy as np
import xarray as xr

from atldld_xr.errors import InvalidArgumentError, MissingExtraError, StoreError
from atldld_xr.files.paths import local_file
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of


def to_table(summary: xr.Dataset, path: str | PathLike[str]) -> Path:
    """Write a summary as a table, by the suffix of its file; see ``Dataset.atldld.to_table``."""
    check_summary(summary)
    target = local_file(path)
    kind = target.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise InvalidArgumentError(f"a table is written as .csv or .parquet, not as {short(path)}")
    if kind == ".parquet":
        try:
            import_module("pyarrow")
        except ImportError as error:
            raise MissingExtraError(
                'Parquet needs the extra "parquet": pip install "atldld-xr[parquet]"'
            ) from error
    frame = summary.to_dataframe().reset_index()
    try:
        if kind == ".csv":
            frame.to_csv(target, index=False)
        else:
            frame.to_parquet(target, engine="pyarrow", index=False)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{target} cannot be written: {reason}") from error
    return target


def values_by_acronym(summary: xr.Dataset, column: str) -> dict[str, float]:
    """Return a column as a dict; see ``Dataset.atldld.structure_values``."""
    check_summary(summary)
    columns = [str(name) for name in summary.data_vars if name != "reason"]
    if not is_one_of(column, columns):
        names = ", ".join(columns)
        raise InvalidArgumentError(f"columns are {names}; not {short(column)}")
    values = summary[column]
    if values.dims != ("structure",):
        more = [str(dim) for dim in values.dims if dim != "structure"]
        raise InvalidArgumentError(
            f"there is one value of a structure for each {' and '.join(more)}: select one, as by "
            f".isel({more[0]}=0)"
        )
    numbers = np.asarray(values.values, np.float64)
    return {
        str(acronym): float(number)
        for acronym, number in zip(summary["structure"].values, numbers, strict=True)
        if np.isfinite(number)
    }


def check_summary(summary: xr.Dataset) -> None:
    """Check that a Dataset is a summary of structures.

    Raises
    ------
    InvalidArgumentError
        If it is none.
    """
    if "structure" not in summary.dims or "reason" not in summary.data_vars:
        raise InvalidArgumentError(
            "this Dataset is no summary of structures, as ds.atldld.structure_summary() makes one"
        )
