"""The command ``export`` with several data sets: what it writes, says and returns."""

from __future__ import annotations

import json
import pickle

import pytest
import xarray as xr
from click.testing import CliRunner

from atldld_xr.cli import cli
from atldld_xr.errors import AtldldError, DatasetNotFoundError
from atldld_xr.export.many import export_many
from atldld_xr.testing import AllenServer, Faults, Phantom
from commandline import COARSE, IMAGE, SMALL, facts, run, tree
from noise import DATASET_ID, NoiseSource

OTHER = Phantom(id=900000006, count=3, resolution=20.0)


@pytest.fixture(scope="module")
def shared():
    with AllenServer(phantoms=[SMALL, OTHER]) as server:
        yield server


def export(server, *args, code=0):
    """Export, and return the result: what fails says a line for each data set, and one in all."""
    line = ["export", *args, "--source", server.url, *COARSE]
    result = CliRunner().invoke(cli, list(map(str, line)))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_several_data_sets(server, tmp_path):
    said = export(server, SMALL.id, OTHER.id, tmp_path / "{id}.zarr").stdout
    assert "2 of 2 data sets are written" in said
    for phantom in (SMALL, OTHER):
        assert xr.open_zarr(tmp_path / f"{phantom.id}.zarr").image.size
    partly = export(server, SMALL.id, 77, tmp_path / "{id}.zarr", code=3)
    assert "1 of 2 data sets are written" in partly.stdout
    assert "77 failed: there is no" in partly.stderr
    assert "tries them again" not in partly.stderr


def test_several_data_sets_need_a_place_each(server, tmp_path):
    before = tree(tmp_path)
    assert "{id}" in export(server, SMALL.id, OTHER.id, tmp_path / "a.zarr", code=2).stderr
    export(server, SMALL.id, "what", tmp_path / "{id}.zarr", code=2)
    assert tree(tmp_path) == before
    assert not server.log


@pytest.mark.parametrize("workers", [(), ("--workers", 2)])
def test_several_data_sets_as_one_json_document(server, tmp_path, workers):
    line = (77, SMALL.id, f"allen:{OTHER.id}", tmp_path / "{id}.zarr", "--json", *workers)
    told = json.loads(export(server, *line, code=3).stdout)
    assert [one.pop("dataset") for one in told] == ["77", str(SMALL.id), f"allen:{OTHER.id}"]
    missing, *written = told
    assert list(missing) == ["error"]
    assert missing["error"].startswith("there is no section data set 77")
    for phantom, report in zip((SMALL, OTHER), written, strict=True):
        alone = facts("export", phantom.id, tmp_path / f"{phantom.id}.zarr", *at(server))
        assert alone == report | {"blocks": 0, "skipped": report["blocks"]}


def at(server):
    return ["--source", server.url, *COARSE]


def test_one_data_set_is_one_object_wherever_it_goes(server, tmp_path):
    report = facts("export", SMALL.id, tmp_path / "{id}.zarr", *at(server))
    assert report["url"] == str(tmp_path / f"{SMALL.id}.zarr")
    assert "there is no" in run("export", 77, tmp_path / "{id}.zarr", *at(server), code=3).stderr


def test_exit_codes_of_several_data_sets(server, tmp_path):
    both = (SMALL.id, OTHER.id, tmp_path / "{id}.zarr")
    # All that fail are not there; all have an argument that cannot work.
    export(server, 76, 77, tmp_path / "{id}.zarr", code=3)
    said = export(server, *both, "--tier", "99", code=2).stderr
    assert "2 of 2 data sets could not be written\n" in said
    # One cannot be read, one is not there.
    server.faults = Faults(never=frozenset([IMAGE.id]))
    said = export(server, SMALL.id, 77, tmp_path / "{id}.zarr", code=1).stderr
    assert "tries them again" in said
    export(server, *both, code=1)
    # All are written, with a section missing; and with that, one that is not there.
    export(server, *both, "--on-error", "fill", "--mode", "w", code=4)
    export(server, SMALL.id, 77, tmp_path / "{id}.zarr", "--on-error", "fill", code=3)


@pytest.mark.parametrize(
    "names",
    [
        (SMALL.id, SMALL.id),
        (SMALL.id, OTHER.id, f"allen:{SMALL.id}"),
        (f"0{SMALL.id}", SMALL.id),
        ("phantom", 900000001),
    ],
    ids=str,
)
@pytest.mark.parametrize("url", ["{id}.zarr", "a.zarr"])
def test_the_same_data_set_twice(server, tmp_path, names, url):
    said = run("export", *names, tmp_path / url, *at(server), code=2).stderr
    assert f"{names[0]} and {names[-1]} are the same data set" in said
    assert tree(tmp_path) == {}
    assert not server.log


class Bad(NoiseSource):
    """A source whose code has a mistake, or that somebody interrupts."""

    error: type[BaseException] = RuntimeError

    def dataset_record(self, dataset_id):
        if dataset_id != DATASET_ID:
            raise self.error("not foreseen")
        return super().dataset_record(dataset_id)


class Interrupted(Bad):
    error = KeyboardInterrupt


def test_whatever_fails_does_not_keep_the_others(tmp_path):
    opening = {"source": Bad(), "resolution": 200}
    outcomes = list(export_many([6, DATASET_ID], str(tmp_path / "{id}.zarr"), opening=opening))
    assert [(o.dataset, o.error, o.kind) for o in outcomes] == [
        ("6", "RuntimeError: not foreseen", Exception),
        (str(DATASET_ID), "", None),
    ]
    assert xr.open_zarr(tmp_path / f"{DATASET_ID}.zarr").image.size


def test_an_interrupt_ends_all(tmp_path):
    opening = {"source": Interrupted(), "resolution": 200}
    with pytest.raises(KeyboardInterrupt):
        list(export_many([6, DATASET_ID], str(tmp_path / "{id}.zarr"), opening=opening))
    assert tree(tmp_path) == {}


def test_outcomes_travel(server, tmp_path):
    outcomes = list(
        export_many(
            [77, "what", SMALL.id],
            str(tmp_path / "{id}.zarr"),
            opening={"source": server.url, "resolution": 100},
        )
    )
    assert [outcome.kind and outcome.kind.__name__ for outcome in outcomes] == [
        DatasetNotFoundError.__name__,
        "InvalidArgumentError",
        None,
    ]
    assert all(issubclass(o.kind, AtldldError) for o in outcomes if o.kind)
    assert pickle.loads(pickle.dumps(outcomes)) == outcomes
