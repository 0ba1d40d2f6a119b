"""The interface of atldld.utils: one section image as an array, and the data sets of a gene."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from os import PathLike
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.ids import check_id
from atldld_xr.allen.metadata import parse_image
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError
from atldld_xr.forks import PerProcess
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import check_mask, check_tier, is_one_of
from atldld_xr.settings import config
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.read_whole import read_whole
from atldld_xr.sources.resolve import resolve

# Settings are the whole process's: two calls must not each put back what the other has set.
_FOLDER = PerProcess(Lock)

_ADULT_MOUSE = 1  # Allen's product "Mouse"


def get_image(
    image_id: int | str,
    folder: str | PathLike[str] | None = None,
    expression: bool = False,
    downsample: int = 0,
    *,
    source: str | PathLike[str] | Source | None = None,
) -> NDArray[np.uint8]:
    """Return a section image as it is, unregistered, in one request.

    Parameters
    ----------
    image_id : int or str
        Allen's section image id, as for `atldld_xr.open_image`.
    folder : str or path, optional
        A directory to keep the image in: the cache is its subdirectory ``atldld_xr`` while this
        runs, in all threads. Default: the cache of the settings.
    expression : bool
        Whether to return Allen's expression mask of it instead.
    downsample : int
        How many times height and width are halved.
    source : str, path or source object, optional
        As for `atldld_xr.open_dataset`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Red, green and blue; verified, of the size that the image's metadata announce.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or an expression mask of an image that has none.
    DatasetNotFoundError
        If there is no such section image.
    MetadataError, ServiceError
        If its metadata are unusable, or cannot be had.
    SectionImageError
        If its pixels cannot be had. (The atldld package returns None for a damaged image.)

    Examples
    --------
    >>> from atldld_xr.utils import get_image
    >>> get_image(910000001, downsample=4, source="phantom").dtype
    dtype('uint8')
    """
    image_id = check_id(image_id, "section image")
    opened = resolve(source)
    with _caching_in(folder):
        image = parse_image(opened.image_record(image_id))
        tier = check_tier(downsample, image)
        if tier is None:
            raise InvalidArgumentError(
                f"downsample must be a whole number, not {short(downsample)}"
            )
        if expression:
            check_mask(image)
        return read_whole(opened, image, tier, "expression" if expression else "image")


def get_experiment_list_from_gene(
    gene_name: str,
    axis: Literal["coronal", "sagittal"] = "sagittal",
    *,
    source: str | PathLike[str] | Source | None = None,
) -> list[int]:
    """Return the ids of the adult mouse brain's data sets of a gene that Allen did not fail.

    `atldld_xr.search` finds more, and says more of it.

    Parameters
    ----------
    gene_name : str
        The gene's acronym, as it is: ``*`` is an asterisk.
    axis : {"coronal", "sagittal"}
        How they were cut.
    source : str, path or source object, optional
        The service, as for `atldld_xr.search`.

    Returns
    -------
    list of int
        In ascending order; empty where there is none, or no such gene.

    Raises
    ------
    InvalidArgumentError
        For another axis, or a name that cannot be asked for.
    ServiceError
        If the service cannot be reached or reports a failure.

    Examples
    --------
    >>> from atldld_xr.utils import get_experiment_list_from_gene
    >>> 71717640 in get_experiment_list_from_gene("Calb1", axis="coronal")
    True
    """
    from atldld_xr.catalogue.ask import open_catalogue
    from atldld_xr.catalogue.find import find_datasets
    from atldld_xr.catalogue.patterns import escape

    if not is_one_of(axis, ("coronal", "sagittal")):
        raise InvalidArgumentError(f"axis must be coronal or sagittal, not {short(axis)}")
    if not isinstance(gene_name, str):
        raise InvalidArgumentError(f"gene_name is a text, not {short(gene_name)}")
    catalogue = open_catalogue(source, progress=False)
    try:
        found = find_datasets(catalogue, gene=escape(gene_name), plane=axis, product=_ADULT_MOUSE)
    except DatasetNotFoundError:
        return []
    return [row.id for row in found.rows]


@contextlib.contextmanager
def _caching_in(folder: str | PathLike[str] | None) -> Iterator[None]:
    """Keep what is fetched in a folder; in a subdirectory, as there may be other files in it."""
    if folder is None:
        yield
        return
    directory = os.path.join(os.path.abspath(os.fspath(folder)), "atldld_xr")
    with _FOLDER(), config.set({"cache.enabled": True, "cache.directory": directory}):
        yield
