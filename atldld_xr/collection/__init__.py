"""The whole collection: numbers of structures of thousands of data sets, in one table.

It is made of stores, summaries and exports' runs; the package and the command line import it.
"""
