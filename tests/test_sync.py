"""The interface of the getting-started page: get_image, get_parallel_transform, the downloader."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest

import atldld_xr
from atldld_xr import transforms
from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    SectionImageError,
)
from atldld_xr.field import DisplacementField
from atldld_xr.metadata import parse_dataset, parse_image
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sync import (
    DatasetDownloader,
    UnreadableSectionWarning,
    get_parallel_transform,
    pir_to_xy,
    xy_to_pir,
)
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.phantom import BEADS, CORONAL_ID, SAGITTAL_ID, Phantom
from atldld_xr.testing.server import AllenServer
from atldld_xr.utils import get_image
from atldld_xr.whole import read_whole
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource, noise

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


# get_parallel_transform

TVS = np.array([[0.6, 0.02, -700.0], [-0.03, 0.61, -400.0]])
TRV = np.array([[0.1, 0.02, 1.0, 300.0], [-0.01, 1.0, 0.03, 200.0], [1.0, 0.1, -0.1, 10.0]])


@pytest.mark.parametrize("downsample_img", [0, 3])
@pytest.mark.parametrize(
    ("axis", "fixed", "row_axis", "column_axis", "extent"),
    [
        ("coronal", 0, 1, 2, (8000, 11400)),
        ("sagittal", 2, 0, 1, (13200, 8000)),
        ("transverse", 1, 0, 2, (13200, 11400)),
    ],
)
def test_parallel_transform_point_by_point(
    axis, fixed, row_axis, column_axis, extent, downsample_img
):
    step = 700  # divides none of the extents
    field = get_parallel_transform(
        1234.5, TVS, TRV, axis, downsample_ref=step, downsample_img=downsample_img
    )
    assert field.shape == (extent[0] // step, extent[1] // step)
    for row in range(field.shape[0]):
        for column in range(field.shape[1]):
            point = np.empty((3, 1))
            point[fixed], point[row_axis], point[column_axis] = 1234.5, row * step, column * step
            x, y = pir_to_xy(point, TVS, TRV)[:2, 0] / 2**downsample_img
            assert field.delta_x[row, column] == pytest.approx(x - column, abs=2e-3)
            assert field.delta_y[row, column] == pytest.approx(y - row, abs=2e-3)


def test_parallel_transform_is_coronal_and_of_every_micrometre_by_default():
    assert get_parallel_transform(0, TVS, TRV).shape == (8000, 11400)


def test_parallel_transform_is_exact_where_float32_is_not():
    # Two large terms cancel: in float32 this is off by whole pixels.
    tvs = np.array([[1000.0, 0.0, -5_000_000.0], [0.0, 1.0, 0.0]])
    trv = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.1]])
    field = get_parallel_transform(0.0, tvs, trv, downsample_ref=625)
    assert field.delta_x[0, 8] == -8.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": "oblique"}, "axis must be one of coronal"),
        ({"axis": None}, "axis"),
        ({"downsample_ref": 0}, "downsample_ref"),
        ({"downsample_ref": 2.5}, "downsample_ref"),
        ({"downsample_ref": True}, "downsample_ref"),
        ({"downsample_ref": 8001}, "downsample_ref must be a whole number from 1 to 8000"),
        ({"downsample_img": -1}, "downsample_img"),
        ({"downsample_img": 1.0}, "downsample_img"),
        ({"slice_coordinate": np.nan}, "slice_coordinate"),
        ({"slice_coordinate": np.inf}, "slice_coordinate"),
        ({"affine_2d": TRV}, r"shape \(2, 3\)"),
        ({"affine_3d": TVS}, r"shape \(3, 4\)"),
        ({"affine_2d": "matrix"}, "matrix of numbers"),
        ({"affine_2d": TVS * np.nan}, "finite"),
    ],
)
def test_parallel_transform_refuses(options, message):
    arguments = {"slice_coordinate": 1.0, "affine_2d": TVS, "affine_3d": TRV, "downsample_ref": 400}
    with pytest.raises(InvalidArgumentError, match=message):
        get_parallel_transform(**(arguments | options))


def test_the_transforms_are_those_of_the_package():
    assert pir_to_xy is transforms.pir_to_xy
    assert xy_to_pir is transforms.xy_to_pir


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


# get_image


@pytest.mark.parametrize("downsample", [0, 1, 2])
@pytest.mark.parametrize("expression", [False, True])
def test_get_image(downsample, expression):
    image = get_image(FIRST_CORONAL, None, expression, downsample, source=SOURCE)
    assert image.dtype == np.uint8
    assert image.shape == (251 >> downsample, 357 >> downsample, 3)
    parsed = parse_image(CORONAL.image_record(FIRST_CORONAL))
    view = "expression" if expression else "image"
    np.testing.assert_array_equal(image, read_whole(SOURCE, parsed, downsample, view))


def test_get_image_is_one_request_also_beyond_the_tile_grid(server):
    large = Phantom(resolution=4.0, count=3)
    with AllenServer([large]) as service:
        image = get_image(FIRST_CORONAL, source=service.url)
        assert image.shape == (2001, 2851, 3)
        assert service.image_requests == 1
        asked = next(r for r in service.log if r.image_id).query
    assert asked == {"downsample": "0"}


def test_get_image_keeps_it_in_the_folder(server, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "910000001-1.jpg").write_bytes(b"of another program")
    first = get_image(FIRST_CORONAL, folder, downsample=1, source=server.url)
    assert server.image_requests == 1
    with atldld_xr.config.set({"cache.enabled": False}):
        again = get_image(FIRST_CORONAL, str(folder), downsample=1, source=server.url)
    assert server.image_requests == 1
    np.testing.assert_array_equal(again, first)
    assert len(list(folder.rglob("*.jpg"))) == 2
    assert not (tmp_path / "cache").exists()
    assert atldld_xr.config.get("cache.directory") == str(tmp_path / "cache")


def test_get_image_makes_the_folder(server, tmp_path):
    get_image(FIRST_CORONAL, tmp_path / "a" / "b", downsample=1, source=server.url)
    assert len(list(Path(tmp_path / "a" / "b").rglob("*.jpg"))) == 1


@pytest.mark.parametrize(
    ("image_id", "options", "error"),
    [
        (FIRST_CORONAL, {"downsample": 9}, InvalidArgumentError),
        (FIRST_CORONAL, {"downsample": "auto"}, InvalidArgumentError),
        (FIRST_CORONAL, {"downsample": 1.5}, InvalidArgumentError),
        ("phantom", {}, InvalidArgumentError),
        (0, {}, InvalidArgumentError),
        (123, {}, DatasetNotFoundError),
    ],
)
def test_get_image_refuses(image_id, options, error):
    with pytest.raises(error):
        get_image(image_id, source=SOURCE, **options)


def test_get_image_refuses_a_mask_that_does_not_exist():
    source = NoiseSource()
    assert get_image(FIRST_IMAGE_ID, expression=True, source=source).shape == (703, 901, 3)
    with pytest.raises(InvalidArgumentError, match="no expression mask"):
        get_image(FIRST_IMAGE_ID + 1, expression=True, source=source)


@pytest.mark.parametrize("kind", ["html", "truncated", "wrong_size"])
def test_get_image_never_returns_what_is_not_the_image(server, kind):
    server.faults = Faults(never={FIRST_CORONAL}, never_kind=kind)
    with (
        atldld_xr.config.set({"http.retries": 1}),
        pytest.raises(SectionImageError, match=str(FIRST_CORONAL)),
    ):
        get_image(FIRST_CORONAL, downsample=1, source=server.url)


# Whole reads


@pytest.mark.parametrize("view", ["image", "expression", "intensity"])
def test_a_source_of_tiles_is_put_together(view):
    source = NoiseSource(have=frozenset({0, 1}))
    image = parse_image(source.image_record(FIRST_IMAGE_ID))
    read = []
    with pytest.MonkeyPatch.context() as patch:
        original = NoiseSource.read
        patch.setattr(NoiseSource, "read", lambda *a: read.append(a[2]) or original(*a))
        pixels = read_whole(source, image, 1, view)
    expected = noise(FIRST_IMAGE_ID, 351, 450, 1)
    np.testing.assert_array_equal(pixels, expected[..., 0] if view == "intensity" else expected)
    assert len(read) == 3 * 4
    assert not any(tile.whole for tile in read)
    assert {(tile.left % 128, tile.top % 128) for tile in read} == {(0, 0)}


def test_a_tile_that_cannot_be_read_fails_the_whole():
    source = NoiseSource(have=frozenset({0, 1}), bad=((FIRST_IMAGE_ID, 128, 0),))
    with pytest.raises(SectionImageError):
        get_image(FIRST_IMAGE_ID, downsample=1, source=source)


def test_metadata_that_cannot_be_registered_is_refused():
    sagittal = dict(CORONAL.record, plane_of_section_id=6)

    class Source(PhantomSource):
        def dataset_record(self, dataset_id):
            return sagittal

    with pytest.raises(MetadataError, match="plane of section 6"):
        downloader(source=Source((CORONAL,)))
