"""Matplotlib, which is an extra."""

from __future__ import annotations

from atldld_xr.errors import MissingExtraError


def need_matplotlib() -> None:
    """Raise what says how to install matplotlib where it is not.

    Raises
    ------
    MissingExtraError
        Then.
    """
    try:
        import matplotlib.figure  # noqa: F401  # whether it is there
    except ImportError as error:
        raise MissingExtraError(
            'drawing needs matplotlib: pip install "atldld-xr[plot]"'
        ) from error
