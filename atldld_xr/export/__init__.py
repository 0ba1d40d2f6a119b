"""Writing Datasets to stores, whole and accounted for."""

from atldld_xr.export.verify import StoreStatus, Verification, status, verify
from atldld_xr.export.write import ExportReport, export

__all__ = ["ExportReport", "StoreStatus", "Verification", "export", "status", "verify"]
