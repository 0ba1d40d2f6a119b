"""Left is left: in every store and file, of both planes, and where it is shown in the mirror."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
import zarr
from scipy import ndimage

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.sides import find_hemisphere
from atldld_xr.allen.transforms import detect
from atldld_xr.testing import CORONAL, LANDMARK, SAGITTAL
from recorded import ALLEN

NAMES = {"phantom": CORONAL, "phantom-sagittal": SAGITTAL}
OWN = {"phantom": 9, "phantom-sagittal": 10}
LEFT = "the brain's left is at low r, and its right at high r"
MIRRORED = "mirrored: the brain's right is at low r, and its left at high r"


@pytest.fixture(scope="module", params=[(n, m) for n in NAMES for m in (False, True)])
def opened(request):
    """Give a phantom's masks around the landmark, and whether they are mirrored."""
    name, mirrored = request.param
    space = {"reference_space": 19 - OWN[name]} if mirrored else {}
    ds = atldld_xr.open_dataset(name, resolution=100, expression="intensity", **space)
    dim = "coronal" if name == "phantom" else "sagittal"
    along = 0 if name == "phantom" else 2
    at = 11350 - LANDMARK.r if along == 2 and mirrored else LANDMARK[along]
    nearest = sorted(np.argsort(np.abs(ds[dim].values - at))[:3])
    return ds[["expression"]].isel({dim: nearest}).compute().chunk({dim: 1}), mirrored


def find_landmark(values):
    """Return the (p, i, r) index of the middle of what is dark over half a millimetre."""
    smooth = np.stack([ndimage.uniform_filter(plane, 4) for plane in values.astype(float)])
    return np.unravel_index(np.argmax(smooth), values.shape)


def shown_r(mirrored):
    return 11350 - LANDMARK.r if mirrored else LANDMARK.r


def r_of(ds, place):
    """Return where along r a place of (section, y, x) is, by the coordinates."""
    dim = ds.expression.dims[0]
    return float(ds.x[place[2]] if dim == "coronal" else ds.sagittal[place[0]])


def check_said(attributes, mirrored, own):
    assert attributes["sides"] == (MIRRORED if mirrored else LEFT)
    assert attributes["registered_to_reference_space_id"] == own
    assert attributes["reference_space_id"] == (19 - own if mirrored else own)
    assert attributes["hemisphere"] == ("both" if own == 9 else "left")


def own_of(ds):
    return 9 if ds.expression.dims[0] == "coronal" else 10


def test_in_a_dataset_and_a_zarr_store(opened, tmp_path):
    ds, mirrored = opened
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    for found in (ds, xr.open_zarr(tmp_path / "a.zarr")):
        check_said(found.attrs, mirrored, own_of(ds))
        place = find_landmark(found.expression.values)
        assert r_of(found, place) == pytest.approx(shown_r(mirrored), abs=LANDMARK.radius)
        along = found["x" if own_of(ds) == 9 else "sagittal"].attrs
        assert along["comment"] == (MIRRORED if mirrored else LEFT)
        assert along["long_name"] == ("mirrored right (r)" if mirrored else "right (r)")
        assert ("mirror image" in found.attrs["reference_space"]) == mirrored
        assert found.attrs["title"].endswith(", mirrored") == mirrored
        others = {"y", "x", "coronal"} - ({"x"} if own_of(ds) == 9 else set())
        assert not any("comment" in found[name].attrs for name in others & set(found.coords))


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_in_ome_zarr(opened, tmp_path, version):
    ds, mirrored = opened
    ds.atldld.to_ome_zarr(tmp_path / "a.zarr", variable="expression", ome_version=version)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    plane, _, column = find_landmark(group["0"][...][0])
    images = group.attrs["ome"]["multiscales"] if version == "0.5" else group.attrs["multiscales"]
    assert images[0]["name"].endswith(", mirrored") == mirrored
    scale, translation = images[0]["datasets"][0]["coordinateTransformations"]
    z, x = (
        scale["scale"][axis] * index + translation["translation"][axis]
        for axis, index in ((1, plane), (3, column))
    )
    told = group.attrs["atldld_xr"]
    check_said(told["attributes"], mirrored, own_of(ds))
    across = "right-to-left" if mirrored else "left-to-right"
    axis = "x" if own_of(ds) == 9 else "z"
    assert told["orientation"]["y"] == "superior-to-inferior"
    assert told["orientation"][axis] == across
    assert told["orientation"]["z" if axis == "x" else "x"] == "anterior-to-posterior"
    r = x if axis == "x" else z
    assert r == pytest.approx(shown_r(mirrored), abs=LANDMARK.radius)


@pytest.mark.parametrize("header", ["allen", "anatomical"])
def test_in_nrrd(opened, tmp_path, header):
    nrrd = pytest.importorskip("nrrd")
    ds, mirrored = opened
    ds.atldld.to_volume(tmp_path / "a.nrrd", variable="expression", header=header)
    values, told = nrrd.read(str(tmp_path / "a.nrrd"))
    index = find_landmark(values)
    assert (index[2] + 0.5) * 100 == pytest.approx(shown_r(mirrored), abs=LANDMARK.radius)
    assert told["sides"] == (MIRRORED if mirrored else LEFT)
    assert int(told["reference_space"]) == ds.attrs["reference_space_id"]
    assert told["content"].endswith(", mirrored") == mirrored
    for listing in (told["section_planes"], (tmp_path / "a.nrrd.json").read_text()):
        check_said(json.loads(listing), mirrored, own_of(ds))
        across = "right-to-left" if mirrored else "left-to-right"
        assert json.loads(listing)["orientation"][2] == across
    if header == "allen":
        assert "space" not in told  # it says nothing of anatomy
        return
    assert told["space"] == "left-posterior-superior"
    # Of a mirrored volume, too, the header leads to where the tissue is: to the left.
    left, _, _ = told["space origin"] + index @ told["space directions"]
    assert -left == pytest.approx(LANDMARK.r / 1000, abs=LANDMARK.radius / 1000)


def test_in_nifti(opened, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    ds, mirrored = opened
    ds.atldld.to_volume(tmp_path / "a.nii.gz", variable="expression")
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert nibabel.aff2axcodes(image.affine) == ("P", "I", "L" if mirrored else "R")
    index = find_landmark(np.asarray(image.dataobj))
    assert (index[2] + 0.5) * 100 == pytest.approx(shown_r(mirrored), abs=LANDMARK.radius)
    within = {"abs": LANDMARK.radius / 1000}
    for affine in (image.affine, image.header.get_qform(), image.header.get_sform()):
        right, anterior, superior = (affine @ [*index, 1])[:3]
        assert right == pytest.approx(LANDMARK.r / 1000, **within)
        assert anterior == pytest.approx(-LANDMARK.p / 1000, **within)
        assert superior == pytest.approx(-LANDMARK.i / 1000, **within)
    # As nibabel turns it for viewers, the first axis goes from left to right.
    turned = nibabel.as_closest_canonical(image)
    place = find_landmark(np.asarray(turned.dataobj).transpose(2, 1, 0))[::-1]
    assert place[0] < 57
    (extension,) = image.header.extensions
    check_said(json.loads(extension.get_content()), mirrored, own_of(ds))
    assert image.header["descrip"].item().decode().endswith(", mirrored") == mirrored


def test_in_tiff(opened, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    ds, mirrored = opened
    ds.atldld.to_volume(tmp_path / "a.tif", variable="expression")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        index = find_landmark(file.asarray())
        told = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    assert (index[2] + 0.5) * 100 == pytest.approx(shown_r(mirrored), abs=LANDMARK.radius)
    assert told["Name"].endswith(", mirrored") == mirrored
    text = told["Description"]
    check_said(text if isinstance(text, dict) else json.loads(text), mirrored, own_of(ds))


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf", "scipy"])
def test_attributes_are_kept_by_netcdf(opened, tmp_path, engine):
    pytest.importorskip({"netcdf4": "netCDF4"}.get(engine, engine))
    ds, mirrored = opened
    if engine == "scipy":  # of netCDF-3, which has no lists of words
        ds = ds.drop_attrs(deep=False).assign_attrs(ds.attrs | {"genes": ""})
    ds.isel(y=[0], x=[0]).to_netcdf(tmp_path / "a.nc", engine=engine)
    with xr.open_dataset(tmp_path / "a.nc", engine=engine) as found:
        check_said(found.attrs, mirrored, own_of(ds))


def test_a_volume_of_an_earlier_versions_store_knows_its_side(opened, tmp_path):
    """Its attributes have the two spaces, and nothing more of sides."""
    nibabel = pytest.importorskip("nibabel")
    ds, mirrored = opened
    more = ("sides", "hemisphere")
    old = ds.drop_attrs(deep=False)
    old.attrs |= {k: v for k, v in ds.attrs.items() if k not in more}
    for name, one in (("a", ds), ("b", old)):
        one.atldld.to_volume(tmp_path / f"{name}.nii", variable="expression")
    affines = [nibabel.load(tmp_path / f"{name}.nii").affine for name in "ab"]
    np.testing.assert_array_equal(*affines)
    assert (np.linalg.det(affines[0]) < 0) == mirrored


# Which side sections are of


def moved(data, r):
    """Return a data set, registered elsewhere along r."""
    shift = np.zeros((3, 4))
    shift[2, 3] = r
    tvr, trv = np.array(data.tvr), np.array(data.trv)
    trv[:, 3] -= trv[:, :3] @ shift[:, 3]
    return replace(
        data, tvr=tuple(map(tuple, (tvr + shift).tolist())), trv=tuple(map(tuple, trv.tolist()))
    )


def test_hemispheres():
    coronal, sagittal = (parse_dataset(p.record) for p in (CORONAL, SAGITTAL))
    assert find_hemisphere(coronal) == "both"
    assert find_hemisphere(sagittal) == "left"
    assert find_hemisphere(moved(sagittal, 4000.0)) == "right"
    assert find_hemisphere(moved(sagittal, 2000.0)) == "both"
    # What a space is called changes no side.
    assert find_hemisphere(replace(sagittal, reference_space_id=9)) == "left"


@pytest.mark.parametrize("space", [9, 10])
def test_the_side_is_the_brains_in_whichever_space(space):
    ds = atldld_xr.open_dataset("phantom-sagittal", reference_space=space)
    assert ds.attrs["hemisphere"] == "left"
    assert (ds.sagittal < 5700).all() == (space == 10)


# Real data


@pytest.mark.skipif(not ALLEN.exists(), reason="Allen's recorded data are not here")
def test_sections_lie_where_allens_own_grid_of_them_has_its_data():
    header = (ALLEN / "energy_69289763.mhd").read_text()
    assert "DimSize = 67 41 58" in header
    assert "ElementSpacing = 200 200 200" in header
    energy = np.fromfile(ALLEN / "energy_69289763.raw", "<f4").reshape(58, 41, 67)
    held = np.flatnonzero((energy >= 0).any(axis=(1, 2))) * 200.0
    ds = atldld_xr.open_dataset(69289763, source=ALLEN)
    r = ds.sagittal.values
    np.testing.assert_allclose([r.min(), r.max()], [1976, 5279], atol=0.5)
    np.testing.assert_allclose([held.min(), held.max()], [r.min(), r.max()], atol=200)
    assert ds.attrs["hemisphere"] == "left"
    mirrored = atldld_xr.open_dataset(69289763, source=ALLEN, reference_space=9)
    far = mirrored.sagittal.values
    np.testing.assert_allclose([far.min(), far.max()], [6071, 9374], atol=0.5)
    assert mirrored.attrs["hemisphere"] == "left"
    assert mirrored.attrs["sides"] == MIRRORED
    # As the service's own conversion has them, which atldld goes by.
    data = parse_dataset(
        json.loads((ALLEN / "section_data_set_69289763.json").read_text())["msg"][0]
    )
    np.testing.assert_allclose(np.sort([detect(data, image)[2] for image in data.images]), r)
