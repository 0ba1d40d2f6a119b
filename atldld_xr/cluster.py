"""What Dask clusters are told: `ship` sends credentials to workers."""

from atldld_xr.compute.cluster import ship

__all__ = ["ship"]
