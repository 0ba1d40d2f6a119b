"""Lazy arrays: the variables of a plan, made by a plain loop, by Dask or on request.

It imports plans, sources and the kernel; it knows no Dataset as a whole, and no store.
"""
