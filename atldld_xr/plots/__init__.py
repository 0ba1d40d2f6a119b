"""Pictures of data sets.

It imports what records mean, and sources.
"""
