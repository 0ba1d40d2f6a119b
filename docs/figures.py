"""Draw the figures of these pages, of the phantom alone: ``python docs/figures.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import atldld_xr

IMAGES = Path(__file__).parent / "images"
MM = 1000.0  # micrometres
BLUE, RED, GREY = "#0b6fa4", "#c8442c", "0.55"


def section(image: xr.DataArray, ax: Axes, words: tuple[str, str, str, str]) -> None:
    """Draw a registered section in millimetres, with its four directions and a scale bar."""
    y, x = (image[axis].values / MM for axis in "yx")
    half = (x[1] - x[0]) / 2
    box = (x[0] - half, x[-1] + half, y[-1] + half, y[0] - half)
    grey = {"cmap": "magma", "vmin": 0, "vmax": 255} if image.ndim == 2 else {}
    ax.imshow(image.values, extent=box, **grey)
    up, down, left, right = words
    ink = "white" if image.ndim == 2 else "black"
    places = {up: (0.5, 0.96), down: (0.5, 0.04), left: (0.03, 0.5), right: (0.97, 0.5)}
    for word, (across, height) in places.items():
        ax.text(across, height, word, transform=ax.transAxes, ha="center", va="center", color=ink)
    right_end = box[1] - 0.6
    ax.plot([right_end - 2, right_end], [box[2] - 0.5] * 2, color=ink, linewidth=2.5)
    ax.text(right_end - 1, box[2] - 0.7, "2 mm", ha="center", va="bottom", color=ink, fontsize=9)
    ax.set_axis_off()


def phantom() -> Figure:
    """Draw what a section is, what was expressed in it, and one that was cut the other way."""
    coronal = atldld_xr.open_dataset("phantom", expression="intensity").atldld.section(6600)
    sagittal = atldld_xr.open_dataset("phantom-sagittal").atldld.section(3700)
    figure = Figure(figsize=(11, 2.75), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=[11.4, 11.4, 13.2])
    section(coronal.image, axes[0], ("D", "V", "L", "R"))
    section(coronal.expression, axes[1], ("D", "V", "L", "R"))
    section(sagittal.image, axes[2], ("D", "V", "A", "P"))
    for ax, title in zip(axes, ("image", "expression", "image, sagittal"), strict=True):
        ax.set_title(title, fontsize=10)
    return figure


def registration() -> Figure:
    """Draw a section image as it is and as it is registered, with the same lines of p, i, r."""
    ds = atldld_xr.open_dataset("phantom", resolution=50).isel(coronal=8)
    raw = atldld_xr.open_image(int(ds.section_image_id), tier=3, source="phantom")
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    x, y = raw.x_pixel.values, raw.y_pixel.values
    left.imshow(raw.image.values, extent=(x[0], x[-1], y[-1], y[0]))
    left.set(xlabel="x (pixel)", ylabel="y (pixel)", title="section image")
    right.imshow(ds.image.values, extent=(0, 11.4, 8, 0))
    right.set(xlabel="r (mm)", ylabel="i (mm)", title="registered")
    affine = ds.affine.values  # (y, x, 1) in micrometres to pixels (x, y)
    for at in range(1, 11, 2):
        right.axvline(at, color=BLUE, linewidth=0.8)
        down = np.array([[0.0, 8000.0], [at * MM] * 2, [1.0, 1.0]])
        left.plot(*(affine @ down), color=BLUE, linewidth=0.8)
    for at in range(1, 8, 2):
        right.axhline(at, color=RED, linewidth=0.8)
        across = np.array([[at * MM] * 2, [0.0, 11_400.0], [1.0, 1.0]])
        left.plot(*(affine @ across), color=RED, linewidth=0.8)
    left.set(xlim=(x[0], x[-1]), ylim=(y[-1], y[0]))
    return figure


def tilt() -> Figure:
    """Draw oblique sections from the side, and what is shown of a point: by two readings."""
    ds = atldld_xr.open_dataset("phantom", resolution=100)
    figure = Figure(figsize=(7.5, 3.9), layout="constrained")
    ax = figure.subplots()
    y = np.array([0.0, 8000.0])
    steeper = 4  # the phantom's tilt, drawn steeper than it is
    for k in range(6, 11):
        one = ds.isel(coronal=k)
        at, slope, middle = float(one.coronal), float(one.tilt_y) * steeper, float(one.detection_y)
        ax.plot((at + slope * (y - middle)) / MM, y / MM, color=BLUE, linewidth=1.5)
        ax.plot([at / MM] * 2, y / MM, color=GREY, linewidth=0.7, linestyle=":")
        ax.plot(at / MM, middle / MM, "o", color=BLUE, markersize=5)
    depth = 6600.0
    p = at + slope * (depth - middle)
    away = 260.0
    foot = np.array([p, depth])
    normal = np.array([1.0, -slope]) / np.hypot(1.0, slope)
    point = foot + away * normal
    ax.plot(*(point / MM), "s", color=RED, markersize=5)
    arrow: dict[str, Any] = {"arrowstyle": "->", "color": RED, "linewidth": 1.5}
    ax.annotate("", foot / MM, point / MM, arrowprops=arrow)
    ax.annotate("a point of the\nreference space", point / MM, (8, -4), textcoords="offset points")
    ax.annotate(
        "the section's coordinate,\nat its centre", (at / MM, middle / MM), (12, 18),
        textcoords="offset points",
    )  # fmt: skip
    ax.set(xlabel="anterior  ←  p (mm)  →  posterior", ylabel="i (mm)", ylim=(8.2, -0.2))
    ax.set_xlim(right=float(at) / MM + 1.4)
    return figure


def centres() -> Figure:
    """Draw where the pixels of three tiers have their centres."""
    figure = Figure(figsize=(7.5, 1.9), layout="constrained")
    ax = figure.subplots()
    for tier in range(3):
        step = 2**tier
        for k in range(8 // step):
            left = k * step - 0.5
            ax.add_patch(_box(left, 2 - tier, step, 0.8, facecolor="0.95" if k % 2 else "0.88"))
            centre = (k + 0.5) * step - 0.5
            ax.plot(centre, 2 - tier + 0.4, "o", color=BLUE, markersize=4)
            ax.text(centre + 0.1, 2 - tier + 0.48, f"{k}", fontsize=9, va="bottom")
        ax.text(-0.8, 2 - tier + 0.4, f"tier {tier}", ha="right", va="center")
    ax.set(
        xlim=(-2, 7.6), ylim=(-0.1, 2.9), yticks=[], xticks=range(8), xlabel="full-resolution pixel"
    )
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    return figure


def _box(x: float, y: float, width: float, height: float, **how: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, edgecolor="0.4", linewidth=0.8, **how)


def sides() -> Figure:
    """Draw from above where the sections of both phantoms lie, in their own space and mirrored."""
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    opened = {
        "coronal, space 9": atldld_xr.open_dataset("phantom", resolution=100),
        "sagittal, space 10": atldld_xr.open_dataset("phantom-sagittal", resolution=100),
        "sagittal, reference_space=9": atldld_xr.open_dataset(
            "phantom-sagittal", resolution=100, reference_space=9
        ),
    }
    for ax, (title, ds) in zip(figure.subplots(1, 3, sharey=True), opened.items(), strict=True):
        along = ds[ds.atldld.section_dim].values / MM
        if ds.atldld.section_dim == "coronal":
            ax.hlines(along, 0.7, 10.7, color=BLUE)
        else:
            ax.vlines(along, 1.0, 12.2, color=BLUE)
        ax.axvline(5.7, color=GREY, linestyle=":")
        ax.set(xlim=(0, 11.4), ylim=(13.2, 0), aspect="equal", xlabel="r (mm)", title=title)
        ends = ("left", "right") if "=9" not in title else ("right", "left")
        for end, place, how in zip(ends, (0.02, 0.98), ("left", "right"), strict=True):
            ax.text(place, 0.02, end, transform=ax.transAxes, ha=how, va="bottom", color=RED)
        ax.title.set_fontsize(10)
    figure.axes[0].set_ylabel("posterior  ←  p (mm)  →  anterior")
    return figure


FIGURES = (phantom, registration, tilt, centres, sides)


def main(folder: Path) -> None:
    """Write all of them as PNG."""
    for draw in FIGURES:
        draw().savefig(folder / f"{draw.__name__}.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
