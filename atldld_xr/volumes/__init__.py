"""Writing Datasets as volumes of the reference space: NRRD, NIfTI and TIFF.

It imports arrays, planes and files; no Dataset is opened here.
"""

from atldld_xr.volumes.to_volume import VolumeReport, save_volume

__all__ = ["VolumeReport", "save_volume"]
