"""A phantom like Allen's experiments of connectivity: 16 bits, of which so many are seen.

Red is the background, green the tracer, blue is empty. The mask of projections is that of the
tracer. All of it is drawn where it is read, so that sections of 35 000 x 25 000 px need no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.fluorescence import COLOURS, MOST, Range
from atldld_xr.phantom.anatomy import Array
from atldld_xr.phantom.atlas import IDS
from atldld_xr.phantom.phantom import Phantom

FLUORESCENT_ID = 900000003

# Per channel: the empty slide, and what tissue, stained tissue and tracer add to it.
_GLASS = (170.0, 90.0, 0.0)
_TISSUE = (640.0, 160.0, 0.0)
_STAIN = (210.0, 30.0, 0.0)
_SIGNAL = (40.0, 3300.0, 0.0)

# Of Allen's: the mouse's connectivity.
_PRODUCT = {"abbreviation": "MouseConnProj", "id": 5, "name": "Mouse Connectivity Projection"}
_LARGEST_TILE = 256


@dataclass(frozen=True)
class FluorescentPhantom(Phantom):
    """A data set of connectivity through the phantom brain.

    Parameters
    ----------
    range : tuple of int, optional
        What its ``equalization`` record says; None for none.
    unmasked : tuple of int
        The places, in the record, of section images of which there is no projection mask.
    """

    id: int = FLUORESCENT_ID
    count: int = 12
    range: Range | None = (120, 923, 60, 987, 0, 4095)
    unmasked: tuple[int, ...] = ()

    def has_projection(self, image_id: int) -> bool:
        """Return whether there is a projection mask of an image."""
        return image_id - self._base - 1 not in self.unmasked

    def image_record(self, image_id: int) -> dict[str, Any]:
        """Return a ``SectionImage`` record with what its data set says of all; as a phantom's."""
        keys = ("products", "equalization", *(f"{colour}_channel" for colour in COLOURS))
        about = {key: self.record[key] for key in keys}
        return {**super().image_record(image_id), "section_data_set": about}

    def _record(self) -> dict[str, Any]:
        channels = {"red_channel": "background", "green_channel": "EGFP", "blue_channel": None}
        phantom = super()._record()
        injection: dict[str, Any] = {"id": self._base + 94}
        for role in ("structure", "primary_injection_structure"):
            injection |= {role: _SITE, f"{role}_id": _SITE["id"]}
        specimen = phantom["specimen"] | {"injections": [injection]}
        more = {"equalization": self._equalization(), "genes": [], "specimen": specimen}
        return phantom | channels | more | {"products": [*phantom["products"], _PRODUCT]}

    def _equalization(self) -> dict[str, Any] | None:
        if self.range is None:
            return None
        keys = (f"{colour}_{end}" for colour in COLOURS for end in ("lower", "upper"))
        about = {"id": self._base + 95, "section_data_set_id": self.id}
        return about | dict(zip(keys, self.range, strict=True))

    def _image_record(self, index: int) -> dict[str, Any]:
        record = super()._image_record(index)
        width, height = record["width"], record["height"]
        tiers = 1 + math.ceil(math.log2(max(width, height) / _LARGEST_TILE))
        # One to a slide.
        place = {"x": 0, "y": 0, "image_width": width, "image_height": height}
        depth = {"bits_per_component": 16, "expression_path": None, "tier_count": max(tiers, 1)}
        return record | place | depth


# Of the phantom's own ontology, by which it is searched.
_SITE = {"id": IDS["CP"], "acronym": "CP", "name": "caudoputamen"}

FLUORESCENT = FluorescentPhantom()
"""A small one. It is none of the built-in data sets, as what is known of these stands in stores."""

LARGE = FluorescentPhantom(
    id=900000400, resolution=0.35, count=141, spacing=3, first=5, span=(12250.0, 8750.0)
)
"""One as large as Allen's: 140 sections of 35 000 x 25 000 px, and one that failed."""


def light(tissue: Array, stain: Array, signal: Array) -> Array:
    """Return 16-bit values, shape (..., 3), from its (means of) `brain.fields`."""
    channels = [
        np.float32(g) + tissue * np.float32(t) + stain * np.float32(s) + signal * np.float32(e)
        for g, t, s, e in zip(_GLASS, _TISSUE, _STAIN, _SIGNAL, strict=True)
    ]
    return np.stack(channels, axis=-1)


def window(values: NDArray[np.uint16], by: Sequence[int] | None) -> NDArray[np.uint8]:
    """Return 8 bits of 16: from the lower value of each channel, black, to the upper one, white.

    Parameters
    ----------
    values : ndarray of uint16, shape (..., 3)
        As the camera saw them.
    by : sequence of int, optional
        Lower and upper value of red, green and blue; all that there are by default.
    """
    ends = np.array((0, MOST) * 3 if by is None else by, dtype=np.float64).reshape(3, 2)
    low, high = ends[:, 0], ends[:, 1]
    return np.clip(np.rint((values - low) * 255.0 / (high - low)), 0, 255).astype(np.uint8)
