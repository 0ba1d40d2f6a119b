"""Volumes of sections that lie by others' registrations: not parallel, and bent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.arrays.plain_loop import load_volume
from atldld_xr.arrays.volume_variables import volume_variables
from atldld_xr.datasets.plan_volume import plan_volume
from atldld_xr.plan.bend import Bend
from atldld_xr.plan.bent_section import BentSectionPlan
from atldld_xr.sources.phantom import PhantomSource
from voxels import PHANTOMS, RESOLUTION, Posed, open_volume, voxel, whole


def test_sections_need_not_be_parallel():
    phantom = PHANTOMS["coronal"]
    data = parse_dataset(phantom.record)
    rng = np.random.default_rng(2)
    poses = {}
    for image in data.images:  # turned by up to 2 degrees, and moved by up to 60 um
        turn = np.linalg.qr(np.eye(3) + rng.uniform(-0.035, 0.035, (3, 3)))[0]
        turn *= np.sign(np.diag(turn))
        middle, shift = np.array([6600.0, 4000, 5700]), rng.uniform(-60, 60, 3)
        back = np.column_stack([turn.T, middle - turn.T @ (middle + shift)])
        poses[image.id] = np.asarray(allen_pose(data, image).matrix) @ np.vstack(
            [back, [0, 0, 0, 1]]
        )
    volume = open_volume("coronal", "linear", registration=poses, chunks=None).load()
    lazy = open_volume("coronal", "linear", registration=poses, chunks={"coronal": 11, "x": 20})
    xr.testing.assert_identical(lazy.compute(scheduler="sync"), volume)
    source = PhantomSource((phantom,))
    planned = plan_volume(
        data.id, resolution=RESOLUTION, method="linear", registration=poses, source=source
    ).volumes["image"]
    sections = {one.section.image.id: one.section for one in planned.sections}
    tiers = {image.id: whole(source, sections[image.id]) for image in data.images}
    posed = Posed(data.plane, data.images, poses)
    shape = volume.coverage.shape
    index = np.stack([rng.integers(0, size, 1500) for size in shape], axis=1)
    points = (index + 0.5) * RESOLUTION
    seen = 0
    for at, point in zip(index, points, strict=True):
        far = np.array([poses[image.id][2] @ [*point, 1] for image in data.images])
        pixel, distance, image = voxel(posed, point, far, "linear", planned, sections, tiers)
        one = {n: v.values[tuple(at)] for n, v in volume.data_vars.items()}
        assert one["coverage"] == (pixel is not None)
        if pixel is not None:
            seen += 1
            assert np.abs(one["image"] - pixel).max() <= 1
            assert one["section"] == image
            assert abs(one["distance"] - distance) < 0.01
    assert seen > 500


def test_bent_sections_are_cut_as_others():
    """A bend of nothing changes nothing, and one by so many pixels is an affine that moves."""
    source = PhantomSource((PHANTOMS["coronal"],))
    planned = plan_volume(
        PHANTOMS["coronal"].id, resolution=RESOLUTION, method="linear", chunks=23, source=source
    )
    for off in ((0.0, 0.0), (13.0, -9.0)):
        moved, bent = [], []
        for one in planned.volumes["image"].sections:
            (ax, bx, cx), (ay, by, cy) = one.section.affine
            affine = ((ax, bx, cx + off[0]), (ay, by, cy + off[1]))
            moved.append(replace(one, section=replace(one.section, affine=affine)))
            fields = {f: getattr(one.section, f) for f in one.section.__dataclass_fields__}
            bend = Bend.of(np.tile(off, (3, 4, 1)), (-0.5, -0.5), (70.0, 80.0))
            bent.append(replace(one, section=BentSectionPlan(**fields, bend=bend)))
        found = []
        for sections in (moved, bent):
            reading = planned.volumes["image"].reading
            reading = replace(reading, sections=tuple(one.section for one in sections))
            plan = replace(planned.volumes["image"], reading=reading, sections=tuple(sections))
            variables = volume_variables("image", plan, (0, 1, 2), planned.variables[0].chunks)
            found.append([load_volume(variable, source) for variable in variables])
        (image, *geometry), (bent_image, *bent_geometry) = found
        for one, other in zip(geometry, bent_geometry, strict=True):
            np.testing.assert_array_equal(one, other)
        # Positions are rounded once, and those of an affine as a sum of two.
        assert np.abs(image.astype(int) - bent_image).max() <= 1
