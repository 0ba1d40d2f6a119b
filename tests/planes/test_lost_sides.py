"""Which side is left, where the attributes of a Dataset are lost, false or of something else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.planes.sides import Sides, find_sides

OWN = {"coronal": 9, "sagittal": 10}
LEFT = "the brain's left is at low r, and its right at high r"
MIRRORED = "mirrored: the brain's right is at low r, and its left at high r"


def open_phantom(dim, mirrored, **options):
    name = "phantom" if dim == "coronal" else "phantom-sagittal"
    options = {"resolution": 400} | options
    space = 19 - OWN[dim] if mirrored else None
    return atldld_xr.open_dataset(name, reference_space=space, **options)


def write(ds, tmp_path):
    """Write a Dataset in each format that says anything of sides; gives what they say."""
    nrrd, nibabel = pytest.importorskip("nrrd"), pytest.importorskip("nibabel")
    ds = ds.drop_vars(["displacement"], errors="ignore").chunk()
    ds.atldld.to_ome_zarr(tmp_path / "a.zarr", step=25)
    ds.atldld.to_volume(tmp_path / "a.nrrd", step=25)
    ds.atldld.to_volume(tmp_path / "a.nii", step=25)
    _, header = nrrd.read(str(tmp_path / "a.nrrd"))
    return {
        "listing": json.loads((tmp_path / "a.nrrd.json").read_text()),
        "nrrd": header,
        "nifti": nibabel.aff2axcodes(nibabel.load(tmp_path / "a.nii").affine)[2],
        "ome": zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["atldld_xr"]["orientation"],
    }


LOST = {
    "of a variable alone": lambda ds: ds.image.to_dataset().assign_attrs(
        resolution=400.0, section_thickness=25.0
    ),
    "dropped but for those of coordinates": lambda ds: ds.assign_attrs().pipe(
        lambda ds: xr.Dataset(ds.data_vars, ds.coords, {"section_thickness": 25.0})
    ),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("dim", OWN)
def test_the_coordinate_tells_where_the_dataset_does_not(tmp_path, dim, mirrored, lose):
    ds = lose(open_phantom(dim, mirrored).isel({dim: [1, 3]}))
    assert "sides" not in ds.attrs
    said = write(ds, tmp_path)
    assert said["listing"]["sides"] == said["nrrd"]["sides"] == (MIRRORED if mirrored else LEFT)
    assert said["nifti"] == ("L" if mirrored else "R")
    across = "right-to-left" if mirrored else "left-to-right"
    assert said["listing"]["orientation"][2] == across
    assert said["ome"]["x" if dim == "coronal" else "z"] == across
    # Which space that is called is in the lost attributes alone.
    assert said["listing"]["reference_space_id"] is None
    assert said["nrrd"]["reference_space"] == "not known"


def strip(ds):
    """Return a Dataset without any attribute but what writers cannot do without."""
    bare = ds.drop_attrs(deep=True).assign_attrs(resolution=400.0, section_thickness=25.0)
    return bare.assign(image=bare.image.assign_attrs(fill_value=255))


@pytest.mark.parametrize("dim", OWN)
def test_where_nothing_tells_it_is_not_known(tmp_path, dim):
    ds = strip(open_phantom(dim, False).isel({dim: [1, 3]}))
    with pytest.raises(InvalidArgumentError, match="which side of the brain is left, and of this"):
        ds.atldld.to_volume(tmp_path / "a.nii")
    with pytest.raises(InvalidArgumentError, match='Write NRRD with header="allen"'):
        ds.atldld.to_volume(tmp_path / "a.nrrd", header="anatomical")
    assert not list(tmp_path.iterdir())
    ds.atldld.to_volume(tmp_path / "a.nrrd")
    listing = json.loads((tmp_path / "a.nrrd.json").read_text())
    assert listing["sides"] == listing["orientation"][2] == "not known"
    assert listing["reference_space_id"] is listing["registered_to_reference_space_id"] is None
    ds.atldld.to_ome_zarr(tmp_path / "a.zarr")
    orientation = zarr.open_group(tmp_path / "a.zarr").attrs["atldld_xr"]["orientation"]
    assert orientation["x" if dim == "coronal" else "z"] == "not known"
    assert orientation["y"] == "superior-to-inferior"


@pytest.mark.parametrize("dim", OWN)
def test_one_space_and_the_coordinate_tell_the_other(dim):
    ds = open_phantom(dim, True)
    for name in ("reference_space_id", "registered_to_reference_space_id"):
        kept = ds.copy()
        kept.attrs = {name: ds.attrs[name]}
        assert find_sides(kept, dim) == Sides(True, 19 - OWN[dim], OWN[dim])


def test_what_an_earlier_version_wrote_says_mirrored_by_its_spaces():
    ds = strip(open_phantom("sagittal", True))
    ds.attrs |= {"reference_space_id": 9, "registered_to_reference_space_id": 10}
    assert find_sides(ds, "sagittal") == Sides(True, 9, 10)


CONTRADICTORY = {
    "coordinates of another": lambda own, mirrored: own.assign_attrs(mirrored.attrs),
    "sides of another": lambda own, mirrored: own.assign_attrs(sides=MIRRORED),
    "a name of another": lambda own, mirrored: (
        strip(own).assign_attrs(sides=LEFT).pipe(lambda ds: name_mirrored(ds))
    ),
}


def name_mirrored(ds):
    name = "x" if "coronal" in ds.dims else "sagittal"
    ds = ds.copy()
    ds[name].attrs["long_name"] = "mirrored right (r)"
    return ds


def check_refused(ds, tmp_path, match):
    for path in ("a.nrrd", "a.nii", "a.tif"):
        with pytest.raises(InvalidArgumentError, match=match):
            ds.atldld.to_volume(tmp_path / path, step=25)
    with pytest.raises(InvalidArgumentError, match=match):
        ds.chunk().atldld.to_ome_zarr(tmp_path / "a.zarr", step=25)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dim", OWN)
@pytest.mark.parametrize("make", CONTRADICTORY.values(), ids=CONTRADICTORY)
def test_what_is_contradictory_is_refused(tmp_path, dim, make):
    own, mirrored = (open_phantom(dim, m).isel({dim: [1, 3]}) for m in (False, True))
    check_refused(make(own, mirrored), tmp_path, "is told in two ways: (not )?mirrored by the")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("dim", OWN)
def test_sections_of_both_spaces_in_one_dataset_are_refused(tmp_path, dim, first):
    """As xarray puts them together, it has the attributes of the first."""
    pair = [open_phantom(dim, mirrored).isel({dim: [1 + mirrored]}) for mirrored in (False, True)]
    both = xr.concat([pair[first], pair[1 - first]], dim)
    assert both.attrs["sides"] == (LEFT, MIRRORED)[first]
    check_refused(both, tmp_path, "shows left on both sides")


@pytest.mark.parametrize("dim", OWN)
def test_sections_of_one_space_are_put_together(dim):
    ds = open_phantom(dim, True)
    again = xr.concat([ds.isel({dim: [4, 5]}), ds.isel({dim: [0]})], dim)
    assert find_sides(again, dim) == find_sides(ds, dim) == Sides(True, 19 - OWN[dim], OWN[dim])
    level = ds.assign_coords(tilt_y=(dim, np.zeros(ds.sizes[dim])), tilt_x=ds.tilt_y * 0)
    assert find_sides(level, dim).mirrored


def test_sections_that_are_registered_each_by_itself_may_have_opposite_tilts():
    ds = atldld_xr.open_dataset("phantom", resolution=200)
    tilts = np.where(np.arange(ds.sizes["coronal"]) % 2, 0.02, -0.02)
    opposite = ds.assign_coords(tilt_x=("coronal", tilts))
    with pytest.raises(InvalidArgumentError, match="on both sides"):
        find_sides(opposite, "coronal")
    registered = opposite.assign_coords(registration=("coronal", np.ones(len(tilts), np.uint8)))
    assert find_sides(registered, "coronal").mirrored is False
