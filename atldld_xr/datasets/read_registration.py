"""read_registration: how the sections of a data set lie, by files of somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.registration.places import absolute_place
from atldld_xr.registration.read import Anomalies, check_anomalies, read_poses
from atldld_xr.registration.registration import Registration
from atldld_xr.sources.protocol import Source, kept_alone
from atldld_xr.sources.resolve import parse_dataset_name, resolve


def read_registration(
    place: str | PathLike[str],
    *,
    dataset: int | str,
    anomalies: Anomalies = "raise",
    storage_options: Mapping[str, Any] | None = None,
    source: str | PathLike[str] | Source | None = None,
    offline: bool | None = None,
) -> Registration:
    """Read a registration of Allen's sections that was made with QuickNII, DeepSlice or VisuAlign.

    ``open_dataset(..., registration=place)`` reads it so, too; here it can be looked at, and taken
    with what cannot be of it.

    Parameters
    ----------
    place : str or path
        A file of these programs, JSON or XML, on this machine or at a URL; or a folder or zip of
        such files, of which only those of the data set are read. Pictures are known by the section
        image's id in their names: ``71661903.png``, ``71717640/71661903_s289.jpg``. A web server
        lists no folders: there ``{dataset}.json`` or ``{dataset}.xml`` is asked for. By the markers
        of VisuAlign pictures are bent, within some micrometres of how it does so.
    dataset : int or str
        The data set, as for `atldld_xr.open_dataset`. One request for its metadata is made.
    anomalies : {"raise", "keep"}
        What is done if sections cannot lie so: two at one place, or in another order than they
        were cut, or crossing within the brain, or as mirror images of what Allen has. "keep" takes
        them as they are; the attributes of Datasets then say so.
    storage_options : mapping, optional
        For the file system of a URL.
    source : str, path or source object, optional
        Where the metadata come from, as for `atldld_xr.open_dataset`.
    offline : bool, optional
        Whether to take them from the cache, as for `atldld_xr.open_dataset`.

    Returns
    -------
    Registration
        With ``poses`` and ``bends`` by section image id, and ``anomalies``.

    Raises
    ------
    RegistrationError
        If it is none, has no section of the data set, or some that cannot lie so.
    StoreError
        If it cannot be read.
    InvalidArgumentError, DatasetNotFoundError, MetadataError, ServiceError
        As for `atldld_xr.open_dataset`.

    Examples
    --------
    >>> import atldld_xr
    >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
    >>> report = ds.atldld.to_quicknii("anchors/", longest=300)  # to be refined in QuickNII
    >>> found = atldld_xr.read_registration("anchors/900000001.json", dataset="phantom")
    >>> len(found.ids)
    17
    >>> ds = atldld_xr.open_dataset("phantom", resolution=100, registration=found)
    """
    check_anomalies(anomalies)
    dataset_id = parse_dataset_name(dataset)
    absolute_place(place)  # before the request
    opened = kept_alone(resolve(source, dataset), offline)
    data = parse_dataset(opened.dataset_record(dataset_id))
    return read_poses(place, data, anomalies=anomalies, storage_options=storage_options)
