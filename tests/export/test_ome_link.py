"""Links to neuroglancer: what the state in them says, of an image and of what lies over it."""

from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import zarr

import atldld_xr
from atldld_xr.cli.export import tell_written
from atldld_xr.export import verify
from atldld_xr.export.ome import plan_pyramid
from atldld_xr.export.ome.neuroglancer import (
    LOCAL,
    VIEWER,
    Layer,
    link,
    state,
    state_of,
    url_for_viewers,
)
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

BAD = tuple(
    (FIRST_IMAGE_ID + 1, left, top) for left in range(0, 4096, 512) for top in range(0, 4096, 512)
)
ODD = "s3://bucket/a b/%7B\"'</script>&é.ome.zarr"


def state_in(address):
    """Return the state that is in a link, as a browser hands it to neuroglancer."""
    parts = urlsplit(address)
    assert address.isascii()
    assert not set(address) & set('"<> `{}|\\^')
    assert parts.fragment.startswith("!")
    return json.loads(unquote(parts.fragment[1:]))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/a.ome.zarr", ODD])
def test_a_link_shows_the_middle_section_whole(url):
    ds = atldld_xr.open_dataset("phantom", resolution=100).isel(coronal=slice(3, 8))
    pyramid = plan_pyramid(ds, step=25)
    address = link(state_of(pyramid, url, "phantom"))
    assert address.startswith(f"{VIEWER}#!")
    said = state_in(address)
    x, y, z = said["position"]
    assert list(said["dimensions"]) == ["x", "y", "z"]
    assert (x, y) == (5700, 4000)
    assert abs(z - ds.coronal.values[2]) <= 12.5
    assert said["crossSectionScale"] * 600 >= 11400
    assert said["layout"] == "xy"
    (layer,) = said["layers"]
    assert layer["source"]["url"] == f"zarr://{url}/"
    assert layer["source"]["transform"]["outputDimensions"] == {
        "c^": [1, ""], "z": [2.5e-5, "m"], "y": [1e-4, "m"], "x": [1e-4, "m"]
    }  # fmt: skip


def test_labels_lie_over_an_image_and_have_no_channels():
    ds = atldld_xr.open_dataset("phantom", resolution=200)
    labels = Layer("structures", "https://host/labels", dict.fromkeys("zyx", 25.0), None)
    said = state_of(plan_pyramid(ds), "https://host/a/", "a", over=[labels])
    assert [layer["type"] for layer in said["layers"]] == ["image", "segmentation"]
    assert list(said["layers"][1]["source"]["transform"]["outputDimensions"]) == list("zyx")


def test_another_viewer_and_layout():
    wanted = state([], position={"x": 1, "y": 2, "z": 3}, scale=4, layout="4panel")
    address = link(wanted, viewer="/ng/")
    assert address.startswith("/ng/#!")
    assert state_in(address) == wanted


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_store_keeps_its_link_and_the_command_prints_it(tmp_path, capsys, version):
    ds = atldld_xr.open_dataset("phantom", resolution=200).isel(coronal=slice(4, 7))
    report = ds.atldld.to_ome_zarr(tmp_path / "a.zarr", ome_version=version)
    kept = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["neuroglancer"]
    assert kept == report.link
    assert verify(tmp_path / "a.zarr").problems == ()
    # It is served by itself, so that it is the same store in any folder.
    (layer,) = state_in(kept)["layers"]
    assert layer["source"]["url"] == f"zarr://{LOCAL}/"
    tell_written(report)
    assert kept in capsys.readouterr().out
    assert "neuroglancer" not in zarr.open_group(tmp_path / "a.zarr").attrs["atldld_xr"]


def test_a_link_shows_a_section_that_could_be_read(tmp_path):
    ds = atldld_xr.open_dataset(
        DATASET_ID, source=NoiseSource(bad=BAD), resolution=200, on_error="fill"
    )
    report = ds.atldld.to_ome_zarr(tmp_path / "a.zarr")
    assert [failure["section_image_id"] for failure in report.failures] == [FIRST_IMAGE_ID + 1]
    shown = state_in(report.link)["position"][2]
    assert np.abs(ds.coronal.values - shown).argmin() != 1


def test_buckets_are_where_they_are():
    assert url_for_viewers("s3://bucket/a.zarr") == "s3://bucket/a.zarr"
    assert url_for_viewers("memory://a") == LOCAL
