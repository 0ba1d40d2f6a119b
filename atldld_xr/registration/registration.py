"""Registration: how sections of a data set lie by what somebody else found, and who. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atldld_xr.allen.metadata import SectionDataset
from atldld_xr.allen.poses import SectionPose
from atldld_xr.errors import InvalidArgumentError, RegistrationError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_count
from atldld_xr.messages.words import one_line
from atldld_xr.registration.fields import as_bend
from atldld_xr.registration.order import check_pose, find_anomalies


@dataclass(frozen=True)
class Registration:
    """How some sections of a data set lie, in place of Allen's own matrices.

    Parameters
    ----------
    poses : mapping of SectionPose
        By the section image's id, in the reference space that the data set is registered to, in
        which left lies left. A (3, 4) array is taken for the pose that it is the matrix of.
    name : str
        What it is, in few words: the attributes of Datasets say it.
    address : str
        Where it was read from.
    anomalies : tuple of str
        What cannot be of them, in words, and was taken all the same.
    bends : mapping of xarray.DataArray
        By the section image's id, a displacement field of the image: what the pose, or where there
        is none Allen's affine, has at a place is that much further on. Its dimensions are ``y``,
        ``x`` (at least 2, with coordinates in equal steps) and ``component`` (x, y), all in
        full-resolution pixels of the section image, of which pixel 0 is centred at 0. Between its
        places it is linear, beyond them as at the last.

    Raises
    ------
    InvalidArgumentError
        If these are no poses, or no displacement fields, by ids.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> import atldld_xr
    >>> places = {"y": [0, 2000], "x": [0, 2850], "component": ["x", "y"]}
    >>> bend = xr.DataArray(np.full((2, 2, 2), 3.0), places, dims=("y", "x", "component"))
    >>> further = atldld_xr.Registration(bends={910000001: bend}, name="three pixels on")
    >>> further
    <Registration 'three pixels on': 1 section>
    >>> ds = atldld_xr.open_dataset("phantom", resolution=100, registration=further)
    """

    poses: Mapping[int, SectionPose] = field(default_factory=dict)
    name: str = "poses"
    address: str = ""
    anomalies: tuple[str, ...] = ()
    bends: Mapping[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.poses, Mapping):
            raise InvalidArgumentError(
                f"a registration has poses by section image ids, not {short(self.poses)}"
            )
        for text in (self.name, self.address):
            if not isinstance(text, str):
                raise InvalidArgumentError(
                    f"name and address of a registration are text, not {short(text)}"
                )
        poses = {}
        for image_id, pose in self.poses.items():
            key = _as_id(image_id)
            poses[key] = _as_pose(key, pose)
        object.__setattr__(self, "poses", poses)
        if not isinstance(self.bends, Mapping):
            raise InvalidArgumentError(
                f"a registration has bends by section image ids, not {short(self.bends)}"
            )
        bends = {_as_id(image_id): bend for image_id, bend in self.bends.items()}
        object.__setattr__(self, "bends", {key: as_bend(key, bends[key]) for key in bends})

    def __repr__(self) -> str:
        more = f", {format_count(len(self.anomalies), 'anomaly')}" if self.anomalies else ""
        sections = format_count(len(self.ids), "section")
        return f"<Registration {short(self.name)}: {sections}{more}>"

    @property
    def ids(self) -> frozenset[int]:
        """The ids of the section images of which it says anything."""
        return frozenset(self.poses) | frozenset(self.bends)

    @property
    def digest(self) -> str:
        """What tells it from others: 16 hexadecimal digits."""
        poses = sorted((i, pose.matrix) for i, pose in self.poses.items())
        bends = [(i, self.bends[i]) for i in sorted(self.bends)]
        return hashlib.sha256(repr((poses, bends)).encode()).hexdigest()[:16]

    def of_dataset(self, data: SectionDataset) -> dict[int, SectionPose]:
        """Return the poses of the sections of a data set.

        Raises
        ------
        RegistrationError
            If it has none of them, or one that cannot be a section's of this data set.
        """
        found = {}
        for image in data.images:
            if image.id in self.poses:
                check_pose(data, image, self.poses[image.id])
                found[image.id] = self.poses[image.id]
        if not any(image.id in self.ids for image in data.images):
            raise RegistrationError(
                f"the registration {one_line(self.name, 200)} has no section image of section data "
                f"set {data.id}"
            )
        return found

    def attributes(self, data: SectionDataset) -> dict[str, Any]:
        """Return the attributes of a Dataset whose sections lie as it says."""
        count = sum(image.id in self.ids for image in data.images)
        others = "" if count == len(data.images) else "; the others lie by Allen's own affine"
        total = format_count(len(data.images), "section")
        out = {"registration": f"{one_line(self.name, 200)}: {count} of {total}{others}"}
        if self.address:
            out["registration_source"] = one_line(self.address, 1000)
        out["registration_digest"] = self.digest
        if any(image.id in self.bends for image in data.images):
            out["registration_bends"] = (
                "sections are bent besides: affine and pose leave that out, displacement has it"
            )
        if self.anomalies:
            out["registration_anomalies"] = tell_anomalies(self.anomalies)
        return out


def check_order(data: SectionDataset, poses: Mapping[int, SectionPose]) -> None:
    """Raise a RegistrationError if sections cannot lie so, one beside the other."""
    anomalies = find_anomalies(data, poses)
    if anomalies:
        raise RegistrationError(
            f"{tell_anomalies(anomalies)}. To take it as it is, read it with "
            'atldld_xr.read_registration(..., anomalies="keep")'
        )


def tell_anomalies(anomalies: tuple[str, ...] | list[str]) -> str:
    """Return the first of them in words, and how many more there are."""
    more = f"; and {len(anomalies) - 3} more" if len(anomalies) > 3 else ""
    return "; ".join(anomalies[:3]) + more


def _as_id(image_id: object) -> int:
    if not isinstance(image_id, int | np.integer) or isinstance(image_id, bool):
        raise InvalidArgumentError(f"{short(image_id)} is no section image's id")
    return int(image_id)


def _as_pose(image_id: int, pose: object) -> SectionPose:
    if isinstance(pose, SectionPose):
        return pose
    try:
        matrix = np.asarray(pose, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (3, 4):
        raise InvalidArgumentError(
            f"section image {image_id}: a pose is a SectionPose or its (3, 4) matrix, not "
            f"{short(pose)}"
        )
    return SectionPose.of(matrix)
