"""OME-Zarr says where there is fill: in planes, in coarser levels, and as an image of its own."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export import verify
from masks import READABLE, Masks, open_masks

pytestmark = pytest.mark.usefixtures("failing_masks")


def write(ds, path, **options):
    ds.atldld.to_ome_zarr(path, levels=3, **options)
    assert verify(path).problems == ()
    return zarr.open_group(path, mode="r")


WAYS = {
    "lazy": lambda ds: ds,
    "without Dask": lambda ds: open_masks(chunks=None),
    "loaded": lambda ds: ds.compute(),
    "computed": lambda ds: ds.assign(coverage=~~ds.coverage),
    "of another name": lambda ds: ds.rename(expression_coverage="there"),
}


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("way", WAYS)
def test_coverage_is_black_and_white_and_its_means_are_parts(tmp_path, way, version):
    ds = WAYS[way](open_masks())
    name = "there" if "there" in ds else "coverage"
    group = write(ds, tmp_path / "a.zarr", variable=name, ome_version=version)
    own = group.attrs["atldld_xr"]
    for index, section in enumerate(own["sections"]):
        fine = np.asarray(group["0"][0, section["plane"]])
        np.testing.assert_array_equal(fine, 255 * ds[name][index].values)
        odd = [(0, size % 2) for size in fine.shape]
        part = np.pad(fine / 255, odd, mode="edge").reshape(
            (fine.shape[0] + 1) // 2, 2, (fine.shape[1] + 1) // 2, 2
        )
        coarse = np.asarray(group["1"][0, section["plane"]])
        np.testing.assert_allclose(coarse, 255 * part.mean((1, 3)), atol=0.5)
    assert group["0"].dtype == np.uint8
    assert group["0"].fill_value == 0
    assert own["levels"].startswith("255 is true and 0 is false; in coarser levels a pixel is 255")
    assert set(np.unique(group["0"][...])) == {0, 255}


def test_with_the_coverage_means_of_coarser_levels_are_of_tissue_alone(tmp_path):
    ds = open_masks()
    image = write(ds, tmp_path / "a.zarr")
    where = write(ds, tmp_path / "b.zarr", variable="coverage")
    plane = image.attrs["atldld_xr"]["sections"][0]["plane"]
    fine, inside = np.asarray(image["0"][:, plane], float), where["0"][0, plane] == 255
    at_level = np.asarray(image["2"][:, plane], float), where["2"][0, plane] / 255
    rows, columns = (4 * (size // 4) for size in inside.shape)
    cells = (rows // 4, 4, columns // 4, 4)
    inside = inside[:rows, :columns].reshape(cells)
    value, part = (v[..., : rows // 4, : columns // 4] for v in at_level)
    some = (part > 0.2) & (part < 0.8)
    assert some.any()
    for colour in range(3):
        sums = (fine[colour, :rows, :columns].reshape(cells) * inside).sum((1, 3))
        true = (sums / np.maximum(inside.sum((1, 3)), 1))[some]
        found = ((value[colour] - 255 * (1 - part)) / np.where(part, part, 1))[some]
        assert np.abs(found - true).max() < 8
        assert np.abs(value[colour][some] - true).max() > 40, "the case is to be one that misleads"


@pytest.mark.parametrize(("variable", "fill"), [("image", 255), ("expression", 0)])
def test_it_says_that_fill_is_in_the_means(tmp_path, variable, fill):
    group = write(open_masks(), tmp_path / "a.zarr", variable=variable)
    said = group.attrs["ome"]["multiscales"][0]["metadata"]["description"]
    assert said.endswith(f"fill included ({fill})")
    assert (
        f"there is fill ({fill}). Pixels of coarser levels are means with that fill"
        in (group.attrs["atldld_xr"]["levels"])
    )


LOADED = {
    "lazy": lambda ds: ds,
    "loaded": lambda ds: ds.compute(),
    "renamed": lambda ds: ds.rename(expression="expressive"),
    "of statuses alone": lambda ds: ds.compute().drop_vars("has_expression"),
}


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("way", LOADED)
def test_sections_are_valid_or_not(tmp_path, way, version):
    ds = LOADED[way](open_masks())
    name = "expressive" if "expressive" in ds else "expression"

    def valid(path):
        own = zarr.open_group(path, mode="r").attrs["atldld_xr"]
        return [section["valid"] for section in own["sections"]]

    write(ds, tmp_path / "a.zarr", variable=name, ome_version=version)
    assert valid(tmp_path / "a.zarr") == READABLE
    write(ds, tmp_path / "b.zarr", ome_version=version)
    assert valid(tmp_path / "b.zarr") == [True] * 4
    if way != "lazy":
        return
    Masks.fails = False
    write(ds, tmp_path / "a.zarr", variable=name, ome_version=version, retry_failed=True)
    assert valid(tmp_path / "a.zarr") == [True, False, True, True]


def test_other_dtypes_are_refused_as_before(tmp_path):
    ds = open_masks()
    with pytest.raises(InvalidArgumentError, match="viewers take uint8, uint16 and bool"):
        ds.assign(image=ds.image.astype(float)).atldld.to_ome_zarr(tmp_path / "a.zarr")
