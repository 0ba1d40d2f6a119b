"""Numbers of structures, from pixels and from Allen's grids.

What is counted are whole numbers, which add up to the same whatever the blocks and their order.
"""
