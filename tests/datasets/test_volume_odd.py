"""open_volume of what is seldom: planes that cross beside the brain, and the finest voxels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.sources.phantom import PhantomSource
from turned import turned

NARROW = turned("coronal", resolution=64.0, count=15, spacing=8, first=150, turn=(1, 4, -4))


def tumbled(phantom, degrees, seed):
    """Return poses of sections that are turned and moved a little, each in its own way."""
    data, rng, most = (
        parse_dataset(phantom.record),
        np.random.default_rng(seed),
        np.radians(degrees),
    )
    poses = {}
    for image in data.images:
        turn = np.linalg.qr(np.eye(3) + rng.uniform(-most, most, (3, 3)))[0]
        turn *= np.sign(np.diag(turn))
        middle, shift = np.array([6600.0, 4000, 5700]), rng.uniform(-40, 40, 3)
        back = np.column_stack([turn.T, middle - turn.T @ (middle + shift)])
        poses[image.id] = np.asarray(allen_pose(data, image).matrix) @ np.vstack(
            [back, [0, 0, 0, 1]]
        )
    return poses


def test_planes_that_cross_beside_the_brain_are_weighted_without_a_warning():
    poses = tumbled(NARROW, 1, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = atldld_xr.open_volume(
            NARROW.id,
            source=PhantomSource((NARROW,)),
            resolution=100,
            method="linear",
            registration=poses,
            chunks=None,
        ).load()
    assert volume.coverage.any()


@pytest.mark.parametrize(
    "ask",
    [
        lambda ds: ds.atldld.section(6600),
        lambda ds: ds.atldld.section_dim,
        lambda ds: ds.atldld.true_coordinate(),
        lambda ds: ds.atldld.annotation(),
        lambda ds: ds.assign(expression=ds.coverage).atldld.structure_summary(),
    ],
)
def test_what_is_of_sections_is_refused_of_a_volume_in_its_words(ask):
    volume = atldld_xr.open_volume("phantom", resolution=200)
    with pytest.raises(InvalidArgumentError, match="this is a volume"):
        ask(volume)


@pytest.mark.parametrize("resolution", [0.5, 0.1])
def test_the_finest_voxels_open_without_dask(resolution):
    """Nothing is cut into chunks there, and so there are not too many of them."""
    volume = atldld_xr.open_volume("phantom", resolution=resolution, chunks=None)
    at = {name: volume.sizes[name] // 2 for name in ("coronal", "y", "x")}
    image = volume.image.isel(at).values
    assert image.shape == (3,)


def test_the_finest_voxels_open_in_chunks_that_can_be_kept_track_of():
    volume = atldld_xr.open_volume("phantom", resolution=0.5)
    assert np.prod(volume.coverage.data.numblocks) <= 1_000_000
    assert volume.coverage.data.chunksize == (65, 517, 507)
    with pytest.raises(InvalidArgumentError, match="chunks=None"):
        atldld_xr.open_volume("phantom", resolution=0.1)
