"""OME-Zarr by the engine of all exports, beside the plain writer: ended, failed, on clusters."""

from __future__ import annotations

import pytest
import zarr

import atldld_xr
from atldld_xr.errors import StoreError
from atldld_xr.export import status, verify
from atldld_xr.files.file_store import FileStore
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource
from plain_ome import write_plainly

BAD = ((FIRST_IMAGE_ID + 1, 0, 0),)


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 25, "chunks": 100} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def contents(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


CHANGES = {
    "as it is": lambda ds: ds,
    "a window": lambda ds: ds.isel(coronal=[0, 2], y=slice(30, 250), x=slice(55, 400)),
    "computed": lambda ds: ds.assign(image=(ds.image // 2).assign_attrs(ds.image.attrs)),
    "loaded": lambda ds: ds.load(),
    "grey": lambda ds: ds.assign(image=ds.image.isel(channel=1)),
    "in other blocks": lambda ds: ds.chunk(coronal=2, y=61, x=47),
    "transposed": lambda ds: ds.transpose("channel", "x", "coronal", "y", ...),
}


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("change", CHANGES)
def test_the_same_as_by_the_plain_writer(tmp_path, version, change):
    ds = CHANGES[change](open_noise())
    report = ds.atldld.to_ome_zarr(tmp_path / "a.zarr", ome_version=version)
    write_plainly(ds, tmp_path / "b.zarr", version=version)
    one, other = (contents(tmp_path / name) for name in ("a.zarr", "b.zarr"))
    root = "zarr.json" if version == "0.5" else ".zattrs"  # has the state, too
    assert {key: one[key] for key in other if key != root} == {
        key: content for key, content in other.items() if key != root
    }
    extra = {key for key in one if key not in other}
    assert all(key.startswith("atldld_xr_export/") or key == ".zmetadata" for key in extra)
    assert report.blocks == sum(status(tmp_path / "a.zarr").written.values()) > 0
    assert verify(tmp_path / "a.zarr").problems == ()
    again = ds.atldld.to_ome_zarr(tmp_path / "a.zarr", ome_version=version)
    assert (again.blocks, again.skipped) == (0, report.blocks)


def test_it_goes_on_where_it_ended(tmp_path, monkeypatch):
    ds = open_noise()
    blocks = ds.atldld.to_ome_zarr(tmp_path / "whole" / "a.zarr").blocks
    whole = contents(tmp_path / "whole")
    put, left = FileStore.put, 0

    def put_some(self, key, content, **options):
        nonlocal left
        if key[0].isdigit() and "/c/" in key:
            left -= 1
            if left < 0:
                raise StoreError("no more")
        put(self, key, content, **options)

    written = []
    monkeypatch.setattr(FileStore, "put", put_some)
    for _ in range(40):
        left = 7
        try:
            written.append(ds.atldld.to_ome_zarr(tmp_path / "parts" / "a.zarr").blocks)
        except StoreError:
            continue
        break
    assert contents(tmp_path / "parts") == whole
    assert 0 < written[-1] < blocks / 2  # of fill alone there may be any number


def test_sections_that_cannot_be_read(tmp_path):
    ds = open_noise(source=NoiseSource(bad=BAD), on_error="fill")
    report = ds.atldld.to_ome_zarr(tmp_path / "a.zarr")
    (failure,) = report.failures
    assert failure["section_image_id"] == FIRST_IMAGE_ID + 1
    sections = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["atldld_xr"]["sections"]
    assert ["failure" in section for section in sections] == [False, True, False]
    assert "made to fail" in sections[1]["failure"]
    assert verify(tmp_path / "a.zarr").problems == ()
    assert status(tmp_path / "a.zarr").state == "complete"
    assert len(status(tmp_path / "a.zarr").failures) == 1
    again = ds.atldld.to_ome_zarr(tmp_path / "a.zarr", retry_failed=True)
    assert 0 < again.blocks < report.blocks
    assert len(again.failures) == 1


@pytest.mark.usefixtures("cluster")
def test_on_a_cluster(tmp_path):
    import dask

    ds = open_noise()
    ds.atldld.to_ome_zarr(tmp_path / "a" / "a.zarr")
    with dask.config.set(scheduler="threads"):
        ds.atldld.to_ome_zarr(tmp_path / "b" / "a.zarr")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
