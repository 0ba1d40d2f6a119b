"""Stores of the version before, whose records had format 2: read, gone on with, and verified.

`data/stores_before_3.tar.xz` was written by commit d4a1783: the coronal phantom at 500 um,
finished, begun, begun as OME-Zarr, and begun under "raise" without masks; and noise with a section
that could not be read.

`data/stores_before_4.tar.xz` are the same in format 3, written by commit c0813c5.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import atldld_xr
from atldld_xr.errors import SectionImageError, StoreError
from atldld_xr.export import status, verify
from atldld_xr.sources.phantom import PhantomSource
from commandline import facts, run
from kills import entered, marks
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

FAILED = FIRST_IMAGE_ID + 2
BAD = tuple((FAILED, 128 * n, 128 * m) for n in range(4) for m in range(4))
COMMANDS = {
    "begun.zarr": ["--expression=intensity", "--on-error", "fill"],
    "finished.zarr": ["--expression=intensity", "--on-error", "fill"],
    "begun.ome.zarr": ["--expression=intensity", "--on-error", "fill"],
    "strict.zarr": [],
}


def extracted(name, folder):
    with tarfile.open(Path(__file__).parents[1] / "data" / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def stores(tmp_path):
    return extracted("stores_before_3", tmp_path)


@pytest.fixture
def stores_of_3(tmp_path):
    return extracted("stores_before_4", tmp_path)


def open_phantom(**options):
    options = {"resolution": 500, "expression": "intensity", "on_error": "fill"} | options
    return atldld_xr.open_dataset("phantom", **options)


def open_failed():
    return atldld_xr.open_dataset(
        DATASET_ID,
        source=NoiseSource(bad=BAD),
        resolution=200,
        expression=True,
        on_error="fill",
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_goes_on(stores, name):
    store, said = stores / name, ["--resolution", "500", *COMMANDS[name]]
    there = status(store)
    done = entered(store)
    before = marks(store, done)
    assert done
    run("export", "phantom", store, *said)
    assert marks(store, done) == before
    assert facts("status", store)["state"] == "complete"
    assert facts("verify", store)["problems"] == []
    assert status(store).chunks == there.chunks
    assert "0 chunks written" in run("export", "phantom", store, *said).stdout
    if name != "begun.ome.zarr":
        back = xr.open_zarr(store).compute()
        now = open_phantom(on_error="raise")
        expected = {*there.chunks, *(("status", "reason") if "--on-error" in said else ())}
        assert set(back.data_vars) == expected
        for made in ("displacement", "coverage"):
            np.testing.assert_array_equal(back[made], now[made])
        if name == "begun.zarr":  # what was missing is made of the Dataset
            last = now.sizes["coronal"] - 1
            assert not any(key[:2] == ("image", last) for key in done)
            for made in ("image", "expression"):
                np.testing.assert_array_equal(back[made][last], now[made][last])
        if "reason" in expected:
            assert set(back.reason.values) == {""}
            assert set(back.status.values) == {0}


def test_what_ended_under_raise_goes_on_under_fill(stores):
    ds = open_phantom(expression=False)
    assert ds.atldld.to_zarr(stores / "strict.zarr").blocks > 0
    assert status(stores / "strict.zarr").state == "complete"
    assert verify(stores / "strict.zarr").problems == ()


@pytest.mark.parametrize("archive", ["stores_before_3", "stores_before_4"])
def test_what_ended_under_raise_and_fails_is_verified(tmp_path, monkeypatch, archive):
    store = extracted(archive, tmp_path) / "strict.zarr"
    ds = open_phantom(expression=False)
    failed, read = int(ds.section_image_id[-1]), PhantomSource.read

    def fail(self, image, *args):
        if image.id == failed:
            raise SectionImageError(image.id, "nowhere", "made to fail")
        return read(self, image, *args)

    monkeypatch.setattr(PhantomSource, "read", fail)
    (failure,) = ds.atldld.to_zarr(store).failures
    assert failure["section_image_id"] == failed
    assert verify(store).problems == ()
    assert xr.open_zarr(store).attrs["unread_sections"] == json.dumps([failure])
    attributes = json.loads((store / "zarr.json").read_text())
    attributes["attributes"]["unread_sections"] = "[]"
    (store / "zarr.json").write_text(json.dumps(attributes))
    assert verify(store).problems[0] == "zarr.json has other attributes than were written"


def test_a_begun_store_is_told_of_and_verified(stores):
    found = status(stores / "begun.zarr")
    assert found.state == "interrupted"
    assert 0 < found.written["image"] < found.chunks["image"]
    problems = verify(stores / "begun.zarr").problems
    assert problems
    assert all("not written yet" in problem for problem in problems)


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_finished_store_is_read(stores, tmp_path, chunks):
    back = xr.open_zarr(stores / "finished.zarr", chunks=chunks)
    assert len(back.atldld.failures()) == 0
    masked = back.atldld.masked
    np.testing.assert_array_equal(np.isnan(masked.image.isel(channel=0)), ~back.coverage)
    np.testing.assert_array_equal(np.isnan(masked.expression), ~back.coverage)
    report = back.isel(coronal=slice(3)).atldld.to_volume(tmp_path / "a.nrrd", channel="grey")
    assert len(report.valid_planes) == 3
    back.atldld.to_ome_zarr(tmp_path / "a.ome.zarr")
    back.atldld.to_zarr(tmp_path / "a.zarr")
    copy = xr.open_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(copy.compute(), back.compute())


def test_a_damaged_one_is_found(stores):
    chunk = next(p for p in (stores / "finished.zarr" / "image" / "c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[::-1])
    (problem,) = verify(stores / "finished.zarr").problems
    assert "damaged" in problem


def test_what_failed_is_told_and_tried_again(stores, tmp_path, monkeypatch):
    store = stores / "failed.zarr"
    assert verify(store).problems == ()
    (failure,) = status(store).failures
    assert (failure["section_image_id"], failure["variable"]) == (FAILED, None)
    assert "made to fail" in failure["reason"]
    table = xr.open_zarr(store).atldld.failures()
    assert table.section_image_id.tolist() == [FAILED]
    assert table.reason.tolist() == [failure["reason"]]
    report = xr.open_zarr(store).atldld.to_volume(tmp_path / "a.nrrd", channel="grey")
    assert [entry["section_image_id"] for entry in report.failures] == [FAILED]

    again = open_failed().atldld.to_zarr(store, retry_failed=True)
    assert [entry["section_image_id"] for entry in again.failures] == [FAILED]
    assert verify(store).problems == ()
    read = NoiseSource.read
    monkeypatch.setattr(NoiseSource, "read", lambda self, *args: read(NoiseSource(), *args))
    assert open_failed().atldld.to_zarr(store, retry_failed=True).failures == ()
    assert verify(store).problems == ()
    assert status(store).failures == ()
    back = xr.open_zarr(store).compute()
    assert back.status.values.tolist() == [0, 0, 0]
    assert set(back.reason.values) == {""}
    np.testing.assert_array_equal(back.image[2], open_failed().image[2])


OTHERS = {
    "another resolution": (lambda: open_phantom(resolution=400), "resolution: 500"),
    "other sections": (lambda: open_phantom().isel(coronal=slice(3)), "shape"),
    "other pixels": (lambda: open_phantom(interpolation="cubic"), "interpolation"),
    "other variables": (lambda: open_phantom(expression=False), "expression is only there"),
    "the same, computed": (
        lambda: open_phantom().assign(image=lambda ds: ds.image // 2),
        "image: begun by an earlier version",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_plan_is_refused(stores, case):
    make, words = OTHERS[case]
    before = {p: p.read_bytes() for p in stores.rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match=words):
        make().atldld.to_zarr(stores / "begun.zarr")
    assert {p: p.read_bytes() for p in stores.rglob("*") if p.is_file()} == before


def test_it_can_be_replaced(stores):
    ds = open_phantom(on_error="raise")
    ds.atldld.to_zarr(stores / "begun.zarr", mode="w", variables=["coverage"])
    assert set(status(stores / "begun.zarr").chunks) == {"coverage"}
    assert verify(stores / "begun.zarr").problems == ()


def test_one_that_had_only_its_plan_is_refused(stores):
    (stores / "begun.zarr" / "y" / "zarr.json").unlink()
    with pytest.raises(StoreError, match="mode"):
        open_phantom().atldld.to_zarr(stores / "begun.zarr")


def test_sources_are_named_as_before():
    """By these names arrays are known in stores: what they are of must not get another."""
    from atldld_xr.sources.api import ApiSource
    from atldld_xr.sources.mirror import MirrorSource

    assert (
        tokenize(ApiSource("https://api.brain-map.org/api/v2"))
        == "5ef963bbc79f5842d2815ee5d53bdb35"
    )
    assert tokenize(PhantomSource()) == "2e3677f899775fa0d310220145773473"
    options = {"endpoint_url": "http://host:1", "key": "k"}
    mirrors = MirrorSource("/a/mirror"), MirrorSource("s3://a/mirror", storage_options=options)
    assert tokenize(mirrors[0]) == "25a907b004d87d18fb54ed3bb2f302d3"
    assert tokenize(mirrors[1]) == "bd3bedb3f5b6d9527eaa4f6804a054d1"


@pytest.mark.parametrize("name", COMMANDS)
def test_format_3_the_same_call_goes_on(stores_of_3, name):
    store = stores_of_3 / name
    ds = open_phantom(**({"expression": False, "on_error": "raise"} if "strict" in name else {}))
    write = ds.atldld.to_ome_zarr if "ome" in name else ds.atldld.to_zarr
    there = status(store)
    assert there.state == ("complete" if name == "finished.zarr" else "interrupted")
    problems = verify(store).problems
    assert all("not written yet" in problem for problem in problems)
    assert bool(problems) == (name != "finished.zarr")
    done = entered(store)
    before = marks(store, done)
    assert done
    assert write(store).blocks == sum(there.chunks.values()) - sum(there.written.values())
    assert marks(store, done) == before
    assert status(store).state == "complete"
    assert verify(store).problems == ()
    assert status(store).chunks == there.chunks
    assert write(store).blocks == 0
    if "ome" in name:
        return
    back = xr.open_zarr(store)
    now = ds.coords.to_dataset().drop_vars("pose")  # which there was none of
    xr.testing.assert_allclose(back.coords.to_dataset(), now)
    last = ds.sizes["coronal"] - 1
    assert name == "finished.zarr" or not any(key[:2] == ("image", last) for key in done)
    for array in there.chunks:  # the phantom's sines differ by the processor
        made, now = (some[array].isel(coronal=last).astype(int) for some in (back, ds))
        np.testing.assert_allclose(made, now, rtol=0, atol=1)


def test_format_3_what_failed_is_told_and_tried_again(stores_of_3, monkeypatch):
    store = stores_of_3 / "failed.zarr"
    assert verify(store).problems == ()
    before = status(store).failures
    assert {failure["section_image_id"] for failure in before} == {FAILED}
    assert open_failed().atldld.to_zarr(store, retry_failed=True).failures == before
    assert verify(store).problems == ()
    without = FIRST_IMAGE_ID + 1  # which has no mask
    assert {*xr.open_zarr(store).atldld.failures().section_image_id} == {without, FAILED}
    read = NoiseSource.read
    monkeypatch.setattr(NoiseSource, "read", lambda self, *args: read(NoiseSource(), *args))
    assert open_failed().atldld.to_zarr(store, retry_failed=True).failures == ()
    assert verify(store).problems == ()
    back, now = xr.open_zarr(store), open_failed()
    assert {*back.atldld.failures().section_image_id} == {without}
    for name in ("image", "expression", "coverage", "expression_coverage", "status"):
        np.testing.assert_array_equal(back[name], now[name])


@pytest.mark.parametrize("case", OTHERS)
def test_format_3_another_plan_is_refused(stores_of_3, case):
    make, words = OTHERS[case]
    before = {p: p.read_bytes() for p in stores_of_3.rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match=words):
        make().atldld.to_zarr(stores_of_3 / "begun.zarr")
    assert {p: p.read_bytes() for p in stores_of_3.rglob("*") if p.is_file()} == before


def test_planes_of_the_former_default_are_gone_on_with_and_no_others(stores_of_3, tmp_path):
    """Where the step is a section's thickness, and nothing else is asked for."""
    for name, store in {"of 3": stores_of_3 / "begun.ome.zarr", "now": tmp_path / "a.zarr"}.items():
        ds = open_phantom(expression="intensity", on_error="fill")
        if name == "now":
            ds.atldld.to_ome_zarr(store, step=25, levels=1)
        options = {} if name == "of 3" else {"levels": 1}
        with pytest.raises(StoreError, match=r"step: 25 there, 500 asked"):
            ds.atldld.to_ome_zarr(store, step=500, **options)
        assert ds.atldld.to_ome_zarr(store, **options).skipped > 0
        assert ds.atldld.to_ome_zarr(store, step=25, **options).blocks == 0
        assert verify(store).problems == ()
    ds.atldld.to_ome_zarr(store, mode="w", levels=1)
    with pytest.raises(StoreError, match=r"step: 513.\d+ there, 25 asked"):
        ds.atldld.to_ome_zarr(store, step=25, levels=1)
