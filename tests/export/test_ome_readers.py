"""OME-Zarr as others read it: two validators, a reader, and the phantom's formula in the world."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import zarr

import atldld_xr
from atldld_xr.testing import BEADS, value

VERSIONS = ("0.5", "0.4")
AXES = ("c", "z", "y", "x")


@pytest.fixture(scope="module")
def phantom():
    """Open some sections of the phantom, in blocks with odd edges."""
    ds = atldld_xr.open_dataset("phantom", chunks={"y": 150, "x": 200})
    return ds.isel(coronal=[4, 6, 8, 10, 12])


@pytest.fixture(scope="module", params=VERSIONS)
def written(request, phantom, tmp_path_factory):
    """Write the phantom; gives the Dataset, the store's path and the version."""
    path = tmp_path_factory.mktemp("ome") / "phantom.zarr"
    with atldld_xr.config.set({"cache.enabled": False}):
        phantom.atldld.to_ome_zarr(path, ome_version=request.param, levels=3, step=25)
    return phantom, path, request.param


def read_pyramid(path):
    """Return each level's array with its scale and translation, by the metadata alone."""
    group = zarr.open_group(path, mode="r")
    attributes = dict(group.attrs)
    (multiscale,) = attributes.get("ome", attributes)["multiscales"]
    assert [axis["name"] for axis in multiscale["axes"]] == list(AXES)
    for level in multiscale["datasets"]:
        scale, translation = level["coordinateTransformations"]
        yield group[level["path"]], np.array(scale["scale"]), np.array(translation["translation"])


def test_ome_zarr_models_finds_it_valid(written):
    models = pytest.importorskip("ome_zarr_models")
    _, path, version = written
    image = models.open_ome_zarr(zarr.open_group(path, mode="r"))
    assert type(image).__name__ == "Image"
    assert f"v{version.replace('.', '')}" in type(image).__module__


def test_yaozarrs_finds_it_valid(written):
    yaozarrs = pytest.importorskip("yaozarrs")
    _, path, version = written
    group = yaozarrs.validate_zarr_store(str(path))
    assert group.ome_version() == version


@pytest.mark.parametrize("variable", ["image", "expression"])
def test_other_shapes_are_valid_too(tmp_path, variable):
    models, yaozarrs = map(pytest.importorskip, ("ome_zarr_models", "yaozarrs"))
    ds = atldld_xr.open_dataset("phantom-sagittal", resolution=200, expression="intensity")
    for version in VERSIONS:
        path = tmp_path / version
        part = ds.isel(sagittal=slice(2, 4), y=slice(3, 24))
        part.atldld.to_ome_zarr(path, ome_version=version, variable=variable, step=7.5)
        models.open_ome_zarr(zarr.open_group(path, mode="r"))
        yaozarrs.validate_zarr_store(str(path))


def test_ngff_zarr_reads_it_back(written):
    ngff_zarr = pytest.importorskip("ngff_zarr")
    ds, path, version = written
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own
        images = ngff_zarr.from_ngff_zarr(str(path), version=version).images
    assert len(images) == 3
    for level, image in enumerate(images):
        n = 2**level
        assert image.dims == AXES
        assert image.scale == {"c": 1, "z": 25, "y": 25 * n, "x": 25 * n}
        assert [image.axes_units[axis] for axis in "zyx"] == ["micrometer"] * 3
        at = image.translation
        assert (at["c"], at["y"], at["x"]) == (0, 12.5 * n, 12.5 * n)
        assert at["z"] % 25 == 12.5
    pixels = images[0].data
    for index, position in enumerate(ds.coronal.values):
        plane = int((position - at["z"] + 12.5) // 25)
        want = np.moveaxis(ds.image[index].values, -1, 0)
        np.testing.assert_array_equal(pixels[:, plane].compute(), want)


def sections_of(path):
    return zarr.open_group(path, mode="r").attrs["atldld_xr"]["sections"]


def tissue(section, y, x):
    """Return (p, i, r) of the tissue at (y, x) of a coronal section, by what the store says of it.

    It is where the section's normal through the point of the grid meets the section.
    """
    tilt_y, tilt_x = section["tilt_y"], section["tilt_x"]
    rise = tilt_y * (y - section["detection_y"]) + tilt_x * (x - section["detection_x"])
    along = rise / (1 + tilt_y**2 + tilt_x**2)
    return section["position"] + along, y - tilt_y * along, x - tilt_x * along


def formula(section, y, x, pixel):
    """Return the phantom's means over pixels centred at (y, x), as (channel, y, x)."""
    samples = 4
    fine = ((np.arange(samples) + 0.5) / samples - 0.5) * pixel
    rows, columns = (y[:, None] + fine).ravel(), (x[:, None] + fine).ravel()
    true = value(*tissue(section, *np.meshgrid(rows, columns, indexing="ij")))
    true = np.asarray(true, dtype=float).reshape(len(y), samples, len(x), samples, 3)
    return np.moveaxis(true.mean((1, 3)), -1, 0)


def test_every_level_shows_what_the_formula_has_there(written):
    """And not what it has half a pixel beside, as a pyramid without translations would."""
    _, path, _ = written
    for array, scale, translation in read_pyramid(path):
        # Tissue and its outline, but no rim of the section.
        height, width = array.shape[2:]
        j = np.arange(int(0.3 * height), int(0.4 * height))
        k = np.arange(int(0.2 * width), int(0.8 * width))
        y, x = translation[2] + scale[2] * j, translation[3] + scale[3] * k
        half = scale[2] / 2
        for section in sections_of(path)[::2]:
            off = section["position"] - (translation[1] + scale[1] * section["plane"])
            assert abs(off) <= scale[1] / 2
            got = array[:, section["plane"]][:, j[:, None], k].astype(float)
            here, *beside = (
                np.abs(formula(section, y + dy, x + dx, scale[2]) - got).mean()
                for dy, dx in [(0, 0), (half, 0), (-half, 0), (0, half), (0, -half)]
            )
            assert here < 1.5  # of 255; cells are finer than pixels
            assert here < 0.7 * min(beside)


def test_beads_are_in_their_place_at_every_level(written):
    _, path, _ = written
    for array, scale, translation in read_pyramid(path):
        y, x = (
            at + step * np.arange(size)
            for at, step, size in zip(translation[2:], scale[2:], array.shape[2:], strict=True)
        )
        for section in sections_of(path):
            for bead in (bead for bead in BEADS if bead.axis == 0):
                rows, columns = np.abs(y - bead.i) < 400, np.abs(x - bead.r) < 400
                near = array[:, section["plane"]][:, rows][:, :, columns].astype(float).sum(0)
                weight = np.clip(np.median(near) - near, 0, None)
                found_y = (weight.sum(1) * y[rows]).sum() / weight.sum()
                found_x = (weight.sum(0) * x[columns]).sum() / weight.sum()
                _, i, r = tissue(section, found_y, found_x)
                assert np.hypot(i - bead.i, r - bead.r) < 0.1 * scale[2]
