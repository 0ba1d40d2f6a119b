"""Markers of VisuAlign through open_dataset: the phantom's formula, chunks, stores, costs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.testing import value
from misplaced import misplaced
from quicknii import as_json, moved, series_of

SPACING = np.linspace(0.02, 0.98, 6)


def with_markers(plane, folder):
    """Write anchors that are off in the sections' own planes, and markers that make up for it."""
    source, number, data, true = misplaced(plane)
    wrong = {}
    for image in data.images:
        along = np.cross(true[image.id].across[:3], [0.3, 0.9, 0.2])  # within the plane
        wrong[image.id] = moved(true[image.id], shift=150 * along / np.linalg.norm(along))
    series = series_of(data, wrong)
    for slice_, image in zip(series["slices"], data.images, strict=True):
        size = np.array([slice_["width"], slice_["height"]])
        scale = size / [image.width, image.height]
        x, y = (some.ravel() for some in np.meshgrid(SPACING, SPACING))
        there = np.stack([x, y], -1) * size
        pixels = there / scale - 0.5
        points = true[image.id].to_reference @ [*pixels.T, np.ones(len(x))]
        shown = wrong[image.id].to_image @ [*points, np.ones(len(x))]
        slice_["markers"] = np.hstack([(shown.T + 0.5) * scale, there]).tolist()
    (folder / "markers.json").write_bytes(as_json(series))
    for slice_ in series["slices"]:
        del slice_["markers"]
    (folder / "anchors.json").write_bytes(as_json(series))

    def opened(name="markers.json", **options):
        file = folder / name
        return atldld_xr.open_dataset(number, source=source, registration=file, **options)

    return opened


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_what_markers_make_up_for_is_seen_where_it_truly_is(plane, tmp_path):
    opened = with_markers(plane, tmp_path)
    axes = {"coronal": [0, 1, 2], "sagittal": [2, 1, 0]}[plane]
    errors = {}
    for name in ("markers.json", "anchors.json"):
        ds = opened(name, resolution=8, tier=0, plane="oblique", chunks=None)
        section = ds.isel({plane: ds.sizes[plane] // 2})
        section = section.sel(y=slice(2200, 3400), x=slice(3000, 4400))
        y, x = np.meshgrid(section.y, section.x, indexing="ij")
        c = float(section[plane]) + float(section.tilt_y) * (y - float(section.detection_y))
        c = c + float(section.tilt_x) * (x - float(section.detection_x))
        point = dict(zip(axes, (c, y, x), strict=True))
        true = np.asarray(value(*(point[k] for k in range(3))), dtype=float)
        apart = ndimage.gaussian_filter(section.image.values - true, (2, 2, 0))
        errors[name] = np.sqrt(np.mean(apart**2))
    assert errors["markers.json"] < 1
    assert errors["anchors.json"] > 5 * errors["markers.json"]


def test_chunks_stores_and_costs_are_as_ever(tmp_path):
    opened = with_markers("coronal", tmp_path)
    options = {"resolution": 250}
    whole = opened(chunks=None, **options).load()
    for chunks in ({"y": 9, "x": 13}, "auto"):
        xr.testing.assert_identical(opened(chunks=chunks, **options).compute(), whole)
    assert "with 612 markers" in whole.attrs["registration"]
    assert "displacement has it" in whole.attrs["registration_bends"]
    ds = opened(**options)
    report = ds.atldld.to_zarr(tmp_path / "a.zarr")
    back = xr.open_zarr(tmp_path / "a.zarr").compute()
    xr.testing.assert_equal(back, whole)  # the displacement too: no affine says it
    again = opened(**options).atldld.to_zarr(tmp_path / "a.zarr")
    assert (again.blocks, again.skipped) == (0, report.blocks)
    with pytest.raises(StoreError):  # of the same anchors, without markers
        opened("anchors.json", **options).atldld.to_zarr(tmp_path / "a.zarr")
    source, number, *_ = misplaced("coronal")
    facts = atldld_xr.info(number, source=source, registration=tmp_path / "markers.json", **options)
    assert facts.costs.output_bytes == report.nbytes
    xr.testing.assert_identical(
        opened(chunks={"y": 9, "x": 13}, **options).image[8, 5:20, 7:30].compute(),
        whole.image[8, 5:20, 7:30],
    )
