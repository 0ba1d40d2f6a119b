"""Benchmarks: this project, the atldld package and a hand-written loop, side by side in one run.

``python -m benchmarks --help``
"""
