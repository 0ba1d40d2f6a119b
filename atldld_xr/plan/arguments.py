"""Arguments as users give them: checked before anything is fetched, and turned into ours. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeGuard

import numpy as np

from atldld_xr.allen.cuts import VIEWED
from atldld_xr.allen.metadata import SectionImage
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.load_plan import INTERPOLATIONS

Chunks = Literal["auto"] | int | Mapping[Any, Any] | None

Tier = int | Literal["auto"]

BLOCK_SIDE = 512
"""About the side of a block by "auto": 0.8 MB of RGB, so that a window takes few."""

_THIN = 32  # planes of a volume

# Blocks of one section: beyond this, a graph of them is a matter of many gigabytes.
_MOST_BLOCKS = 1_000_000

# In pixels; the largest images have 65 000 a side, and the point may lie beyond.
_FARTHEST = 1e6


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, Python's or NumPy's; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_one_of(value: object, names: Sequence[str]) -> bool:
    """Whether a value is one of some names; an array is not, nor compared element by element."""
    return isinstance(value, str) and value in names


def is_some_of(values: object, names: Sequence[str]) -> bool:
    """Whether values are some names in a sequence, at least one; a string is none."""
    return (
        isinstance(values, Collection)
        and not isinstance(values, str | bytes)
        and len(values) > 0
        and all(is_one_of(value, names) for value in values)
    )


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
            names = ", ".join(sorted(map(short, unknown))[:5])
            raise InvalidArgumentError(
                f"chunks can be set for y and x, not for {names}: every section is a chunk of its "
                "own; use .chunk() on the Dataset to merge them"
            )
        sides = [chunks.get(axis, "auto") for axis in ("y", "x")]
    else:
        sides = ["auto" if chunks is None else chunks] * 2
    rows, columns = (_split(side, size) for side, size in zip(sides, shape, strict=True))
    blocks = len(rows) * len(columns)
    if blocks > _MOST_BLOCKS:
        raise InvalidArgumentError(
            f"these chunks cut every section into {blocks} blocks, of which at most {_MOST_BLOCKS} "
            "can be kept track of: take larger ones"
        )
    return rows, columns


def split_boxes(
    chunks: Chunks, sizes: Mapping[str, int], across: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of a volume's chunks along each of its three dimensions.

    Parameters
    ----------
    chunks : "auto", None, int or mapping
        One side for all, or by dimension, as `split_blocks` takes them.
    sizes : mapping of int
        Of the dimensions, in their order.
    across : str
        The dimension across the sections: by "auto" even parts of about 32, which cut a few
        sections. Of the first dimension they are of about 64 where it is another, as writers go
        along it, and of the others of about 512. They are thicker where else there are too many.
        None as a whole, which makes no chunks, is as "auto", however many.

    Raises
    ------
    InvalidArgumentError
        For anything else.
    """
    sides: dict[Any, Any] = dict.fromkeys(sizes, "auto" if chunks is None else chunks)
    if isinstance(chunks, Mapping):
        unknown = set(chunks) - set(sizes)
        if unknown:
            names = ", ".join(sorted(map(short, unknown))[:5])
            raise InvalidArgumentError(f"chunks can be set for {', '.join(sizes)}, not for {names}")
        sides = {name: chunks.get(name, "auto") for name in sizes}
    for thickness in (_THIN << power for power in range(5)):
        usual = {next(iter(sizes)): 2 * thickness, across: thickness}
        p, i, r = (
            _split(sides[name], size, usual.get(name, BLOCK_SIDE)) for name, size in sizes.items()
        )
        count = len(p) * len(i) * len(r)
        if chunks is None or count <= _MOST_BLOCKS:
            return p, i, r
    raise InvalidArgumentError(
        f"these chunks cut the volume into {count} blocks, of which at most {_MOST_BLOCKS} can be "
        "kept track of: take larger ones, or chunks=None, which makes none"
    )


def _split(side: Any, size: int, usual: int = BLOCK_SIDE) -> tuple[int, ...]:
    if isinstance(side, tuple | list):
        if all(is_whole(s) and s > 0 for s in side) and sum(map(int, side)) == size:
            return tuple(map(int, side))
        raise InvalidArgumentError(f"chunks {short(side)} do not add up to {size} pixels")
    if is_one_of(side, ("auto",)):
        # Even parts: 528 pixels are one block, not one of 512 and a sliver.
        side = -(-size // max(round(size / usual), 1))
    elif side is None or (is_whole(side) and side == -1):
        side = size
    if not is_whole(side) or side < 1:
        raise InvalidArgumentError(f"chunks must be positive numbers of pixels, not {short(side)}")
    step = int(side)
    full, rest = divmod(size, step)
    return (step,) * full + ((rest,) if rest else ())


def check_tier(tier: int | Literal["auto"], image: SectionImage) -> int | None:
    """Return the tier asked for, None for "auto".

    Raises
    ------
    InvalidArgumentError
        If the image has no such tier.
    """
    if is_one_of(tier, ("auto",)):
        return None
    if not is_whole(tier):
        raise InvalidArgumentError(f'tier must be "auto" or a whole number, not {short(tier)}')
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
    if not is_one_of(interpolation, INTERPOLATIONS):
        raise InvalidArgumentError(
            f"interpolation must be one of {', '.join(INTERPOLATIONS)}, not {short(interpolation)}"
        )
    if not is_one_of(on_error, ("raise", "fill")):
        raise InvalidArgumentError(f'on_error must be "raise" or "fill", not {short(on_error)}')
    check_masks("expression", expression)
    if fill_value is not None and not (is_whole(fill_value) and 0 <= fill_value <= 255):
        raise InvalidArgumentError(f"fill_value must be from 0 to 255, not {short(fill_value)}")
    if detection_xy is not None and not _is_point(detection_xy):
        raise InvalidArgumentError(
            f"detection_xy must be two numbers of pixels, at most {_FARTHEST:g}, not "
            f"{short(detection_xy)}"
        )


def check_masks(name: str, masks: object) -> None:
    """Check how masks of a kind are asked for.

    Raises
    ------
    InvalidArgumentError
        If neither by True nor False nor "intensity".
    """
    if not isinstance(masks, bool | np.bool_) and not is_one_of(masks, ("intensity",)):
        raise InvalidArgumentError(f'{name} must be True, False or "intensity", not {short(masks)}')


def check_plane(plane: object) -> None:
    """Check which plane sections are to be read on.

    Raises
    ------
    InvalidArgumentError
        For any other than those that there are.
    """
    if not is_one_of(plane, VIEWED):
        raise InvalidArgumentError(f"plane must be one of {', '.join(VIEWED)}, not {short(plane)}")


def _is_point(value: object) -> bool:
    found = value.tolist() if isinstance(value, np.ndarray) else value
    real = int | float | np.integer | np.floating
    return (
        isinstance(found, tuple | list)
        and len(found) == 2
        and all(isinstance(v, real) and not isinstance(v, bool) for v in found)
        and all(-_FARTHEST <= v <= _FARTHEST for v in found)
    )


def check_mask(image: SectionImage) -> None:
    """Check that the service has an expression mask of an image.

    Raises
    ------
    InvalidArgumentError
        If it has none.
    """
    if not image.has_expression:
        raise InvalidArgumentError(f"section image {image.id} has no expression mask")
