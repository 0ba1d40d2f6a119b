"""What a user gets: dimensions, coordinates, attributes; through open_dataset and the engine."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import InvalidArgumentError
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource, noise, record


def open_noise(**options):
    options = {"source": NoiseSource(), "resolution": 50} | options
    return atldld_xr.open_dataset(DATASET_ID, **options)


def test_the_table_of_variables():
    ds = open_noise(expression=True, on_error="fill")
    described = {name: (v.dims, str(v.dtype)) for name, v in ds.data_vars.items()}
    plane = ("coronal", "y", "x")
    assert described == {
        "image": ((*plane, "channel"), "uint8"),
        "expression": ((*plane, "channel"), "uint8"),
        "displacement": ((*plane, "component"), "float32"),
        "coverage": (plane, "bool"),
        "expression_coverage": (plane, "bool"),
        "status": (("coronal",), "uint8"),
        "expression_status": (("coronal",), "uint8"),
    }
    assert "status" not in open_noise()
    assert open_noise(expression="intensity").expression.dims == plane
    assert not {"expression", "has_expression"} & set(open_noise().variables)


@pytest.mark.parametrize("plane", [1, 2])
def test_coordinates(plane):
    dim, axes = ("coronal", "pir"[1:]) if plane == 1 else ("sagittal", "ip")
    ds = open_noise(source=NoiseSource(plane=plane))
    assert ds.image.dims[0] == dim
    assert (np.diff(ds[dim]) > 0).all()
    for name, letter in (("y", axes[0]), ("x", axes[1])):
        assert ds[name].dtype == np.float64
        assert ds[name].attrs["units"] == "micrometer"
        assert f"({letter})" in ds[name].attrs["long_name"]
        assert ds[name].attrs["axis"] == name.upper()
    assert ds.sizes["y"] == 160
    assert ds.sizes["x"] == (228 if plane == 1 else 264)
    assert set(ds[dim].coords) >= {"section_image_id", "section_number", "tier", "tilt_y", "tilt_x"}


def test_the_coordinate_is_the_centres_and_the_tilt_leads_to_every_other_points():
    data = parse_dataset(record(1, 3, 901, 703, 10.0))
    ds = open_noise()
    for n, image in enumerate(data.images):
        z = image.section_number * data.section_thickness
        p, i, r = transforms.xy_to_pir([[450], [351], [z]], image.tsv, data.tvr)[:, 0]
        section = ds.isel(coronal=n)
        np.testing.assert_allclose(
            [section.coronal, section.detection_y, section.detection_x], [p, i, r]
        )
        # The true p of the tissue shown at some (y, x), by way of the image.
        y, x = 3000.0, 6100.0
        xy = transforms.pir_to_xy([[p], [y], [x]], image.tvs, data.trv)
        true = transforms.xy_to_pir([xy[0], xy[1], [z]], image.tsv, data.tvr)[0, 0]
        predicted = p + section.tilt_y * (y - i) + section.tilt_x * (x - r)
        np.testing.assert_allclose(predicted, true)


def test_detection_xy_moves_the_coordinate():
    data = parse_dataset(record(1, 3, 901, 703, 10.0))
    ds = open_noise(detection_xy=(0, 0))
    z = data.images[0].section_number * data.section_thickness
    corner = transforms.xy_to_pir([[0], [0], [z]], data.images[0].tsv, data.tvr)
    assert ds.coronal.values[0] == pytest.approx(corner[0, 0])
    assert ds.coronal.values[0] != pytest.approx(open_noise().coronal.values[0])


def test_space_10_is_the_mirror_image_of_9():
    source = NoiseSource(plane=2)
    nine, ten = open_noise(source=source, reference_space=9), open_noise(source=source)
    np.testing.assert_allclose(nine.sagittal, 11350 - ten.sagittal[::-1])
    np.testing.assert_array_equal(nine.image, ten.image[::-1])
    coronal = open_noise(resolution=50), open_noise(resolution=50, reference_space=10)
    # r9 = 11350 - r10: pixel k of one is pixel 226 - k of the other, as 11350 = 227 * 50.
    np.testing.assert_array_equal(coronal[0].coverage[..., :227], coronal[1].coverage[..., 226::-1])


def test_sections_are_sorted_by_coordinate():
    class Reversed(NoiseSource):
        def dataset_record(self, dataset_id):
            out = super().dataset_record(dataset_id)
            for image in out["section_images"]:
                image["section_number"] = 400 - image["section_number"]
            return out

    ds = open_noise(source=Reversed())
    assert (np.diff(ds.coronal) > 0).all()
    assert ds.section_number.values.tolist() == [240, 280, 320]
    assert ds.section_image_id.values.tolist() == [102, 101, 100]


def test_values_are_those_of_the_image():
    ds = open_noise(interpolation="nearest", tier=0)
    section = ds.isel(coronal=1)
    image = noise(FIRST_IMAGE_ID + 1, 703, 901, 0)
    for j, k in ((60, 90), (80, 120), (100, 61)):
        dx, dy = section.displacement[j, k].values
        at = image[round(float(j + dy)), round(float(k + dx))]
        np.testing.assert_array_equal(section.image[j, k], at)


def test_fill():
    ds = open_noise(expression=True)
    assert (ds.image.where(~ds.coverage, 255) == 255).all()
    assert (ds.expression.where(~ds.coverage, 0) == 0).all()
    assert (ds.expression.isel(coronal=1) == 0).all()  # this section has no mask
    assert (open_noise(fill_value=9).image.where(~ds.coverage, 9) == 9).all()
    assert ds.image.attrs["fill_value"] == 255


def test_fluorescence_is_filled_with_black():
    class Fluorescent(NoiseSource):
        def dataset_record(self, dataset_id):
            return super().dataset_record(dataset_id) | {"green_channel": "EGFP"}

    ds = open_noise(source=Fluorescent())
    assert (ds.image.where(~ds.coverage, 0) == 0).all()
    assert ds.image.attrs["fill_value"] == 0


def test_attributes_say_what_and_whence():
    attrs = open_noise().attrs
    assert attrs["section_data_set_id"] == DATASET_ID
    assert attrs["reference_space_id"] == 9
    assert attrs["genes"] == ["Noise1"]
    assert "Allen Institute" in attrs["references"]
    assert attrs["excluded_sections"] == "none of 3 sections"


def test_the_engine_is_the_same():
    assert "atldld" in xr.backends.list_engines()
    expected = open_noise().compute()
    for chunks in (None, {}, {"y": -1, "coronal": 2}):
        ds = xr.open_dataset(
            f"allen:{DATASET_ID}",
            engine="atldld",
            source=NoiseSource(),
            resolution=50,
            chunks=chunks,
        )
        assert (ds.image.chunks is None) == (chunks is None)
        assert bool(ds.chunks) == (chunks is not None)  # it raises where chunks disagree
        xr.testing.assert_identical(ds.compute(), expected)
    guessed = xr.open_dataset(
        f"allen:{DATASET_ID}", source=NoiseSource(), drop_variables="displacement"
    )
    assert "displacement" not in guessed
    with pytest.raises(TypeError, match="resolutoin"):
        xr.open_dataset("allen:5", engine="atldld", resolutoin=25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolution": 0}, "resolution"),
        ({"resolution": -25}, "resolution"),
        ({"resolution": float("nan")}, "resolution"),
        ({"tier": 3}, "tier=3 is out of range"),
        ({"tier": -1}, "tier=-1"),
        ({"tier": 1.5}, "tier must be"),
        ({"tier": "best"}, "tier must be"),
        ({"chunks": 0}, "chunks"),
        ({"anchor": "corner"}, "anchor"),
        ({"interpolation": "sinc"}, "interpolation"),
        ({"on_error": "ignore"}, "on_error"),
        ({"expression": "yes"}, "expression"),
        ({"fill_value": 256}, "fill_value"),
        ({"fill_value": -1}, "fill_value"),
        ({"fill_value": 0.5}, "fill_value"),
        ({"reference_space": 3}, "reference space 3"),
        ({"detection_xy": (1, float("nan"))}, "detection_xy"),
        ({"detection_xy": 5}, "detection_xy"),
        ({"detection_xy": "12"}, "detection_xy"),
        ({"detection_xy": (x for x in (1, 2))}, "detection_xy"),
        ({"detection_xy": (1, 2, 3)}, "detection_xy"),
        ({"detection_xy": (1, "2")}, "detection_xy"),
        ({"detection_xy": (1, True)}, "detection_xy"),
        ({"detection_xy": (1j, 2)}, "detection_xy"),
        ({"detection_xy": (1, 10**400)}, "detection_xy"),
        ({"detection_xy": (1e308, 0)}, "detection_xy"),
        ({"detection_xy": (0, -1.1e6)}, "detection_xy"),
        ({"detection_xy": np.array([[1], [2]])}, "detection_xy"),
        ({"detection_xy": np.array(5)}, "detection_xy"),
        ({"resolution": 10**400}, "resolution"),
        ({"resolution": np.complex64(25)}, "resolution"),
        ({"tier": np.array([0, 1])}, "tier must be"),
        ({"tier": [1]}, "tier must be"),
        ({"chunks": np.array([10, 20])}, "chunks"),
        ({"chunks": {"y": ("a", "b")}}, "chunks"),
        ({"resolution": 0.1, "chunks": 1}, "blocks"),
        ({"anchor": np.array(["center", "edge"])}, "anchor"),
        ({"anchor": ["center"]}, "anchor"),
        ({"interpolation": np.array(["linear", "cubic"])}, "interpolation"),
        ({"interpolation": ["linear"]}, "interpolation"),
        ({"on_error": np.array(["raise", "fill"])}, "on_error"),
        ({"on_error": ["fill"]}, "on_error"),
        ({"expression": np.array([True, False])}, "expression"),
        ({"expression": ["intensity"]}, "expression"),
        ({"fill_value": np.array([1, 2])}, "fill_value"),
        ({"reference_space": np.array([9, 10])}, "reference space"),
        ({"source": "no/such/place"}, "no/such/place"),
        ({"source": 5}, "no source"),
    ],
)
def test_bad_arguments(options, words):
    with pytest.raises(InvalidArgumentError, match=words):
        open_noise(**options)


def test_numbers_of_numpy_are_taken():
    options = {"tier": 1, "chunks": 100, "fill_value": 9, "resolution": 40, "expression": True}
    expected = open_noise(detection_xy=(3, 4), **options)
    of_numpy = {name: np.asarray(value)[()] for name, value in options.items()}
    for xy in ((np.int16(3), np.float32(4)), np.array([3, 4])):
        xr.testing.assert_identical(open_noise(detection_xy=xy, **of_numpy), expected)


def test_a_failed_data_set_is_opened_and_said_to_be():
    class Failed(NoiseSource):
        def dataset_record(self, dataset_id):
            return super().dataset_record(dataset_id) | {"failed": True}

    assert open_noise(source=Failed()).attrs["failed"] == "Allen marked this data set as failed"
    assert "failed" not in open_noise().attrs


def test_no_masks_to_open():
    class Plain(NoiseSource):
        def dataset_record(self, dataset_id):
            out = super().dataset_record(dataset_id)
            for image in out["section_images"]:
                image["expression_path"] = None
            return out

    with pytest.raises(InvalidArgumentError, match="no expression masks"):
        open_noise(source=Plain(), expression=True)


@pytest.mark.parametrize("chunks", ["auto", None, 100])
@pytest.mark.parametrize("tier", [0, 1])
def test_an_image_as_it_is(chunks, tier):
    ds = atldld_xr.open_image(
        FIRST_IMAGE_ID, tier=tier, chunks=chunks, source=NoiseSource(), expression="intensity"
    )
    expected = noise(FIRST_IMAGE_ID, 703 >> tier, 901 >> tier, tier)
    np.testing.assert_array_equal(ds.image, expected)
    np.testing.assert_array_equal(ds.expression, expected[..., 0])
    assert ds.image.dims == ("y", "x", "channel")
    n = 2**tier
    np.testing.assert_allclose(ds.x[:2], [n * 5.0, n * 15.0])
    np.testing.assert_allclose(ds.x_pixel[:2], [(n - 1) / 2, (n - 1) / 2 + n])
    np.testing.assert_array_equal(
        ds.image.sel(x=1000, y=500, method="nearest"), ds.image[50 // n, 100 // n]
    )
    # Which has no fill, and no coverage to tell where that is.
    assert ds.image.attrs == {"long_name": "section image", "made_of": "image"}
    assert ds.expression.attrs == {"long_name": "expression mask", "made_of": "expression"}


def test_an_image_at_a_tier_of_numpys():
    opened = atldld_xr.open_image(FIRST_IMAGE_ID, tier=np.int8(2), source=NoiseSource())
    expected = atldld_xr.open_image(FIRST_IMAGE_ID, tier=2, source=NoiseSource())
    xr.testing.assert_identical(opened, expected)
    assert type(opened.attrs["tier"]) is int


@pytest.mark.parametrize("expression", [True, "intensity"])
def test_an_image_without_mask(expression):
    with pytest.raises(InvalidArgumentError, match="image 101 has no expression mask"):
        atldld_xr.open_image(FIRST_IMAGE_ID + 1, source=NoiseSource(), expression=expression)
