"""Writing Datasets to stores, whole and accounted for."""

from atldld_xr.export.write import ExportReport, export

__all__ = ["ExportReport", "export"]
