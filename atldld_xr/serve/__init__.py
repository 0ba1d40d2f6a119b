"""Data sets for viewers, unexported: a Zarr store over plans, the same over HTTP, and links to it.

It imports data sets and what an OME-Zarr is; it writes nothing.
"""

from atldld_xr.serve.allen_store import AllenStore, DatasetStore, VolumeStore

__all__ = ["AllenStore", "DatasetStore", "VolumeStore"]
