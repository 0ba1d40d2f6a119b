"""How far writers are, told to a function of the user's: in order, by one thread, of all."""

from __future__ import annotations

import threading

import pytest

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export import ProgressEvent, status, verify
from atldld_xr.testing.atlas import write_atlas
from noise import DATASET_ID, NoiseSource


class Told(Exception):
    """Raised by a callback."""


def noise(**options):
    options = {"resolution": 200, "chunks": 40} | options
    return atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(), **options)


def summarize(path, **options):
    atlas = path.parent.parent / "atlas"
    atlas = atlas if atlas.exists() else write_atlas(atlas)
    both = ["phantom", "phantom-sagittal"]
    asked = {"annotation": atlas, "structures": "root", "method": "grid"}
    atldld_xr.summarize(both, url=path, **asked, **options)


WRITERS = {
    "a.zarr": ("chunk", lambda path, **how: noise().atldld.to_zarr(path, **how)),
    "filled.zarr": (
        "chunk",
        lambda path, **how: noise(on_error="fill").atldld.to_zarr(path, **how),
    ),
    "a.ome.zarr": ("chunk", lambda path, **how: noise().atldld.to_ome_zarr(path, **how)),
    "a.nrrd": ("plane", lambda path, **how: noise().atldld.to_volume(path, **how)),
    "table.zarr": ("data set", summarize),
}


@pytest.mark.parametrize("name", WRITERS)
def test_all_is_told_in_order_by_one_thread(tmp_path, name):
    what, write = WRITERS[name]
    events, threads = [], set()

    def listen(event):
        events.append(event)
        threads.add(threading.get_ident())

    write(tmp_path / name, callback=listen)
    assert threads == {threading.get_ident()}
    total = events[0].total
    assert events[0] == ProgressEvent(what, 0, total)
    assert events[-1] == ProgressEvent(what, total, total)
    assert len(events) > 2
    done = [event.done for event in events]
    assert done == sorted(set(done))
    with pytest.raises(AttributeError):
        events[0].done = 7
    if name.endswith("zarr"):
        again = []
        write(tmp_path / name, callback=again.append)
        assert again == [ProgressEvent(what, 0, 0)]


@pytest.mark.parametrize("name", WRITERS)
def test_what_it_raises_ends_the_call_and_the_same_call_finishes(tmp_path, name):
    what, write = WRITERS[name]
    events = []

    def stop(event):
        events.append(event)
        if event.done:
            raise Told

    with pytest.raises(Told):
        write(tmp_path / name, callback=stop)
    assert [event.done > 0 for event in events] == [False, True]
    if what == "plane":
        assert list(tmp_path.iterdir()) == []
        write(tmp_path / name)
        return
    assert status(tmp_path / name).state == "interrupted"
    rest = []
    write(tmp_path / name, callback=rest.append)
    # Others may have been entered behind the last that was told of, and none is told of twice.
    assert rest[0].total <= events[0].total - events[1].done
    assert verify(tmp_path / name).problems == ()


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_no_function_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(InvalidArgumentError, match="callback"):
        WRITERS[name][1](tmp_path / name, callback=7)
    assert list(tmp_path.iterdir()) == []
