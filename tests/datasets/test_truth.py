"""The registration beside the phantom's formula: what is seen is where it is."""

from __future__ import annotations

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.testing import BEADS, CORONAL, LANDMARK, PHANTOMS, value

NAMES = {"phantom": 900_000_001, "phantom-sagittal": 900_000_002}


def shown_at(name, ds, index, y, x):
    """Return the (p, i, r) of the tissue that a section shows at (y, x), by the matrices.

    They are the brain's own, as its data set was registered, in whichever space it is opened.

    An oracle of its own: each point goes to the volume, falls on the section along the volume's
    third axis, and comes back; images and grids play no part in it.
    """
    data = parse_dataset(PHANTOMS[NAMES[name]].record)
    dim = data.plane.dim
    mirrored = ds.attrs["reference_space_id"] != data.reference_space_id
    image_id = int(ds.section_image_id[index])
    (image,) = (image for image in data.images if image.id == image_id)
    point = np.zeros((3, np.size(y)))
    point[data.plane.section_axis] = float(ds[dim][index])
    point[data.plane.y_axis], point[data.plane.x_axis] = np.ravel(y), np.ravel(x)
    if mirrored:
        point[2] = 11350 - point[2]
    trv, tvr = np.asarray(data.trv), np.asarray(data.tvr)
    volume = trv[:, :3] @ point + trv[:, 3:]
    # The stored matrices are rounded: what is at a place in the image is what tsv says is there.
    tvs, tsv = np.asarray(image.tvs), np.asarray(image.tsv)
    pixel = tvs[:, :2] @ volume[:2] + tvs[:, 2:]
    volume[:2] = tsv[:, :2] @ pixel + tsv[:, 2:]
    volume[2] = image.section_number * data.section_thickness
    return tvr[:, :3] @ volume + tvr[:, 3:]


def solve(name, ds, index, axes, wanted):
    """Return the (y, x) at which two of (p, i, r) are as wanted; the map is affine."""
    ys, xs = np.array([0.0, 1000.0, 0.0]), np.array([0.0, 0.0, 1000.0])
    a, b, c = shown_at(name, ds, index, ys, xs)[axes].T
    jacobian = np.stack([(b - a) / 1000, (c - a) / 1000], axis=1)
    return np.linalg.solve(jacobian, np.asarray(wanted) - a)


@pytest.mark.parametrize("tier", range(CORONAL.record["section_images"][0]["tier_count"]))
@pytest.mark.parametrize("name", list(NAMES))
def test_centroids_are_within_a_twentieth_of_a_pixel_at_every_tier(name, tier):
    axis = 0 if name == "phantom" else 2
    others = [0, 1, 2]
    others.remove(axis)
    # Output pixels of 25 um, or of the tier where its pixels are larger.
    pixel = max(25.0, CORONAL.resolution * 2**tier)
    ds = atldld_xr.open_dataset(name, resolution=pixel, tier=tier, chunks=None)
    worst = 0.0
    for index in (1, ds.sizes[ds.image.dims[0]] // 2, -2):
        for bead in (bead for bead in BEADS if bead.axis == axis):
            centre = np.array([bead.p, bead.i, bead.r])[others]
            y, x = solve(name, ds, index, others, centre)
            half = 400 + pixel
            near = ds.image[index].sel(y=slice(y - half, y + half), x=slice(x - half, x + half))
            signal = near.values.astype(float).sum(-1)
            weight = np.clip(np.median(signal) - signal, 0, None)
            got_y = (weight.sum(1) * near.y.values).sum() / weight.sum()
            got_x = (weight.sum(0) * near.x.values).sum() / weight.sum()
            worst = max(worst, float(np.hypot(got_y - y, got_x - x)) / pixel)
    assert 0 < worst < 0.05


@pytest.mark.parametrize("resolution", [25, 40, 100])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("name", list(NAMES))
def test_the_landmark_of_the_left_is_where_it_is_and_not_in_the_mirror(name, space, resolution):
    ds = atldld_xr.open_dataset(
        name, resolution=resolution, reference_space=space, expression="intensity", chunks=None
    )
    dim, own = ("coronal", 9) if name == "phantom" else ("sagittal", 10)
    centre = np.array(LANDMARK[:3])
    seen = 0
    for index in range(ds.sizes[dim]):
        # Where the section comes nearest to its centre: there a ball's round cut has its own.
        ys, xs = np.array([0.0, 1000.0, 0.0]), np.array([0.0, 0.0, 1000.0])
        a, b, c = shown_at(name, ds, index, ys, xs).T
        basis = np.stack([(b - a) / 1000, (c - a) / 1000], axis=1)
        (y, x), *_ = np.linalg.lstsq(basis, centre - a, rcond=None)
        off = np.linalg.norm(a + basis @ [y, x] - centre)
        near = {"y": slice(y - 700, y + 700), "x": slice(x - 700, x + 700)}
        if off > 1.2 * LANDMARK.radius:
            # Once is enough for what is drawn anew at each resolution.
            assert resolution < 100 or ds.expression[index].sel(near).mean() < 100
            continue
        intensity = ds.expression[index].sel(near)
        seen += 1
        weight = np.clip(intensity.values.astype(float) - 160, 0, None)
        got_y = (weight.sum(1) * intensity.y.values).sum() / weight.sum()
        got_x = (weight.sum(0) * intensity.x.values).sum() / weight.sum()
        assert np.hypot(got_y - y, got_x - x) < 10 + resolution / 10
        side = got_x if dim == "coronal" else float(ds[dim][index])
        assert (side < 5600) == (space == own)
        assert shown_at(name, ds, index, got_y, got_x)[2] < 3700
        # Its place looks unlike the mirrored one, in the image as in the mask.
        if dim == "coronal":
            mirror = near | {"x": slice(10650 - x, 12050 - x)}
            assert ds.expression[index].sel(mirror).max() < 160 < intensity.max()
            darkest = [int(ds.image[index].sel(at).sum("channel").min()) for at in (near, mirror)]
            assert darkest[0] < darkest[1] - 60
    assert seen == 2


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


def test_area_averages_beat_points_by_3_db():
    ds = atldld_xr.open_dataset("phantom", resolution=25, chunks=None)
    full = {"resolution": 25, "tier": 0, "chunks": None}
    points = atldld_xr.open_dataset("phantom", interpolation="nearest", **full)
    forced = atldld_xr.open_dataset("phantom", **full)
    index, part = 7, {"y": slice(60, 140), "x": slice(60, 220)}
    n = 8
    fine = (np.arange(n) + 0.5) / n - 0.5
    y = (ds.y[part["y"]].values[:, None] + fine * 25).ravel()
    x = (ds.x[part["x"]].values[:, None] + fine * 25).ravel()
    yy, xx = np.meshgrid(y, x, indexing="ij")
    true = value(*shown_at("phantom", ds, index, yy, xx)).reshape(len(y) // n, n, -1, n, 3)
    true = np.asarray(true, dtype=float).mean(axis=(1, 3))
    scores = {
        name: psnr(d.image[index].isel(part).values.astype(float), true)
        for name, d in {"auto": ds, "points": points, "forced": forced}.items()
    }
    assert scores["auto"] > scores["points"] + 3, scores
    assert scores["forced"] > scores["points"] + 3, scores


def test_the_getting_started_page_reads_where_the_service_says():
    """The displacement leads to the pixel that ``reference_to_image`` would name."""
    data = parse_dataset(PHANTOMS[NAMES["phantom"]].record)
    ds = atldld_xr.open_dataset("phantom", resolution=100)
    section = ds.isel(coronal=3)
    (image,) = (i for i in data.images if i.id == int(section.section_image_id))
    j, k = 33, 57
    point = [[float(section.coronal)], [float(section.y[j])], [float(section.x[k])]]
    x, y, _ = transforms.pir_to_xy(point, image.tvs, data.trv)[:, 0]
    delta = section.displacement[j, k].values
    scale = 2 ** int(section.tier)
    np.testing.assert_allclose((k + delta[0] + 0.5) * scale - 0.5, x, atol=1e-2)
    np.testing.assert_allclose((j + delta[1] + 0.5) * scale - 0.5, y, atol=1e-2)
