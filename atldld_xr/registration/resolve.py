"""What a `registration` argument means."""

from __future__ import annotations

import os
from collections.abc import Mapping

from numpy.typing import ArrayLike

from atldld_xr.allen.metadata import SectionDataset
from atldld_xr.allen.poses import SectionPose
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.registration.places import absolute_place
from atldld_xr.registration.read import read_poses
from atldld_xr.registration.registration import Registration, check_order

Registered = str | os.PathLike[str] | Registration | Mapping[int, SectionPose | ArrayLike]


def check_registration(given: object) -> None:
    """Raise an InvalidArgumentError for what stands for no registration; nothing is read."""
    if isinstance(given, str | os.PathLike):
        absolute_place(given)
    elif isinstance(given, Mapping):
        Registration(given)
    elif given is not None and not isinstance(given, Registration):
        raise InvalidArgumentError(
            f"{short(given)} is no registration: give the path or URL of a file, folder or zip of "
            "QuickNII's anchors, what read_registration gives, or poses by section image ids"
        )


def resolve_registration(given: Registered | None, data: SectionDataset) -> Registration | None:
    """Return the registration that an argument stands for, read and checked for a data set.

    Parameters
    ----------
    given : path, Registration, mapping or None
        As `check_registration` lets it pass. Of a mapping of poses the order of sections is
        checked, as of a file; of a `Registration` it is whoever made it that answers for that.
    data : SectionDataset
        The data set.

    Raises
    ------
    RegistrationError
        If it has no section of the data set, or some that cannot lie so.
    """
    if given is None:
        return None
    if isinstance(given, str | os.PathLike):
        return read_poses(given, data)
    if isinstance(given, Registration):
        given.of_dataset(data)
        return given
    found = Registration(given)  # type: ignore[arg-type]  # which makes poses of arrays
    check_order(data, found.of_dataset(data))
    return found
