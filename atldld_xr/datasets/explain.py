"""Explanation: what making something takes, by section, told before any image is fetched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atldld_xr.allen.tiers import View
from atldld_xr.arrays.needs import Needs
from atldld_xr.datasets.fetching import (
    BYTES_PER_SECOND,
    JPEG_BYTES_PER_PIXEL,
    SECONDS_PER_REQUEST,
    Fetching,
)
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.text import format_bytes, format_count, format_rows
from atldld_xr.settings import as_int, as_rate, setting

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SectionExplanation:
    """What one section takes.

    Attributes
    ----------
    section_image_id : int
        Allen's id.
    section_number : int or None
        Of the section, where it is known.
    coordinate : float or None
        Where it is across the sections, in micrometres, where that is known.
    tiers : mapping
        By view, the tier that is read; empty if nothing is.
    requests, pixels, decoded_bytes : int
        Images requested, their pixels, and the bytes of these once decoded.
    blocks, blocks_without_pixels : int
        Blocks that are made, and those of them that no tile touches: they cost nothing.
    """

    section_image_id: int
    section_number: int | None
    coordinate: float | None
    tiers: Mapping[View, int]
    requests: int
    pixels: int
    decoded_bytes: int
    blocks: int
    blocks_without_pixels: int

    @property
    def estimated_bytes(self) -> int:
        """About what is downloaded: `JPEG_BYTES_PER_PIXEL` for each pixel."""
        return round(self.pixels * JPEG_BYTES_PER_PIXEL)


@dataclass(frozen=True, repr=False)
class Explanation:
    """What making something takes, with nothing in any cache. Printed, it is rows of text.

    Attributes
    ----------
    sections : tuple of SectionExplanation
        In their order.
    output_bytes : int
        Of what is made, uncompressed.
    chunks : int
        In which a Zarr store holds it, or Dask makes it.
    connections : int
        Requests at a time: the setting ``http.connections``.
    requests_per_second : float or None
        The setting of that name.
    seconds_per_request, bytes_per_second : float
        What is assumed of each request, and of each connection.
    """

    sections: tuple[SectionExplanation, ...]
    output_bytes: int
    chunks: int
    connections: int
    requests_per_second: float | None
    seconds_per_request: float
    bytes_per_second: float

    @property
    def images(self) -> int:
        """Section images of which something is read: of one and its mask, one."""
        return sum(section.requests > 0 for section in self.sections)

    @property
    def requests(self) -> int:
        """Images requested; metadata, which are known by now, are not counted."""
        return sum(section.requests for section in self.sections)

    @property
    def pixels(self) -> int:
        """Of the images requested."""
        return sum(section.pixels for section in self.sections)

    @property
    def estimated_bytes(self) -> int:
        """About what is downloaded: `JPEG_BYTES_PER_PIXEL` for each pixel."""
        return round(self.pixels * JPEG_BYTES_PER_PIXEL)

    @property
    def decoded_bytes(self) -> int:
        """Of the images requested, once decoded, in all."""
        return sum(section.decoded_bytes for section in self.sections)

    @property
    def seconds(self) -> float:
        """About how long fetching takes, at the polite rate."""
        return self._fetching.seconds

    @property
    def tiers(self) -> dict[View, dict[int, int]]:
        """By view, how many sections are read at which tier."""
        counts: dict[View, Counter[int]] = {}
        for section in self.sections:
            for view, tier in section.tiers.items():
                counts.setdefault(view, Counter())[tier] += 1
        return {view: dict(sorted(some.items())) for view, some in counts.items()}

    @property
    def blocks(self) -> int:
        """Blocks of sections that are made."""
        return sum(section.blocks for section in self.sections)

    @property
    def blocks_without_pixels(self) -> int:
        """Those that no tile of their section touches: they cost nothing."""
        return sum(section.blocks_without_pixels for section in self.sections)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row for each section.

        Returns
        -------
        pandas.DataFrame
            ``section_image_id``, ``section_number``, ``coordinate``, ``tier`` (of the image),
            ``expression_tier`` (of the mask), ``requests``, ``pixels``, ``estimated_bytes``,
            ``blocks`` and ``blocks_without_pixels``. What is not read has no tier.
        """
        import pandas as pd

        tables = [(dict(section.tiers), section) for section in self.sections]
        columns = {
            "section_image_id": [section.section_image_id for section in self.sections],
            "section_number": _whole_numbers([s.section_number for s in self.sections]),
            "coordinate": pd.array([s.coordinate for s in self.sections], dtype="Float64"),
            "tier": _whole_numbers([tiers.pop("image", None) for tiers, _ in tables]),
            "expression_tier": _whole_numbers(
                [next(iter(tiers.values()), None) for tiers, _ in tables]
            ),
        }
        names = ["requests", "pixels", "estimated_bytes", "blocks", "blocks_without_pixels"]
        for name in names:
            columns[name] = [getattr(section, name) for section in self.sections]
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        return format_rows(self._rows())

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for name, value in self._rows()
        )
        table = self.to_dataframe().to_html(index=False, na_rep="")
        return (
            f"<table>{rows}</table>"
            f"<details><summary>{format_count(len(self.sections), 'section')}</summary>"
            f"{table}</details>"
        )

    def _rows(self) -> list[tuple[str, str]]:
        tiers = [
            f"{view} at tier {tier}: {format_count(count, 'section')}"
            for view, counts in self.tiers.items()
            for tier, count in counts.items()
        ]
        of_blocks = f"{self.blocks:,}, {self.blocks_without_pixels:,} of them without pixels"
        return [
            ("images", f"{self.images:,} of {format_count(len(self.sections), 'section')}"),
            *zip(["read", *[""] * (len(tiers) - 1)], tiers or ["nothing"], strict=False),
            ("requests", f"{self.requests:,} for images"),
            ("download", f"about {format_bytes(self.estimated_bytes)}"),
            ("source pixels", f"{self.pixels:,}, {format_bytes(self.decoded_bytes)} decoded"),
            ("time to fetch", self._fetching.in_words()),
            ("blocks", of_blocks),
            (
                "output",
                f"{format_bytes(self.output_bytes)} uncompressed, "
                f"in {format_count(self.chunks, 'chunk')}",
            ),
        ]

    @property
    def _fetching(self) -> Fetching:
        return Fetching(
            self.requests,
            self.estimated_bytes,
            self.connections,
            self.requests_per_second,
            self.seconds_per_request,
            self.bytes_per_second,
        )


def explain_needs(
    needs: Needs,
    at: Mapping[int, tuple[int | None, float | None]],
    *,
    output_bytes: int,
    chunks: int,
    seconds_per_request: float = SECONDS_PER_REQUEST,
    bytes_per_second: float = BYTES_PER_SECOND,
) -> Explanation:
    """Return the explanation of some needs.

    Parameters
    ----------
    needs : Needs
        What is asked for, and which blocks are made.
    at : mapping
        Section number and coordinate of the sections that are known, by the image's id; others
        follow these.
    output_bytes, chunks : int
        Of what is made.
    seconds_per_request, bytes_per_second : float
        What is assumed.

    Raises
    ------
    InvalidArgumentError
        If these are no numbers that can be.
    """
    for name, value, least in (
        ("seconds_per_request", seconds_per_request, 0),
        ("bytes_per_second", bytes_per_second, 1),
    ):
        found: object = value
        if not isinstance(found, int | float) or not least <= found < math.inf:
            raise InvalidArgumentError(f"{name} is a number from {least}, not {short(value)}")
    requests, pixels, decoded = Counter[int](), Counter[int](), Counter[int]()
    tiers: dict[int, dict[View, int]] = {}
    images = dict(needs.images)
    for request in needs.requests:
        image = request.section.image
        images[image.id] = image
        requests[image.id] += 1
        pixels[image.id] += request.pixels
        decoded[image.id] += request.decoded_bytes
        tiers.setdefault(image.id, {})[request.view] = request.section.tier
    known = dict(at)
    for image_id, image in images.items():
        known.setdefault(image_id, (image.section_number, None))
    return Explanation(
        sections=tuple(
            SectionExplanation(
                section_image_id=image_id,
                section_number=number,
                coordinate=coordinate,
                tiers=tiers.get(image_id, {}),
                requests=requests[image_id],
                pixels=pixels[image_id],
                decoded_bytes=decoded[image_id],
                blocks=needs.blocks[image_id],
                blocks_without_pixels=needs.blocks_without_pixels[image_id],
            )
            for image_id, (number, coordinate) in known.items()
        ),
        output_bytes=output_bytes,
        chunks=chunks,
        connections=setting("http.connections", as_int),
        requests_per_second=setting("http.requests_per_second", as_rate),
        seconds_per_request=seconds_per_request,
        bytes_per_second=bytes_per_second,
    )


def _whole_numbers(values: list[int | None]) -> object:
    import pandas as pd

    return pd.array(values, dtype="Int64")
