"""open_datasets: many data sets as one tree."""

from __future__ import annotations

from typing import Any

import xarray as xr

from atldld_xr.datasets.arguments import with_arguments_too
from atldld_xr.datasets.open_dataset import open_dataset
from atldld_xr.datasets.open_each import OnMissing, open_each
from atldld_xr.datasets.plan_dataset import plan_dataset
from atldld_xr.messages.text import format_count


@with_arguments_too(plan_dataset)
def open_datasets(
    datasets: Any, *, on_missing: OnMissing = "raise", **arguments: Any
) -> xr.DataTree:
    """Open section data sets as a tree of lazy Datasets, one node a data set.

    Their metadata are asked for in requests of 50 data sets each, but for what the cache has, and
    no image is. What is opened here is in the cache as if it had been opened alone.

    Parameters
    ----------
    datasets : int, str, iterable of these, or pandas.DataFrame
        The data sets: names as `open_dataset` takes them, or what `atldld_xr.search` found. One
        that is named twice is one node.
    on_missing : {"raise", "skip"}
        Whether a data set that cannot be opened raises, or is left out and told in the attribute
        ``missing``.
    **arguments
        All else that `open_dataset` takes, the same for all.

    Returns
    -------
    xarray.DataTree
        In its order one child of each data set, named by its id: what `open_dataset` returns. Its
        attribute ``missing``, if there is any, lists the others, each as "id: why".

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work; nothing is fetched.
    DatasetNotFoundError, MetadataError, ServiceError, RegistrationError
        As `open_dataset`: under "raise" of the first that cannot be opened, under "skip" if none
        can.

    Notes
    -----
    The tree's root has no data of its own, and xarray maps functions over it too: ``if ds`` in one
    passes it over.

    Examples
    --------
    >>> import atldld_xr
    >>> tree = atldld_xr.open_datasets(["phantom", "phantom-sagittal"], resolution=100)
    >>> list(tree.children)
    ['900000001', '900000002']
    >>> tree["900000001"].image.shape
    (17, 80, 114, 3)
    >>> half = tree.isel(x=slice(0, 57))
    >>> means = half.map_over_datasets(lambda ds: ds[["coverage"]].mean() if ds else ds)
    """
    opened = open_each(
        datasets,
        open_dataset,
        plan_dataset,
        on_missing=on_missing,
        arguments=arguments,
    )
    tree = xr.DataTree.from_dict({str(number): ds for number, ds in opened.datasets.items()})
    tree.attrs["title"] = format_count(len(opened.datasets), "section data set")
    if opened.missing:
        tree.attrs["missing"] = list(opened.missing)
    return tree
