"""to_quicknii: pictures from edge to edge, and anchors that are read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.errors import InvalidArgumentError, SectionImageError, StoreError
from atldld_xr.export.to_quicknii import save_quicknii
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import value
from misplaced import misplaced
from quicknii import DATA, SAGITTAL, moved

NAMES = {"phantom": DATA, "phantom-sagittal": SAGITTAL}


def opened(name="phantom", sections=slice(3, 6), **options):
    ds = atldld_xr.open_dataset(name, **({"resolution": 200, "chunks": None} | options))
    return ds.isel({ds.atldld.section_dim: sections})


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("name", list(NAMES))
def test_read_back_it_is_allens_own(tmp_path, name, space):
    data = NAMES[name]
    ds = opened(name, reference_space=space)
    report = ds.atldld.to_quicknii(tmp_path, longest=64)
    assert report.path == str(tmp_path / f"{data.id}.json")
    assert report.failures == {}
    found = atldld_xr.read_registration(report.path, dataset=name)
    assert found.poses.keys() == set(ds.section_image_id.values.tolist())
    assert found.anomalies == ()
    for image in data.images:
        if image.id in found.poses:
            right, bottom = image.width - 0.5, image.height - 0.5
            corners = np.array([[-0.5, right, right, -0.5], [-0.5, -0.5, bottom, bottom], [1] * 4])
            there = allen_pose(data, image).to_reference @ corners
            assert np.abs(found.poses[image.id].to_reference @ corners - there).max() < 1e-6


def test_the_file_is_quickniis_own(tmp_path):
    ds = opened()
    report = ds.atldld.to_quicknii(tmp_path / "new" / "folder", longest=200)
    series = json.loads(Path(report.path).read_text())
    assert list(series) == ["name", "target", "target-resolution", "slices"]
    assert series["target"] == "ABA_Mouse_CCFv3_2017_25um.cutlas"
    assert series["target-resolution"] == [456, 528, 320]
    numbers = [slice_["nr"] for slice_ in series["slices"]]
    assert numbers == sorted(ds.section_number.values.tolist())
    for slice_, picture in zip(series["slices"], report.pictures, strict=True):
        assert list(slice_) == ["filename", "nr", "width", "height", "anchoring"]
        assert Path(picture).name == slice_["filename"]
        assert slice_["filename"].endswith(f"_s{slice_['nr']:03d}.png")
        assert cv2.imread(picture).shape == (slice_["height"], slice_["width"], 3)
        assert max(slice_["height"], slice_["width"]) == 200


def test_a_picture_shows_what_its_anchors_say(tmp_path):
    """At each pixel is what the phantom is, on average, where QuickNII takes it to be."""
    source, number, _, poses = misplaced("coronal")
    ds = atldld_xr.open_dataset(number, source=source, registration=poses, resolution=400)
    report = ds.isel(coronal=[8]).atldld.to_quicknii(tmp_path, longest=700)
    (slice_,) = json.loads(Path(report.path).read_text())["slices"]
    shown = cv2.imread(report.pictures[0])[..., ::-1].astype(float)
    o, u, v = np.array(slice_["anchoring"]).reshape(3, 3)
    height, width = shown.shape[:2]

    def truth(*, shift):
        total = 0.0
        for dy in (np.arange(5) + 0.5) / 5:
            for dx in (np.arange(5) + 0.5) / 5:
                y, x = np.mgrid[200:300, 250:400]
                at_x, at_y = ((x + dx + shift) / width, (y + dy) / height)
                q = o + at_x[..., None] * u + at_y[..., None] * v
                p, i, r = 25 * (528 - q[..., 1]), 25 * (320 - q[..., 2]), 25 * q[..., 0]
                total = total + np.asarray(value(p, i, r), dtype=float)
        return total / 25

    def off(shift):
        # Cells are a pixel or two wide: what reading between pixels makes of them is left out.
        apart = ndimage.gaussian_filter(shown[200:300, 250:400] - truth(shift=shift), (2, 2, 0))
        return np.sqrt(np.mean(apart**2))

    here = off(0)
    assert here < 1
    for shift in (-0.5, 0.5):  # half a pixel is seen
        assert off(shift) > 1.5 * here


def test_a_refined_registration_and_a_store_go_on_as_they_are(tmp_path):
    poses = {i.id: moved(allen_pose(DATA, i), shift=(90, 20, -30)) for i in DATA.images}
    ds = opened(registration=poses)
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    stored = xr.open_zarr(tmp_path / "a.zarr")
    for number, some in enumerate([ds, opened(registration=poses, chunks="auto"), stored]):
        some.atldld.to_quicknii(tmp_path / str(number), longest=64)
    one = ds.isel(coronal=0)
    one.atldld.to_quicknii(tmp_path / "one", longest=64)
    first, second, third, single = (contents(tmp_path / n) for n in ("0", "1", "2", "one"))
    assert first == second == third
    assert len(single) == 2
    found = atldld_xr.read_registration(tmp_path / "0", dataset="phantom")
    for image in DATA.images:
        if image.id in found.poses:
            pixels = np.array([[0, image.width], [image.height, 0], [1, 1]])
            there = poses[image.id].to_reference @ pixels
            assert np.abs(found.poses[image.id].to_reference @ pixels - there).max() < 1e-6


def test_nobodys_files_are_replaced_unless_told(tmp_path):
    ds = opened()
    (tmp_path / "notes.txt").write_text("mine")
    ds.atldld.to_quicknii(tmp_path, longest=64)
    before = contents(tmp_path)
    picture = next(name for name in before if name.endswith(".png"))
    (tmp_path / f"{DATA.id}.json").unlink()
    (tmp_path / picture).write_text("mine")
    with pytest.raises(StoreError, match=f"{picture} exists"):
        ds.atldld.to_quicknii(tmp_path, longest=64)
    assert (tmp_path / picture).read_text() == "mine"
    ds.atldld.to_quicknii(tmp_path, longest=64, mode="w")
    assert contents(tmp_path) == before


class Broken(PhantomSource):
    def read(self, image, tile, view):
        if image.id == DATA.images[4].id:
            raise SectionImageError(image.id, "here", "it is broken")
        return super().read(image, tile, view)


def test_a_section_that_cannot_be_read(tmp_path):
    ds = opened(sections=slice(None))
    ds = ds.isel(coronal=np.isin(ds.section_image_id, [i.id for i in DATA.images[3:6]]))
    with pytest.raises(SectionImageError, match="it is broken"):
        ds.atldld.to_quicknii(tmp_path / "a", longest=64, source=Broken())
    assert not list((tmp_path / "a").glob("*.json"))
    report = ds.atldld.to_quicknii(tmp_path / "b", longest=64, source=Broken(), on_error="skip")
    assert report.failures == {DATA.images[4].id: "it is broken"}
    slices = json.loads(Path(report.path).read_text())["slices"]
    assert len(slices) == len(report.pictures) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"longest": 10}, "from 64 to 4000"),
        ({"longest": 1e3}, "from 64 to 4000"),
        ({"on_error": "fill"}, '"raise" or "skip"'),
        ({"mode": "a"}, "mode must be"),
        ({"folder": "s3://bucket/a"}, "no path on this machine"),
        ({"folder": 3}, "no path of a folder"),
    ],
)
def test_what_cannot_work_is_refused_first(tmp_path, options, told):
    options = {"folder": tmp_path / "a"} | options
    with pytest.raises(InvalidArgumentError, match=told):
        opened().atldld.to_quicknii(options.pop("folder"), **options)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_of_no_sections_is_refused(tmp_path):
    for ds in (xr.Dataset(), opened().drop_vars("section_image_id")):
        with pytest.raises(InvalidArgumentError, match="of which sections it is"):
            save_quicknii(ds, tmp_path)


def test_phantoms_are_parsed_as_here():
    assert parse_dataset(PhantomSource().dataset_record(DATA.id)) == DATA
