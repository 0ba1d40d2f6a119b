"""open_volumes: the volumes of many data sets as one, along their genes or their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from atldld_xr.datasets.arguments import with_arguments_too
from atldld_xr.datasets.open_each import OnMissing, open_each
from atldld_xr.datasets.open_volume import open_volume
from atldld_xr.datasets.plan_volume import VOLUME_DIMS, plan_volume
from atldld_xr.datasets.sections import TABLE_DIM
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_count
from atldld_xr.plan.arguments import is_one_of

_BETWEEN = "; "  # the acronyms of a data set of several genes
_KINDS = ("gene", "dataset")
_TOLD_OF_EACH = ("sides", "range")  # where they differ: sagittal beside coronal, or fluorescence
_CHANNEL = "channel"


@with_arguments_too(plan_volume)
def open_volumes(
    datasets: Any,
    *,
    concat: Literal["gene", "dataset"] = "gene",
    on_missing: OnMissing = "raise",
    **arguments: Any,
) -> xr.Dataset:
    """Open the volumes of section data sets as one lazy Dataset, each on the same grid.

    Parameters
    ----------
    datasets : int, str, iterable of these, or pandas.DataFrame
        As for `open_datasets`.
    concat : {"gene", "dataset"}
        The dimension that they follow each other along, with the acronyms of their genes or their
        ids as its coordinate; the other is a coordinate beside it. Two data sets of one gene are
        two entries; several genes of a data set are joined by "; ".
    on_missing : {"raise", "skip"}
        As for `open_datasets`.
    **arguments
        All else that `open_volume` takes, the same for all, but that ``chunks=None`` is refused:
        without Dask they could not be put together without reading them.

    Returns
    -------
    xarray.Dataset
        As `open_volume` returns it, with the dimension `gene` or `dataset` before ``coronal``.
        Sections are listed one data set after the other along ``section_image``, with ``status``
        where it was asked for, and the coordinate ``section_data_set`` says whose each is.
        Channels have names if they are the same in all data sets, and the attributes ``sides`` and
        ``range`` tell of each where they differ.
        The attribute ``missing``, if there is any, lists what could not be opened, as "id: why".

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or if data sets are in different spaces: those of coronal
        and sagittal sections are each other's mirror image, and one `reference_space` holds both.
    DatasetNotFoundError, MetadataError, ServiceError, RegistrationError
        As `open_datasets`.

    Examples
    --------
    >>> import atldld_xr
    >>> pair = ["phantom", "phantom-sagittal"]
    >>> both = atldld_xr.open_volumes(pair, resolution=100, reference_space=9)
    >>> dict(both.image.sizes)
    {'gene': 2, 'coronal': 132, 'y': 80, 'x': 114, 'channel': 3}
    >>> both.gene.values.tolist(), both.dataset.values.tolist()
    (['Phanc', 'Phans'], [900000001, 900000002])
    """
    if not is_one_of(concat, _KINDS):
        raise InvalidArgumentError(f'concat must be "gene" or "dataset", not {short(concat)}')
    if arguments.get("chunks", "auto") is None:
        raise InvalidArgumentError(
            "chunks=None cannot be put together unread: leave chunks out, or open each volume by "
            "itself with open_volume"
        )
    opened = open_each(
        datasets,
        open_volume,
        plan_volume,
        on_missing=on_missing,
        arguments=arguments,
    )
    _check_spaces(opened.datasets)
    out = _joined(opened.datasets, concat)
    for name in _TOLD_OF_EACH:
        told = {n: str(volume.attrs.get(name, "none")) for n, volume in opened.datasets.items()}
        if len(set(told.values())) > 1:
            out.attrs[name] = "; ".join(f"{number}: {what}" for number, what in told.items())
    out.attrs["title"] = f"volumes of {format_count(len(opened.datasets), 'section data set')}"
    if opened.missing:
        out.attrs["missing"] = list(opened.missing)
    return out


def _check_spaces(volumes: Mapping[int, xr.Dataset]) -> None:
    by_space: dict[Any, int] = {}
    for number, volume in volumes.items():
        by_space.setdefault(volume.attrs["reference_space_id"], number)
    if len(by_space) > 1:
        told = ", ".join(f"{number} in {space}" for space, number in by_space.items())
        raise InvalidArgumentError(
            f"the data sets are in different reference spaces ({told}): give one reference_space "
            "for all, as 9 or 10"
        )


def _one_channels(volumes: list[xr.Dataset]) -> list[xr.Dataset]:
    """Return volumes without names of channels, where these are not the same in all."""
    names = {
        tuple(volume[_CHANNEL].values.tolist()) if _CHANNEL in volume.coords else None
        for volume in volumes
    }
    if len(names) == 1:
        return volumes
    return [volume.drop_vars(_CHANNEL, errors="ignore") for volume in volumes]


def _joined(volumes: Mapping[int, xr.Dataset], concat: str) -> xr.Dataset:
    """Return volumes along a new dimension, and their tables of sections in one."""
    parts = _one_channels(list(volumes.values()))
    tables = [
        part[[name for name, v in part.variables.items() if TABLE_DIM in v.dims]] for part in parts
    ]
    voxels = xr.concat(
        [part.drop_dims(TABLE_DIM) for part in parts],
        dim=concat,
        join="exact",
        combine_attrs="drop_conflicts",
    )
    names = np.array([_BETWEEN.join(part.attrs["genes"]) for part in parts], dtype=object)
    ids = np.fromiter(volumes, dtype=np.int64)
    along = {
        "gene": ((concat,), names, {"long_name": "acronyms of the data set's genes"}),
        "dataset": ((concat,), ids, {"long_name": "Allen's SectionDataSet.id"}),
    }
    of = np.repeat(ids, [table.sizes[TABLE_DIM] for table in tables])
    table = xr.concat(tables, dim=TABLE_DIM, combine_attrs="drop")
    table = table.drop_vars(VOLUME_DIMS, errors="ignore")
    whose = {"long_name": "Allen's SectionDataSet.id of the data set that the section is of"}
    return voxels.assign_coords(along).merge(
        table.assign_coords(section_data_set=((TABLE_DIM,), of, whose)), combine_attrs="override"
    )
