"""to_quicknii: pictures of sections and where they lie, to go on from in QuickNII."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionDataset, SectionImage, parse_dataset
from atldld_xr.allen.poses import POSE, POSE_DIMS, SectionPose, allen_pose
from atldld_xr.allen.reference import check_adult
from atldld_xr.allen.windowed import windowed_dataset
from atldld_xr.compute.progress import progress_bar
from atldld_xr.compute.threads import ending_threads, in_order
from atldld_xr.datasets.pictures import picture_size, read_picture
from atldld_xr.datasets.sections import sections_of
from atldld_xr.datasets.which_source import source_of
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.files.atomic import write_whole
from atldld_xr.files.paths import absolute, local_file
from atldld_xr.messages.repeating import short
from atldld_xr.registration.anchors import VOXELS, Anchors
from atldld_xr.sources.protocol import Source
from atldld_xr.volumes.target import check_free, storing

TARGET = "ABA_Mouse_CCFv3_2017_25um.cutlas"
"""What QuickNII and VisuAlign call the atlas."""

_LONGEST = 4000  # pixels a side: QuickNII takes 16 million
_AT_ONCE = 4


@dataclass(frozen=True)
class QuickNIIReport:
    """What was written.

    Attributes
    ----------
    path : str
        The file to open in QuickNII or VisuAlign.
    pictures : tuple of str
        The pictures beside it.
    failures : mapping of str
        Sections that could not be read and so are not there, by section image id, and why.
    """

    path: str
    pictures: tuple[str, ...]
    failures: Mapping[int, str]


def save_quicknii(
    dataset: xr.Dataset,
    folder: str | os.PathLike[str],
    *,
    longest: int = 1500,
    on_error: Literal["raise", "skip"] = "raise",
    mode: Literal["w-", "w"] = "w-",
    source: str | os.PathLike[str] | Source | None = None,
    progress: bool = False,
) -> QuickNIIReport:
    """Write pictures and anchors; see ``Dataset.atldld.to_quicknii``."""
    _check(folder, longest, on_error)
    ids = list(sections_of(dataset))
    number = dataset.attrs.get("section_data_set_id")
    if not ids or not isinstance(number, int | np.integer):
        raise InvalidArgumentError(
            "this Dataset does not say of which sections it is: it has no section_image_id, or no "
            "attribute section_data_set_id"
        )
    check_adult(dataset.attrs, "QuickNII's atlas")
    target = Path(absolute(str(local_file(folder))))
    opened = source_of(dataset, source)
    data = windowed_dataset(parse_dataset(opened.dataset_record(int(number))), None)
    images = [image for image in data.images if image.id in ids]  # by section number
    poses = _poses(dataset, data, images)
    names = {image.id: f"{image.id}_s{image.section_number:03d}.png" for image in images}
    file = target / f"{data.id}.json"
    check_free([file, *(target / name for name in names.values())], mode)
    sizes = {image.id: picture_size(image, longest) for image in images}
    failures: dict[int, str] = {}
    slices: list[dict[str, Any]] = []
    jobs = [(image, partial(_try, image, sizes[image.id], opened)) for image in images]
    with (
        ending_threads(_AT_ONCE, "atldld-quicknii") as pool,
        progress_bar("pictures", len(images), enabled=progress) as step,
        storing(str(target)),
    ):
        for image, found in in_order(pool, jobs, lambda waiting: waiting >= 2 * _AT_ONCE):
            step(1)
            if isinstance(found, SectionImageError):
                if on_error == "raise":
                    raise found
                failures[image.id] = found.reason
                continue
            write_whole(target / names[image.id], found, new=mode == "w-")
            width, height = sizes[image.id]
            slices.append(
                {
                    "filename": names[image.id],
                    "nr": image.section_number,
                    "width": width,
                    "height": height,
                    "anchoring": Anchors.from_pose(poses[image.id], image).numbers,
                }
            )
        series = {
            "name": f"section data set {data.id}",
            "target": TARGET,
            "target-resolution": list(VOXELS),
            "slices": slices,
        }
        # Last: where it is, all that it names is.
        write_whole(file, json.dumps(series, indent=1).encode(), new=mode == "w-")
    pictures = tuple(str(target / record["filename"]) for record in slices)
    return QuickNIIReport(str(file), pictures, failures)


def _check(folder: object, longest: object, on_error: object) -> None:
    if not isinstance(folder, str | os.PathLike):
        raise InvalidArgumentError(f"{short(folder)} is no path of a folder")
    if not isinstance(longest, int) or isinstance(longest, bool) or not 64 <= longest <= _LONGEST:
        raise InvalidArgumentError(
            f"longest is a number of pixels from 64 to {_LONGEST}, not {short(longest)}"
        )
    if on_error not in ("raise", "skip"):
        raise InvalidArgumentError(f'on_error is "raise" or "skip", not {short(on_error)}')


def _poses(
    dataset: xr.Dataset, data: SectionDataset, images: list[SectionImage]
) -> dict[int, SectionPose]:
    """Return how sections lie by a Dataset, in the space that its data set is registered to."""
    if POSE not in dataset.coords:  # of an earlier version
        return {image.id: allen_pose(data, image) for image in images}
    shown = int(dataset.attrs["reference_space_id"])
    found = dataset.coords[POSE].transpose(..., *POSE_DIMS).values.reshape(-1, 3, 4)
    ids = np.atleast_1d(dataset.coords["section_image_id"].values).tolist()
    return {
        image_id: SectionPose.of(matrix).in_space(shown, data.reference_space_id)
        for image_id, matrix in zip(ids, found, strict=True)
    }


def _try(image: SectionImage, size: tuple[int, int], source: Source) -> bytes | SectionImageError:
    try:
        pixels = read_picture(image, size, source)
    except SectionImageError as error:
        return error
    return _png(pixels)


def _png(pixels: NDArray[Any]) -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
