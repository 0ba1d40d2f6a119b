"""The extra "serve"."""

from __future__ import annotations

from atldld_xr.errors import MissingExtraError


def missing_extra(error: ImportError) -> MissingExtraError:
    """Return what says how to install what cannot be imported."""
    return MissingExtraError(
        f'serving needs another package ({error}): pip install "atldld-xr[serve]"'
    )
