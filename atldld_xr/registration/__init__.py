"""Registrations that others made of Allen's sections, read from files: where each truly lies."""

from __future__ import annotations
