"""OME-Zarr: sections on a regular grid, as a pyramid that viewers open.

It imports planes, stores and what carries an export out; its metadata and pyramid are pure.
"""

from atldld_xr.export.ome.arrays import level_zero
from atldld_xr.export.ome.layout import create
from atldld_xr.export.ome.metadata import group_attributes
from atldld_xr.export.ome.pyramid import Pyramid, plan_pyramid
from atldld_xr.export.ome.to_ome_zarr import export_ome

__all__ = [
    "Pyramid",
    "create",
    "export_ome",
    "group_attributes",
    "level_zero",
    "plan_pyramid",
]
