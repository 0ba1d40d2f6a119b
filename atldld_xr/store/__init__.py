"""What a resumable Zarr store is: layout, ledger, lease, resume and verify.

It imports files and arrays; who makes its chunks, and how, is the concern of export.
"""
