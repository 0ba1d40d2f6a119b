"""Figures that pyplot knows nothing of are shown by a notebook."""

from __future__ import annotations

import pytest

import atldld_xr

pytest.importorskip("matplotlib")
formatters = pytest.importorskip("IPython.core.formatters")


@pytest.mark.parametrize("name", ["montage", "preview"])
def test_a_notebook_shows_a_figure(name):
    ds = atldld_xr.open_dataset("phantom", resolution=200).isel(coronal=[7, 8])
    figure = getattr(ds.atldld.plot, name)()
    assert formatters.PNGFormatter()(figure).startswith(b"\x89PNG")
