"""How large the data sets and the arrays of a run are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """All numbers that differ between a full run and a small one.

    Attributes
    ----------
    name : str
        "full" or "small". Bars are judged on full runs only.
    pixel : float
        Source pixel size, in micrometres.
    fine : int
        Resolution of the cases at full resolution, in micrometres.
    coarse : int
        Resolution of the cases over whole data sets, in micrometres.
    told_tiers : tuple of int
        The tiers that atldld is told to use, where it is told one.
    few, many : int
        Sections of the two data sets.
    window : int
        Side of the window that is cut out of a section, in micrometres.
    windows : int
        How many of them, each of another section.
    kernel_side : int
        Side of what the warp kernel makes, in pixels.
    graph_sections : int
        Sections of the data set whose graph is built, at 1 um: 352 chunks each.
    series : tuple of int
        Sections of the data sets over which time and memory should be flat.
    """

    name: str
    pixel: float
    fine: int
    coarse: int
    told_tiers: tuple[int, ...]
    few: int
    many: int
    window: int
    windows: int
    kernel_side: int
    graph_sections: int
    series: tuple[int, ...]

    span = (12600.0, 7870.0)
    """Of a section, in micrometres: 12 027 x 7 503 px at full size."""


FULL = Size(
    name="full",
    pixel=1.049,
    fine=1,
    coarse=25,
    told_tiers=(4, 2),
    few=18,
    many=200,
    window=500,
    windows=9,
    kernel_side=4096,
    graph_sections=358,
    series=(100, 1000, 10_000),
)
SMALL = Size(
    name="small",
    pixel=3.9,
    fine=4,
    coarse=100,
    told_tiers=(2,),
    few=4,
    many=8,
    window=500,
    windows=3,
    kernel_side=600,
    graph_sections=30,
    series=(10, 100),
)
SIZES = {size.name: size for size in (FULL, SMALL)}
