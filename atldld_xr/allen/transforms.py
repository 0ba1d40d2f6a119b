"""The registration: from section image pixels to the reference space and back. Pure, float64.

A section image is placed in two steps. A 2D affine takes its full-resolution pixels (x, y; array
indices, origin at the centre of the top left pixel) to micrometres of the specimen's volume; the
volume's third coordinate is ``section_number * section_thickness``. A 3D affine takes the volume to
the reference space (p, i, r), in micrometres. The service stores both directions of each, rounded
to six digits; each direction is used as stored, as the service itself does.

Sections are cut obliquely: a section is no plane of constant p (or r). Like the service's
``reference_to_image``, a reference point is projected on a section along the section's normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atldld_xr.allen.matrices import product
from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.reference import Grid, change_space
from atldld_xr.allen.values import Affine3D

Array = NDArray[np.float64]


def xy_to_pir(coords_img: ArrayLike, affine_2d: ArrayLike, affine_3d: ArrayLike) -> Array:
    """Take image pixels to the reference space.

    Parameters
    ----------
    coords_img : array_like, shape (3, N)
        Rows x, y (full-resolution pixels) and ``section_number * section_thickness`` (um).
    affine_2d : array_like, shape (2, 3)
        The section image's ``tsv``.
    affine_3d : array_like, shape (3, 4)
        The data set's ``tvr``.

    Returns
    -------
    ndarray, shape (3, N)
        Rows p, i, r, in micrometres.

    Raises
    ------
    ValueError
        If the arrays have other shapes, by NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> from atldld_xr.sync import xy_to_pir
    >>> xy_to_pir([[10.0], [20.0], [400.0]], np.eye(2, 3), np.eye(3, 4)).ravel().tolist()
    [10.0, 20.0, 400.0]
    """
    x = np.asarray(coords_img, dtype=np.float64)
    volume = np.concatenate([_apply(affine_2d, x[:2]), x[2:3]])
    return _apply(affine_3d, volume)


def pir_to_xy(coords_ref: ArrayLike, affine_2d: ArrayLike, affine_3d: ArrayLike) -> Array:
    """Take points of the reference space to image pixels.

    Parameters
    ----------
    coords_ref : array_like, shape (3, N)
        Rows p, i, r, in micrometres.
    affine_2d : array_like, shape (2, 3)
        The section image's ``tvs``.
    affine_3d : array_like, shape (3, 4)
        The data set's ``trv``.

    Returns
    -------
    ndarray, shape (3, N)
        Rows x, y (full-resolution pixels) and the point's own place across sections in the volume
        (um), which need not be that of any section.

    Raises
    ------
    ValueError
        If the arrays have other shapes, by NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> from atldld_xr.sync import pir_to_xy
    >>> pir_to_xy([[10.0], [20.0], [400.0]], np.eye(2, 3), np.eye(3, 4)).ravel().tolist()
    [10.0, 20.0, 400.0]
    """
    volume = _apply(affine_3d, np.asarray(coords_ref, dtype=np.float64))
    return np.concatenate([_apply(affine_2d, volume[:2]), volume[2:]])


def _apply(affine: ArrayLike, points: Array) -> Array:
    matrix = np.asarray(affine, dtype=np.float64)
    return product(matrix[:, :-1], points) + matrix[:, -1:]


def affines_in_space(dataset: SectionDataset, reference_space: int | None) -> tuple[Array, Array]:
    """Return the data set's ``tvr`` and ``trv``, each (3, 4), for a reference space.

    Parameters
    ----------
    dataset : SectionDataset
        Registered to its own ``reference_space_id``.
    reference_space : int or None
        The space wanted; None for its own.
    """
    own = dataset.reference_space_id
    return _between(
        dataset.tvr, dataset.trv, own, own if reference_space is None else reference_space
    )


@lru_cache(maxsize=64)  # the same for all sections of a data set
def _between(tvr: Affine3D, trv: Affine3D, own: int, space: int) -> tuple[Array, Array]:
    matrices = (
        change_space(own, space) @ _homogeneous(tvr),
        _homogeneous(trv) @ change_space(space, own),
    )
    for matrix in matrices:
        matrix.flags.writeable = False
    return matrices[0][:3], matrices[1][:3]


def _homogeneous(affine: ArrayLike) -> Array:
    return np.vstack([np.asarray(affine, dtype=np.float64), [0.0, 0.0, 0.0, 1.0]])


def detection_point(image: SectionImage, detection_xy: tuple[float, float] | None) -> Array:
    """Return (x, y) of the point at which a section's coordinate is taken; default its centre."""
    if detection_xy is None:  # the section's centre, counted at pixel centres
        detection_xy = ((image.width - 1) / 2, (image.height - 1) / 2)
    return np.asarray(detection_xy, dtype=np.float64)


def detect(
    dataset: SectionDataset,
    image: SectionImage,
    *,
    reference_space: int | None = None,
    detection_xy: tuple[float, float] | None = None,
) -> Array:
    """Return (p, i, r) of the point at which a section's coordinate is taken, in micrometres.

    Parameters
    ----------
    dataset, image : SectionDataset, SectionImage
        The data set and one of its section images.
    reference_space : int, optional
        The space of the answer. Default: the data set's own.
    detection_xy : tuple of float, optional
        The point, in full-resolution pixels. Default: the section's centre.
    """
    tvr, _ = affines_in_space(dataset, reference_space)
    z = image.section_number * dataset.section_thickness
    x, y = detection_point(image, detection_xy)
    return xy_to_pir([[x], [y], [z]], image.tsv, tvr)[:, 0]


def footprint(
    dataset: SectionDataset, image: SectionImage, *, reference_space: int | None = None
) -> Array:
    """Return a section's (4, 3) corners in (p, i, r), micrometres, around from the top left.

    Parameters
    ----------
    dataset, image : SectionDataset, SectionImage
        The data set and one of its section images.
    reference_space : int, optional
        The space of the answer. Default: the data set's own.
    """
    tvr, _ = affines_in_space(dataset, reference_space)
    left, top = -0.5, -0.5
    right, bottom = image.width - 0.5, image.height - 0.5
    corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [0.0] * 4])
    corners[2] = image.section_number * dataset.section_thickness
    return xy_to_pir(corners, image.tsv, tvr).T


def tilt(
    dataset: SectionDataset, images: Sequence[SectionImage], grid: Grid, affines: ArrayLike
) -> Array:
    """Return how sections' true coordinates change along y and x: (N, 2), um per um.

    The plane of section is oblique, so the pixel at (y, x) of a registered section shows tissue
    from ``coordinate + tilt_y * (y - y0) + tilt_x * (x - x0)``, where (y0, x0) is the point at
    which the section's `coordinate` was taken.

    Parameters
    ----------
    dataset, images : SectionDataset, sequence of SectionImage
        The data set and N of its section images.
    grid : Grid
        Which plane and reference space.
    affines : array_like, shape (N, 2, 3)
        What `grid_to_image` gives of each.
    """
    tvr, _ = affines_in_space(dataset, grid.space.id)
    to_image = np.asarray(affines, dtype=np.float64)[:, :, :2]
    to_volume = np.array([image.tsv for image in images])[:, :, :2]
    axis = grid.plane.section_axis
    # Per output pixel: image pixels -> volume -> the reference axis across sections.
    along = product(tvr[axis : axis + 1, :2], product(to_volume, to_image))
    return along[:, 0] / grid.resolution


def grid_to_image(
    dataset: SectionDataset, image: SectionImage, grid: Grid, coordinate: float
) -> Array:
    """Return the (2, 3) affine from output index (row, column, 1) to full-resolution pixels (x, y).

    Parameters
    ----------
    dataset, image : SectionDataset, SectionImage
        The data set and one of its section images.
    grid : Grid
        The output pixels.
    coordinate : float
        Where the output plane lies across sections, in micrometres.
    """
    plane, step = grid.plane, grid.resolution
    to_reference = np.zeros((4, 3))  # (row, column, 1) -> (p, i, r, 1)
    to_reference[plane.y_axis] = [step, 0.0, grid.offset * step]
    to_reference[plane.x_axis] = [0.0, step, grid.offset * step]
    to_reference[plane.section_axis, 2] = coordinate
    to_reference[3, 2] = 1.0
    _, trv = affines_in_space(dataset, grid.space.id)
    tvs = np.asarray(image.tvs)
    # By the BLAS, unlike `product`: each with fused multiply-add rounds these alike, and the names
    # of arrays, which stores hold, come of them.
    out: Array = tvs[:, :2] @ (trv[:2] @ to_reference)
    out[:, 2] += tvs[:, 2]
    return out
