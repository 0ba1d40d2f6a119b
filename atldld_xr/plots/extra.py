"""Matplotlib, which is an extra."""

from __future__ import annotations

from importlib import import_module

from atldld_xr.errors import MissingExtraError


def need_matplotlib() -> None:
    """Raise what says how to install matplotlib where it is not.

    Raises
    ------
    MissingExtraError
        Then.
    """
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingExtraError(
            'drawing needs matplotlib: pip install "atldld-xr[plot]"'
        ) from error
