"""Writing Datasets to stores, whole and accounted for."""

from atldld_xr.export.to_zarr import ExportReport, export
from atldld_xr.store.verify import StoreStatus, Verification, status, verify

__all__ = ["ExportReport", "StoreStatus", "Verification", "export", "status", "verify"]
