"""summarize: numbers of structures of many data sets as one table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from atldld_xr.collection.plan_table import plan_table
from atldld_xr.collection.table import SummaryReport
from atldld_xr.compute.progress import Callback, check_callback
from atldld_xr.datasets.arguments import with_arguments_too
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.store.resume import Mode


@with_arguments_too(plan_dataset)
def summarize(
    datasets: Any,
    *,
    url: str | os.PathLike[str],
    structures: str | int | Iterable[str | int] | None = None,
    threshold: int = 25,
    method: Literal["sections", "grid"] = "sections",
    hemisphere: Literal["both", "left", "right", "each"] = "both",
    annotation: str | os.PathLike[str] | None = None,
    mode: Mode = "w-",
    retry_failed: bool = False,
    dry_run: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool = False,
    callback: Callback | None = None,
    **arguments: Any,
) -> SummaryReport:
    """Write the numbers of structures of many data sets as one table: a row for each data set.

    Each row is what ``Dataset.atldld.structure_summary`` gives of its data set, to the bit. Rows
    are made as many at a time as there may be connections, on threads or on the cluster whose
    client is connected, and entered as they are done; the same call goes on where one was stopped.
    A data set that cannot be opened or read is a row without numbers, and says why.

    Parameters
    ----------
    datasets : int, str, iterable of these, or pandas.DataFrame
        Which: names as `open_dataset` takes them, or what `search` found. Rows are in their order.
    url : str or path
        A path or any fsspec URL: of a folder of Parquet files if it ends in ``.parquet``, which
        needs the extra of that name, else of a Zarr store.
    structures, threshold, method, hemisphere
        As of ``structure_summary``.
    annotation : str or path, optional
        Where the annotation and its structures are, as the `source` of `open_annotation`. Default:
        Allen's; of phantoms theirs. A process holds it in memory: 154 MB.
    mode : {"w-", "w"}
        Whether another table that is there is replaced, or a finished one made anew.
    retry_failed : bool
        Whether rows are made again that have no numbers, or not all.
    dry_run : bool
        Whether only to say what it takes, as the report's ``cost``: no image is asked for, nothing
        is written, and of many data sets the records of 50 are looked at.
    storage_options : mapping, optional
        For the file system.
    progress : bool
        Whether to show a progress bar on standard error.
    callback : callable, optional
        Given a ``ProgressEvent`` at once, and whenever a row has been entered.
    **arguments
        All else that `open_dataset` takes, the same for all. `expression` is "intensity" by
        default.

    Returns
    -------
    SummaryReport
        How many rows were made, and those without numbers.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work; nothing is fetched.
    RegistrationError
        If there are no files of a registration where one is said to be.
    StoreError
        If there is another table, or something else, or it cannot be written.
    MissingExtraError
        If Parquet is asked for, and cannot be written.
    MetadataError, ServiceError
        If the annotation or its structures cannot be had; or the latter, if one data set after the
        other fails as the service cannot be reached. The same call goes on there.

    Notes
    -----
    The Zarr store opens with ``xarray.open_zarr`` at any time: over ``dataset`` and ``structure``,
    and ``hemisphere_id`` if asked for, with a variable for each measure, as of one data set. Rows
    that are not made yet, or failed, are NaN, and 0 in counts. ``reason`` is the number of a text
    in its attribute ``reasons``. Of each data set there are ``gene``, ``plane``,
    ``reference_space_id``, ``sections_counted``, ``sections_not_counted`` and ``error``, which are
    written when all rows are.

    Examples
    --------
    >>> import xarray as xr
    >>> import atldld_xr
    >>> both = ["phantom", "phantom-sagittal"]
    >>> report = atldld_xr.summarize(both, url="table.zarr", structures="HPF")  # doctest: +SKIP
    >>> xr.open_zarr("table.zarr").expression_energy.sizes  # doctest: +SKIP
    Frozen({'dataset': 2, 'structure': 1})
    """
    check_callback(callback)
    table = plan_table(
        datasets,
        url=url,
        structures=structures,
        threshold=threshold,
        method=method,
        hemisphere=hemisphere,
        annotation=annotation,
        mode=mode,
        retry_failed=retry_failed,
        storage_options=storage_options,
        **arguments,
    )
    return table.look() if dry_run else table.write(progress=progress, callback=callback)
