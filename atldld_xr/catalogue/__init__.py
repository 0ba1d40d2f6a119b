"""The catalogue: which data sets there are, of which genes, asked for in pages.

It asks sources, and imports neither xarray nor pandas but inside of what returns tables.
"""
