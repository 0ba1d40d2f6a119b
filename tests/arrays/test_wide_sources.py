"""A source that gives many tiles at once has the pixels, and the failures, of one that does not."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.arrays import fetch
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import SectionImageError
from atldld_xr.known_as import known_as
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

BAD = ((FIRST_IMAGE_ID, 128, 256), (FIRST_IMAGE_ID + 2, 384, 0))


@known_as("wide_noise")
@dataclass(frozen=True)
class WideNoise(NoiseSource):
    """Noise of which squares of 4 x 4 tiles are given, unless a bad tile is in them."""

    url: str = "wide memory"

    def piece_side(self, image: Any, tier: int, view: str) -> int:
        return 4 * self.tile

    def read(self, image: Any, tile: Any, view: str) -> np.ndarray:
        for image_id, left, top in self.bad:
            inside = tile.left <= left < tile.left + tile.width
            if image_id == image.id and inside and tile.top <= top < tile.top + tile.height:
                raise SectionImageError(image.id, "memory://tile", "it is made to fail")
        return super().read(image, tile, view)


@pytest.fixture(autouse=True)
def anew():
    TILES.reset()
    fetch._NARROW.clear()
    yield
    fetch._NARROW.clear()


def opened(source, **options):
    options = {"resolution": 20, "tier": 0, "expression": "intensity", "on_error": "fill"} | options
    return atldld_xr.open_dataset(DATASET_ID, source=source, **options)


def plain(**options):
    with dask.config.set(scheduler="synchronous"):
        return opened(NoiseSource(bad=BAD), **options).compute()


def equal(one, other):
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_by_dask_on_any_scheduler(scheduler):
    lazy = opened(WideNoise(bad=BAD), chunks=100)
    expected = plain()
    with dask.config.set(scheduler=scheduler):
        equal(lazy.compute(), expected)
        at = {"y": slice(110, 290), "x": slice(150, 330)}
        equal(lazy.isel(at).compute(), expected.isel(at))
        equal(lazy.isel(coronal=slice(None, None, -1), **at).compute(),
              expected.isel(coronal=slice(None, None, -1), **at))  # fmt: skip


@pytest.mark.parametrize("options", [{"interpolation": "lanczos"}, {"tier": 1}, {"tier": "auto"}])
def test_with_any_options(options):
    have = frozenset({0}) if options == {"tier": "auto"} else None  # coarser tiers are made here
    one, other = WideNoise(have=have), NoiseSource(have=have)
    with dask.config.set(scheduler="threads"):
        expected = opened(other, **options).compute()
        equal(opened(one, **options).compute(), expected)
        equal(opened(one, chunks=None, **options).load(), expected)


def test_without_dask_and_exported(tmp_path):
    expected = plain()
    equal(opened(WideNoise(bad=BAD), chunks=None).load(), expected)
    for name, source in (("wide", WideNoise(bad=BAD)), ("plain", NoiseSource(bad=BAD))):
        opened(source).atldld.to_zarr(tmp_path / f"{name}.zarr")
    wide, other = (xr.open_zarr(tmp_path / f"{n}.zarr") for n in ("wide", "plain"))
    equal(wide.load(), other.load())
    failures = [ds.atldld.failures() for ds in (wide, other)]
    assert failures[0].equals(failures[1])
    assert len(failures[0]) > 1


def test_persisted_pickled_and_unfused():
    lazy = opened(WideNoise(bad=BAD), chunks=100).isel(y=slice(100, 250), x=slice(100, 300))
    expected = plain().isel(y=slice(100, 250), x=slice(100, 300))
    with dask.config.set(scheduler="threads"):
        equal(lazy.persist().compute(), expected)
        equal(pickle.loads(pickle.dumps(lazy)).compute(), expected)
        (optimized,) = dask.optimize(lazy)
        equal(optimized.compute(), expected)
        with dask.config.set({"optimization.fuse.active": False}):
            equal(lazy.compute(), expected)


def test_a_computation_tries_anew_what_failed_before():
    source = Recovering()
    lazy = opened(source, expression=False, chunks=100).image.isel(y=slice(0, 90), x=slice(0, 90))
    Recovering.fails = True
    with dask.config.set(scheduler="threads"):
        assert (lazy.compute() == 255).all()
        Recovering.fails = False
        assert not (lazy.compute() == 255).all()


class Recovering(NoiseSource):
    """Noise that cannot be had until it can."""

    fails = False

    def read(self, image, tile, view):
        if Recovering.fails:
            raise SectionImageError(image.id, "memory://tile", "it is made to fail")
        return super().read(image, tile, view)


def test_nothing_is_kept_when_a_computation_is_over():
    import gc

    from atldld_xr.arrays.window_blocks import _MEMORIES

    image = opened(WideNoise(), chunks=100, on_error="raise", expression=False).image
    window = image.isel(coronal=0, y=slice(110, 190), x=slice(150, 230))
    with dask.config.set(scheduler="threads"):
        window.compute()
    gc.collect()
    assert len(_MEMORIES()) == 0
