"""DisplacementField: against plain loops, NumPy's padding, and itself in parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.warp import displacement_field as field_module
from atldld_xr.warp.displacement_field import DisplacementField

RNG = np.random.default_rng(7)


def shift(rows, columns, dx, dy):
    return DisplacementField(np.full((rows, columns), dx), np.full((rows, columns), dy))


def smooth_field(rows, columns, size):
    """Return a field that magnifies, turns and leaves the image on every side."""
    y, x = np.mgrid[:rows, :columns]
    return DisplacementField(
        0.31 * (x - columns / 2) + 0.12 * y - size * 0.1 + 0.4,
        0.27 * (y - rows / 2) - 0.09 * x + 1.3,
    )


def test_offsets_are_float32_and_shape_is_rows_columns():
    field = DisplacementField([[1, 2, 3], [4, 5, 6]], np.zeros((2, 3)))
    assert field.delta_x.dtype == field.delta_y.dtype == np.float32
    assert field.shape == (2, 3)
    assert repr(field) == "DisplacementField(shape=(2, 3))"


def test_float32_offsets_are_not_copied():
    x, y = np.zeros((2, 2, 3), dtype=np.float32)
    field = DisplacementField(x, y)
    assert field.delta_x is x
    assert field.delta_y is y


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "one shape"),
        (np.zeros(3), np.zeros(3), "two 2D arrays"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "two 2D arrays"),
        (np.full((2, 2), np.nan), np.zeros((2, 2)), "finite"),
        (np.zeros((2, 2)), np.full((2, 2), 1e300), "finite"),
        (np.zeros((2, 2), complex), np.zeros((2, 2)), "real numbers"),
        (np.full((2, 2), "a"), np.zeros((2, 2)), "real numbers"),
        ([[1, 2], [3]], np.zeros((2, 2)), "real numbers"),
        (None, np.zeros((2, 2)), "real numbers"),
    ],
)
def test_what_is_no_field_is_refused(x, y, message):
    with pytest.raises(InvalidArgumentError, match=message):
        DisplacementField(x, y)


def test_transformation_and_back():
    field = smooth_field(7, 9, 20)
    x, y = field.transformation
    assert x.dtype == y.dtype == np.float32
    assert x[3, 5] == pytest.approx(5 + field.delta_x[3, 5], abs=1e-5)
    assert y[3, 5] == pytest.approx(3 + field.delta_y[3, 5], abs=1e-5)
    again = DisplacementField.from_transform(x, y)
    np.testing.assert_allclose(again.delta_x, field.delta_x, atol=1e-5)
    np.testing.assert_allclose(again.delta_y, field.delta_y, atol=1e-5)


def test_from_transform_subtracts_in_float64():
    x = np.array([[1.0 + 1e-9, 40000.0 + 2e-3]])
    field = DisplacementField.from_transform(x, np.zeros((1, 2)))
    assert field.delta_x[0, 1] == np.float32(39999.002)


def test_norm_is_the_length_of_each_displacement():
    np.testing.assert_array_equal(shift(2, 3, 3.0, -4.0).norm, np.full((2, 3), 5, np.float32))


def test_equality_is_of_shape_and_values_up_to_rounding():
    field = smooth_field(7, 9, 20)
    assert field == DisplacementField(field.delta_x + 1e-7, field.delta_y)
    assert field != DisplacementField(field.delta_x + 0.1, field.delta_y)
    assert field != DisplacementField(field.delta_x, field.delta_y + 0.1)
    assert field != smooth_field(9, 7, 20)
    assert (field == 3) is False
    with pytest.raises(TypeError, match="unhashable"):
        hash(field)


@pytest.mark.parametrize("factor", [2, 0.5, -1, np.float64(0.5), np.float32(2), np.int64(3)])
def test_product_with_a_number_from_either_side(factor):
    field = smooth_field(5, 6, 10)
    for product in (field * factor, factor * field):
        assert isinstance(product, DisplacementField)
        np.testing.assert_array_equal(product.delta_x, field.delta_x * np.float32(factor))
        np.testing.assert_array_equal(product.delta_y, field.delta_y * np.float32(factor))


@pytest.mark.parametrize("factor", ["2", None, [1, 2], 1j, np.ones(2)])
def test_product_with_something_else_is_refused(factor):
    with pytest.raises(TypeError):
        smooth_field(5, 6, 10) * factor
    with pytest.raises(TypeError):
        factor * smooth_field(5, 6, 10)


def test_save_and_from_file(tmp_path):
    field = smooth_field(5, 6, 10)
    for path in (tmp_path / "field.npy", str(tmp_path / "other.npy")):
        field.save(path)
        again = DisplacementField.from_file(path)
        np.testing.assert_array_equal(again.delta_x, field.delta_x)
        np.testing.assert_array_equal(again.delta_y, field.delta_y)
    assert np.load(tmp_path / "field.npy").shape == (5, 6, 2)


def test_files_that_hold_no_field_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"\.npy"):
        smooth_field(5, 6, 10).save(tmp_path / "field.png")
    with pytest.raises(InvalidArgumentError, match=r"\.npy"):
        DisplacementField.from_file(tmp_path / "field.txt")
    with pytest.raises(FileNotFoundError):
        DisplacementField.from_file(tmp_path / "absent.npy")
    for name, content in [("flat", np.zeros((5, 6))), ("three", np.zeros((5, 6, 3)))]:
        np.save(tmp_path / f"{name}.npy", content)
        with pytest.raises(InvalidArgumentError, match=name):
            DisplacementField.from_file(tmp_path / f"{name}.npy")
    for name, content in [("text", b"no array"), ("empty", b"")]:
        (tmp_path / f"{name}.npy").write_bytes(content)
        with pytest.raises(InvalidArgumentError, match=name):
            DisplacementField.from_file(tmp_path / f"{name}.npy")
    np.save(tmp_path / "pickle.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InvalidArgumentError, match="pickle"):
        DisplacementField.from_file(tmp_path / "pickle.npy")


def bilinear(image, x, y, c):
    """Return one sample, the image being surrounded by c."""
    x0, y0 = math.floor(x), math.floor(y)
    total = 0.0
    for row, wy in ((y0, y0 + 1 - y), (y0 + 1, y - y0)):
        for column, wx in ((x0, x0 + 1 - x), (x0 + 1, x - x0)):
            inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
            total += wx * wy * (image[row, column] if inside else c)
    return total


@pytest.mark.parametrize("c", [0, 200])
def test_linear_against_a_plain_loop(c):
    image = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    field = smooth_field(25, 35, 30)
    # On OpenCV's grid of 1/32 px, so that only its weights' rounding is left.
    x, y = (np.rint(f * 32) / 32 for f in field.transformation)
    warped = DisplacementField.from_transform(x, y).warp(image, c=c)
    assert warped.dtype == np.uint8
    expected = [[bilinear(image, x[j, k], y[j, k], c) for k in range(35)] for j in range(25)]
    np.testing.assert_allclose(warped, expected, atol=0.6)
    assert np.ptp(np.array(expected)) > 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("last", [(), (1,), (3,), (4,)])
def test_shape_and_dtype_are_kept(dtype, last):
    image = RNG.integers(0, 100, (6, 8, *last)).astype(dtype)
    warped = shift(6, 7, 1, 0).warp(image, c=9)
    assert warped.dtype == dtype
    np.testing.assert_array_equal(warped, image[:, 1:])


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area", "lanczos"])
def test_whole_pixel_shifts_copy_with_every_interpolation(interpolation):
    image = RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    warped = shift(12, 9, 3, 0).warp(image, interpolation=interpolation)
    np.testing.assert_array_equal(warped, image[:, 3:])


def test_interpolations_differ_between_pixels():
    image = RNG.integers(0, 256, (40, 40), dtype=np.uint8)
    warped = {
        name: shift(40, 40, 0.4, 0.4).warp(image, interpolation=name)
        for name in ("nearest", "linear", "cubic", "lanczos")
    }
    np.testing.assert_array_equal(warped["nearest"], image)
    assert len({w.tobytes() for w in warped.values()}) == 4


@pytest.mark.parametrize(
    ("border_mode", "pad"),
    [
        ("constant", {"mode": "constant", "constant_values": 77}),
        ("replicate", {"mode": "edge"}),
        ("reflect", {"mode": "symmetric"}),
        ("reflect_101", {"mode": "reflect"}),
        ("wrap", {"mode": "wrap"}),
        ("transparent", {"mode": "constant", "constant_values": 77}),
    ],
)
@pytest.mark.parametrize("last", [(), (3,)])
def test_borders_against_padding(border_mode, pad, last):
    image = RNG.integers(0, 256, (9, 8, *last), dtype=np.uint8)
    padded = np.pad(image, ((4, 4), (3, 3)) + ((0, 0),) * len(last), **pad)
    warped = shift(17, 14, -3, -4).warp(image, "nearest", border_mode=border_mode, c=77)
    np.testing.assert_array_equal(warped, padded)


def test_fill_value_of_all_channels_or_of_each():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    away = shift(2, 2, 100, 0)
    assert away.warp(image, c=255).tolist() == [[[255] * 3] * 2] * 2
    assert away.warp(image, c=(1, 2, 3)).tolist() == [[[1, 2, 3]] * 2] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interpolation": "quintic"}, "interpolation must be one of nearest, linear"),
        ({"interpolation": None}, "interpolation"),
        ({"border_mode": "mirror"}, "border_mode must be one of constant"),
        ({"c": (1, 2)}, "c must be"),
        ({"c": "white"}, "c must be"),
        ({"c": None}, "c must be"),
        ({"c": 256}, "c must be from 0 to 255"),
        ({"c": (0, 0, -1)}, "c must be from 0 to 255"),
        ({"c": np.nan}, "c must be from 0 to 255"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        shift(3, 3, 0, 0).warp(np.zeros((3, 3, 3), np.uint8), **options)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0, 3), (2, 3, 3, 3), (3, 3, 0)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(InvalidArgumentError, match="an image is an array"):
        shift(3, 3, 0, 0).warp(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.complex64, object])
def test_dtypes_that_cannot_be_sampled_are_refused(dtype):
    with pytest.raises(InvalidArgumentError, match="OpenCV cannot warp"):
        shift(3, 3, 0.5, 0).warp(np.zeros((3, 3), dtype))


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "lanczos"])
@pytest.mark.parametrize("along", ["x", "y"])
def test_images_beyond_opencvs_limit(interpolation, along):
    image = RNG.integers(0, 256, (5, 40_000, 3), dtype=np.uint8)
    near, far = shift(5, 30, 100.25, 0.5), shift(5, 30, 39_975.25, 0.5)
    expected = [
        near.warp(image[:, :1000], interpolation, c=7),
        # In a coordinate system of the image's last 1000 columns.
        shift(5, 30, 975.25, 0.5).warp(np.ascontiguousarray(image[:, 39_000:]), interpolation, c=7),
    ]
    if along == "y":
        image = np.ascontiguousarray(image.swapaxes(0, 1))
        near, far = shift(30, 5, 0.5, 100.25), shift(30, 5, 0.5, 39_975.25)
        expected = [e.swapaxes(0, 1) for e in expected]
    for field, pixels in zip((near, far), expected, strict=True):
        # Filters along x and y are applied in one order, so swapping them may round otherwise.
        difference = field.warp(image, interpolation, c=7).astype(int) - pixels
        assert abs(difference).max() <= (along == "y")


def test_fields_beyond_opencvs_limit():
    image = RNG.integers(0, 256, (3, 40), dtype=np.uint8)
    x = np.arange(33_000) % 40
    warped = DisplacementField.from_transform([x] * 2, np.ones((2, 33_000))).warp(image)
    np.testing.assert_array_equal(warped, image[[1, 1]][:, x])


def test_what_exceeds_opencvs_limit_at_once_is_refused():
    image = np.zeros((2, 40_000), np.uint8)
    spread = DisplacementField.from_transform([[0, 39_999]], [[0, 0]])
    with pytest.raises(InvalidArgumentError, match="OpenCV takes 32766 a side"):
        spread.warp(image)
    with pytest.raises(InvalidArgumentError, match="border_mode"):
        shift(2, 2, 0, 0).warp(image, border_mode="wrap")


def assert_same_in_parts(field, interpolation, border_mode):
    """Compare the path for what is too large with that for what is not."""
    image = np.random.default_rng(1).integers(0, 256, (31, 37), dtype=np.uint8)
    at_once = field.warp(image, interpolation, border_mode, c=9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(field_module, "_PART", 5)
        patch.setattr(DisplacementField, "_fits", lambda *_: False)
        in_parts = field.warp(image, interpolation, border_mode, c=9)
    np.testing.assert_array_equal(in_parts, at_once)


def test_halves_are_rounded_alike_in_parts():
    assert_same_in_parts(shift(13, 17, 4.5, 0.5), "nearest", "constant")


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "lanczos"])
def test_what_is_far_outside_is_the_same_in_parts(interpolation):
    for eighth in range(8):
        assert_same_in_parts(shift(31, 30, 0.375, 100 + eighth / 8), interpolation, "replicate")


# Displacements on OpenCV's grid, so that float32 holds them in any coordinate system.
OFFSETS = st.integers(-400, 400).map(lambda n: n / 8)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(np.float64, (13, 17), elements=OFFSETS),
    y=hnp.arrays(np.float64, (13, 17), elements=OFFSETS),
    interpolation=st.sampled_from(["nearest", "linear", "cubic", "lanczos"]),
    border_mode=st.sampled_from(["constant", "replicate", "transparent"]),
)
def test_in_parts_is_the_same_as_at_once(x, y, interpolation, border_mode):
    assert_same_in_parts(DisplacementField(x, y), interpolation, border_mode)
