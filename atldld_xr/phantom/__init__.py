"""The built-in brain by formula, cut into sections, in records shaped like Allen's.

It imports what records mean; the phantom as a source, and the service for tests, are made of it.
"""
