"""Writing Datasets to stores, whole and accounted for.

It imports what stores, volumes and Datasets are; only the accessor and the command line import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "ExportReport",
    "ProgressEvent",
    "StoreStatus",
    "Verification",
    "export",
    "status",
    "verify",
]

if TYPE_CHECKING:
    from atldld_xr.compute.progress import ProgressEvent
    from atldld_xr.export.to_zarr import ExportReport, export
    from atldld_xr.store.status import StoreStatus, status
    from atldld_xr.store.verify import Verification, verify
else:  # so that importing one of its modules does not import all
    _PLACES = {
        "ExportReport": "atldld_xr.export.to_zarr",
        "ProgressEvent": "atldld_xr.compute.progress",
        "StoreStatus": "atldld_xr.store.status",
        "Verification": "atldld_xr.store.verify",
        "export": "atldld_xr.export.to_zarr",
        "status": "atldld_xr.store.status",
        "verify": "atldld_xr.store.verify",
    }

    def __getattr__(name):
        from atldld_xr.names import find_name

        found = globals()[name] = find_name(__name__, name, _PLACES)
        return found
