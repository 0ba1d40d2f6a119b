"""Reading a registration: from a file, or a collection of files, to the poses of a data set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from atldld_xr.allen.metadata import SectionDataset, SectionImage
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.allen.reference import REFERENCE_SPACES
from atldld_xr.errors import InvalidArgumentError, RegistrationError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_count
from atldld_xr.messages.words import one_line
from atldld_xr.plan.bend import Bend
from atldld_xr.registration.markers import bend_of
from atldld_xr.registration.matching import match_slices
from atldld_xr.registration.order import check_pose, find_anomalies
from atldld_xr.registration.places import absolute_place, read_files
from atldld_xr.registration.registration import Registration, check_order
from atldld_xr.registration.series import Slice, parse_series

Anomalies = Literal["raise", "keep"]


def check_anomalies(anomalies: object) -> None:
    """Raise an InvalidArgumentError for what is no way to treat anomalies."""
    if not isinstance(anomalies, str) or anomalies not in ("raise", "keep"):
        raise InvalidArgumentError(f'anomalies is "raise" or "keep", not {short(anomalies)}')


def read_poses(
    place: str | os.PathLike[str],
    data: SectionDataset,
    *,
    anomalies: Anomalies = "raise",
    storage_options: Mapping[str, Any] | None = None,
) -> Registration:
    """Read how the sections of a data set lie.

    Parameters
    ----------
    place : str or path
        A file of QuickNII, DeepSlice or VisuAlign, JSON or XML; or a folder or zip of such files.
    data : SectionDataset
        The data set: of a collection only its files are read.
    anomalies : {"raise", "keep"}
        What is done about sections that cannot lie so.
    storage_options : mapping, optional
        For the file system.

    Raises
    ------
    RegistrationError
        If there is none of the data set, or none that can be.
    """
    check_anomalies(anomalies)
    address = absolute_place(place)
    images = {image.id: image for image in data.images}
    if data.reference_space_id not in REFERENCE_SPACES:
        raise RegistrationError(
            f"QuickNII's anchors are of the adult mouse's atlas; section data set {data.id} is "
            f"registered to reference space {data.reference_space_id}. Poses by section image ids "
            "are taken of any"
        )
    slices: list[Slice] = []
    files = read_files(address, data.id, images.keys(), storage_options)
    for name, content in files:
        try:
            slices += parse_series(content)
        except RegistrationError as error:
            raise RegistrationError(f"{one_line(name, 200)} is no registration: {error}") from None
    matched = match_slices(slices, images)
    if not matched:
        raise RegistrationError(f"{address} {_nothing(data, files, slices)}")
    poses, bends = {}, {}
    for image_id, slice_ in matched.items():
        image = images[image_id]
        try:
            poses[image_id] = _pose(slice_, image, data)
            if slice_.markers:
                bends[image_id] = _bend(slice_, image)
        except RegistrationError as error:
            raise RegistrationError(f"the slice {slice_} in {address}: {error}") from None
        check_pose(data, image, poses[image_id])
    name = f"QuickNII anchors, {address.rpartition('/')[2]}"
    markers = sum(len(slice_.markers) for slice_ in matched.values())
    if markers:
        name += f", with {format_count(markers, 'marker')}"
    if anomalies == "raise":
        check_order(data, poses)
        return Registration(poses, name, address, bends=bends)
    return Registration(poses, name, address, tuple(find_anomalies(data, poses)), bends)


def _pose(slice_: Slice, image: SectionImage, data: SectionDataset) -> SectionPose:
    assert slice_.anchors is not None  # of what is matched
    return slice_.anchors.pose(image, allen_pose(data, image))


def _bend(slice_: Slice, image: SectionImage) -> Bend:
    if slice_.size is None:
        raise RegistrationError("it has markers, and no width and height that they are in")
    return bend_of(slice_.markers, slice_.size, image)


def _nothing(data: SectionDataset, files: list[tuple[str, bytes]], slices: list[Slice]) -> str:
    """Return in words that nothing was found, and what was."""
    whom = f"section data set {data.id}"
    if not files:
        return f"has no file of {whom}"
    anchored = [slice_ for slice_ in slices if slice_.anchors is not None]
    if not anchored:
        return f"has {len(slices)} slices, none of them anchored"
    return (
        f"has {len(anchored)} anchored slices, and none with the id of a section image of "
        f"{whom} in its file's name, or as its number; the first is {anchored[0]}"
    )
