"""Allen's grids as Datasets: where voxels lie, what has no data, and which files are taken."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import atldld_xr
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError, MetadataError
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import LANDMARK, SAGITTAL, SAGITTAL_ID, AllenServer
from atldld_xr.testing.grids import grid_zip
from recorded import ALLEN

PROX1 = 69289763
needs_recorded = pytest.mark.skipif(
    not (ALLEN / "energy_69289763.raw").exists(), reason="recorded Allen data are not at hand"
)


def write_metadata(folder):
    """Make a folder a mirror of the sagittal phantom, without images."""
    folder.mkdir(exist_ok=True)
    envelope = {"success": True, "num_rows": 1, "total_rows": 1, "msg": [SAGITTAL.record]}
    (folder / f"section_data_set_{SAGITTAL_ID}.json").write_text(json.dumps(envelope))


@pytest.mark.parametrize(("name", "space"), [("phantom", 9), ("phantom-sagittal", 10)])
def test_left_lies_left_in_either_plane(name, space):
    grid = atldld_xr.open_grid(name)
    assert dict(grid.sizes) == {"coronal": 67, "y": 41, "x": 58}
    for axis, size in grid.sizes.items():
        assert grid[axis].values.tolist() == [k * 200 for k in range(size)]
        assert grid[axis].attrs["units"] == "micrometer"
    assert grid.attrs["reference_space_id"] == space
    place = {"coronal": LANDMARK.p, "y": LANDMARK.i, "x": LANDMARK.r}
    here = grid.sel(place, method="nearest")
    assert here.energy > 100
    assert here.density == 1
    there = grid.energy.sel({**place, "x": 11400 - LANDMARK.r}, method="nearest")
    assert there < 50 or (np.isnan(there) and space == 10)  # of which there are only left sections
    product = grid.density * grid.intensity
    np.testing.assert_allclose(product.fillna(-1), grid.energy.fillna(-1), rtol=1e-5)


def test_files_are_taken_as_they_lie(tmp_path):
    whole = PhantomSource().grids(SAGITTAL_ID, ["energy", "density"])
    content = grid_zip({name: grid.values for name, grid in whole.items()})
    (tmp_path / "some.zip").write_bytes(content)
    from_zip = atldld_xr.open_grid(SAGITTAL_ID, source=tmp_path / "some.zip")
    assert list(from_zip) == ["energy", "density"]
    assert "reference_space_id" not in from_zip.attrs
    shutil.unpack_archive(tmp_path / "some.zip", tmp_path / "a")
    for source in (tmp_path / "a", str(tmp_path / "a" / "energy.mhd")):
        opened = atldld_xr.open_grid(SAGITTAL_ID, source=source, variables="energy")
        assert opened.energy.identical(from_zip.energy)
    write_metadata(tmp_path / "a")
    known = atldld_xr.open_grid(SAGITTAL_ID, source=tmp_path / "a")
    assert known.attrs["reference_space_id"] == 10
    (tmp_path / "a" / "energy.raw").write_bytes(b"short")
    with pytest.raises(MetadataError, match="5 bytes, and its header says 637304"):
        atldld_xr.open_grid(SAGITTAL_ID, source=tmp_path / "a")
    (tmp_path / "a" / "energy.raw").unlink()
    with pytest.raises(MetadataError, match=r"energy\.raw.* cannot be read: No such file"):
        atldld_xr.open_grid(SAGITTAL_ID, source=tmp_path / "a")


def test_what_cannot_work_is_refused_in_words(tmp_path):
    for variables in ("mass", [], ["energy", 5], 5):
        with pytest.raises(InvalidArgumentError, match="variables are some of"):
            atldld_xr.open_grid("phantom", variables=variables)
    write_metadata(tmp_path / "a")
    with pytest.raises(InvalidArgumentError, match="has no grids: name the service, or a file"):
        atldld_xr.open_grid(SAGITTAL_ID, source=tmp_path / "a")
    for source, words in (
        ("/nowhere/energy.mhd", "cannot be read: No such file"),
        ("/nowhere/5.zip", "cannot be read: No such file"),
        (f"{'a' * 9000}.zip", "cannot be read: File name too long"),
        ("some.mhd", "told by the start of its name"),
        ("/nowhere/energy_69289763.mhd", "of section data set 69289763 by its name, and not of 5"),
        ("/nowhere/69289763.zip", "of section data set 69289763 by its name, and not of 5"),
        ("/dev/zero", "has no grids: name the service"),
        (5, "5 is no source"),
        ("", "'' is no source"),
    ):
        with pytest.raises((InvalidArgumentError, MetadataError), match=words):
            atldld_xr.open_grid(5, source=source)
    with (
        AllenServer(mirror=tmp_path / "a") as server,
        pytest.raises(DatasetNotFoundError, match="no grid of section data set 900000002"),
    ):
        atldld_xr.open_grid(SAGITTAL_ID, source=server.url)


@needs_recorded
def test_the_recorded_grid_lies_left_in_space_10():
    opened = atldld_xr.open_grid(PROX1, source=ALLEN)
    assert opened.attrs["reference_space_id"] == 10
    assert int(opened.energy.notnull().sum()) == 37_558
    where = opened.energy.where(opened.energy > 0).max(["coronal", "y"]).dropna("x").x
    assert (float(where.min()), float(where.max())) == (2000, 5400)


@needs_recorded
def test_the_recorded_grid_comes_over_a_socket():
    with AllenServer(mirror=ALLEN) as server:
        opened = atldld_xr.open_grid(PROX1, source=server.url, variables="energy")
    assert opened.energy.equals(atldld_xr.open_grid(PROX1, source=ALLEN).energy)
