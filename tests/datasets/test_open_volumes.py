"""Volumes of many data sets as one: each entry is the volume that open_volume opens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.testing import (
    FLUORESCENT,
    AllenServer,
    Faults,
    FluorescentPhantom,
    gene_phantoms,
)

PHANTOMS = gene_phantoms(["Pvalb", "Gad1", "Calb1", "Pvalb"], count=3)
IDS = [phantom.id for phantom in PHANTOMS]
CORONAL = [IDS[0], IDS[1], IDS[3]]
IMAGE = parse_dataset(PHANTOMS[1].record).images[0]
COARSE = {"resolution": 400}


@pytest.fixture(scope="module")
def shared():
    with AllenServer(PHANTOMS) as server:
        yield server


@pytest.fixture
def server(as_source):
    return as_source


def test_each_gene_is_the_volume_of_its_data_set(server):
    both = atldld_xr.open_volumes(CORONAL, expression="intensity", method="linear", **COARSE)
    assert (server.metadata_requests, server.image_requests) == (1, 0)
    assert both.gene.values.tolist() == ["Pvalb", "Gad1", "Pvalb"]
    assert both.dataset.values.tolist() == CORONAL
    assert both.image.dims == ("gene", "coronal", "y", "x", "channel")
    for at, number in enumerate(CORONAL):
        alone = atldld_xr.open_volume(number, expression="intensity", method="linear", **COARSE)
        ours = both.isel(gene=at).drop_vars(["gene", "dataset"])
        names = [name for name, v in alone.items() if "coronal" in v.dims]
        assert {"image", "distance", "section", "expression"} <= set(names)
        for name in names:
            xr.testing.assert_equal(ours[name].compute(), alone[name].compute())
        # Its sections are found in the table of all.
        mine = both.isel(section_image=both.section_data_set == number)
        np.testing.assert_array_equal(mine.section_image_id, alone.section_image_id)
        np.testing.assert_array_equal(mine.pose, alone.pose)
    assert both.sel(gene="Pvalb").sizes["gene"] == 2
    assert both.sel(gene="Gad1").dataset.values == IDS[1]


def test_a_slice_asks_for_its_own_sections(server):
    both = atldld_xr.open_volumes(CORONAL, **COARSE)
    server.clear_log()
    both.image.isel(gene=1, coronal=slice(10, 20)).compute()
    own = {image["id"] for image in PHANTOMS[1].record["section_images"]}
    assert {request.image_id for request in server.log} <= own
    assert server.log


def test_by_data_set_and_by_search(server):
    found = atldld_xr.search(gene="Pvalb")
    both = atldld_xr.open_volumes(found, concat="dataset", **COARSE)
    assert both.image.dims[0] == "dataset"
    assert both.dataset.values.tolist() == [IDS[0], IDS[3]]
    assert both.gene.dims == ("dataset",)
    assert both.gene.values.tolist() == ["Pvalb"] * 2
    assert both.sel(dataset=IDS[3]).image.dims == ("coronal", "y", "x", "channel")


def test_spaces_that_are_each_others_mirror_image(server):
    with pytest.raises(InvalidArgumentError, match=f"{IDS[0]} in 9, {IDS[2]} in 10.*one reference"):
        atldld_xr.open_volumes(IDS, **COARSE)
    both = atldld_xr.open_volumes(IDS, reference_space=10, **COARSE)
    assert both.sizes["gene"] == 4
    assert f"{IDS[2]}: the brain's left" in both.attrs["sides"]
    alone = atldld_xr.open_volume(IDS[2], **COARSE)
    np.testing.assert_array_equal(both.image[2], alone.image)


@dataclass(frozen=True)
class OtherTracer(FluorescentPhantom):
    def _record(self):
        return super()._record() | {"green_channel": "tdTomato"}


OTHER = OtherTracer(id=900_000_410, count=3, range=(0, 900, 0, 900, 0, 900))


@pytest.mark.parametrize(
    ("ids", "ranges"),
    [
        ([FLUORESCENT.id, OTHER.id], [list(FLUORESCENT.range), list(OTHER.range)]),
        ([PHANTOMS[0].id, FLUORESCENT.id], ["none", list(FLUORESCENT.range)]),
    ],
)
def test_channels_that_show_other_things_have_no_names(ids, ranges):
    with AllenServer([FLUORESCENT, OTHER, PHANTOMS[0]]) as fluorescent:
        both = atldld_xr.open_volumes(ids, source=fluorescent.url, **COARSE)
        alone = atldld_xr.open_volume(ids[1], source=fluorescent.url, **COARSE)
        same = atldld_xr.open_volumes([ids[1]], source=fluorescent.url, **COARSE)
    assert "channel" not in both.coords
    told = [f"{number}: {values}" for number, values in zip(ids, ranges, strict=True)]
    assert both.attrs["range"] == "; ".join(told)
    assert both.image.isel(gene=1).dims == alone.image.dims
    assert same.channel.identical(alone.channel)
    assert same.attrs["range"] == alone.attrs["range"]


def test_one_is_several_of_one(server):
    assert atldld_xr.open_volumes(IDS[1], **COARSE).gene.values.tolist() == ["Gad1"]


def test_what_cannot_work(server):
    with pytest.raises(InvalidArgumentError, match="chunks=None"):
        atldld_xr.open_volumes(IDS, chunks=None)
    with pytest.raises(InvalidArgumentError, match="concat must be"):
        atldld_xr.open_volumes(IDS, concat="genes")
    with pytest.raises(InvalidArgumentError, match="method must be"):
        atldld_xr.open_volumes(IDS, method="cubic")
    with pytest.raises(TypeError, match=r"open_volumes\(\)"):
        atldld_xr.open_volumes(IDS, plane="oblique")
    assert not server.log


def test_what_cannot_be_opened_is_told(server, tmp_path):
    both = atldld_xr.open_volumes([77, *CORONAL], on_missing="skip", **COARSE)
    assert both.dataset.values.tolist() == CORONAL
    (missing,) = both.attrs["missing"]
    assert missing.startswith("77: there is no")


def test_a_store_of_it_is_resumed(server, tmp_path):
    """A section fails for good: all else is written, and then that one alone."""

    def opened():
        return atldld_xr.open_volumes(CORONAL, **COARSE)[["image", "section"]]

    server.faults = Faults(never=frozenset([IMAGE.id]))
    with (
        pytest.raises(atldld_xr.errors.SectionImageError),
        atldld_xr.config.set({"http.retries": 0}),
    ):
        opened().atldld.to_zarr(tmp_path / "a.zarr")
    server.faults = Faults()
    report = opened().atldld.to_zarr(tmp_path / "a.zarr")
    assert report.blocks > 0
    server.clear_log()
    again = opened().atldld.to_zarr(tmp_path / "a.zarr")
    assert (again.blocks, again.skipped) == (0, report.blocks + report.skipped)
    assert server.image_requests == 0
    assert not atldld_xr.verify(tmp_path / "a.zarr").problems
    written = xr.open_zarr(tmp_path / "a.zarr")
    xr.testing.assert_equal(written[["image", "section"]].compute(), opened().compute())
    assert written.gene.values.tolist() == ["Pvalb", "Gad1", "Pvalb"]


def test_sections_left_at_fill_are_told(server, tmp_path):
    server.faults = Faults(never=frozenset([IMAGE.id]))
    with atldld_xr.config.set({"http.retries": 0}):
        both = atldld_xr.open_volumes(CORONAL, on_error="fill", **COARSE)
        report = both.atldld.to_zarr(tmp_path / "a.zarr")
    assert [failure["section_image_id"] for failure in report.failures] == [IMAGE.id]
    table = xr.open_zarr(tmp_path / "a.zarr").atldld.failures()
    assert table.section_image_id.tolist() == [IMAGE.id]
