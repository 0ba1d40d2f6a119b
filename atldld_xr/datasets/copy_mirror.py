"""mirror: data sets by name, copied to a folder that can be opened in place of the service."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from atldld_xr.allen.fluorescence import RangeLike
from atldld_xr.allen.tiers import View
from atldld_xr.catalogue.selection import dataset_ids, dataset_name
from atldld_xr.compute.progress import progress_bar
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole
from atldld_xr.sources.protocol import Source, asked_anew
from atldld_xr.sources.resolve import resolve
from atldld_xr.sources.save_mirror import MirrorSummary, save_mirror

if TYPE_CHECKING:
    import pandas as pd


def mirror(
    datasets: int | str | Iterable[int | str] | pd.DataFrame,
    *,
    path: str | PathLike[str],
    tiers: Sequence[int] | Literal["auto"] = "auto",
    resolution: float = 25,
    views: Sequence[View] = ("image",),
    range: RangeLike | None = None,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    storage_options: dict[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    progress: bool = False,
) -> MirrorSummary:
    """Copy data sets, as the service has them, to be opened with ``source=path``.

    What is there already, whole, is not fetched again: an interrupted call can be repeated.

    Parameters
    ----------
    datasets : int, str, iterable of these, or pandas.DataFrame
        One data set or several, named as for `atldld_xr.open_dataset`; or what
        `atldld_xr.search` returns, of which the column ``id`` is taken. They are copied one by one:
        memory does not grow with them, but for what ``mirror.json`` says.
    path : str or path
        A folder, or a URL that fsspec can write to.
    tiers : sequence of int or "auto"
        The tiers to copy; "auto" takes of each data set those that `resolution` needs.
    resolution : float
        Size of the output pixels that "auto" is for, in micrometres.
    views : sequence of {"image", "expression", "intensity", "projection", "projection_intensity"}
        What to copy of each section. Masks are copied where there are any.
    range : sequence of int or mapping, optional
        Which values of 16 bits become black and white, as for `open_dataset`: a mirror has images
        of those ranges that it was made with, beside each other.
    source : str, path or source object, optional
        As for `atldld_xr.open_dataset`.
    refresh : bool
        As for `atldld_xr.open_dataset`.
    storage_options : mapping, optional
        For the file system.
    on_error : {"raise", "skip"}
        Whether an image that cannot be had ends the copying, or is recorded in the mirror and in
        the summary. Calling again tries those anew.
    progress : bool
        Whether to show a progress bar on standard error.

    Returns
    -------
    MirrorSummary
        How much was copied, and what could not be had.

    Raises
    ------
    InvalidArgumentError
        If there is nothing to copy, or an argument cannot work.
    DatasetNotFoundError, MetadataError, ServiceError
        If a data set's metadata cannot be had.
    SectionImageError
        Under "raise", if an image cannot be had.
    StoreError
        If the mirror cannot be written, or has a ``mirror.json`` that cannot be understood: that
        is not replaced.

    Examples
    --------
    >>> import atldld_xr
    >>> copied = atldld_xr.mirror("phantom-sagittal", path="mirror/", resolution=400)
    >>> ds = atldld_xr.open_dataset(900000002, resolution=400, source="mirror/")
    """
    ids = dataset_ids(datasets)
    opened = asked_anew(_common_source(source, ids), refresh)
    with _bar("mirroring", enabled=progress) as show:
        return save_mirror(
            ids,
            os.fspath(path) if isinstance(path, PathLike) else path,
            source=opened,
            tiers=_tiers(tiers, resolution, opened),
            views=views,
            range=range,
            storage_options=storage_options,
            on_error=on_error,
            progress=show,
        )


def _common_source(source: object, ids: Sequence[int]) -> Source:
    first, *others = (resolve(source, dataset_name(number)) for number in ids)
    if any(other != first for other in others):
        raise InvalidArgumentError("the phantoms and the service's data sets need a mirror each")
    return first


def _tiers(
    tiers: object, resolution: float, source: Source
) -> list[int] | Callable[[int], list[int]]:
    def needed(dataset_id: int) -> list[int]:
        plans = plan_dataset(dataset_id, resolution=resolution, source=source).plans
        return sorted({section.tier for section in plans["image"].sections})

    if isinstance(tiers, str) and tiers == "auto":
        return needed
    if isinstance(tiers, Iterable):
        asked = list(tiers)
        if asked and all(map(is_whole, asked)):
            return [int(tier) for tier in asked]
    raise InvalidArgumentError(f'tiers are "auto" or whole numbers, as [4, 3], not {short(tiers)}')


@contextmanager
def _bar(what: str, *, enabled: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for work that tells with each step how many it has in all."""
    with ExitStack() as stack:
        advance: Callable[..., None] | None = None

        def show(done: int, total: int) -> None:
            nonlocal advance
            if advance is None:
                advance = stack.enter_context(progress_bar(what, total, enabled=enabled))
            advance(1, total)

        yield show
