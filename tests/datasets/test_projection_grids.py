"""Grids of projections: from the service and from files, bounded, with centres in micrometres."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    ServiceError,
)
from atldld_xr.phantom.projections import projection_grid
from atldld_xr.sources import projection_grids
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import CORONAL, FLUORESCENT, LANDMARK, AllenServer, Faults
from atldld_xr.testing.atlas import nrrd_file

ID = FLUORESCENT.id
DRAWN = PhantomSource((FLUORESCENT, CORONAL))


@pytest.fixture
def server(tmp_path):
    own = {"cache.directory": str(tmp_path / "cache"), "cache.enabled": True, "http.retries": 0}
    with AllenServer([FLUORESCENT, CORONAL]) as server, atldld_xr.config.set(own):
        yield server


@pytest.mark.parametrize("kind", projection_grids.KINDS)
def test_each_kind_is_the_formula_at_its_centres(server, kind):
    ds = atldld_xr.open_grid(ID, kind=kind, source=server.url)
    assert list(ds.data_vars) == [kind]
    grid = ds[kind]
    assert (grid.shape, grid.dtype) == ((132, 80, 114), np.float32)
    np.testing.assert_array_equal(grid, projection_grid(FLUORESCENT, kind, 100))
    for axis in ("coronal", "y", "x"):
        np.testing.assert_array_equal(grid[axis], (np.arange(grid.sizes[axis]) + 0.5) * 100)
    assert ds.attrs["anchor"] == "center"
    assert "Connectivity" in ds.attrs["references"]
    xr.testing.assert_equal(ds, atldld_xr.open_grid(ID, kind=kind, source=DRAWN))


def test_the_injection_is_where_it_was_made():
    ds = atldld_xr.open_grid(ID, kind="injection_fraction", resolution=50, source=DRAWN)
    weights = ds.injection_fraction
    for axis, at in zip(("coronal", "y", "x"), LANDMARK[:3], strict=True):
        assert abs(float((weights * weights[axis]).sum() / weights.sum()) - at) < 25


def test_one_request_and_then_none(server):
    atldld_xr.open_grid(ID, kind="data_mask", resolution=50, source=server.url)
    asked = [r for r in server.log if "grid_data" in r.path]
    assert [r.query for r in asked] == [{"image": "data_mask", "resolution": "50"}]
    server.clear_log()
    atldld_xr.open_grid(ID, kind="data_mask", resolution=50, source=server.url)
    atldld_xr.open_grid(ID, kind="data_mask", resolution=50, source=server.url, offline=True)
    assert not server.log
    atldld_xr.open_grid(ID, kind="data_mask", resolution=50, source=server.url, refresh=True)
    assert len(server.log) == 2


def test_what_is_not_there_or_not_asked_right(server):
    with pytest.raises(DatasetNotFoundError, match="no projection_density grid"):
        atldld_xr.open_grid(CORONAL.id, kind="projection_density", source=server.url)
    with pytest.raises(DatasetNotFoundError):
        atldld_xr.open_grid(ID, kind="data_mask", resolution=10, source=server.url)
    for options, why in (
        ({"kind": "density"}, "kind is one of projection_density"),
        ({"kind": "data_mask", "resolution": 200}, "resolution is one of 10, 25, 50, 100"),
        ({"kind": "data_mask", "resolution": True}, "resolution is one of"),
        ({"kind": "data_mask", "variables": "energy"}, "one or the other"),
    ):
        with pytest.raises(InvalidArgumentError, match=why):
            atldld_xr.open_grid(ID, source=server.url, **options)


@pytest.mark.parametrize("kind", ["truncated", "html", "503", "reset"])
def test_answers_that_are_none_are_refused_and_not_kept(server, kind):
    atldld_xr.open_dataset(ID, source=server.url)  # the metadata
    server.faults = Faults(rate=1.0, kinds=(kind,), metadata=True)
    with pytest.raises(ServiceError, match="data_mask grid"):
        atldld_xr.open_grid(ID, kind="data_mask", source=server.url)
    server.faults = Faults()
    assert atldld_xr.open_grid(ID, kind="data_mask", source=server.url).data_mask.max() == 1


def some_values(dtype=np.float32):
    return np.random.default_rng(3).random((132, 80, 114)).astype(dtype)


def write(path, values, spacing=100):
    path.write_bytes(nrrd_file(values, spacing))
    return path


def test_a_file(tmp_path):
    values = some_values()
    values[0, 0, :4] = -1, np.inf, np.nan, -np.inf
    ds = atldld_xr.open_grid(ID, kind="data_mask", source=write(tmp_path / "a.nrrd", values))
    assert ds.data_mask.isnull().sum() == 4
    values[0, 0, :4] = np.nan
    np.testing.assert_array_equal(ds.data_mask, values)
    whole = write(tmp_path / "b.nrrd", np.ones((132, 80, 114), np.uint8))
    assert atldld_xr.open_grid(ID, kind="data_mask", source=whole).data_mask.dtype == np.float32


def test_a_large_grid_is_in_a_file_and_the_same(tmp_path, monkeypatch):
    path = write(tmp_path / "a.nrrd", some_values())
    expected = atldld_xr.open_grid(ID, kind="data_mask", source=path)
    monkeypatch.setattr(projection_grids, "_MOST_IN_MEMORY", 1000)
    tracemalloc.start()
    ds = atldld_xr.open_grid(ID, kind="data_mask", source=path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    xr.testing.assert_identical(ds, expected)
    assert peak - path.stat().st_size < expected.data_mask.nbytes


def test_files_that_are_none(tmp_path):
    good = nrrd_file(some_values(), 100)
    header, _, values = good.partition(b"\n\n")
    cases = {
        "another resolution": nrrd_file(np.zeros((264, 160, 228), np.float32), 50),
        "text": b"NRRD0004\n",
        "cut short": good[:-1000],
        "a bomb": header + b"\n\n" + gzip.compress(bytes(20_000_000)),
        "no numbers": good.replace(b"type: float", b"type: block"),
        "damaged": header + b"\n\n" + values[:5000] + b"?" * 100 + values[5100:],
    }
    for content in cases.values():
        path = tmp_path / "a.nrrd"
        path.write_bytes(content)
        with pytest.raises(MetadataError, match="no grid like Allen's"):
            atldld_xr.open_grid(ID, kind="data_mask", source=path)
    with pytest.raises(MetadataError, match="cannot be read"):
        atldld_xr.open_grid(ID, kind="data_mask", source=tmp_path / "none.nrrd")


def test_the_command(server, tmp_path):
    line = [sys.executable, "-m", "atldld_xr", "grid", str(ID), str(tmp_path / "a.zarr")]
    line += ["--kind", "injection_fraction", "--source", server.url, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["variables"]["injection_fraction"]["shape"] == [132, 80, 114]
    back = xr.open_zarr(tmp_path / "a.zarr").injection_fraction
    np.testing.assert_array_equal(back, projection_grid(FLUORESCENT, "injection_fraction", 100))
