"""xarray's engine "atldld"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

_PREFIX = "allen:"


class AtldldBackendEntrypoint(BackendEntrypoint):
    """``xarray.open_dataset("allen:71717640", engine="atldld")``: see `atldld_xr.open_dataset`.

    With ``chunks=None`` arrays are lazy without Dask; with any other, xarray chunks them.
    ``open_mfdataset`` takes names that xarray knows for addresses: ``"allen://71717640"``.
    """

    description = "Allen Brain Atlas section data sets, registered to the reference space"
    url = "https://pypi.org/project/atldld-xr/"
    open_dataset_parameters = (
        "filename_or_obj",
        "drop_variables",
        "resolution",
        "tier",
        "expression",
        "projection",
        "range",
        "anchor",
        "interpolation",
        "on_error",
        "fill_value",
        "reference_space",
        "extent",
        "detection_xy",
        "plane",
        "registration",
        "source",
        "refresh",
        "offline",
    )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        **options: Any,
    ) -> xr.Dataset:
        """Open a data set lazily, without Dask."""
        from atldld_xr.datasets.open_dataset import open_dataset

        unknown = sorted(set(options) - set(self.open_dataset_parameters))
        if unknown:
            raise TypeError(f"unexpected arguments for the engine 'atldld': {', '.join(unknown)}")
        dataset = open_dataset(filename_or_obj, chunks=None, **options)
        drop = [drop_variables] if isinstance(drop_variables, str) else drop_variables or []
        return dataset.drop_vars(drop, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Take names such as ``allen:71717640``."""
        return isinstance(filename_or_obj, str) and filename_or_obj.startswith(_PREFIX)
