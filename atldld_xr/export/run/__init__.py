"""Carrying an export out: on threads, on a cluster, or by Dask.

It imports stores and arrays; to_zarr and OME-Zarr, which lay different stores out, run by it.
"""
