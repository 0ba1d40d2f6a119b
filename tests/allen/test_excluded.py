"""Sections that cannot be registered are told of, everywhere: how many, and why."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict

import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.excluded import count_excluded, count_reasons
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export import status, verify
from atldld_xr.testing import AllenServer, Phantom
from commandline import run
from noise import record

COUNTS = {"failed": 5, "without alignment2d": 2}
LINE = (
    "7 sections of the data set cannot be registered, and are left out: "
    "5 failed, 2 without alignment2d"
)


class HalfExcluded(Phantom):
    """Of whose 14 sections 5 are failed and 2 have no alignment."""

    @property
    def record(self):
        out = copy.deepcopy(super().record)
        failed = [image for image in out["section_images"] if image["failed"]]
        others = [image for image in out["section_images"] if not image["failed"]]
        for image in others[:4]:
            image["failed"] = True
        for image in others[5:7]:
            image["alignment2d"] = None
        assert len(failed) == 1
        return out


HALF = HalfExcluded(id=900000004, count=14, resolution=64.0)


@pytest.fixture(scope="module")
def server():
    with AllenServer(phantoms=[HALF]) as server:
        yield server


def open_half(server, **options):
    return atldld_xr.open_dataset(HALF.id, source=server.url, resolution=400, **options)


def test_a_dataset_says_so_in_words_and_has_the_record(server, tmp_path):
    ds = open_half(server)
    assert ds.attrs["excluded_sections"] == "7 of 14 sections: 5 failed, 2 without alignment2d"
    assert "7 of 14 sections: 5 failed" in repr(ds)
    excluded = parse_dataset(HALF.record).excluded
    rows = [(e.id, e.section_number, e.reason) for e in excluded]
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    # NetCDF-3, the poorest of all, has no lists of words, and no unsigned numbers.
    ds.drop_vars(list(ds.data_vars)).assign_attrs(genes="").to_netcdf(
        tmp_path / "a.nc", engine="scipy"
    )
    for found in (ds, xr.open_zarr(tmp_path / "a.zarr"), xr.open_dataset(tmp_path / "a.nc")):
        table = found.atldld.excluded()
        assert list(table.columns) == ["section_image_id", "section_number", "reason"]
        assert [tuple(row) for row in table.itertuples(index=False)] == rows
        assert (table.reason == "Allen marked it as failed").sum() == 5


def test_of_none_excluded_that_is_said_too():
    class All(Phantom):
        @property
        def record(self):
            out = copy.deepcopy(super().record)
            for image in out["section_images"]:
                image["failed"] = False
            return out

    with AllenServer(phantoms=[All(id=900000005, count=3, resolution=64.0)]) as server:
        ds = atldld_xr.open_dataset(900000005, source=server.url)
    assert ds.attrs["excluded_sections"] == "none of 3 sections"
    assert ds.atldld.excluded().empty


@pytest.mark.parametrize("suffix", ["zarr", "ome.zarr", "nrrd"])
def test_export_status_and_verify_tell_of_them(server, tmp_path, suffix):
    out = tmp_path / f"a.{suffix}"
    options = ("--source", server.url, "--resolution", "400")
    exported = run("export", HALF.id, out, *options, code=0)  # nothing went wrong
    assert exported.stdout.splitlines().count(LINE) == 1
    told = run("export", HALF.id, out, *options, "--mode", "w", "--json")
    assert json.loads(told.stdout)["excluded"] == COUNTS
    if suffix == "nrrd":
        origin = json.loads((tmp_path / "a.nrrd.json").read_text())["origin"]
        assert origin["excluded_sections"].startswith("7 of 14 sections: 5 failed")
        return
    for command, look in (("status", status), ("verify", verify)):
        text = run(command, out, code=0)
        assert LINE in text.stdout
        told = run(command, out, "--json")
        assert json.loads(told.stdout)["excluded"] == COUNTS == asdict(look(out))["excluded"]


def test_several_data_sets_tell_of_each(tmp_path):
    with AllenServer(phantoms=[HALF, Phantom(id=900000006, count=4, resolution=64.0)]) as server:
        options = ("--source", server.url, "--resolution", "400")
        told = run("export", HALF.id, 900000006, tmp_path / "{id}.zarr", *options)
    assert LINE in told.stdout
    one = "1 section of the data set cannot be registered, and is left out: 1 failed"
    assert one in told.stdout


def test_a_mirror_tells_of_them(server, tmp_path):
    options = ("--source", server.url, "--tiers", "2")
    assert LINE in run("mirror", HALF.id, tmp_path / "a", *options).stdout
    told = json.loads(run("mirror", HALF.id, tmp_path / "a", *options, "--json").stdout)
    assert told["excluded"] == COUNTS
    # Nothing is lost on the way.
    ds = atldld_xr.open_dataset(HALF.id, source=tmp_path / "a", resolution=400)
    assert ds.attrs["excluded_sections"] == open_half(server).attrs["excluded_sections"]


def test_info_tells_of_them(server):
    text = run("info", HALF.id, "--source", server.url).stdout
    assert "7: 5 failed, 2 without alignment2d" in text
    assert text.count("Allen marked it as failed") == 5
    told = json.loads(run("info", HALF.id, "--source", server.url, "--json").stdout)
    assert len(told["excluded_sections"]) == 7


def spoilt(**changes):
    """Return why a section is excluded whose record is changed."""
    out = record(1, 3, 901, 703, 10.0)
    out["section_images"][2] |= changes
    if "alignment2d" in changes and isinstance(changes["alignment2d"], dict):
        out["section_images"][2]["alignment2d"] = (
            record(1, 3, 901, 703, 10.0)["section_images"][2]["alignment2d"]
            | changes["alignment2d"]
        )
    (excluded,) = parse_dataset(out).excluded
    return excluded.reason


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"failed": True}, "failed"),
        ({"alignment2d": None}, "without alignment2d"),
        ({"alignment2d": {"tsv_00": None}}, "with an unusable alignment2d"),
        ({"alignment2d": {"tvs_00": 1e6}}, "with an unusable alignment2d"),
        ({"alignment2d": {"tvs_04": 1e5}}, "with an unusable alignment2d"),
        ({"section_number": 80}, "with the number of another"),
        ({"data_set_id": 6}, "of another data set"),
        ({"section_number": None}, "with unusable metadata"),
        ({"width": 0}, "with unusable metadata"),
        ({"resolution": "fine"}, "with unusable metadata"),
    ],
)
def test_every_reason_has_its_short_words(changes, kind):
    assert count_reasons([spoilt(**changes)]) == {kind: 1}


OLD = json.dumps([{"id": 7, "section_number": None, "reason": "Allen marked it as failed"}])


def test_stores_of_earlier_versions_are_read():
    """There the attribute was the record itself."""
    assert count_excluded({"excluded_sections": OLD}) == {"failed": 1}
    table = xr.Dataset(attrs={"excluded_sections": OLD}).atldld.excluded()
    assert table.section_image_id.tolist() == [7]
    assert table.section_number.isna().all()
    assert count_excluded({"excluded_sections": "[]"}) == {}
    assert xr.Dataset().atldld.excluded().empty


@pytest.mark.parametrize("text", ["[{]", "[1]", "7", '[{"id": "a"}]', "[" * 10_000, 7, [7]])
def test_a_damaged_record_is_named_and_is_nothing_in_a_store(text):
    attributes = {"excluded_section_records": text}
    with pytest.raises(InvalidArgumentError, match="excluded_section_records is no record"):
        xr.Dataset(attrs=attributes).atldld.excluded()
    assert count_excluded(attributes) == {}
    assert count_excluded(None) == {}
