"""The interface of atldld.sync: section images, each with its displacement field.

It follows the conventions of the atldld package, as its callers know them. `open_dataset` places
pixels more exactly and loads them lazily.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atldld_xr.allen.ids import parse_dataset_name
from atldld_xr.allen.metadata import ExcludedSection, SectionDataset, SectionImage, parse_dataset
from atldld_xr.allen.reference import PLANES, get_space
from atldld_xr.allen.tiers import View
from atldld_xr.allen.transforms import pir_to_xy, xy_to_pir
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import check_options, check_tier, is_one_of, is_whole
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.read_whole import read_whole
from atldld_xr.sources.resolve import resolve
from atldld_xr.warp.displacement_field import DisplacementField

__all__ = [
    "DatasetDownloader",
    "UnreadableSectionWarning",
    "get_parallel_transform",
    "pir_to_xy",
    "xy_to_pir",
]

# What sections lie across, in the order of (p, i, r).
_AXES = ("coronal", "transverse", "sagittal")

Item = tuple[int, float, NDArray[np.uint8], NDArray[np.uint8] | None, DisplacementField]


class UnreadableSectionWarning(UserWarning):
    """The pixels of a section, or of its expression mask, cannot be had."""


def get_parallel_transform(
    slice_coordinate: float,
    affine_2d: ArrayLike,
    affine_3d: ArrayLike,
    axis: Literal["coronal", "sagittal", "transverse"] = "coronal",
    downsample_ref: int = 1,
    downsample_img: int = 0,
) -> DisplacementField:
    """Return the displacement field that registers a section image to a plane.

    Parameters
    ----------
    slice_coordinate : float
        Where the plane is: its p (coronal), r (sagittal) or i (transverse), in micrometres.
    affine_2d : array_like, shape (2, 3)
        The section image's ``tvs``.
    affine_3d : array_like, shape (3, 4)
        The data set's ``trv``.
    axis : {"coronal", "sagittal", "transverse"}
        What the plane lies across. Arrays are (i, r), (p, i) and (p, r), respectively.
    downsample_ref : int
        Size of the field's pixels, in micrometres. Pixel k is at ``k * downsample_ref``.
    downsample_img : int
        How many times the image that it is for was halved.

    Returns
    -------
    DisplacementField
        Of all whole pixels of the reference space, computed in float64.

    Raises
    ------
    InvalidArgumentError
        For an unknown axis, a number that cannot work or matrices of another shape.

    Notes
    -----
    These are the conventions of the atldld package: a position in the image is divided by
    ``2**downsample_img``, which leaves out that the centres of pixels move as they are merged. The
    exact one is ``(x + 0.5) / 2**downsample_img - 0.5``, less by 15/32 of a pixel at 4.
    `atldld_xr.open_dataset` uses the exact one, and has the centre of pixel k at
    ``(k + 0.5) * resolution``.

    Examples
    --------
    >>> import numpy as np
    >>> from atldld_xr.sync import get_parallel_transform
    >>> tvs, trv = np.eye(2, 3), np.eye(3, 4)
    >>> get_parallel_transform(6600, tvs, trv, downsample_ref=100).delta_x.shape
    (80, 114)
    """
    if not is_one_of(axis, _AXES):
        raise InvalidArgumentError(f"axis must be one of {', '.join(_AXES)}, not {short(axis)}")
    fixed = _AXES.index(axis)
    row_axis, column_axis = (k for k in range(3) if k != fixed)
    extent = get_space(9).extent
    largest = int(min(extent[row_axis], extent[column_axis]))
    step = _whole("downsample_ref", downsample_ref, 1, largest)
    divisor = 2 ** _whole("downsample_img", downsample_img, 0, 30)
    if not _is_finite(slice_coordinate):
        raise InvalidArgumentError(
            "slice_coordinate must be a finite number of micrometres, not "
            f"{short(slice_coordinate)}"
        )
    matrix_2d, matrix_3d = _matrix(affine_2d, (2, 3)), _matrix(affine_3d, (3, 4))

    # The mapping is affine: the first pixel and a step along each axis say it all.
    points = np.zeros((3, 3))
    points[fixed] = slice_coordinate
    points[row_axis, 1] = points[column_axis, 2] = step
    first, down, right = (pir_to_xy(points, matrix_2d, matrix_3d)[:2] / divisor).T
    rows, columns = (np.arange(extent[k] // step) for k in (row_axis, column_axis))
    by_row = np.outer(down - first, rows) + first[:, None]
    by_column = np.outer(right - first, columns)
    return DisplacementField(
        _outer_sum(by_row[0], by_column[0] - columns), _outer_sum(by_row[1] - rows, by_column[1])
    )


class DatasetDownloader:
    """The section images of a data set, one after the other, each with its displacement field.

    Parameters
    ----------
    dataset_id : int or str
        Allen's section data set id, as for `atldld_xr.open_dataset`.
    downsample_ref : int
        Size of the fields' pixels, in micrometres.
    detection_xy : tuple of float
        The point of a section image, in full-resolution pixels, whose coordinate is the section's.
    include_expression : bool
        Whether to fetch Allen's expression masks too.
    downsample_img : int
        How many times height and width of the images are halved.
    source : str, path or source object, optional
        As for `atldld_xr.open_dataset`.

    Attributes
    ----------
    metadata : dict
        Empty before `fetch_metadata`; then ``"dataset"``, a dict of ``id``, ``affine_tvr``,
        ``affine_trv`` (3, 4), ``plane_of_section_id`` and ``section_thickness`` (um); and
        ``"images"``, a list of dicts of ``id``, ``affine_tsv``, ``affine_tvs`` (2, 3) and
        ``section_number``, highest number first. `run` goes by it.
    excluded : tuple of ExcludedSection
        Sections that Allen marked as failed or that cannot be registered, which are left out of
        `metadata`; with the reasons.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work.

    Examples
    --------
    >>> from atldld_xr.sync import DatasetDownloader
    >>> downloader = DatasetDownloader("phantom", downsample_ref=100, downsample_img=4)
    >>> downloader.fetch_metadata()
    >>> image_id, coordinate, image, _, field = next(downloader.run())
    >>> field.warp(image).shape
    (80, 114, 3)
    """

    def __init__(
        self,
        dataset_id: int | str,
        downsample_ref: int = 25,
        detection_xy: tuple[float, float] = (0, 0),
        include_expression: bool = False,
        downsample_img: int = 0,
        *,
        source: str | PathLike[str] | Source | None = None,
    ) -> None:
        check_options("linear", "raise", None, include_expression, detection_xy)
        self.dataset_id = parse_dataset_name(dataset_id)
        self.downsample_ref = downsample_ref
        self.detection_xy = detection_xy
        self.include_expression = include_expression
        self.downsample_img = downsample_img
        self.source = resolve(source, dataset_id)
        self.metadata: dict[str, Any] = {}
        self.excluded: tuple[ExcludedSection, ...] = ()
        self._images: dict[int, SectionImage] = {}

    def __len__(self) -> int:
        """Return how many section images there are; RuntimeError before `fetch_metadata`."""
        return len(self._fetched()["images"])

    def fetch_metadata(self, force_redownload: bool = False) -> None:
        """Fetch the metadata of the data set and its images, once.

        Parameters
        ----------
        force_redownload : bool
            Whether to ask the source again where they are at hand.

        Raises
        ------
        DatasetNotFoundError
            If the source has no such data set.
        MetadataError
            If the data set cannot be registered.
        ServiceError
            If the metadata cannot be had.
        """
        if self.metadata and not force_redownload:
            return
        data = parse_dataset(self.source.dataset_record(self.dataset_id))
        self._images = {image.id: image for image in data.images}
        self.excluded = data.excluded
        self.metadata = _describe(data)

    def run(self) -> Iterator[Item]:
        """Yield the sections, in the order of the metadata.

        A section whose image cannot be read is left out, with an `UnreadableSectionWarning`.

        Yields
        ------
        image_id : int
            Allen's section image id.
        slice_coordinate : float
            The section's p (coronal) or r (sagittal) at `detection_xy`, in micrometres of the data
            set's own reference space: 9 for coronal data sets, 10 for sagittal ones.
        img : ndarray of uint8, shape (height, width, 3)
            The image, unregistered.
        img_expression : ndarray of uint8, shape (height, width, 3), or None
            Its expression mask. None if it was not asked for or there is none; also, with a
            warning, if it cannot be read.
        df : DisplacementField
            ``df.warp(img)`` is the registered image: (i, r) of coronal, (p, i) of sagittal
            sections. See `get_parallel_transform`.

        Raises
        ------
        RuntimeError
            Before `fetch_metadata`.
        InvalidArgumentError
            For a `downsample_img` that the images do not have, or a `downsample_ref` or
            `detection_xy` that cannot work.
        """
        metadata = self._fetched()
        dataset = metadata["dataset"]
        plane = PLANES[dataset["plane_of_section_id"]]
        for record in metadata["images"]:
            image = self._images[record["id"]]
            z = record["section_number"] * dataset["section_thickness"]
            x, y = self.detection_xy
            point = xy_to_pir([[x], [y], [z]], record["affine_tsv"], dataset["affine_tvr"])
            coordinate = float(point[plane.section_axis, 0])
            field = get_parallel_transform(
                coordinate,
                record["affine_tvs"],
                dataset["affine_trv"],
                axis=plane.dim,
                downsample_ref=self.downsample_ref,
                downsample_img=self.downsample_img,
            )
            pixels = self._read(image, "image")
            if pixels is None:
                continue
            expression = None
            if self.include_expression and image.has_expression:
                expression = self._read(image, "expression")
            yield image.id, coordinate, pixels, expression, field

    def _read(self, image: SectionImage, view: View) -> NDArray[np.uint8] | None:
        tier = check_tier(self.downsample_img, image)
        if tier is None:
            raise InvalidArgumentError(
                f"downsample_img must be a whole number, not {short(self.downsample_img)}"
            )
        try:
            return read_whole(self.source, image, tier, view)
        except SectionImageError as error:
            what = "is left out" if view == "image" else "comes without its expression mask"
            warnings.warn(
                f"section {image.section_number} (image {image.id}) of data set "
                f"{self.dataset_id} {what}: {error.reason} ({error.address})",
                UnreadableSectionWarning,
                stacklevel=3,
            )
            return None

    def _fetched(self) -> dict[str, Any]:
        if not self.metadata:
            raise RuntimeError("the metadata are not there yet: call fetch_metadata() first")
        return self.metadata


def _describe(data: SectionDataset) -> dict[str, Any]:
    return {
        "dataset": {
            "id": data.id,
            "affine_tvr": np.array(data.tvr),
            "affine_trv": np.array(data.trv),
            "plane_of_section_id": next(k for k, plane in PLANES.items() if plane == data.plane),
            "section_thickness": data.section_thickness,
        },
        "images": [
            {
                "id": image.id,
                "affine_tsv": np.array(image.tsv),
                "affine_tvs": np.array(image.tvs),
                "section_number": image.section_number,
            }
            for image in sorted(data.images, key=lambda image: -image.section_number)
        ],
    }


def _whole(name: str, value: int, least: int, most: int) -> int:
    if not is_whole(value) or not least <= value <= most:
        raise InvalidArgumentError(
            f"{name} must be a whole number from {least} to {most}, not {short(value)}"
        )
    return int(value)


def _is_finite(value: Any) -> bool:
    try:  # an array of one number is one too; NumPy would make complex ones real, with a warning
        return not np.iscomplexobj(value) and math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _matrix(affine: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    try:
        matrix = np.asarray(affine, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"an affine is a matrix of numbers: {error}") from error
    if matrix.shape != shape:
        raise InvalidArgumentError(f"an affine has the shape {shape}, not {matrix.shape}")
    return matrix


def _outer_sum(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float32]:
    # Added in float64 and rounded once, without a float64 array of the whole.
    out = np.empty((rows.size, columns.size), dtype=np.float32)
    return np.add(rows[:, None], columns, out=out, casting="same_kind")
