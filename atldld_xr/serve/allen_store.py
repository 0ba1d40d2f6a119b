"""Data sets as OME-Zarr that nobody wrote: sections in their planes, and true volumes.

Metadata are those of an export. A chunk's key leads to a level, a plane and in it a window; each
level is planned at its own resolution, and so is read at the tier of Allen's own pyramid that it
needs: an overview of a section costs what it shows, not what its finest level would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any

import xarray as xr

from atldld_xr.datasets.arguments import with_arguments_too
from atldld_xr.datasets.open_dataset import dataset_of
from atldld_xr.datasets.open_volume import open_volume
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.datasets.plan_volume import plan_volume
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.export.ome import group_attributes, plan_pyramid
from atldld_xr.export.ome.keep import kept_ome
from atldld_xr.export.ome.pyramid import Pyramid
from atldld_xr.files.file_store import FileStore
from atldld_xr.serve.image import Image, VolumePyramid, make_image
from atldld_xr.serve.labels import GROUP, NAME, annotation_labels, labels_group
from atldld_xr.serve.levels import planned_behind
from atldld_xr.serve.plan_store import PlanStore
from atldld_xr.store.store_plan import OME_KEY

_BY_TIER = (
    "each level is read at its own resolution, from the tier of Allen's pyramid that it needs"
)
_LEVELS = (
    "Each level is read at its own resolution. Where a section has no pixel, and in planes that "
    "are not valid, there is fill ({})."
)


class DatasetStore(PlanStore):
    """An opened Dataset, whole or sliced, as a read-only OME-Zarr 0.5; see `AllenStore`.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `open_dataset` returns it; with other data in it, or data that something was done to,
        there is one level.
    variable, annotation, step, levels, compressor
        As for `AllenStore`.

    Raises
    ------
    InvalidArgumentError
        If an OME-Zarr cannot be of it.
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        *,
        variable: str = "image",
        annotation: bool = False,
        step: float | None = None,
        levels: int | None = None,
        compressor: Any = "auto",
    ) -> None:
        pyramid = plan_pyramid(dataset, variable=variable, step=step, levels=levels)
        planned = planned_behind(dataset, variable)
        if planned is not None and not planned.has(dataset, variable, pyramid.y, pyramid.x):
            planned = None  # as somebody moved or thinned them
        if planned is None:
            if levels not in (None, 1):
                raise InvalidArgumentError(
                    f"{variable} is no plain part of a data set: it can be served with levels=1"
                )
            pyramid = replace(pyramid, levels=1)
        axes = [pyramid.axes(level)[1:] for level in range(pyramid.levels)]
        own = dataset[variable].variable
        made = [own] if planned is None else [planned.at(dataset, y, x) for y, x in axes]
        if own.chunks is None:
            made[0] = own
        images = {"": _image(dataset, made, pyramid, compressor)}
        groups = {}
        if annotation:
            places = dataset.drop_vars([*dataset.data_vars])
            each = [places.assign_coords(y=y.centres, x=x.centres) for y, x in axes]
            images[f"{GROUP}/{NAME}/"] = annotation_labels(each, pyramid, compressor)
            groups[f"{GROUP}/"] = labels_group()
        super().__init__(dataset, images, groups)
        self._writing = {
            "variable": variable,
            "step": step,
            "levels": levels,
            "compressor": compressor,
        }

    @contextmanager
    def kept_in(
        self, url: str | PathLike[str], *, storage_options: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Keep what is looked at of the finest level, for as long as this lasts.

        Parameters
        ----------
        url : str or path
            Of a store that ``to_ome_zarr`` with the same options goes on with: what is there then
            is not made again.
        storage_options : mapping, optional
            For the file system.

        Raises
        ------
        StoreError
            If something else is there, or is being written there.
        """
        place = FileStore(url, storage_options)
        planes = self.pyramid.planes
        with kept_ome(self._exported(), place, planes, **self._writing) as keeper:
            self.keeper = keeper
            try:
                yield
            finally:
                self.keeper = None

    def _exported(self) -> xr.Dataset:
        """Return the Dataset that an export is of."""
        return self.dataset


class AllenStore(DatasetStore):
    """A section data set as a read-only OME-Zarr 0.5, of which nothing is written anywhere.

    ``zarr.open(AllenStore(71717640))`` reads it as any Zarr v3 store. Metadata are those that
    ``to_ome_zarr`` writes, and so are the chunks of the finest level, to the bit; a coarser level
    is read at its own resolution, from the tier of Allen's pyramid that it needs, where an export
    has means of the level before it.

    Parameters
    ----------
    dataset : int or str
        As for `open_dataset`.
    variable : str
        Which data variable. Of "expression" or "projection" the masks are opened as "intensity",
        unless something else is asked for.
    annotation : bool
        Whether to have Allen's annotation beside it, cut along each section's own plane, as the
        labels ``labels/annotation``.
    step : float, optional
        From one plane to the next, in micrometres. Default: as for `to_ome_zarr`.
    levels : int, optional
        Of the pyramid. Default: until no side is longer than 256 pixels.
    compressor : codec of zarr.codecs, "auto" or None
        Of the chunks.
    **arguments
        As for `open_dataset`. Pixels are anchored at their centres, and what cannot be read raises:
        it is tried anew when it is asked for again.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or one of a Dataset that a pyramid cannot be of.
    DatasetNotFoundError, MetadataError, RegistrationError, ServiceError
        As `open_dataset`. Reading a chunk raises SectionImageError if its section cannot be had.

    Examples
    --------
    >>> import zarr
    >>> from atldld_xr.serve import AllenStore
    >>> zarr.open(AllenStore("phantom"))["0"].shape
    (3, 370, 320, 456)
    """

    @with_arguments_too(plan_dataset)
    def __init__(
        self,
        dataset: int | str,
        *,
        variable: str = "image",
        annotation: bool = False,
        step: float | None = None,
        levels: int | None = None,
        compressor: Any = "auto",
        **arguments: Any,
    ) -> None:
        # Blocks are as were asked for; their arrays are without Dask, which has a graph to make.
        planned = plan_dataset(dataset, **_checked(variable, arguments))
        super().__init__(
            dataset_of(replace(planned, chunks=None)),
            variable=variable,
            annotation=annotation,
            step=step,
            levels=levels,
            compressor=compressor,
        )
        self._planned = planned

    def _exported(self) -> xr.Dataset:
        return dataset_of(self._planned)  # with Dask, as it is when it is opened to be exported


class VolumeStore(PlanStore):
    """A data set as a true volume, as `open_volume` makes it, in a read-only OME-Zarr 0.5.

    Each level is a volume of its own, coarser in all three directions.

    Parameters
    ----------
    dataset : int or str
        As for `open_volume`.
    variable : str
        Which data variable, as for `AllenStore`.
    levels : int, optional
        Default: until no side across is longer than 256 voxels.
    compressor : codec of zarr.codecs, "auto" or None
        Of the chunks, each of one plane.
    **arguments
        As for `open_volume`, with the same exceptions as for `AllenStore`.

    Raises
    ------
    AtldldError
        As `AllenStore` and `open_volume`.
    """

    @with_arguments_too(plan_volume)
    def __init__(
        self,
        dataset: int | str,
        *,
        variable: str = "image",
        levels: int | None = None,
        compressor: Any = "auto",
        **arguments: Any,
    ) -> None:
        arguments = _checked(variable, arguments) | {"chunks": None}
        finest = open_volume(dataset, **arguments)
        pyramid = plan_pyramid(finest, variable=variable, levels=levels)
        arguments["refresh"] = False  # it was
        coarser = (
            open_volume(
                dataset, **arguments | {"resolution": finest.attrs["resolution"] * 2**times}
            )
            for times in range(1, pyramid.levels)
        )
        opened = [finest, *coarser]
        each = tuple(plan_pyramid(volume, variable=variable, levels=1) for volume in opened)
        pyramid = VolumePyramid(**vars(pyramid), each=each)
        made = [volume[variable].variable for volume in opened]
        super().__init__(finest, {"": _image(finest, made, pyramid, compressor)})


def _checked(variable: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a data set is opened with, so that it has a variable that can be served."""
    for name, only in {"anchor": "center", "on_error": "raise"}.items():
        if arguments.get(name, only) != only:
            raise InvalidArgumentError(f'{name} can be "{only}" alone in what is served')
    masks = (mask for mask in ("expression", "projection") if str(variable).startswith(mask))
    return dict.fromkeys(masks, "intensity") | dict(arguments)


def _image(
    dataset: xr.Dataset, levels: Sequence[xr.Variable], pyramid: Pyramid, compressor: Any
) -> Image:
    attributes = _as_read(group_attributes(dataset, pyramid), pyramid)
    return make_image(pyramid, levels, attributes, compressor)


def _as_read(attributes: dict[str, Any], pyramid: Pyramid) -> dict[str, Any]:
    """Return an image's attributes, which then say what coarser levels are here: no means."""
    if pyramid.levels > 1:
        (multiscale,) = attributes["ome"]["multiscales"]
        multiscale["type"] = "tiers"
        multiscale["metadata"]["description"] = _BY_TIER
        attributes[OME_KEY]["levels"] = _LEVELS.format(pyramid.fill_value)
    return attributes
