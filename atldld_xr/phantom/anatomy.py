"""The anatomy of the phantom brain: its outline and its regions. Pure.

Every operation is element by element, and every region's gate is exactly zero outside its range of
p: a part is skipped where it adds nothing, and never changes a point's value by being skipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

MIDLINE = 5700.0
"""The plane of symmetry: r, in micrometres."""

# The outline along p: half-width, dorsal and ventral ends and, in the bulbs, how far the centre of
# each half lies from the midline. In micrometres.
_P = (700, 1000, 1500, 2200, 2800, 3400, 4500, 6000, 7200, 8500, 9400, 9850)
_P_BACK = (10300, 11000, 11700, 12200, 12500, 12800)
_WIDTH = (60, 480, 800, 900, 1250, 2500, 3950, 4650, 4980, 4900, 4450, 3900)
_WIDTH_BACK = (3600, 3650, 3000, 1900, 1000, 60)
_TOP = (3500, 2700, 2250, 2150, 1950, 1650, 1150, 950, 920, 1050, 1450, 2150)
_TOP_BACK = (1900, 1500, 1900, 2900, 4200, 5900)
_BOTTOM = (3500, 4100, 4700, 5000, 5100, 5600, 6300, 6850, 7150, 6950, 6600, 6700)
_BOTTOM_BACK = (6900, 7000, 7050, 6950, 6700, 6100)
_APART = (850, 850, 860, 820, 400, 0, 0, 0, 0, 0, 0, 0)
_APART_BACK = (0, 0, 0, 0, 0, 0)
# Where the cerebellum begins.
_FOLDS = np.float32(9900.0)
_TABLE_STEP = 8.0
_TABLE_START = -4000.0


class Tissue(NamedTuple):
    """What there is at points of the brain, each from 0 to 1.

    Attributes
    ----------
    tissue : ndarray of float32
        1 inside, 0 on the glass.
    stain : ndarray of float32
        How dark the tissue is between its cells.
    density : ndarray of float32
        The share of the places for a cell that hold one.
    packed : ndarray of float32
        How far cells are packed into a dark band.
    """

    tissue: Array
    stain: Array
    density: Array
    packed: Array


class Outline(NamedTuple):
    """Where points lie in the brain's outline.

    Attributes
    ----------
    x : ndarray of float32
        Distance from the midline, in micrometres.
    depth : ndarray of float32
        Distance from the surface, about, in micrometres; negative on the glass. The cerebellum's
        folds change it by -330 to 70.
    dorsal : ndarray of float32
        -1 at the top of the section, 1 at its bottom.
    """

    x: Array
    depth: Array
    dorsal: Array


def outline(p: Array, i: Array, r: Array) -> Outline:
    """Return where points of the brain lie in its outline.

    Parameters
    ----------
    p, i, r : ndarray of float32
        Coordinates, in micrometres; all of one shape.
    """
    x = np.abs(r - np.float32(MIDLINE))
    per_width, middle, per_height, radius, apart = _profiles(p)
    dorsal = (i - middle) * per_height
    u = (x - apart) * per_width
    u *= u
    u *= 1 + dorsal * (np.float32(0.35) * dorsal - np.float32(0.3))  # widest below the middle
    v = dorsal * dorsal
    depth = radius * (1 - np.sqrt(u + v - np.float32(0.4) * np.minimum(u, 1) * np.minimum(v, 1)))
    # The cleft between the hemispheres.
    depth -= 1050 * bump(x, 0.0, 110.0) * (1 - ramp(dorsal, -0.55, -0.35))
    return Outline(x, depth, dorsal)


def tissue_at(p: Array, i: Array, r: Array) -> Tissue:
    """Return the tissue at points of the brain.

    Parameters
    ----------
    p, i, r : ndarray of float32
        Coordinates, in micrometres; all of one shape.
    """
    region = _Region(p, i, *outline(p, i, r))
    for part in (_bulbs, _ventricles, _cortex, _hippocampus, _nuclei, _cerebellum):
        part(region)
    tissue = ramp(region.depth, -10.0, 14.0) * (1 - np.minimum(region.hollow, 1))
    stain, density, packed = (
        np.clip(field, 0, 1) * tissue for field in (region.stain, region.density, region.packed)
    )
    return Tissue(tissue, stain, density, packed)


def is_glass(p: Array, place: Outline) -> NDArray[np.bool_]:
    """Return which points have no tissue, nor does anything within 12 um of them."""
    return place.depth < np.where(p < _FOLDS, np.float32(-200), np.float32(-250))


def is_inside(p: Array, place: Outline) -> NDArray[np.bool_]:
    """Return which points are far from the surface: within 12 um of them nothing is sharp."""
    return place.depth > np.where(p < _FOLDS, np.float32(200), np.float32(500))


class _Region:
    """What the anatomy is painted on: coordinates, and the densities so far."""

    def __init__(self, p: Array, i: Array, x: Array, depth: Array, dorsal: Array) -> None:
        self.p, self.i, self.x, self.depth, self.dorsal = p, i, x, depth, dorsal
        self._near, self._far = (float(p.min()), float(p.max())) if p.size else (0.0, 0.0)
        self.stain: Array = np.full_like(p, 0.3)
        self.density: Array = np.full_like(p, 0.14)
        self.packed: Array = np.zeros_like(p)
        self.hollow: Array = np.zeros_like(p)

    def during(self, start: float, stop: float, soft: float = 300.0) -> Array | None:
        """Return a gate along p, or None where it is zero for every point here."""
        if self._far <= start or self._near >= stop:
            return None
        return ramp(self.p, start, start + soft) * (1 - ramp(self.p, stop - soft, stop))


def _bulbs(at: _Region) -> None:
    gate = at.during(-5000.0, 3300.0, 500.0)
    if gate is None:
        return
    core = ramp(at.depth, 430, 560)
    at.density += gate * (0.75 * core + 0.6 * bump(at.depth, 330, 60) - 0.05)
    at.stain += gate * (0.45 * core + 0.5 * bump(at.depth, 110, 90) - 0.15)


def _ventricles(at: _Region) -> None:
    """Ventricles, and the base of the brain."""
    gate = at.during(4200, 6500)
    if gate is not None:  # lateral ventricles: a slit that leans outwards
        lean = at.x - 650 - (at.i - 2700) * 0.5
        at.hollow += gate * bump(lean, 0, 130) * _during(at.i, 2550, 3900, 350)
    gate = at.during(6000, 8700)
    if gate is not None:  # third ventricle
        at.hollow += gate * bump(at.x, 0, 85) * _during(at.i, 3700, 6650, 400)
        at.density += gate * 0.35 * bump(at.x, 260, 190) * _during(at.i, 4900, 6700, 500)
    gate = at.during(9200, 12300)
    if gate is not None:  # aqueduct and fourth ventricle
        at.hollow += gate * bump(at.x, 0, 420) * bump(at.i, 4750, 170)


def _cortex(at: _Region) -> None:
    gate = at.during(2750, 9950, 260)
    if gate is None:
        return
    mantle = gate * (1 - ramp(at.dorsal, 0.3, 0.5)) * ramp(at.x, 40, 200)
    d = at.depth
    upper, fourth = bump(d, 330, 230), bump(d, 520, 130)
    fifth, sixth = bump(d, 710, 170), bump(d, 930, 150)
    at.density += mantle * (0.55 * upper + 0.1 * fourth + 0.62 * fifth + 0.22 * sixth)
    at.stain += mantle * (0.16 * upper + 0.34 * fourth + 0.12 * fifth + 0.3 * sixth - 0.06)
    at.stain -= mantle * 0.25 * bump(d, 50, 110)
    # Corpus callosum and external capsule: fibres, pale and without cells.
    fibres = mantle * bump(d, 1170, 150)
    at.stain -= 0.75 * fibres
    at.density -= 0.5 * fibres
    ventral = gate * ramp(at.dorsal, 0.36, 0.5) * ramp(at.x, 2300, 3000)  # piriform cortex
    at.density += ventral * 0.9 * bump(d, 260, 110)
    at.packed += ventral * 0.5 * bump(d, 270, 90)


def _hippocampus(at: _Region) -> None:
    gate = at.during(5900, 9600, 300)
    if gate is None:
        return
    # Shells around flat ellipsoids: arcs in both planes. The formation droops to side and back.
    back = at.p - 7600
    x = at.x - 1850 - back * 0.3
    i = at.i - 3000 - back * (0.28 + back * 0.0001) - x * (0.1 + x * 0.00017)
    a, b, c = x / 1700, i / 640, back / 1500
    ring = np.sqrt(a * a + b * b + c * c)
    inside = gate * (1 - ramp(ring, 1.02, 1.12))
    at.density -= 0.3 * inside
    at.stain -= 0.24 * inside
    horn = gate * bump(ring, 0.86, 0.11) * (1 - ramp(b - 0.6 * a, -0.1, 0.3))  # CA1 to CA3
    a, b, c = (x + 480) / 850, (i - 170 - (x + 480) * 0.1) / 215, (back - 60) / 950
    ring = np.sqrt(a * a + b * b + c * c)
    gyrus = gate * bump(ring, 0.9, 0.26) * (1 - ramp(a, 0.5, 0.9))  # the blades of the dentate
    for band, packing in ((horn, 0.75), (gyrus, 1.0)):
        at.density += 1.3 * band
        at.packed += packing * band
        at.stain += 0.5 * band


def _nuclei(at: _Region) -> None:
    gate = at.during(3500, 7000, 500)
    if gate is not None:  # striatum, with bundles of fibres through it
        core = gate * _ball(at, (5200, 4000, 2250), (1700, 1500, 1250))
        bundles = np.sin(at.i * 0.031 + at.p * 0.011) * np.sin(at.x * 0.034 - at.p * 0.009)
        at.density += core * (0.42 - 0.5 * ramp(bundles, 0.5, 0.8))
        at.stain += core * (0.18 - 0.5 * ramp(bundles, 0.5, 0.8))
    gate = at.during(6200, 8900, 400)
    if gate is not None:  # thalamus, zona incerta
        core = gate * _ball(at, (7400, 4350, 1200), (1300, 900, 1300))
        at.density += core * (0.1 + 0.5 * bump(at.x, 350, 230))
        at.stain += core * (0.14 - 0.15 * bump(at.x + (at.i - 4300) * 0.3, 1500, 240))
    gate = at.during(8300, 10400, 300)
    if gate is not None:  # colliculi: layers under the surface
        core = gate * _ball(at, (9400, 2900, 700), (1000, 1300, 1500))
        at.density += core * 0.35 * ramp(np.sin(at.i * 0.011), 0.0, 0.8)
        at.stain += core * (0.2 - 0.3 * bump(at.i, 3350, 180))
    gate = at.during(9300, 12700, 500)
    if gate is not None:  # brain stem
        core = gate * _ball(at, (10700, 6100, 900), (1500, 600, 700))
        at.density += 0.25 * core
        at.stain += 0.2 * core - 0.1 * gate


def _cerebellum(at: _Region) -> None:
    gate = at.during(9900, 12750, 250)
    if gate is None:
        return
    gate = gate * (1 - ramp(at.i, 4300, 4750))
    # Folia fan out around the white core; the diamond angle is a cheap arctangent.
    back, down = at.p - 10800, at.i - 4150
    spread = np.abs(back) + np.abs(down) + 1
    folia = np.sin(back / spread * 14 + np.sin(at.x * 0.0017) * 1.6 + at.depth * 0.0006)
    shallow = 1 - ramp(at.depth, 700, 1300)
    at.depth += gate * shallow * (70 * folia - 330 * ramp(-folia, 0.9, 1.0))
    white = ramp(folia + (at.depth - 900) * 0.0009, 0.75, 0.95)
    white = np.maximum(white, 1 - ramp(spread, 500, 900))
    granular = ramp(folia + (at.depth - 500) * 0.0012, 0.0, 0.2) * (1 - white)
    at.density += gate * (0.95 * granular - 0.12)
    at.packed += gate * 0.2 * granular
    at.stain += gate * (0.4 * granular - 0.25 * white)


def _ball(at: _Region, centre: tuple[float, ...], radii: tuple[float, ...]) -> Array:
    q = np.zeros_like(at.p)
    for axis, middle, size in zip((at.p, at.i, at.x), centre, radii, strict=True):
        q += ((axis - middle) / size) ** 2
    return 1 - ramp(q, 0.9, 1.1)


def _profiles(p: Array) -> tuple[Array, ...]:
    """Return 1/half-width, middle, 1/half-height, mean radius and parting of the outline at p."""
    tables = _tables()
    last = tables[0].size - 2
    place = np.clip((p - np.float32(_TABLE_START)) / np.float32(_TABLE_STEP), 0, last)
    index = place.astype(np.int32)
    fraction = place - index.astype(np.float32)
    out = []
    for table in tables:
        low = table.take(index)
        out.append(low + (table.take(index + 1) - low) * fraction)
    return tuple(out)


@cache
def _tables() -> tuple[Array, ...]:
    grid = np.arange(_TABLE_START, 17000.0, _TABLE_STEP)
    kernel = np.hanning(151)  # rounds the corners between the control points, over 600 um
    profiles = []
    for front, back in (
        (_WIDTH, _WIDTH_BACK),
        (_TOP, _TOP_BACK),
        (_BOTTOM, _BOTTOM_BACK),
        (_APART, _APART_BACK),
    ):
        line = np.interp(grid, _P + _P_BACK, front + back)
        padded = np.pad(line, 75, mode="edge")
        profiles.append(np.convolve(padded, kernel / kernel.sum(), mode="valid"))
    width, top, bottom, apart = profiles
    # Past both ends the outline shrinks to nothing.
    width = np.where((grid < _P[0]) | (grid > _P_BACK[-1]), 10.0, width)
    half = np.maximum((bottom - top) / 2, 60.0)
    columns = (1 / width, (top + bottom) / 2, 1 / half, np.sqrt(width * half), apart)
    return tuple(np.ascontiguousarray(c, dtype=np.float32) for c in columns)


def ramp(x: NDArray[np.floating[Any]], start: float, stop: float) -> Array:
    """Rise smoothly from exactly 0 at `start` to exactly 1 at `stop`."""
    y = np.clip((x - np.float32(start)) * np.float32(1 / (stop - start)), 0, 1)
    out: Array = y * y * (3 - 2 * y)
    return out


def _during(x: Array, start: float, stop: float, soft: float) -> Array:
    return ramp(x, start, start + soft) * (1 - ramp(x, stop - soft, stop))


def bump(x: NDArray[np.floating[Any]], middle: float, width: float) -> Array:
    """Return a smooth bump, 1 at `middle` and exactly 0 from `width` on either side."""
    y = (x - np.float32(middle)) * np.float32(1 / width)
    y = np.maximum(1 - y * y, 0)
    out: Array = y * y
    return out
