"""What was found of a service. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from atldld_xr.messages.text import format_bytes, format_count
from atldld_xr.messages.words import one_line

Outcome = Literal["as expected", "differs", "failed", "not asked"]

ASSUMPTIONS = {
    "answer": "it answers",
    "TLS": "it is reached over https, by a certificate that is good",
    "speed": "answers begin within half a second",
    "record": "one request gives a data set with its images and matrices",
    "unknown data set": "is answered with success and no records",
    "pages": "num_rows and start_row cut pages; total_rows counts all; order=id holds",
    "large page": "num_rows of 25000 is taken",
    "search": "a gene is found by a * in its name, in pages by id, and what is quoted is a name",
    "conversion": "image_to_reference is what the matrices say",
    "tier sizes": "a side at tier d is floor(side / 2**d)",
    "window": "left and top in pixels of the slide, width and height in those of the tier",
    "large window": "one of 2048 px is given, and a tile cut from it is the tile, to the bit",
    "slide offsets": "a section starts at floor(x / 2**d) of its slide's tier",
    "redirect": "downloads lead on to /cgi-bin/imageservice by a 302",
    "redirect's target": "that of two windows differs in their numbers alone",
    "length": "a Content-Length says how many bytes come",
    "media type": "images are image/jpeg",
    "colours": "JPEGs are RGB, their colours sampled 4:4:4, 4:2:2 or 4:2:0",
    "mask": "view=expression is a mask in colour, on the image's own grid",
    "grey mask": "filter=colormap with filterVals=0,1,0,256,0 makes it grey",
    "unknown image": "is answered with 404",
    "wrong tier": "is answered with an error",
    "range": "sets what is white in an image of fluorescence, and leaves its size",
}
"""What is taken for granted, by the name of its check, as in the table of docs/service.md."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name : str
        The check's: one of `ASSUMPTIONS`.
    outcome : {"as expected", "differs", "failed", "not asked"}
        How it ended; "not asked" where there is nothing to ask it of.
    found : str
        What was seen.
    then : str
        What this package does where it differs.
    """

    name: str
    outcome: Outcome
    found: str
    then: str = ""

    def __str__(self) -> str:
        then = f"; {self.then}" if self.then else ""
        return one_line(f"{self.outcome}: {self.found}{then}")


@dataclass(frozen=True)
class Report:
    """What was found of a service, to be read or pasted in an issue.

    Attributes
    ----------
    api_url : str
        The service.
    dataset : int, optional
        The data set that was asked about.
    version : str
        This package's.
    requests, nbytes : int
        How many were made, redirects too, and how many bytes of bodies came.
    findings : tuple of Finding
        In the order in which they were looked for.
    """

    api_url: str
    dataset: int | None
    version: str
    requests: int
    nbytes: int
    findings: tuple[Finding, ...]

    @property
    def reached(self) -> bool:
        """Whether the service answered at all."""
        return all(f.outcome != "failed" for f in self.findings if f.name == "answer")

    @property
    def good(self) -> bool:
        """Whether nothing differs, and no check failed."""
        return all(f.outcome in ("as expected", "not asked") for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it in plain values."""
        facts = asdict(self)
        for finding in facts["findings"]:
            finding["expected"] = ASSUMPTIONS[finding["name"]]
        return facts | {"reached": self.reached, "good": self.good}

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Names and what was found, a line each."""
        about = f" about section data set {self.dataset}" if self.dataset else ""
        cost = f"{format_count(self.requests, 'request')}, {format_bytes(self.nbytes)}"
        rows = [("service", f"{self.api_url}: {cost}{about}")]
        return rows + [(finding.name, str(finding)) for finding in self.findings]
