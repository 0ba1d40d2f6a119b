"""Everybody is cited for what is theirs, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset, product_ids
from atldld_xr.attribution import Attribution
from atldld_xr.sources.protocol import Source
from atldld_xr.testing import CORONAL_ID, AllenServer, Phantom
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource
from recorded import ALLEN

LEIN, THOMPSON, OH = (
    "10.1038/nature05453",
    "10.1016/j.neuron.2014.05.033",
    "10.1038/nature13186",
)


@dataclass(frozen=True)
class InProducts(NoiseSource):
    """Noise in some of Allen's products."""

    products: tuple[int, ...] | None = None

    def dataset_record(self, dataset_id):
        out = super().dataset_record(dataset_id)
        return out | {"products": self._listed} if self._listed is not None else out

    def image_record(self, image_id):
        return {"section_data_set": {"products": self._listed}, **super().image_record(image_id)}

    @property
    def _listed(self):
        return None if self.products is None else [{"id": number} for number in self.products]


@pytest.mark.parametrize(
    ("products", "papers"),
    [
        ((1,), {LEIN}),
        ((3,), {THOMPSON}),
        ((5,), {OH}),
        ((31,), {OH}),
        ((5, 31), {OH}),
        ((3, 1), {LEIN, THOMPSON}),
        ((1, 77), {LEIN}),
        ((8,), set()),
        ((), set()),
        (None, set()),
    ],
)
def test_allen_is_cited_by_product(products, papers):
    source = InProducts(products=products)
    for ds in (
        atldld_xr.open_dataset(DATASET_ID, source=source),
        atldld_xr.open_image(FIRST_IMAGE_ID, source=source),
    ):
        cited = ds.attrs["references"]
        assert {doi for doi in (LEIN, THOMPSON, OH) if doi in cited} == papers
        assert cited.count("doi:") == len(papers)
        assert "Allen Institute for Brain Science" in cited
        assert ds.attrs["institution"] == "Allen Institute for Brain Science"
        assert "Terms of Use" in ds.attrs["license"]
        assert ds.attrs["title"].startswith("Allen section ")


@dataclass(frozen=True)
class Theirs(NoiseSource):
    """A source of a laboratory's own data."""

    @property
    def attribution(self):
        return Attribution("Example", institution="Example Lab", references="Doe, J. (2026).")


def test_another_source_is_cited_as_it_says(tmp_path):
    ds = atldld_xr.open_dataset(DATASET_ID, source=Theirs(), resolution=500)
    image = atldld_xr.open_image(FIRST_IMAGE_ID, source=Theirs())
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    ds.atldld.to_ome_zarr(tmp_path / "a.ome.zarr")
    ds.atldld.to_volume(tmp_path / "a.nrrd")
    ome = zarr.open_group(tmp_path / "a.ome.zarr", mode="r").attrs["atldld_xr"]["attributes"]
    listing = json.loads((tmp_path / "a.nrrd.json").read_text())["origin"]
    stored = xr.open_zarr(tmp_path / "a.zarr").attrs
    for attributes in (ds.attrs, image.attrs, stored, ome, listing):
        assert attributes["institution"] == "Example Lab"
        assert attributes["references"] == "Doe, J. (2026)."
        assert "license" not in attributes
        assert attributes["title"].startswith("Example section ")
        assert "Allen" not in json.dumps(attributes | {"reference_space": ""})


def test_a_source_needs_no_attribution():
    assert isinstance(NoiseSource(), Source)
    assert isinstance(Theirs(), Source)
    assert not hasattr(NoiseSource(), "attribution")


def test_the_phantom_is_nobodys_data_however_it_comes(tmp_path):
    atldld_xr.mirror("phantom", path=tmp_path / "mirror", tiers=[5])
    small = Phantom(id=900000003, count=3, resolution=64.0)
    with AllenServer(phantoms=[small]) as server:
        opened = [
            atldld_xr.open_dataset("phantom"),
            atldld_xr.open_dataset(CORONAL_ID, source=tmp_path / "mirror"),
            atldld_xr.open_dataset(small.id, source=server.url),
        ]
        for ds, source in zip(opened, ("phantom", tmp_path / "mirror", server.url), strict=True):
            image = atldld_xr.open_image(int(ds.section_image_id[0]), source=source)
            for attributes in (ds.attrs, image.attrs):
                assert not {"institution", "references", "license"} & set(attributes)
                assert attributes["comment"].startswith("drawn by a formula")
                assert attributes["title"].startswith("Phantom section ")


def test_mirrors_that_name_no_product_are_opened(tmp_path):
    """Those of earlier versions, and made by hand."""
    record = InProducts(products=(1,)).dataset_record(DATASET_ID)
    for products, papers in (([{"id": 5}], 1), (None, 0)):
        folder = tmp_path / str(papers)
        folder.mkdir()
        changed = {k: v for k, v in record.items() if k != "products"}
        changed |= {"products": products} if products else {}
        text = json.dumps({"success": True, "msg": [changed]})
        (folder / f"section_data_set_{DATASET_ID}.json").write_text(text)
        ds = atldld_xr.open_dataset(DATASET_ID, source=folder)
        image = atldld_xr.open_image(FIRST_IMAGE_ID, source=folder)
        for attributes in (ds.attrs, image.attrs):
            assert (
                attributes["references"].count(OH)
                == papers
                == attributes["references"].count("doi:")
            )


@pytest.mark.parametrize(
    ("record", "ids"),
    [
        ({"products": [{"id": 3}, {"id": 1}, {"id": 3}]}, (1, 3)),
        ({"products": None}, ()),
        ({"products": "1"}, ()),
        ({"products": [1, None, {"id": "1"}, {"id": True}, {"id": 1.0}, {}]}, ()),
        ({}, ()),
        (None, ()),
        ([1], ()),
    ],
)
def test_products_that_are_none_are_let_be(record, ids):
    assert product_ids(record) == ids


@pytest.mark.skipif(not ALLEN.exists(), reason="Allen's recorded data are not here")
def test_a_real_data_set_of_two_atlases_cites_both():
    ds = atldld_xr.open_dataset(69289763, source=ALLEN)
    assert LEIN in ds.attrs["references"]
    assert THOMPSON in ds.attrs["references"]
    record = json.loads((ALLEN / "section_data_set_69289763.json").read_text())["msg"][0]
    assert parse_dataset(record).products == (1, 3)
