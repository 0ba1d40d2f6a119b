"""OME-Zarr over the axes of the reference space: as over planes, rows and columns, but turned."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export import verify

ORDERS = {"phantom": (0, 1, 2, 3), "phantom-sagittal": (0, 3, 2, 1)}
"""Which of (c, z, y, x) are (c, p, i, r)."""

LEADS = ["anterior-to-posterior", "superior-to-inferior", "left-to-right"]


def opened(name, **options):
    ds = atldld_xr.open_dataset(
        name, **({"resolution": 400, "chunks": {"y": 11, "x": 13}} | options)
    )
    return ds.isel({ds.atldld.section_dim: slice(1, 4), "y": slice(2, None)})


def multiscale(group):
    attributes = dict(group.attrs)
    (told,) = attributes.get("ome", attributes)["multiscales"]
    return told


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("change", ["of a plan", "by Dask"])
def test_it_is_turned_and_the_same(tmp_path, name, version, change):
    models, yaozarrs = map(pytest.importorskip, ("ome_zarr_models", "yaozarrs"))
    ds = opened(name)
    if change == "by Dask":
        ds["image"] = (255 - ds.image).assign_attrs(ds.image.attrs)
    options = {"ome_version": version, "levels": 3}
    ds.atldld.to_ome_zarr(tmp_path / "zyx", **options)
    written = ds.atldld.to_ome_zarr(tmp_path / "pir", axes="pir", **options)
    plain, turned = (zarr.open_group(tmp_path / axes, mode="r") for axes in ("zyx", "pir"))
    order = ORDERS[name]
    for level, (was, now) in enumerate(
        zip(multiscale(plain)["datasets"], multiscale(turned)["datasets"], strict=True)
    ):
        np.testing.assert_array_equal(turned[str(level)][:], plain[str(level)][:].transpose(order))
        for one, other in zip(*(s["coordinateTransformations"] for s in (was, now)), strict=True):
            assert other[other["type"]] == [one[one["type"]][axis] for axis in order]
    axes = multiscale(turned)["axes"]
    assert [axis["name"] for axis in axes] == ["c", "p", "i", "r"]
    told = [axis.get("orientation") for axis in axes]
    assert told == [None, *({"type": "anatomical", "value": value} for value in LEADS)]
    assert not any("orientation" in axis for axis in multiscale(plain)["axes"])
    assert turned.attrs["atldld_xr"]["orientation"] == dict(zip("pir", LEADS, strict=True))
    assert verify(tmp_path / "pir").problems == ()
    models.open_ome_zarr(turned)
    yaozarrs.validate_zarr_store(str(tmp_path / "pir"))
    again = ds.atldld.to_ome_zarr(tmp_path / "pir", axes="pir", **options)
    assert (again.blocks, again.skipped) == (0, written.blocks)


def test_a_lost_chunk_is_made_again(tmp_path):
    ds = opened("phantom-sagittal")
    ds.atldld.to_ome_zarr(tmp_path / "a", axes="pir", levels=2)
    before = {p: p.read_bytes() for p in (tmp_path / "a").glob("[01]/c/**/*") if p.is_file()}
    for path in list(before)[::3]:
        path.unlink()
    assert ds.atldld.to_ome_zarr(tmp_path / "a", axes="pir", levels=2).blocks == len(
        list(before)[::3]
    )
    assert {path: path.read_bytes() for path in before} == before


def test_both_planes_show_one_place_alike(tmp_path):
    """A point of the brain, by the metadata of a coronal and of a sagittal store alone."""
    seen = []
    for name in ORDERS:
        ds = atldld_xr.open_dataset(name, resolution=50)
        ds.atldld.to_ome_zarr(tmp_path / name, axes="pir", levels=1)
        group = zarr.open_group(tmp_path / name, mode="r")
        scale, at = multiscale(group)["datasets"][0]["coordinateTransformations"]
        seen.append((group["0"], np.array(scale["scale"]), np.array(at["translation"])))
    # Where planes of both cross, along i: the same tissue, thick as sections are.
    (coronal, *of_coronal), (sagittal, *of_sagittal) = seen
    planes = [
        np.flatnonzero((array[0] != 255).any(axis=tuple({0, 1, 2} - {axis})))
        for array, axis in ((coronal, 0), (sagittal, 2))
    ]
    p = of_coronal[1][1] + planes[0][len(planes[0]) // 2] * of_coronal[0][1]
    r = of_sagittal[1][3] + planes[1][len(planes[1]) // 2] * of_sagittal[0][3]
    i = np.arange(1000, 7000, 50.0)
    lines = []
    for array, (scale, first) in ((coronal, of_coronal), (sagittal, of_sagittal)):
        place = zip((p, i, r), first[1:], scale[1:], strict=True)
        places = tuple(np.rint((at - start) / step).astype(int) for at, start, step in place)
        lines.append(array[1][places].astype(float))
    assert np.corrcoef(*lines)[0, 1] > 0.8


@pytest.mark.parametrize("axes", ["rip", None, ["p", "i", "r"]])
def test_other_axes_are_refused(tmp_path, axes):
    with pytest.raises(InvalidArgumentError, match="axes"):
        opened("phantom").atldld.to_ome_zarr(tmp_path / "a", axes=axes)
