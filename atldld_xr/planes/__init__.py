"""Sections on regular planes, for OME-Zarr and volumes. Pure.

It imports what records mean, and the arguments of plans.
"""
