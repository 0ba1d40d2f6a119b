"""A table's columns, from what was counted: parents add up first, and divide last. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atldld_xr.analysis.accumulators import (
    BOTH,
    EXPRESSING,
    EXPRESSING_INTENSITY,
    INTENSITY,
    LEFT,
    PIXELS,
    RIGHT,
    VALID,
    Accumulator,
)

Floats = NDArray[np.float64]

_SIDES = {LEFT: [0], RIGHT: [1], BOTH: [0, 1]}

NO_PIXEL = "the annotation has none of it on these sections"
NO_VALID = "the sections have no pixel of it"
NOT_READ = "the section, or its mask, could not be read"
NOT_EXPRESSED = "no pixel expresses: expression_intensity has nothing to be the mean of"


def counts_of(
    sections: Sequence[Accumulator],
    members: Sequence[NDArray[np.integer]],
    hemispheres: Sequence[int],
) -> NDArray[np.int64]:
    """Return what was counted of structures: (structure, hemisphere, section, 5).

    Parameters
    ----------
    sections : sequence of Accumulator
        Of each section.
    members : sequence of ndarray
        Of each structure the labels that are its own or its descendants'.
    hemispheres : sequence of int
        Of Allen's ids of hemispheres.
    """
    labels = np.unique(np.concatenate([np.empty(0, np.uint64), *(s.labels for s in sections)]))
    leaves = np.zeros((labels.size, 2, len(sections), 5), np.int64)
    for at, section in enumerate(sections):
        rows = np.searchsorted(labels, section.labels)
        leaves[rows, section.sides.astype(int) - 1, at] = section.counts
    out = np.zeros((len(members), len(hemispheres), len(sections), 5), np.int64)
    for row, own in enumerate(members):
        among = np.isin(labels, own.astype(np.uint64))
        if among.any():
            total = leaves[among].sum(axis=0)
            for column, hemisphere in enumerate(hemispheres):
                out[row, column] = total[_SIDES[hemisphere]].sum(axis=0)
    return out


def unknown_labels(
    sections: Sequence[Accumulator], known: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """Return labels that were counted and are none of the known."""
    labels = np.unique(np.concatenate([np.empty(0, np.uint64), *(s.labels for s in sections)]))
    return labels[~np.isin(labels, known.astype(np.uint64))]


def widths(at: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Return how thick a slab each section stands for, in the unit of their coordinates.

    To half way to the next that is counted on either side; the first and the last, outwards, to
    half the median distance of neighbours. A single one has no neighbours, and no width.
    """
    out = np.full(at.shape, np.nan)
    places = np.flatnonzero(counted & np.isfinite(at))
    places = places[np.argsort(at[places], kind="stable")]
    if places.size > 1:
        steps = np.diff(at[places])
        end = float(np.median(steps))
        steps = np.concatenate([[end], steps, [end]])
        out[places] = (steps[:-1] + steps[1:]) / 2
    return out


def section_columns(
    counts: NDArray[np.int64], scale: Floats, volume: Floats, counted: NDArray[np.bool_]
) -> dict[str, NDArray[np.generic]]:
    """Return the columns of each section: (structure, hemisphere, section).

    Parameters
    ----------
    counts : ndarray of int64
        As `counts_of` returns.
    scale : ndarray of float64
        Of each section, full-resolution pixels to one that was counted.
    volume : ndarray of float64
        And what one stands for, in cubic millimetres.
    counted : ndarray of bool
        Whether the section was read.
    """
    counts = np.where(counted[:, np.newaxis], counts, 0)
    scaled = counts[..., VALID:] * scale[:, np.newaxis]
    out = _columns(
        scaled,
        counts[..., PIXELS].astype(float),
        counts[..., VALID].astype(float),
        counts[..., VALID] * volume,
        (counts[..., VALID] > 0).astype(np.int64),
    )
    out["reason"] = np.where(counted, out["reason"], NOT_READ)
    return out


def data_set_columns(
    counts: NDArray[np.int64], scale: Floats, volume: Floats, counted: NDArray[np.bool_]
) -> dict[str, NDArray[np.generic]]:
    """Return the columns of all sections together: (structure, hemisphere).

    Takes what `section_columns` takes. Sums over sections are rounded once, whatever their order.
    """
    counts = np.where(counted[:, np.newaxis], counts, 0)
    weights = np.where(counted, scale, 0)
    pixels = counts.sum(axis=2)
    slabs = np.where(counted, np.nan_to_num(volume), 0)
    return _columns(
        _sums(counts[..., VALID:].astype(np.float64) * weights[:, np.newaxis]),
        pixels[..., PIXELS].astype(float),
        pixels[..., VALID].astype(float),
        _sums((counts[..., VALID].astype(np.float64) * slabs)[..., np.newaxis])[..., 0]
        if np.isfinite(volume[counted]).all() and counted.any()
        else np.full(counts.shape[:2], np.nan),
        (counts[..., VALID] > 0).sum(axis=2),
    )


def _sums(values: Floats) -> Floats:
    """Return exact sums over the last axis but one, rounded once."""
    moved = np.moveaxis(values, -2, -1)
    out = np.empty(moved.shape[:-1])
    for place in np.ndindex(out.shape):
        out[place] = math.fsum(moved[place])
    return out


def _columns(
    sums: Floats, pixels: Floats, valid: Floats, volume: Floats, sections: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    there = valid > 0
    value = np.where(there[..., np.newaxis], sums, np.nan)
    # Of counts without PIXELS.
    all_, expressing, intensity, expressing_intensity = (
        value[..., column - VALID]
        for column in (VALID, EXPRESSING, INTENSITY, EXPRESSING_INTENSITY)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        out: dict[str, NDArray[np.generic]] = {
            "sum_pixels": all_,
            "sum_expressing_pixels": expressing,
            "sum_pixel_intensity": intensity,
            "sum_expressing_pixel_intensity": expressing_intensity,
            "expression_density": expressing / all_,
            "expression_intensity": np.where(
                expressing > 0, expressing_intensity / expressing, np.nan
            ),
            "expression_energy": expressing_intensity / all_,
            "coverage": np.where(pixels > 0, valid / pixels, np.nan),
            "volume_mm3": np.where(there, volume, np.nan),
            "n_sections": sections,
        }
    reason = np.where(expressing == 0, NOT_EXPRESSED, "")
    reason = np.where(there, reason, NO_VALID)
    out["reason"] = np.where(pixels > 0, reason, NO_PIXEL)
    return out
