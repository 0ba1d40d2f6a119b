"""Data sets of another reference space than the adult's: over HTTP, in their own size."""

import subprocess
import sys

import nibabel
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr import ReferenceSpace
from atldld_xr.errors import AtldldError, InvalidArgumentError, MetadataError
from atldld_xr.phantom.alignment import pixel_to_pir
from atldld_xr.phantom.brain import value
from atldld_xr.testing import (
    CORONAL_ID,
    DEVELOPING,
    DEVELOPING_ID,
    DEVELOPING_SPACE,
    PHANTOMS,
    AllenServer,
)

INFO = [sys.executable, "-m", "atldld_xr", "info", str(DEVELOPING_ID)]
EXTENT = DEVELOPING_SPACE.extent


@pytest.fixture(scope="module")
def server():
    with AllenServer([DEVELOPING, *PHANTOMS.values()]) as running:
        yield running


@pytest.fixture(scope="module")
def opened(server):
    return atldld_xr.open_dataset(
        DEVELOPING_ID, resolution=50, expression="intensity", source=server.url
    )


def test_the_size_is_that_of_the_grid(opened):
    assert opened.sizes["y"] == EXTENT[1] / 50
    assert opened.sizes["x"] == EXTENT[0] / 50
    assert opened.attrs["reference_space_extent"] == list(EXTENT)
    assert opened.attrs["reference_space_id"] == DEVELOPING_SPACE.id
    assert opened.attrs["section_thickness"] == 20
    assert opened.attrs["hemisphere"] == "not known"


def test_the_adults_attributes_are_as_they_were(server):
    attributes = atldld_xr.open_dataset(CORONAL_ID, source=server.url).attrs
    assert "reference_space_extent" not in attributes
    assert attributes["hemisphere"] == "both"


@pytest.mark.parametrize(
    "how",
    [
        {"extent": EXTENT},
        {"extent": list(EXTENT)},
        {"reference_space": DEVELOPING_SPACE},
        {"reference_space": DEVELOPING_SPACE.id},
        {"reference_space": DEVELOPING_SPACE, "extent": EXTENT},
    ],
)
def test_given_or_read_it_is_the_same(server, opened, how):
    given = atldld_xr.open_dataset(
        DEVELOPING_ID, resolution=50, expression="intensity", source=server.url, **how
    )
    xr.testing.assert_equal(given[["coverage"]], opened[["coverage"]])


def test_pixels_are_where_the_formula_says(opened):
    """A registered pixel has the brightness of the brain at its place."""
    record = DEVELOPING.record["section_images"][3]
    section = opened.isel(sagittal=list(opened.section_image_id).index(record["id"]))
    to_place = pixel_to_pir(DEVELOPING.record, record)
    rows, columns = np.meshgrid(np.arange(20, 130, 7), np.arange(30, 210, 7), indexing="ij")
    ones = np.ones(rows.size)
    y, x = section.y.values[rows.ravel()], section.x.values[columns.ravel()]
    pixels = section.affine.values @ [y, x, ones]
    p, i, r = to_place @ [*pixels, ones]
    # Seen along the section's normal, off the plane by its tilt alone.
    assert np.abs(p - x).max() < 200
    assert np.abs(i - y).max() < 200
    found = section.image.values[rows.ravel(), columns.ravel()].astype(float)
    expected = value(p, i, r)
    inside = section.coverage.values[rows.ravel(), columns.ravel()]
    assert np.median(np.abs(found - expected)[inside]) < 6


def test_other_sizes_are_given(server):
    smaller = atldld_xr.open_dataset(
        DEVELOPING_ID, resolution=100, extent=(9000, 6000, 7000), source=server.url
    )
    assert (smaller.sizes["y"], smaller.sizes["x"]) == (60, 90)


def test_volumes_have_its_size(server):
    volume = atldld_xr.open_volume(DEVELOPING_ID, resolution=200, source=server.url)
    assert volume.image.shape == (60, 38, 45, 3)
    assert bool(volume.coverage.any())


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii", "a.tif"])
def test_files_are_as_large_also_after_a_store(opened, tmp_path, name):
    opened.atldld.to_zarr(tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr") as again:
        for number, dataset in enumerate((opened, again)):
            report = dataset.atldld.to_volume(tmp_path / f"{number}{name}")
            assert report.shape == (240, 152, 180)
    if name == "a.nii":
        first, second = (nibabel.load(tmp_path / f"{k}{name}") for k in (0, 1))
        np.testing.assert_array_equal(first.dataobj.get_unscaled(), second.dataobj.get_unscaled())


def test_ome_zarr_and_preview(opened, server, tmp_path):
    assert opened.atldld.to_ome_zarr(tmp_path / "a.ome.zarr").blocks > 0
    title = atldld_xr.preview(DEVELOPING_ID, source=server.url).get_suptitle()
    assert "reference space 910" in title


def test_what_is_of_the_adult_is_refused(opened, tmp_path):
    for refused in (
        opened.atldld.annotation,
        opened.atldld.structure_summary,
        lambda: opened.atldld.structure_summary(method="grid"),
        lambda: opened.atldld.to_quicknii(tmp_path / "anchors"),
    ):
        with pytest.raises(InvalidArgumentError, match=r"adult mouse.*reference space 910"):
            refused()
    assert not (tmp_path / "anchors").exists()


@pytest.mark.parametrize(
    ("dataset", "how", "message"),
    [
        (
            DEVELOPING_ID,
            {"reference_space": 9},
            "from reference space 910 to reference space 9",
        ),
        (
            CORONAL_ID,
            {"reference_space": 910},
            "from reference space 9 to reference space 910",
        ),
        (CORONAL_ID, {"extent": EXTENT}, "leave it out"),
        (DEVELOPING_ID, {"extent": (1, 2)}, "extent is the size"),
        (DEVELOPING_ID, {"extent": (float("nan"), 5000, 5000)}, "extent is the size"),
        (DEVELOPING_ID, {"extent": "large"}, "extent is the size"),
        (DEVELOPING_ID, {"extent": (1e9, 1e9, 1e9)}, "extent is the size"),
        (DEVELOPING_ID, {"reference_space": "P4"}, "is the id of a reference space"),
        (DEVELOPING_ID, {"reference_space": DEVELOPING_SPACE, "extent": (1e4,) * 3}, "give one"),
        (DEVELOPING_ID, {"reference_space": ReferenceSpace(9, "", EXTENT)}, "leave it out"),
    ],
)
def test_what_cannot_be_is_refused(server, dataset, how, message):
    with pytest.raises(InvalidArgumentError, match=message):
        atldld_xr.open_dataset(dataset, source=server.url, **how)


def test_a_source_without_grids_says_what_to_give(server, tmp_path):
    atldld_xr.mirror([DEVELOPING_ID], path=tmp_path, tiers=[5], source=server.url, progress=False)
    with pytest.raises(MetadataError, match=r"give it as extent=|Give it as extent="):
        atldld_xr.open_dataset(DEVELOPING_ID, source=tmp_path)
    given = atldld_xr.open_dataset(DEVELOPING_ID, source=tmp_path, extent=EXTENT, resolution=200)
    assert given.image.isel(sagittal=0).values.min() < 255


def test_on_the_command_line(server):
    for more in (["--extent", *map(str, EXTENT)], ["--reference-space", "910"], []):
        run = subprocess.run(
            [*INFO, "--source", server.url, "--resolution", "50", *more],
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        assert "7 x 152 x 240 px" in run.stdout


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.none(), st.integers(), st.text(), st.floats(), st.lists(st.floats(), max_size=4)),
    st.one_of(st.none(), st.text(), st.floats(), st.lists(st.one_of(st.floats(), st.integers()))),
)
def test_any_argument_opens_or_is_refused(space, extent):
    try:
        opened = atldld_xr.open_dataset(
            "phantom", resolution=200, reference_space=space, extent=extent
        )
    except AtldldError:
        return
    assert opened.sizes["x"] == 57
