"""Drawing how the sections of a data set lie in the reference space; needs the extra "plot"."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr import transforms
from atldld_xr.errors import MissingExtraError
from atldld_xr.metadata import SectionDataset, SectionImage, parse_dataset
from atldld_xr.reference import ReferenceSpace, get_space
from atldld_xr.sources.base import Source
from atldld_xr.sources.resolve import parse_dataset_name, resolve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_P, _I, _R = range(3)
_NAMES = ("anterior - posterior (p)", "dorsal - ventral (i)", "left - right (r)")
_ENDS = (("anterior", "posterior"), ("dorsal", "ventral"), ("left", "right"))
_FLIPPED_SPACE = 10  # in which r runs from right to left

_MM = 1000.0  # micrometres
_LABELS = 9  # section numbers written out, at most
_NOTES = 8  # excluded sections written out, at most
_MARGIN = 0.9  # mm around the reference space, for what reaches beyond it


def preview(
    dataset: int | str,
    *,
    source: str | PathLike[str] | Source | None = None,
    reference_space: int = 9,
) -> Figure:
    """Draw how the sections of a data set lie in the reference space, from three sides.

    Only the metadata are fetched.

    Parameters
    ----------
    dataset : int or str
        As for `atldld_xr.open_dataset`.
    source : str, path or source object, optional
        As for `atldld_xr.open_dataset`.
    reference_space : {9, 10}
        The space to draw in.

    Returns
    -------
    matplotlib.figure.Figure
        Each section's outline, and the point at which its coordinate is taken.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InvalidArgumentError, DatasetNotFoundError, MetadataError, ServiceError
        As for `atldld_xr.open_dataset`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            'drawing needs matplotlib: pip install "atldld-xr[plot]"'
        ) from error

    dataset_id = parse_dataset_name(dataset)
    space = get_space(reference_space)
    data = parse_dataset(resolve(source, dataset).dataset_record(dataset_id))

    width, height, depth = (space.extent[axis] / _MM + 2 * _MARGIN for axis in (_P, _I, _R))
    figure = Figure(figsize=(13.0, 10.6), layout="constrained")
    panels = figure.subplots(
        2, 2, width_ratios=[width, depth], height_ratios=[height, depth], squeeze=True
    )
    (side, front), (top, notes) = panels
    _draw(side, data, space, _P, _I, "from the side")
    _draw(front, data, space, _R, _I, "from the front")
    _draw(top, data, space, _P, _R, "from above")
    _write_notes(notes, data, space)
    genes = f" ({', '.join(data.genes)})" if data.genes else ""
    figure.suptitle(f"Section data set {data.id}{genes}: {data.plane.dim} sections", fontsize=14)
    return figure
