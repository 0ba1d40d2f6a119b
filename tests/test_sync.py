"""The getting-started page's code, and DatasetDownloader."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    SectionImageError,
)
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.read_whole import read_whole
from atldld_xr.sync import (
    DatasetDownloader,
    UnreadableSectionWarning,
    get_parallel_transform,
)
from atldld_xr.testing import BEADS, CORONAL_ID, SAGITTAL_ID, Phantom
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.server import AllenServer
from atldld_xr.utils import get_image
from atldld_xr.warp.displacement_field import DisplacementField
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

CORONAL = Phantom(resolution=32.0, count=6, spacing=60)
SAGITTAL = Phantom(
    SAGITTAL_ID, "sagittal", resolution=32.0, count=5, spacing=30, first=14, span=(13000.0, 8000.0)
)
PHANTOMS = {CORONAL_ID: CORONAL, SAGITTAL_ID: SAGITTAL}
SOURCE = PhantomSource((CORONAL, SAGITTAL))
FIRST_CORONAL, FAILED_CORONAL = 910000001, 910000003


@pytest.fixture
def server():
    with AllenServer(PHANTOMS.values()) as running:
        yield running


def downloader(dataset_id=CORONAL_ID, source=SOURCE, **options):
    out = DatasetDownloader(dataset_id, source=source, **options)
    out.fetch_metadata()
    return out


# The page


def test_the_code_of_the_page_runs(server):
    with atldld_xr.config.set(api_url=server.url):
        image = get_image(FIRST_CORONAL)
        assert (image.shape, image.dtype) == ((251, 357, 3), np.uint8)
        downloader = DatasetDownloader(CORONAL_ID, downsample_ref=25)
        downloader.fetch_metadata()
        image_id, p, img, img_expression, df = next(iter(downloader.run()))
        img_reg = df.warp(img)
    assert image_id == FIRST_CORONAL + 5
    assert isinstance(p, float)
    assert img_expression is None
    assert isinstance(df, DisplacementField)
    assert (img_reg.shape, img_reg.dtype) == ((320, 456, 3), np.uint8)


# DatasetDownloader


def test_nothing_is_there_before_fetch_metadata(server):
    new = DatasetDownloader(CORONAL_ID, source=server.url)
    assert new.metadata == {}
    with pytest.raises(RuntimeError, match="fetch_metadata"):
        len(new)
    with pytest.raises(RuntimeError, match="fetch_metadata"):
        next(new.run())
    assert server.log == []


@pytest.mark.parametrize("dataset_id", PHANTOMS)
def test_metadata(dataset_id):
    out = downloader(dataset_id)
    record = PHANTOMS[dataset_id].record
    assert set(out.metadata) == {"dataset", "images"}

    dataset, three = out.metadata["dataset"], record["alignment3d"]
    assert set(dataset) == {
        *("id", "affine_tvr", "affine_trv", "plane_of_section_id", "section_thickness")
    }
    assert dataset["id"] == dataset_id
    assert dataset["plane_of_section_id"] == record["plane_of_section_id"]
    assert dataset["section_thickness"] == 25.0
    for name in ("tvr", "trv"):
        matrix = dataset[f"affine_{name}"]
        assert matrix.shape == (3, 4)
        assert matrix.dtype == np.float64
        assert matrix[1, 0] == three[f"{name}_03"]
        assert matrix[2, 3] == three[f"{name}_11"]

    good = [image for image in record["section_images"] if not image["failed"]]
    assert len(out) == len(out.metadata["images"]) == len(good)
    for image, source in zip(out.metadata["images"], reversed(good), strict=True):
        assert set(image) == {"id", "affine_tsv", "affine_tvs", "section_number"}
        assert image["id"] == source["id"]
        assert image["section_number"] == source["section_number"]
        for name in ("tsv", "tvs"):
            matrix = image[f"affine_{name}"]
            assert matrix.shape == (2, 3)
            assert matrix[1, 0] == source["alignment2d"][f"{name}_02"]
            assert matrix[1, 2] == source["alignment2d"][f"{name}_05"]
    numbers = [image["section_number"] for image in out.metadata["images"]]
    assert numbers == sorted(numbers, reverse=True)


def test_failed_sections_are_left_out_and_listed():
    out = downloader()
    assert FAILED_CORONAL not in [image["id"] for image in out.metadata["images"]]
    assert [(e.id, "failed" in e.reason) for e in out.excluded] == [(FAILED_CORONAL, True)]


def test_metadata_is_fetched_once_unless_forced(server):
    with atldld_xr.config.set({"cache.enabled": False}):
        out = downloader(source=server.url)
        out.fetch_metadata()
        assert server.metadata_requests == 1
        out.fetch_metadata(force_redownload=True)
        assert server.metadata_requests == 2


@pytest.mark.parametrize("detection_xy", [(0, 0), (150.5, 99)])
@pytest.mark.parametrize(("dataset_id", "axis"), [(CORONAL_ID, 0), (SAGITTAL_ID, 2)])
def test_run_yields_every_section_in_its_own_space(dataset_id, axis, detection_xy):
    record = PHANTOMS[dataset_id].record
    data = parse_dataset(record)
    out = downloader(dataset_id, downsample_ref=200, detection_xy=detection_xy, downsample_img=1)
    items = list(out.run())
    assert [item[0] for item in items] == [image["id"] for image in out.metadata["images"]]
    for (image_id, coordinate, pixels, mask, field), image in zip(
        items, reversed(data.images), strict=True
    ):
        expected = transforms.detect(
            data, image, reference_space=record["reference_space_id"], detection_xy=detection_xy
        )
        assert image_id == image.id
        assert coordinate == pytest.approx(expected[axis], abs=1e-9)
        assert mask is None
        np.testing.assert_array_equal(pixels, read_whole(SOURCE, image, 1, "image"))
        assert field == get_parallel_transform(
            coordinate, image.tvs, data.trv, ("coronal", "", "sagittal")[axis], 200, 1
        )


@pytest.mark.parametrize("dataset_id", PHANTOMS)
def test_registered_beads_are_where_they_should_be(dataset_id):
    axis = 0 if dataset_id == CORONAL_ID else 2
    found = 0
    for _, coordinate, pixels, _, field in downloader(dataset_id, downsample_ref=10).run():
        if not 1700 < coordinate < 9500:  # where no bead of the other plane is cut
            continue
        dark = 255.0 - field.warp(pixels, c=(239, 240, 241)).astype(float).sum(axis=-1) / 3
        dark -= dark.min()
        for bead in (b for b in BEADS if b.axis == axis):
            # Arrays are (i, r) of coronal and (p, i) of sagittal sections.
            row, column = (bead.i, bead.r) if axis == 0 else (bead.p, bead.i)
            reach = 300.0
            rows = np.arange(round(row - reach), round(row + reach), 10)
            columns = np.arange(round(column - reach), round(column + reach), 10)
            patch = dark[np.ix_(rows // 10, columns // 10)]
            edges = np.concatenate([*patch[[0, -1]], *patch[:, [0, -1]].T])
            if patch.max() < 60 or edges.max() > 15:
                continue  # not on the image, or beside tissue
            patch = np.maximum(patch - patch.max() / 3, 0)
            print(
                bead,
                coordinate,
                (patch.sum(axis=1) @ rows) / patch.sum() - row,
                patch.sum(axis=0) @ columns / patch.sum() - column,
            )
            centre = (patch.sum(axis=1) @ rows, patch.sum(axis=0) @ columns) / patch.sum()
            # A quarter of an image pixel. Most of it is real: fields project along the section's
            # normal, which is not quite along the bead.
            np.testing.assert_allclose(centre, [row, column], atol=8)
            found += 1
    assert found >= 6


def test_run_with_expression_masks():
    items = list(downloader(downsample_img=2, include_expression=True).run())
    assert len(items) == 5
    for image_id, _, pixels, mask, _ in items:
        assert mask.shape == pixels.shape
        expected = get_image(image_id, expression=True, downsample=2, source=SOURCE)
        np.testing.assert_array_equal(mask, expected)
        assert not np.array_equal(mask, pixels)


def test_a_section_without_mask_comes_without():
    source = NoiseSource()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        items = list(downloader(DATASET_ID, source, include_expression=True).run())
    masks = {image_id: mask is not None for image_id, _, _, mask, _ in items}
    assert masks == {FIRST_IMAGE_ID: True, FIRST_IMAGE_ID + 1: False, FIRST_IMAGE_ID + 2: True}


def test_unreadable_sections_are_left_out_with_a_warning(server):
    server.faults = Faults(missing={FIRST_CORONAL + 1}, never={FIRST_CORONAL + 3})
    with atldld_xr.config.set({"http.retries": 1}):
        out = downloader(source=server.url, downsample_img=2, downsample_ref=200)
        with pytest.warns(UserWarning, match="section ") as caught:
            items = list(out.run())
    assert [item[0] for item in items] == [FIRST_CORONAL + n for n in (5, 4, 0)]
    assert [w.category for w in caught] == [UnreadableSectionWarning] * 2
    texts = [str(w.message) for w in caught]
    for text, image_id, number, reason in [
        (texts[0], FIRST_CORONAL + 3, CORONAL.section_number(3), "no JPEG"),
        (texts[1], FIRST_CORONAL + 1, CORONAL.section_number(1), "404"),
    ]:
        assert f"section {number} (image {image_id}) of data set {CORONAL_ID}" in text
        assert reason in text
        assert server.url in text
    # It is the caller's line that is named, not one of this package.
    assert {w.filename for w in caught} == {__file__}


@dataclasses.dataclass(frozen=True)
class NoMasks(PhantomSource):
    """A source that has lost a mask."""

    def read(self, image, tile, view):
        if view == "expression" and image.id == FIRST_CORONAL + 4:
            raise SectionImageError(image.id, "nowhere", "it is lost")
        return super().read(image, tile, view)


def test_an_unreadable_mask_is_none_with_a_warning():
    out = downloader(source=NoMasks((CORONAL,)), downsample_img=2, include_expression=True)
    with pytest.warns(UnreadableSectionWarning, match="without its expression mask.*lost"):
        items = list(out.run())
    assert [item[3] is None for item in items] == [False, True, False, False, False]


def test_run_goes_by_the_metadata():
    out = downloader(downsample_ref=200, downsample_img=2)
    out.metadata["images"] = out.metadata["images"][1:3]
    assert len(out) == 2
    assert [item[0] for item in out.run()] == [FIRST_CORONAL + 4, FIRST_CORONAL + 3]


def test_run_fetches_one_section_at_a_time(server):
    sections = downloader(source=server.url, downsample_img=2, downsample_ref=200).run()
    next(sections)
    assert server.image_requests == 1
    next(sections)
    assert server.image_requests == 2


def test_a_data_set_by_name():
    out = DatasetDownloader("phantom")
    out.fetch_metadata()
    assert out.metadata["dataset"]["id"] == CORONAL_ID


@pytest.mark.parametrize(
    "options",
    [{"dataset_id": -1}, {"dataset_id": "x"}, {"detection_xy": (0, np.nan)}, {"source": "nowhere"}],
)
def test_downloader_refuses_at_once(options):
    with pytest.raises(InvalidArgumentError):
        DatasetDownloader(**({"dataset_id": CORONAL_ID} | options))


@pytest.mark.parametrize(
    "options", [{"downsample_img": 9}, {"downsample_img": "auto"}, {"downsample_ref": 0}]
)
def test_run_refuses(options):
    out = downloader(**options)
    with pytest.raises(InvalidArgumentError, match=r"downsample|tier"):
        next(out.run())


def test_an_unknown_data_set():
    with pytest.raises(DatasetNotFoundError):
        downloader(12345)


def test_metadata_that_cannot_be_registered_is_refused():
    sagittal = dict(CORONAL.record, plane_of_section_id=6)

    class Source(PhantomSource):
        def dataset_record(self, dataset_id):
            return sagittal

    with pytest.raises(MetadataError, match="plane of section 6"):
        downloader(source=Source((CORONAL,)))
