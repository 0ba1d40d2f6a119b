"""How true a volume is: by the tilts of Allen's own data sets, and by the phantom's formula."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.arrays.fetch import fetch_tile
from atldld_xr.datasets.plan_volume import plan_volume
from atldld_xr.plan.volume_plan import Box
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.warp.volume_kernel import look
from forward_scatter import forward_scatter
from recorded import ALLEN
from turned import truth, turned

needs_recorded = pytest.mark.skipif(
    not ALLEN.exists(), reason=f"recorded data of the Allen Institute are not at {ALLEN}"
)
SPACING = 200.0
# How far, in um, parallel planes show tissue from where it is, and the share of voxels to which
# they and the nearest section give another leaf: by a prototype on its own.
SHOWN = {"717": (231, 0.373, 0.158), "100055064": (306, 0.482, 0.148)}


@lru_cache
def tilts():
    """Return, by data set, the plane and the linear part of ``tvr``, as recorded."""
    out = {}
    with open(ALLEN / "sync_answers.csv") as file:
        for row in csv.DictReader(file):
            if row["query"] == "image_to_reference":
                linear = tuple(float(row[f"affine3d_{r}{c}"]) for r in range(3) for c in range(3))
                out[row["section_data_set_id"]] = row["plane"], linear
    return out


def data_sets():
    """Return the data sets of which tilts are recorded, or one that is skipped."""
    return list(tilts()) if ALLEN.exists() else ["100055064"]


@lru_cache
def annotation():
    import nrrd

    return nrrd.read(str(ALLEN / "annotation_25.nrrd"))[0]


def labels(points):
    index = np.floor(points / 25).astype(int)
    inside = ((index >= 0) & (index < annotation().shape)).all(axis=1)
    out = np.zeros(len(points), dtype=annotation().dtype)
    out[inside] = annotation()[tuple(index[inside].T)]
    return out


def brain(plane):
    """Return the indices of some voxels of the brain, or of its left half, at 25 um."""
    axes = [np.arange(2, size, 6) for size in annotation().shape]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = annotation()[tuple(index.T)] != 0
    return index[inside & (index[:, 2] < 228) if plane == "sagittal" else inside]


def whole_series(plane, linear):
    """Return a phantom with sections all over the reference space, 200 um apart."""
    own = {"count": 120, "first": -200} if plane == "coronal" else {"count": 90, "first": -100}
    return turned(plane, linear=linear, resolution=64.0, **own)


@needs_recorded
@pytest.mark.parametrize("name", data_sets())
def test_tissue_is_shown_as_near_to_its_place_as_can_be(name):
    plane, linear = tilts()[name]
    phantom = whole_series(plane, linear)
    data = parse_dataset(phantom.record)
    source = PhantomSource((phantom,))
    volume = atldld_xr.open_volume(phantom.id, source=source, chunks=None)
    index = brain(plane)
    sections = volume.section.values[tuple(index.T)]
    axis = 0 if plane == "coronal" else 2
    index, sections = index[sections > 0], sections[sections > 0]
    points = (index + 0.5) * 25
    trv, tvr = np.asarray(data.trv), np.asarray(data.tvr)
    z = {image.id: image.section_number * data.section_thickness for image in data.images}
    off = points @ trv[2, :3] + trv[2, 3] - [z[section] for section in sections]
    nearest = points - off[:, None] * tvr[:, 2]
    flat = by_parallel_planes(data, points, axis)
    least = SPACING / np.sqrt(12) * abs(tvr[axis, 2])  # of a uniform distance to the nearest
    assert rms(nearest[:, axis] - points[:, axis]) == pytest.approx(least, rel=0.02)
    assert rms(flat[:, axis] - points[:, axis]) > 1.04 * least
    own = labels(points)
    wrong_flat, wrong = (float((labels(p) != own).mean()) for p in (flat, nearest))
    assert wrong < wrong_flat
    if name in SHOWN:
        shown, share_flat, share = SHOWN[name]
        assert rms(flat[:, axis] - points[:, axis]) == pytest.approx(shown, rel=0.02)
        assert wrong_flat == pytest.approx(share_flat, abs=0.02)
        assert wrong == pytest.approx(share, abs=0.02)


def by_parallel_planes(data, points, axis):
    """Return the true places of what is shown at points by sections at their coordinates."""
    trv, tvr = np.asarray(data.trv), np.asarray(data.tvr)
    z = np.array([image.section_number * data.section_thickness for image in data.images])
    centres = np.array(
        [np.asarray(i.tsv) @ [(i.width - 1) / 2, (i.height - 1) / 2, 1] for i in data.images]
    )
    coordinates = np.column_stack([centres, z, np.ones(len(z))]) @ tvr[axis]
    nearest = np.abs(points[:, axis, None] - coordinates).argmin(axis=1)
    on_plane = points.copy()
    on_plane[:, axis] = coordinates[nearest]
    volume = on_plane @ trv[:, :3].T + trv[:, 3]
    volume[:, 2] = z[nearest]
    return volume @ tvr[:, :3].T + tvr[:, 3]


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@needs_recorded
@pytest.mark.parametrize("name", data_sets())
def test_a_linear_field_is_shown_as_it_is(name):
    plane, linear = tilts()[name]
    phantom = whole_series(plane, linear)
    data = parse_dataset(phantom.record)
    planned = plan_volume(
        phantom.id, resolution=50, method="linear", source=PhantomSource((phantom,))
    )
    plan = planned.volumes["image"]
    z = {image.id: image.section_number * data.section_thickness for image in data.images}
    trv, tvr = np.asarray(data.trv), np.asarray(data.tvr)
    axes = (0, 1, 2) if plane == "coronal" else (2, 1, 0)
    middle = plan.shape[0] // 2 if plane == "coronal" else plan.shape[0] // 3
    rows, columns = plan.shape[1:]
    shown, true = [], []
    for seen in look(plan, Box(middle, middle + 3, 20, rows - 20, 20, columns - 20), {}):
        for strip in seen.strips():
            both = np.logical_and(*seen.shown(strip))
            y, x = np.nonzero(both)
            point = np.empty((len(y), 3))
            point[:, axes[0]] = (seen.plane + 0.5) * 50
            point[:, axes[1]] = (seen.block.y0 + strip[0].start + y + 0.5) * 50
            point[:, axes[2]] = (seen.block.x0 + strip[1].start + x + 0.5) * 50
            v3 = point @ trv[2, :3] + trv[2, 3]
            weight = seen.weight(strip)[both]
            # What p is where each of the two sections is seen.
            ends = [
                point[:, axes[0]] - (v3 - z[section.image.id]) * tvr[axes[0], 2]
                for section in seen.sections
            ]
            shown.append((1 - weight) * ends[0] + weight * ends[1])
            true.append(point[:, axes[0]])
    assert sum(map(len, true)) > 10_000
    assert rms(np.concatenate(shown) - np.concatenate(true)) < 0.2


@lru_cache
def compared(plane, turn):
    """Return a phantom 200 um apart at voxels of 100 um: by formula, and in each way."""
    phantom = turned(plane, turn=turn, resolution=32.0)
    source = PhantomSource((phantom,))
    out = {
        method: atldld_xr.open_volume(
            phantom.id, source=source, resolution=100, method=method, chunks=None
        ).load()
        for method in ("nearest", "linear")
    }
    flat = atldld_xr.open_dataset(phantom.id, source=source, resolution=100, chunks=None).load()
    across = out["linear"]["coronal" if plane == "coronal" else "x"].values
    nearest = flat.isel({plane: np.abs(across[:, None] - flat[plane].values).argmin(axis=1)})
    order = (0, 1, 2) if plane == "coronal" else (2, 1, 0)
    image, covered = (
        nearest[name].values.transpose(*order, *range(3, nearest[name].ndim))
        for name in ("image", "coverage")
    )
    covered = covered & out["linear"].coverage.values & out["nearest"].coverage.values
    index = np.random.default_rng(4).permutation(np.argwhere(covered))[:60_000]
    points = (index + 0.5) * 100
    index, points = (some[truth(points).min(axis=1) < 228] for some in (index, points))
    steps = np.array([-100, 0, 100]) / 3
    shifts = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    formula = np.mean([truth(points + shift) for shift in shifts], axis=0, dtype=np.float64)
    shown = {"flat": image, **{method: volume.image.values for method, volume in out.items()}}
    at = tuple(index.T)
    return phantom, source, {way: pixels[at] for way, pixels in shown.items()}, formula, at


TURNS = [("coronal", (0.0, 4.4, -3.3)), ("sagittal", (8.0, 6.0, 0.0))]


@pytest.mark.parametrize(("plane", "turn"), TURNS)
def test_a_volume_is_more_like_the_brain_than_parallel_planes_are(plane, turn):
    _, _, shown, formula, _ = compared(plane, turn)
    assert len(formula) > 10_000
    off = {way: rms(pixels - formula) for way, pixels in shown.items()}
    assert off["linear"] < off["nearest"] < 0.7 * off["flat"]
    assert off["linear"] < 0.5 * off["flat"]


@pytest.mark.parametrize(("plane", "turn"), TURNS)
def test_a_volume_is_no_less_like_the_brain_than_a_forward_scatter(plane, turn):
    phantom, source, shown, formula, at = compared(plane, turn)
    data = parse_dataset(phantom.record)
    plan = plan_volume(phantom.id, resolution=100, source=source).volumes["image"]
    tiers = {}
    for one in plan.sections:
        section = one.section
        rows, columns = section.tile_grid
        tiles = [
            [fetch_tile(source, section, (r, c), "image", "raise") for c in range(columns)]
            for r in range(rows)
        ]
        tiers[section.image.id] = np.vstack(list(map(np.hstack, tiles))), section.sampled_tier
    where = np.zeros((132, 80, 114), dtype=bool)
    where[at] = True
    scattered = forward_scatter(data, tiers, where.shape, 100, where=where)[at]
    assert rms(shown["linear"] - formula) < rms(scattered - formula)


class LeavingOut(PhantomSource):
    """Has not heard of one section."""

    def dataset_record(self, dataset_id):
        record = super().dataset_record(dataset_id)
        images = [i for i in record["section_images"] if i["section_number"] != LEFT_OUT]
        return {**record, "section_images": images}


LEFT_OUT = 30 + 8 * 25


def test_a_section_that_is_left_out_is_seen_between_its_neighbours():
    phantom, source, *_ = compared(*TURNS[0])
    section = atldld_xr.open_dataset(
        phantom.id, source=source, resolution=100, plane="oblique", chunks=None
    )
    section = section.isel(coronal=section.section_number.values.tolist().index(LEFT_OUT)).load()
    without = LeavingOut((replace(phantom),))
    off = {}
    for method in ("nearest", "linear"):
        volume = atldld_xr.open_volume(
            phantom.id, source=without, resolution=100, method=method, max_distance=250, chunks=None
        )
        shown, seen = on_plane_of(section, volume)
        tissue = seen & (section.image.values.min(-1) < 228)
        off[method] = rms((shown.astype(float) - section.image.values)[tissue])
    assert off["linear"] < off["nearest"]
    # Back again: it is its own plane of the volume that it is part of.
    with_it = atldld_xr.open_volume(phantom.id, source=source, resolution=100, chunks=None)
    shown, seen = on_plane_of(section, with_it)
    tissue = seen & (section.image.values.min(-1) < 228)
    assert rms((shown.astype(float) - section.image.values)[tissue]) < 0.35 * off["linear"]


def on_plane_of(section, volume):
    """Return the voxels of a volume that a section's plane goes through, and which there are."""
    y, x = np.meshgrid(section.y, section.x, indexing="ij")
    p = float(section.coronal) + float(section.tilt_y) * (y - float(section.detection_y))
    p += float(section.tilt_x) * (x - float(section.detection_x))
    index = np.floor(p / 100).astype(int)
    inside = (index >= 0) & (index < volume.sizes["coronal"])
    rows, columns = np.indices(p.shape)
    at = np.clip(index, 0, volume.sizes["coronal"] - 1), rows, columns
    return volume.image.values[at], volume.coverage.values[at] & inside
