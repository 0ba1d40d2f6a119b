"""Arguments as users give them: checked before anything is fetched, and turned into ours. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from atldld_xr.errors import InvalidArgumentError
from atldld_xr.metadata import SectionImage
from atldld_xr.plan import INTERPOLATIONS

Chunks = Literal["auto"] | int | Mapping[Any, Any] | None

Tier = int | Literal["auto"]

BLOCK_SIDE = 512
"""About the side of a block by "auto": 0.8 MB of RGB, so that a window takes few."""


def split_blocks(chunks: Chunks, shape: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the heights and widths of blocks.

    Parameters
    ----------
    chunks : "auto", None, int or mapping
        One side for both, or by dimension: ``{"y": 1024, "x": -1}``, in which a side may also be a
        tuple of all block sides; -1 and None are the whole side, "auto" and what is not named
        even parts of about 512.
        None as a whole is "auto".
    shape : tuple of int
        Rows and columns.

    Raises
    ------
    InvalidArgumentError
        For anything else.
    """
    if isinstance(chunks, Mapping):
        unknown = set(chunks) - {"y", "x"}
        if unknown:
            names = ", ".join(sorted(map(repr, unknown)))
            raise InvalidArgumentError(
                f"chunks can be set for y and x, not for {names}: every section is a chunk of its "
                "own; use .chunk() on the Dataset to merge them"
            )
        sides = [chunks.get(axis, "auto") for axis in ("y", "x")]
    else:
        sides = ["auto" if chunks is None else chunks] * 2
    rows, columns = (_split(side, size) for side, size in zip(sides, shape, strict=True))
    return rows, columns


def _split(side: Any, size: int) -> tuple[int, ...]:
    if side is None or (side == -1 and not isinstance(side, bool)):
        side = size
    elif side == "auto":
        # Even parts: 528 pixels are one block, not one of 512 and a sliver.
        side = -(-size // max(round(size / BLOCK_SIDE), 1))
    if isinstance(side, tuple | list):
        if sum(side) == size and all(isinstance(s, int) and s > 0 for s in side):
            return tuple(side)
        raise InvalidArgumentError(f"chunks {side!r} do not add up to {size} pixels")
    if isinstance(side, bool) or not isinstance(side, int) or side < 1:
        raise InvalidArgumentError(f"chunks must be positive numbers of pixels, not {side!r}")
    full, rest = divmod(size, side)
    return (side,) * full + ((rest,) if rest else ())


def check_tier(tier: int | Literal["auto"], image: SectionImage) -> int | None:
    """Return the tier asked for, None for "auto".

    Raises
    ------
    InvalidArgumentError
        If the image has no such tier.
    """
    if tier == "auto":
        return None
    if isinstance(tier, bool) or not isinstance(tier, int | np.integer):
        raise InvalidArgumentError(f'tier must be "auto" or a whole number, not {tier!r}')
    if not 0 <= tier < image.tier_count:
        raise InvalidArgumentError(
            f"tier={tier} is out of range: section image {image.id} has tiers 0 (full resolution) "
            f"to {image.tier_count - 1}"
        )
    return int(tier)


def check_options(
    interpolation: str,
    on_error: str,
    fill_value: int | None,
    expression: bool | str,
    detection_xy: tuple[float, float] | None,
) -> None:
    """Check the options of `open_dataset` that need no metadata to be checked.

    Raises
    ------
    InvalidArgumentError
        For the first that cannot work.
    """
    if interpolation not in INTERPOLATIONS:
        raise InvalidArgumentError(
            f"interpolation must be one of {', '.join(INTERPOLATIONS)}, not {interpolation!r}"
        )
    if on_error not in ("raise", "fill"):
        raise InvalidArgumentError(f'on_error must be "raise" or "fill", not {on_error!r}')
    if expression not in (True, False, "intensity"):
        raise InvalidArgumentError(
            f'expression must be True, False or "intensity", not {expression!r}'
        )
    if fill_value is not None and not (
        isinstance(fill_value, int | np.integer)
        and not isinstance(fill_value, bool)
        and 0 <= fill_value <= 255
    ):
        raise InvalidArgumentError(f"fill_value must be from 0 to 255, not {fill_value!r}")
    if detection_xy is not None:
        try:
            x, y = (float(v) for v in detection_xy)
        except (TypeError, ValueError):
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            raise InvalidArgumentError(
                f"detection_xy must be two numbers of pixels, not {detection_xy!r}"
            )
