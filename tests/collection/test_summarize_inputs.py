"""Files that a table is counted by: told by what they say, as they may say something else later."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.errors import RegistrationError, StoreError
from atldld_xr.testing.atlas import nrrd_file
from collection import IDS, SIX, files, loop, same_rows
from quicknii import as_json, moved, series_of


@pytest.fixture
def opening(server):
    return {"source": server.url, "resolution": 200}


@pytest.fixture
def summarize(opening, atlas, tmp_path):
    """Return the function, of two data sets."""

    def of(ids=IDS[:2], **asked):
        to = {"url": tmp_path / "a.zarr", "annotation": atlas}
        return atldld_xr.summarize(ids, **{**to, **opening, **asked})

    return of


def write_registrations(folder, how, shift):
    """Write how two data sets lie, as a file, a folder or a zip; return where."""
    series = []
    for phantom in SIX[:2]:
        data = parse_dataset(phantom.record)
        poses = {i.id: moved(allen_pose(data, i), shift=(0, shift, 0)) for i in data.images}
        series.append(series_of(data, poses))
    place = folder / f"anchors.{how}"
    contents = {f"{n}.json": as_json(one) for n, one in zip(IDS, series, strict=False)}
    if how == "json":
        slices = [one for each in series for one in each["slices"]]
        place.write_bytes(as_json(series[0] | {"slices": slices}))
    elif how == "zip":
        with zipfile.ZipFile(place, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    else:
        place.mkdir(exist_ok=True)
        for name, content in contents.items():
            (place / name).write_bytes(content)
    return place


@pytest.mark.parametrize("how", ["json", "zip", "folder"])
def test_a_registration_that_says_something_else_makes_another_table(
    summarize, tmp_path, monkeypatch, how
):
    place = write_registrations(tmp_path, how, 0)
    summarize(registration=place)
    monkeypatch.chdir(tmp_path)  # wherever it is named from
    assert summarize(registration=place.name).counted == 0
    before = files(tmp_path / "a.zarr")
    write_registrations(tmp_path, how, 150)
    with pytest.raises(StoreError, match=r"exists and was made otherwise.*registration"):
        summarize(registration=place)
    assert files(tmp_path / "a.zarr") == before
    assert summarize(registration=place, mode="w").counted == 2
    assert files(tmp_path / "a.zarr") != before


@pytest.mark.parametrize("name", ["missing.json", "missing.zip", "missing", "empty"])
def test_a_registration_that_is_not_there_is_no_table_of_failures(
    server, summarize, tmp_path, name
):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegistrationError, match=name):
        summarize(registration=tmp_path / name)
    assert not server.log
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("changed", ["annotation_100.nrrd", "structure_graph_1.json"])
def test_an_annotation_that_says_something_else_makes_another_table(
    opening, summarize, atlas, tmp_path, changed
):
    mine = tmp_path / "mine"
    shutil.copytree(atlas, mine)
    summarize(IDS[:1], annotation=mine)
    assert summarize(IDS[:1], annotation=mine).counted == 0
    if changed.endswith("nrrd"):
        labels = atldld_xr.open_annotation(source=atlas, resolution=100, chunks=None).values
        (mine / changed).write_bytes(nrrd_file(labels[:, ::-1], 100))
    else:  # the same structures, of which one has another part
        graph = json.loads((mine / changed).read_text())
        [root] = graph["msg"]
        moved_one = root["children"].pop()
        grey = root["children"][0]
        grey["children"].append(moved_one | {"parent_structure_id": grey["id"]})
        (mine / changed).write_text(json.dumps(graph))
    with pytest.raises(StoreError, match=r"exists and was made otherwise.*annotation_digest"):
        summarize(IDS[:1], annotation=mine)
    summarize(IDS[:1], annotation=mine, mode="w")
    table = xr.open_zarr(tmp_path / "a.zarr").load()
    same_rows(table, loop(IDS[:1], str(mine), opening=opening))
