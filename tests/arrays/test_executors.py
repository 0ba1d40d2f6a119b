"""The executors agree to the bit, whatever the chunks; each tile is fetched once."""

from __future__ import annotations

import pickle
from collections import Counter
from functools import cache

import dask
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.arrays import plain_loop
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

OPTIONS = {"resolution": 40, "expression": "intensity", "on_error": "fill"}
BAD = ((FIRST_IMAGE_ID + 2, 0, 0), (FIRST_IMAGE_ID, 128, 128))
few = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
some = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def open_noise(source=None, **options):
    return atldld_xr.open_dataset(DATASET_ID, source=source or NoiseSource(), **(OPTIONS | options))


@cache
def reference(source):
    """Return every variable as the plain loop makes it, in one chunk."""
    ds = open_noise(source, chunks=None)
    arrays = {n: v._data.array for n, v in ds.variables.items() if n in ds.data_vars}
    return {name: plain_loop.load(array.variable, source) for name, array in arrays.items()}


class Counting:
    """A source that counts what it is asked for."""

    def __init__(self, source):
        self.source, self.asked = source, Counter()

    def __getattr__(self, name):
        return getattr(self.source, name)

    @property
    def url(self):
        return self.source.url

    def dataset_record(self, dataset_id):
        return self.source.dataset_record(dataset_id)

    def image_record(self, image_id):
        return self.source.image_record(image_id)

    def tiers(self, image, view):
        return self.source.tiers(image, view)

    def tile_side(self, image, tier, view):
        return self.source.tile_side(image, tier, view)

    def read(self, image, tile, view):
        self.asked[image.id, tile, view] += 1
        return self.source.read(image, tile, view)


@pytest.mark.parametrize("plane", [1, 2])
@pytest.mark.parametrize("bad", [(), BAD])
@given(chunks=st.tuples(st.integers(23, 300), st.integers(23, 340)))
@few
def test_any_chunking_equals_the_loop(plane, bad, chunks):
    source = NoiseSource(plane=plane, bad=bad)
    expected = reference(source)
    ds = open_noise(source, chunks=dict(zip("yx", chunks, strict=True))).compute()
    assert set(ds.data_vars) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(ds[name].values, values, err_msg=name)


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
@pytest.mark.parametrize("tier", ["auto", 0, 2])
@given(chunk=st.integers(11, 130))
@few
def test_any_chunking_equals_one_chunk_however_sampled(interpolation, tier, chunk):
    options = {"interpolation": interpolation, "tier": tier, "resolution": 90, "expression": False}
    one = open_noise(chunks=-1, **options).image.isel(coronal=0)
    many = open_noise(chunks=chunk, **options).image.isel(coronal=0)
    np.testing.assert_array_equal(many.values, one.values)


@given(data=st.data())
@some
def test_slicing_then_computing_equals_computing_then_slicing(data):
    source = NoiseSource(bad=BAD)
    whole = {n: xr.DataArray(v) for n, v in reference(source).items()}
    chunks = data.draw(st.sampled_from([None, 50, {"y": 31, "x": 200}]))
    ds = open_noise(source, chunks=chunks)

    def index(size):
        bound = st.one_of(st.none(), st.integers(-size, size - 1))
        step = st.sampled_from([None, 1, 2, 7, -1, -5])
        # xarray's own lazy indexing fails on empty slices with negative steps.
        slices = st.builds(slice, bound, bound, step).filter(lambda s: len(range(size)[s]))
        return data.draw(
            st.one_of(
                slices,
                st.integers(-size, size - 1),
                st.lists(st.integers(-size, size - 1), min_size=1, max_size=4),
            )
        )

    name = data.draw(
        st.sampled_from(["image", "expression", "displacement", "expression_coverage"])
    )
    lazy = ds[name]
    at = {dim: index(lazy.sizes[dim]) for dim in lazy.dims}
    expected = whole[name].rename(dict(zip(whole[name].dims, lazy.dims, strict=True))).isel(at)
    np.testing.assert_array_equal(lazy.isel(at).values, expected.values)


@pytest.mark.parametrize("chunks", [None, 64, "auto"])
def test_each_tile_is_fetched_once_and_as_planned(chunks):
    source = Counting(NoiseSource(sections=2))
    TILES.__init__()
    ds = open_noise(source, chunks=chunks)
    assert not source.asked
    if chunks is None:
        for name in ds.data_vars:
            ds[name].load()
    else:
        ds.compute()
    assert set(source.asked.values()) == {1}
    planned = {
        (section.image.id, section.tile(*place), plan.view)
        for plan in ds_plans(source)
        for section in plan.sections
        for block in plan.blocks()
        for place in section.tiles(block)
    }
    assert set(source.asked) == planned


def ds_plans(source, **options):
    ds = open_noise(source, chunks=None, **options)
    return [ds[name].variable._data.array.variable.plan for name in ("image", "expression")]


def test_a_slice_fetches_its_section_and_tiles_only():
    source = Counting(NoiseSource())
    ds = open_noise(source, chunks=64, resolution=10, expression=False)
    ds.image.isel(coronal=1, y=slice(300, 320), x=slice(400, 420)).compute()
    assert {image for image, _, _ in source.asked} == {FIRST_IMAGE_ID + 1}
    assert 1 <= len(source.asked) <= 4


def test_geometry_needs_no_tile():
    source = Counting(NoiseSource())
    ds = open_noise(source, on_error="raise")
    ds[["displacement", "coverage"]].compute()
    assert not source.asked


def test_names_are_deterministic_and_depend_on_what_matters():
    names = {n: v.data.name for n, v in open_noise().data_vars.items()}
    assert {n: v.data.name for n, v in open_noise().data_vars.items()} == names
    for change in ({"resolution": 41}, {"interpolation": "cubic"}, {"chunks": 9}, {"tier": 0}):
        other = open_noise(**change)
        assert other.image.data.name != names["image"], change
    lazy = open_noise(chunks=None).image.variable._data
    assert tokenize(lazy) == tokenize(open_noise(chunks=None).image.variable._data)
    assert tokenize(lazy) != tokenize(open_noise(chunks=None, tier=0).image.variable._data)


def test_tasks_are_light():
    ds = open_noise(NoiseSource(sections=20), chunks=16)
    tasks = len(ds.image.__dask_graph__())
    assert tasks > 2000
    assert len(pickle.dumps(ds.image.__dask_graph__())) < 400 * tasks


def test_pickled_lazy_arrays_read_the_same():
    ds = open_noise(chunks=None, expression=False)
    again = pickle.loads(pickle.dumps(ds))
    np.testing.assert_array_equal(again.image[1].values, ds.image[1].values)


@pytest.mark.usefixtures("cluster")
def test_on_a_cluster_of_processes():
    source = NoiseSource(bad=BAD)
    ds = open_noise(source, chunks=90).compute()
    for name, values in reference(source).items():
        np.testing.assert_array_equal(ds[name].values, values, err_msg=name)
    with pytest.raises(SectionImageError, match=r"section image 10[02]: it is made to fail"):
        open_noise(source, chunks=90, on_error="raise").image.compute()


def test_raise_names_the_section_and_the_address():
    ds = open_noise(NoiseSource(bad=BAD), on_error="raise")
    with pytest.raises(SectionImageError, match="memory://tile") as caught:
        ds.image.isel(coronal=0).compute()
    assert caught.value.section_image_id == FIRST_IMAGE_ID
    np.testing.assert_array_equal(ds.image.isel(coronal=1), open_noise().image.isel(coronal=1))


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
@pytest.mark.parametrize("resolution", [5, 40])
def test_fill_fills_what_is_bad_and_nothing_else(interpolation, resolution):
    options = {"interpolation": interpolation, "resolution": resolution, "chunks": None}
    good = open_noise(**options).isel(coronal=[1, 2]).compute()
    ds = open_noise(NoiseSource(bad=BAD), **options).isel(coronal=[1, 2]).compute()
    assert ds.status.values.tolist() == [0, 1]
    assert ds.expression_status.values.tolist() == [2, 1]
    lost = good.coverage & ~ds.coverage
    assert lost.any(["y", "x"]).values.tolist() == [False, True]
    # one tile of 128 px of 10 um at its tier
    pixels = (128 * 10 * 2 ** int(ds.tier[1]) / resolution) ** 2
    assert 0.8 < int(lost[1].sum()) / pixels < 1.2
    assert (ds.image.where(~ds.coverage, 255) == 255).all()
    kept = ds.coverage.values
    np.testing.assert_array_equal(ds.image.values[kept], good.image.values[kept])


def test_no_chunking_asks_for_more_tiles_than_another():
    """A rotated image that hangs out of the reference space: blocks see its corners or not."""
    source = NoiseSource(width=1900, height=1500, tile=32)
    asked = {}
    for chunks in (-1, 40, {"y": 7, "x": 200}):
        counting = Counting(source)
        ds = open_noise(counting, chunks=chunks, resolution=30, expression=False)
        ds.isel(coronal=slice(2)).compute()
        asked[str(chunks)] = set(counting.asked)
    first, *others = asked.values()
    assert all(other == first for other in others)
    rows, columns = ds_plans(source, resolution=30)[0].sections[0].tile_grid
    assert len(first) < 2 * rows * columns


def test_failures_are_tried_again_when_opened_again():
    class Flaky(Counting):
        def read(self, image, tile, view):
            super().read(image, tile, view)
            raise SectionImageError(image.id, "memory://x", "down")

    source = Flaky(NoiseSource(sections=1))
    ds = open_noise(source, chunks=None)
    for _ in range(2):
        ds.image[0, 100:110, 100:110].load()
    assert set(source.asked.values()) == {1}
    open_noise(source, chunks=None).image[0, 100:110, 100:110].load()
    assert set(source.asked.values()) == {2}


def test_query_planning_is_refused():
    with (
        dask.config.set({"array.query-planning": True}),
        pytest.raises(InvalidArgumentError, match="query-planning"),
    ):
        open_noise()


def test_a_source_without_the_wanted_tier_is_read_at_a_finer_one():
    ds = open_noise(NoiseSource(have=frozenset({0})), expression=False)
    assert ds.tier.values.tolist() == [0, 0, 0]
    own = open_noise(NoiseSource(), expression=False)
    assert own.tier.values.tolist() == [2, 2, 2]
    np.testing.assert_array_equal(ds.coverage, own.coverage)


def test_tiles_that_cannot_be_halved_are_refused():
    with pytest.raises(InvalidArgumentError, match="cannot be halved 2 times"):
        open_noise(NoiseSource(tile=130, have=frozenset({0})), expression=False)
