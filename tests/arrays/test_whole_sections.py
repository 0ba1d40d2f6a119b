"""On a cluster a section's blocks are one task: the same pixels by the same requests."""

from __future__ import annotations

import pickle

import dask
import numpy as np
import pytest

import atldld_xr
from atldld_xr.arrays import dask_graph, whole_sections
from atldld_xr.arrays.whole_sections import make_blocks, section_tasks
from atldld_xr.errors import SectionImageError
from noise import DATASET_ID, FIRST_IMAGE_ID, LoggedNoise, NoiseSource

SECTIONS = 5
BAD = ((FIRST_IMAGE_ID + 1, 128, 128), (FIRST_IMAGE_ID + 3, 0, 0))


@pytest.fixture
def source(tmp_path):
    log = tmp_path / "asked"
    log.touch()
    return LoggedNoise(sections=SECTIONS, log=str(log))


@pytest.fixture
def made(monkeypatch):
    """Record how many tasks the scheduler, which is in this process, makes by sections."""
    counts = []

    def recorded(*arguments):
        tasks = section_tasks(*arguments)
        counts.append(len(tasks))
        return tasks

    monkeypatch.setattr(dask_graph, "section_tasks", recorded)
    return counts


def opened(source, **options):
    options = {"resolution": 20, "chunks": 100, **options}
    return atldld_xr.open_dataset(DATASET_ID, source=source, **options)


def on_threads(lazy):
    with dask.config.set(scheduler="threads"):
        return lazy.compute()


ASKED = {
    "mean": lambda image: image.mean("coronal"),
    "mean of each": lambda image: image.mean(("y", "x")),
    "all": lambda image: image,
    "some": lambda image: image.isel(coronal=[0, 1, 3, 4], y=slice(120, 333), x=slice(250, 301)),
    "backwards": lambda image: image[::-1, ::7, ::-3],
    "few": lambda image: image[:3],
    "one block of each": lambda image: image[:, 210:220, 310:320],
}
FEW = {"few"}
WINDOWS = {"some", "one block of each"}
"""Threads share memory: of blocks that are cut they read what is left of them."""


@pytest.mark.usefixtures("cluster")
def test_the_same_pixels_by_the_same_requests_as_on_threads(source, made):
    image = opened(source).image
    for name, ask in ASKED.items():
        expected = on_threads(ask(image))
        planned = source.asked()
        made.clear()
        np.testing.assert_array_equal(ask(image).compute(), expected, err_msg=name)
        assert (sum(made) == 0) == (name in FEW), name
        asked = source.asked()
        assert planned.keys() <= asked.keys() if name in WINDOWS else planned == asked, name
        assert set(asked.values()) == set(planned.values()) == {1}, name


@pytest.mark.usefixtures("cluster")
def test_a_whole_dataset_has_no_tile_fetched_twice(source, made):
    """To be filled, `coverage` and `status` need the image's tiles too."""
    for on_error in ("raise", "fill"):
        made.clear()
        opened(source, on_error=on_error, expression="intensity").compute()
        assert set(source.asked().values()) == {1}
        assert (sum(made) > 0) == (on_error == "raise")


@pytest.mark.usefixtures("cluster")
def test_nor_has_an_export_of_what_is_computed(source, tmp_path):
    computed = opened(source)[["image"]] // 2
    computed.atldld.to_zarr(str(tmp_path / "a.zarr"))
    asked = source.asked()
    with dask.config.set(scheduler="threads"):
        computed.atldld.to_zarr(str(tmp_path / "b.zarr"))
    assert asked == source.asked()


@pytest.mark.usefixtures("cluster")
def test_a_tile_that_fails(made):
    source = NoiseSource(sections=SECTIONS, bad=BAD)
    filled = opened(source, on_error="fill").image
    for lazy in (filled, filled.mean("coronal")):
        np.testing.assert_array_equal(lazy.compute(), on_threads(lazy))
    made.clear()
    with pytest.raises(SectionImageError, match=r"section image 10[13]: it is made to fail"):
        opened(source).image.mean("coronal").compute()
    assert sum(made) > SECTIONS


def layer_of(image):
    return image.data.dask.layers[image.data.name]


def test_of_few_or_large_sections_tiles_and_blocks_are_tasks(monkeypatch):
    layer = layer_of(opened(NoiseSource(sections=SECTIONS)).image)
    what = (layer.name, layer.variable, layer.source)
    keys = list(layer)
    tasks = section_tasks(*what, keys)
    assert set(keys) < set(tasks)
    assert len(tasks) == len(keys) + SECTIONS
    assert section_tasks(*what, [key for key in keys if key[1] < 3]) == {}
    monkeypatch.setattr(whole_sections, "LARGEST", 100)
    assert section_tasks(*what, keys) == {}


def test_another_slice_is_another_task():
    layer = layer_of(opened(NoiseSource(sections=SECTIONS)).image)
    what = (layer.name, layer.variable, layer.source)
    both = [set(section_tasks(*what, keys)) - set(layer) for keys in (list(layer), list(layer)[1:])]
    assert len(both[0] - both[1]) == 1  # the first section's


def test_only_what_a_client_sends_is_made_by_sections():
    graph = opened(NoiseSource(sections=SECTIONS)).image.data.dask
    again = pickle.loads(pickle.dumps(graph))
    assert [layer.is_sent for name, layer in again.layers.items() if "fetch" not in name] == [False]


def test_what_is_sent_is_small(cluster):
    image = opened(NoiseSource(sections=500), chunks=32).image
    assert image.data.npartitions > 10_000
    data = pickle.dumps(image.data.dask)
    layers = pickle.loads(data).layers.values()
    assert [layer.is_sent for layer in layers] == [True, True]
    assert len(data) < 1000 * 500


class Recording:
    """A source that keeps what it was asked for, of whichever thread."""

    def __init__(self):
        self.asked = []

    def read(self, image, tile, view):
        self.asked.append((tile.left, tile.top))
        return NoiseSource(sections=SECTIONS).read(image, tile, view)


def test_tiles_are_fetched_for_this_block_and_the_next():
    layer = layer_of(opened(NoiseSource(sections=SECTIONS)).image)
    section = layer.variable.plan.sections[0]
    blocks = list(layer.variable.plan.blocks())
    needs = [set(section.tiles(block)) for block in blocks]
    recording = Recording()

    def make(_, block, tiles):
        n = blocks.index(block)
        assert set(tiles) == needs[n]
        assert len(recording.asked) <= len(set().union(*needs[: n + 2]))
        return np.zeros(block.shape)

    made = make_blocks(recording, section, ("image", "raise"), make, blocks)
    assert [one.shape[1:] for one in made] == [block.shape for block in blocks]
    assert len(recording.asked) == len(set(recording.asked)) == len(set().union(*needs)) > 10
