"""Writing Datasets as volumes of the reference space: NRRD, NIfTI and TIFF."""

from atldld_xr.volumes.write import VolumeReport, save_volume

__all__ = ["VolumeReport", "save_volume"]
