"""From an output block to pixels: the field, the kernel and the footprint.

It imports plans; it reads no tile itself.
"""
