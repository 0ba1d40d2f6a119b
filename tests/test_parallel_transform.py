"""get_parallel_transform, against its points one by one."""

from __future__ import annotations

import numpy as np
import pytest

from atldld_xr.allen import transforms
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.sync import get_parallel_transform, pir_to_xy, xy_to_pir

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
        ({"slice_coordinate": "5"}, "slice_coordinate"),
        ({"slice_coordinate": None}, "slice_coordinate"),
        ({"slice_coordinate": 5j}, "slice_coordinate"),
        ({"slice_coordinate": np.complex64(5)}, "slice_coordinate"),
        ({"slice_coordinate": 10**400}, "slice_coordinate"),
        ({"slice_coordinate": np.array([1.0, 2.0])}, "slice_coordinate"),
        ({"slice_coordinate": [[1], [1, 2]]}, "slice_coordinate"),
        ({"axis": np.array(["coronal", "sagittal"])}, "axis"),
        ({"affine_2d": [[10**400] * 3] * 2}, "matrix of numbers"),
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
