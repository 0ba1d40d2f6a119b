"""Each public name says what it takes, gives and raises, and shows an example that runs."""

from __future__ import annotations

import doctest
from pkgutil import resolve_name

import pytest
from numpydoc.validate import validate

import atldld_xr
from atldld_xr.accessor import AtldldAccessor
from atldld_xr.accessor.plot import Plots
from atldld_xr.testing import AllenServer
from stand_in import NAMED, settings

METHODS = [name for name in dir(AtldldAccessor) if not name.startswith("_")]
NAMES = [
    *(f"atldld_xr.{name}" for name in atldld_xr.__all__ if callable(getattr(atldld_xr, name))),
    *(f"atldld_xr.accessor.AtldldAccessor.{name}" for name in METHODS),
    *(f"atldld_xr.accessor.plot.Plots.{name}" for name in dir(Plots) if not name.startswith("_")),
    "atldld_xr.cluster.ship",
    "atldld_xr.sync.DatasetDownloader",
    "atldld_xr.sync.get_parallel_transform",
    "atldld_xr.sync.pir_to_xy",
    "atldld_xr.sync.xy_to_pir",
    "atldld_xr.testing.AllenServer",
    "atldld_xr.testing.Faults",
    "atldld_xr.utils.get_experiment_list_from_gene",
    "atldld_xr.utils.get_image",
]

# What numpydoc would have, and is not needed: a longer summary and references to others; types
# where it says "as for" another function; capital letters at the beginning, where x, y and p are.
LEFT_OUT = {"ES01", "SA01", "PR04", "PR08", "RT04"}

# Which examples a reader runs, and no test: they take too long.
TOO_LONG = {"atldld_xr.summarize"}


@pytest.fixture(scope="module")
def service():
    with AllenServer(NAMED) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_takes_gives_and_raises(name):
    found = validate(name)
    assert [error for error in found["errors"] if error[0] not in LEFT_OUT] == []
    assert "\nRaises\n------\n" in found["docstring"]


@pytest.mark.parametrize("name", NAMES)
def test_its_example_runs(name, service, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    found = resolve_name(name)
    # What an example uses, it imports.
    (example,) = doctest.DocTestFinder(recurse=False).find(found, name, module=False, globs={})
    skipped = any(doctest.SKIP in shown.options for shown in example.examples)
    assert (bool(example.examples), skipped) == (True, name in TOO_LONG)
    told: list[str] = []
    with atldld_xr.config.set(settings(service)):
        doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    plt.close("all")
    assert told == []
