"""Axes of pictures: which way the brain lies on the page, in which units, and a scale bar."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.reference import PLANES
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.planes.sides import find_sides
from atldld_xr.planes.spacing import find_step, is_size
from atldld_xr.plots.extra import need_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Unit = Literal["mm", "um"]

MICROMETRES = {"mm": 1000.0, "um": 1.0}
"""In one of each unit."""

_WRITTEN = {"mm": "mm", "um": "µm"}
_ENDS = {"p": ("anterior", "posterior"), "i": ("dorsal", "ventral")}
"""What is at the low and at the high end of axes of the reference space."""
_R_ENDS = {None: None, False: ("left", "right"), True: ("right", "left")}
"""The same of r, by whether left tissue is shown right; None where nothing tells."""

_BAR = 0.22  # of the picture's width, at most
_ROUND = (5.0, 2.0, 1.0)


@dataclass(frozen=True)
class Along:
    """One of the two directions of a picture.

    Attributes
    ----------
    dim : str
        The dimension that runs along it.
    letter : str
        The axis of the reference space, "p", "i" or "r"; of a picture that is not registered, the
        dimension's own name.
    ends : tuple of str or None
        What is at its low and at its high end; None where nothing tells.
    start, stop : float
        Its edges, in micrometres: half a pixel beyond the first and the last centre.
    is_reversed : bool
        Whether it runs from right to left on the page, as r does where a space is mirrored.
    """

    dim: str
    letter: str
    ends: tuple[str, str] | None
    start: float
    stop: float
    is_reversed: bool = False

    def limits(self, unit: Unit) -> tuple[float, float]:
        """Return the first and the last on the page, from the left or from above."""
        first, last = self.start / MICROMETRES[unit], self.stop / MICROMETRES[unit]
        return (last, first) if self.is_reversed else (first, last)

    def label(self, unit: Unit, *, downwards: bool) -> str:
        """Return what is written along it; what runs down the page is read from below."""
        name = f"{self.letter} ({_WRITTEN[unit]})"
        if self.ends is None:
            return name
        low, high = self.ends[::-1] if self.is_reversed != downwards else self.ends
        return f"{low}  ←  {name}  →  {high}"


@dataclass(frozen=True)
class Frame:
    """How a picture lies on the page: rows run down, columns to the right."""

    down: Along
    right: Along

    @property
    def dims(self) -> tuple[str, str]:
        """The dimensions of rows and columns."""
        return self.down.dim, self.right.dim

    def extent(self, unit: Unit) -> tuple[float, float, float, float]:
        """Return where the edges of pixels are, as ``imshow(extent=...)`` takes it."""
        per = MICROMETRES[unit]
        edges = (self.right.start, self.right.stop, self.down.stop, self.down.start)
        left, right, bottom, top = (edge / per for edge in edges)
        return left, right, bottom, top


def frame_of(dataset: xr.Dataset, dims: Sequence[Hashable]) -> Frame:
    """Return how a picture over two dimensions of a Dataset lies: dorsal up, left left.

    Without dorsal and ventral, as of a horizontal plane of a volume, anterior is up.

    Raises
    ------
    InvalidArgumentError
        If they are no two dimensions of space.
    """
    letters = _letters(dataset)
    found = [str(dim) for dim in dims if dim in letters]
    if len(found) != 2:
        raise InvalidArgumentError(
            f"a picture is over two of {', '.join(letters)}, and this is over "
            f"{', '.join(map(str, dims)) or 'none'}: choose a section, as by .isel or .sel"
        )
    # Of i, p and r the first that is there runs down the page.
    down, right = sorted(found, key=lambda dim: "ipr".find(letters[dim]))
    if "p" not in letters.values():  # an image as it is
        down, right = "y", "x"
    return Frame(_along(dataset, down, letters), _along(dataset, right, letters))


def _letters(dataset: xr.Dataset) -> dict[str, str]:
    plane = next((plane for plane in PLANES.values() if plane.dim in dataset.coords), None)
    if plane is None:
        return {"y": "y", "x": "x"}
    axes = {plane.dim: plane.section_axis, "y": plane.y_axis, "x": plane.x_axis}
    return {dim: "pir"[axis] for dim, axis in axes.items()}


def _along(dataset: xr.Dataset, dim: str, letters: dict[str, str]) -> Along:
    start, stop = _edges(dataset, dim)
    letter = letters[dim]
    if letter != "r":
        return Along(dim, letter, _ENDS.get(letter), start, stop)
    across = next(name for name in letters if name not in ("y", "x"))
    mirrored = find_sides(dataset, across).mirrored
    return Along(dim, letter, _R_ENDS[mirrored], start, stop, is_reversed=bool(mirrored))


def _edges(dataset: xr.Dataset, dim: str) -> tuple[float, float]:
    if not dataset.sizes[dim]:
        raise InvalidArgumentError(f"there are no pixels along {dim}: nothing is selected")
    has_numbers = dim in dataset.coords and dataset[dim].dtype.kind in "iuf"
    at = np.asarray(dataset[dim].values, dtype=np.float64) if has_numbers else np.empty(0)
    step = find_step(at, dataset.attrs.get("resolution")) if at.size else None
    if step is None or not np.allclose(np.diff(at), step, rtol=1e-3):
        raise InvalidArgumentError(
            f"pixels are not in equal steps along {dim}, so they make no picture: take a slice"
        )
    half = abs(step) / 2
    return float(at.min()) - half, float(at.max()) + half


def check_unit(unit: object) -> None:
    """Check a unit.

    Raises
    ------
    InvalidArgumentError
        If it is none of those that axes can have.
    """
    if not is_one_of(unit, get_args(Unit)):
        raise InvalidArgumentError(f'unit is "mm" or "um", not {short(unit)}')


def check_figsize(figsize: Any) -> None:
    """Check the size of a figure.

    Raises
    ------
    InvalidArgumentError
        If it is no width and height in inches.
    """
    sides = figsize if isinstance(figsize, tuple | list) else ()
    if len(sides) != 2 or not all(map(is_size, sides)):
        raise InvalidArgumentError(
            f"figsize is width and height in inches, as (6, 4), not {short(figsize)}"
        )


@contextmanager
def drawing_on(ax: Axes | None, figsize: tuple[float, float] | None) -> Iterator[Axes]:
    """Give where to draw, as xarray does: what is given, a new figure of a size, or the current.

    A figure that pyplot has made for it is closed again if drawing fails.

    Raises
    ------
    InvalidArgumentError
        If both are given, or what is given is no Axes.
    MissingExtraError
        If matplotlib is not installed.
    """
    need_matplotlib()
    from matplotlib.axes import Axes

    if ax is not None and figsize is not None:
        raise InvalidArgumentError("give ax, whose figure has a size, or figsize, and not both")
    if figsize is not None:
        check_figsize(figsize)
    if isinstance(ax, Axes):
        yield ax
        return
    if ax is not None:
        raise InvalidArgumentError(f"ax is one Axes of matplotlib's, not {short(ax)}")
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    if figsize is None:
        figure = pyplot.gcf()
        axes = figure.gca()
    else:
        figure = pyplot.figure(figsize=figsize, layout="constrained")
        axes = figure.add_subplot()
    try:
        yield axes
    except BaseException:
        if figure.number not in before:
            pyplot.close(figure)
        raise


def new_figure(figsize: tuple[float, float], **layout: float) -> Figure:
    """Return a figure that pyplot knows nothing of: it is gone with its last reference."""
    from atldld_xr.plots.figure import Figure

    check_figsize(figsize)
    figure = Figure(figsize=figsize)
    figure.set_layout_engine("constrained", **layout)
    return figure


def turn(ax: Axes, frame: Frame, unit: Unit) -> None:
    """Turn axes the right way up, in equal aspect."""
    ax.set_xlim(*frame.right.limits(unit))
    ax.set_ylim(*frame.down.limits(unit)[::-1])
    ax.set_aspect("equal")


def finish(
    ax: Axes, frame: Frame, unit: Unit, *, labels: bool = True, scale_bar: bool = True
) -> None:
    """Turn axes the right way up, and say what is where and how large.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where something is drawn.
    frame : Frame
        How it lies.
    unit : {"mm", "um"}
        Of the axes' numbers.
    labels : bool
        Whether there are axes with numbers and words; else there are letters.
    scale_bar : bool
        Whether there is a scale bar.
    """
    turn(ax, frame, unit)
    if labels:
        ax.set_xlabel(frame.right.label(unit, downwards=False))
        ax.set_ylabel(frame.down.label(unit, downwards=True))
    else:
        ax.set_axis_off()
        mark_sides(ax, frame)
    if scale_bar:
        add_scale_bar(ax, frame, unit)


def mark_sides(ax: Axes, frame: Frame) -> None:
    """Write the first letters of what is where at the four sides: D, V, and L, R or A, P."""
    down, right = (
        a.ends and a.ends[:: -1 if a.is_reversed else 1] for a in (frame.down, frame.right)
    )
    places = []
    if down:
        places += [
            (down[0], (0.5, 0.985), "center", "top"),
            (down[1], (0.5, 0.015), "center", "bottom"),
        ]
    if right:
        places += [
            (right[0], (0.015, 0.5), "left", "center"),
            (right[1], (0.985, 0.5), "right", "center"),
        ]
    for word, at, horizontal, vertical in places:
        ax.text(
            *at,
            word[0].upper(),
            transform=ax.transAxes,
            ha=horizontal,
            va=vertical,
            fontweight="bold",
            fontsize="small",
            path_effects=_halo(),
            gid=f"side-{word}",
        )


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="white")]


def bar_length(width: float) -> float:
    """Return a round length for a scale bar: 1, 2 or 5 times a power of ten.

    Parameters
    ----------
    width : float
        Of the picture, in micrometres.
    """
    most = width * _BAR
    power = 10.0 ** math.floor(math.log10(most))
    return next(round_one * power for round_one in _ROUND if round_one * power <= most)


def add_scale_bar(ax: Axes, frame: Frame, unit: Unit) -> Any:
    """Add a scale bar at the lower right, of a length in the picture's own coordinates."""
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    along = frame.right
    length = bar_length(along.stop - along.start)
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    height = (frame.down.stop - frame.down.start) / 120
    bar = AnchoredSizeBar(
        ax.transData,
        length / MICROMETRES[unit],
        text,
        loc="lower right",
        size_vertical=height / MICROMETRES[unit],
        color="black",
        pad=0.3,
        borderpad=0.4,
        sep=3,
    )
    bar.patch.set(facecolor="white", edgecolor="none", alpha=0.8)
    bar.set_gid("scale-bar")
    ax.add_artist(bar)
    return bar


def placed(values: NDArray[Any], dims: Sequence[Hashable], frame: Frame) -> NDArray[Any]:
    """Return an array with rows and columns first, as a frame has them."""
    order = [*map(list(dims).index, frame.dims)]
    return np.moveaxis(values, order, (0, 1))
