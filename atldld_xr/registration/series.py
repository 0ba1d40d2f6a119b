"""Series: what a file of QuickNII, DeepSlice or VisuAlign says of the pictures of a brain. Pure.

All three write ``{"target": ..., "target-resolution": [456, 528, 320], "slices": [{"filename": ...,
"nr": ..., "width": ..., "height": ..., "anchoring": [nine numbers], "markers": [...]}]}``, of which
only the slices are always there; QuickNII and DeepSlice the same as XML, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from atldld_xr.errors import RegistrationError
from atldld_xr.foreign_json import InvalidJsonError, parse_json
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line
from atldld_xr.registration.anchors import Anchors, voxel_of

_MOST_SLICES = 100_000  # a brain's twenty series have some thousand
_MOST_XML = 8_000_000  # bytes
_DEEPEST = 16  # levels of it, of which QuickNII has two
_MOST_MARKERS = 10_000
_LARGEST_SIDE = 1e6  # pixels of a picture
_LONGEST_NAME = 1000  # characters

_BARE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\w{1,8});)")
_NUMBERS = ("ox", "oy", "oz", "ux", "uy", "uz", "vx", "vy", "vz")

Marker = tuple[float, float, float, float]


@dataclass(frozen=True)
class Slice:
    """A picture of a section, and where it lies if somebody has found it.

    Attributes
    ----------
    filename : str
        The picture's, with folders if the file has them.
    number : int or None
        Its place in the series.
    size : tuple of float, or None
        Width and height of the picture, in pixels.
    anchors : Anchors or None
        None where nobody has anchored it yet.
    markers : tuple of Marker
        Of VisuAlign, in pixels of the picture: what the anchors alone would show at the first two
        numbers is at the other two.
    """

    filename: str
    number: int | None
    size: tuple[float, float] | None
    anchors: Anchors | None
    markers: tuple[Marker, ...] = ()

    def __str__(self) -> str:
        return short(self.filename) if self.filename else f"number {self.number}"


def parse_series(content: bytes) -> tuple[Slice, ...]:
    """Return the slices of a file, JSON or XML.

    Raises
    ------
    RegistrationError
        If it is neither, or none of a registration, or has what cannot be.
    """
    is_xml = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
    series, slices = _read_xml(content) if is_xml else _read_json(content)
    if len(slices) > _MOST_SLICES:
        raise RegistrationError(
            f"it has {len(slices):,} slices, where at most {_MOST_SLICES:,} can be"
        )
    target = series.get("target")
    voxel = voxel_of(series.get("target-resolution"), target if isinstance(target, str) else "")
    return tuple(_slice(record, voxel) for record in slices)


def _read_json(content: bytes) -> tuple[Mapping[str, Any], Sequence[Any]]:
    try:
        series = parse_json(content)
    except InvalidJsonError as error:
        raise RegistrationError(str(error)) from None
    slices = series.get("slices") if isinstance(series, Mapping) else None
    if not isinstance(slices, list):
        raise RegistrationError("it has no list of slices, as files of QuickNII have")
    return series, slices


def _read_xml(content: bytes) -> tuple[Mapping[str, Any], Sequence[Any]]:
    """Read attributes as they come: no tree is built, and no entity is unfolded."""
    if len(content) > _MOST_XML:
        raise RegistrationError(f"it has {len(content):,} bytes of XML: at most {_MOST_XML:,}")
    series: dict[str, Any] = {}
    slices: list[dict[str, str]] = []
    levels = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal levels
        levels += 1
        if levels > _DEEPEST:
            raise RegistrationError(f"it is nested more than {_DEEPEST} levels deep")
        if name == "series" and not series:
            series.update(attributes)
        elif name == "slice":
            slices.append(attributes)

    def end(_: str) -> None:
        nonlocal levels
        levels -= 1

    def refuse(*_: object) -> None:
        raise RegistrationError("it declares a document type, which files of QuickNII do not")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(_BARE.sub(b"&amp;", content), True)  # there are files with bare ones
    except RegistrationError:  # a ValueError, too
        raise
    # The latter two are of encodings that it names and that are none, or none that can be read.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise RegistrationError(f"it is no XML ({one_line(str(error), 200)})") from None
    if not slices:
        raise RegistrationError("it has no slices, as files of QuickNII have")
    if "target-resolution" in series:
        parts = series["target-resolution"].split()
        series["target-resolution"] = [_as_number(part) for part in parts[:4]]
    return series, [_record_of(attributes) for attributes in slices]


def _record_of(attributes: Mapping[str, str]) -> dict[str, Any]:
    """Return what JSON would say, of the attributes of an XML element."""
    record: dict[str, Any] = dict(attributes)
    for name in ("nr", "width", "height"):
        if name in record:
            record[name] = _as_number(record[name])
    if "anchoring" in record:
        pairs = (pair.partition("=") for pair in record["anchoring"].split("&")[:20])
        given = {name.strip(): value for name, _, value in pairs}
        record["anchoring"] = [_as_number(given.get(name, "")) for name in _NUMBERS]
    record.pop("markers", None)
    return record


def _as_number(text: str) -> float | str:
    try:
        return float(text) if len(text) < 100 else text
    except ValueError:
        return text


def _slice(record: object, voxel: float) -> Slice:
    if not isinstance(record, Mapping):
        raise RegistrationError(f"a slice of it is {short(record)}")
    filename = record.get("filename")
    if filename is None and isinstance(record.get("filenames"), list):
        filename = next(iter(record["filenames"]), None)
    if not isinstance(filename, str | None) or len(filename or "") > _LONGEST_NAME:
        raise RegistrationError(f"a slice of it has the filename {short(filename)}")
    number = record.get("nr")
    name = filename or f"number {short(number)}"
    try:
        anchoring = record.get("anchoring")
        return Slice(
            filename=filename or "",
            number=None if number is None else int(_number(number, "nr", 2.0**63)),
            size=_size(record),
            # QuickNII leaves it out of what is not anchored; others give an empty list.
            anchors=Anchors.of(anchoring, voxel) if anchoring else None,
            markers=_markers(record.get("markers")),
        )
    except RegistrationError as error:
        raise RegistrationError(f"its slice {one_line(name, 120)}: {error}") from None


def _size(record: Mapping[Any, Any]) -> tuple[float, float] | None:
    given = record.get("width"), record.get("height")
    if None in given:
        return None
    width, height = (
        _number(value, name, _LARGEST_SIDE)
        for name, value in zip(("width", "height"), given, strict=True)
    )
    if width < 1 or height < 1:
        raise RegistrationError(f"its picture has {width:g} x {height:g} pixels")
    return width, height


def _markers(given: object) -> tuple[Marker, ...]:
    if not given:
        return ()
    if not isinstance(given, list) or len(given) > _MOST_MARKERS:
        raise RegistrationError(f"its markers are {short(given)}")
    out = []
    for marker in given:
        if not isinstance(marker, list) or len(marker) != 4:
            raise RegistrationError(f"a marker of it is {short(marker)}, not four numbers")
        x0, y0, x1, y1 = (_number(value, "a marker", _LARGEST_SIDE) for value in marker)
        out.append((x0, y0, x1, y1))
    return tuple(out)


def _number(value: object, name: str, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and -most < value < most:  # type: ignore[operator]  # also not of no number
        return value  # type: ignore[return-value]  # an int of an id beyond 2**53 as it is
    raise RegistrationError(f"{name} is {short(value)}, not a number of less than {most:g}")
