"""Judging what a service answered: functions take what was seen and return a finding. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.allen.tiers import tier_size
from atldld_xr.doctor.ask import Exchange, Hop
from atldld_xr.doctor.findings import Finding
from atldld_xr.doctor.pictures import difference, find_shift
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.sources.answers import has_colours

SLOW = 0.5
"""Seconds from which on an answer is slow to begin."""

_SERVICE = "/cgi-bin/imageservice"
_WINDOW = {"left", "top", "width", "height", "downsample"}
_SAME = 3.0  # grey levels by which JPEGs of the same may differ
_CUT = "such images are cut or padded by their last pixels"


def tls(url: str, hops: Sequence[Hop]) -> Finding:
    """Judge how safely the service is reached."""
    if urlsplit(url).scheme != "https":
        return Finding("TLS", "not asked", "the address is no https")
    plain = sum(urlsplit(hop.target).scheme == "http" for hop in hops)
    more = "; images are led on to http, as recorded of Allen's" if plain else ""
    return Finding("TLS", "as expected", f"the certificate is good{more}")


def speed(seconds: Sequence[float]) -> Finding:
    """Judge how long answers take to begin."""
    middle = sorted(seconds)[len(seconds) // 2]
    found = f"answers begin after {middle:.2f} s"
    if middle <= SLOW:
        return Finding("speed", "as expected", found)
    return Finding("speed", "differs", found, "all takes longer; http.read_timeout bounds it")


def unknown_data_set(status: int, envelope: Mapping[str, Any]) -> Finding:
    """Judge the answer about a data set that is not there."""
    name = "unknown data set"
    if status == 200 and envelope.get("success") is True and envelope.get("msg") == []:
        return Finding(name, "as expected", "success, and no records")
    if status == 404:
        return Finding(name, "differs", "404", "that is taken for not found too")
    return Finding(name, "differs", f"{status}, {short(envelope)}", "it is told as a failure")


def pages(envelopes: Sequence[Mapping[str, Any]], rows: int, total: int) -> Finding:
    """Judge the first pages of a data set's images, of so many rows, of which there are so many."""
    ids = [[r.get("id") for r in e.get("msg", []) if isinstance(r, Mapping)] for e in envelopes]
    flat = [number for page in ids for number in page]
    totals = sorted({str(e.get("total_rows")) for e in envelopes})
    lengths = [len(page) for page in ids]
    found = f"pages of {lengths} ids, total_rows {', '.join(totals)} of {total}"
    expected = [max(min(rows, total - rows * n), 0) for n in range(len(ids))]
    whole = [number for number in flat if isinstance(number, int)]
    if lengths == expected and totals == [str(total)] and flat == sorted(set(whole)):
        return Finding("pages", "as expected", found)
    then = "queries take rows by id until total_rows, and fail where they stop short"
    return Finding("pages", "differs", found, then)


def large_page(envelope: Mapping[str, Any], total: int) -> Finding:
    """Judge a page that was to have everything."""
    got = len(envelope.get("msg", []))
    if got == total:
        return Finding("large page", "as expected", f"all {total} rows came")
    return Finding("large page", "differs", f"{got} of {total} rows came", "more pages are asked")


def conversion(answer: Mapping[str, Any], ours: Sequence[float]) -> Finding:
    """Judge the service's own (p, i, r) of a pixel against ours."""
    theirs = answer.get("image_to_reference")
    places: list[Any] = [None]
    if isinstance(theirs, Mapping):
        places = [theirs.get(axis) for axis in "xyz"]
    if not all(isinstance(place, int | float) for place in places):
        return Finding("conversion", "differs", f"the answer is {short(answer)}", "it is not used")
    off = max(abs(place - mine) for place, mine in zip(places, ours, strict=True))
    if off < 1e-3:
        return Finding("conversion", "as expected", f"within {off:.1g} um")
    then = "the matrices are gone by: what is shown is elsewhere by the service's own account"
    return Finding("conversion", "differs", f"{off:.3g} um off", then)


def tier_sizes(image: SectionImage, sizes: Mapping[int, tuple[int, int]]) -> Finding:
    """Judge the sizes of a whole image, by tier."""
    sides = image.width, image.height
    told = ", ".join(f"{w} x {h} at tier {tier}" for tier, (w, h) in sizes.items())
    off = [
        (got - tier_size(side, tier), got == -(-side >> tier))
        for tier, size in sizes.items()
        for got, side in zip(size, sides, strict=True)
    ]
    if not any(more for more, _ in off):
        return Finding("tier sizes", "as expected", f"{told}: rounded down")
    if max(abs(more) for more, _ in off) > 2:
        then = "such images are refused, and their sections cannot be read"
        return Finding("tier sizes", "differs", f"{told} of {sides[0]} x {sides[1]}", then)
    how = "rounded up" if all(up for _, up in off) else "rounded otherwise"
    return Finding("tier sizes", "differs", f"{told} of {sides[0]} x {sides[1]}: {how}", _CUT)


def window(
    whole: NDArray[np.uint8], cut: NDArray[np.uint8], left: int, top: int, side: int
) -> Finding:
    """Judge a window's pixels against those of the whole image."""
    rows, columns = cut.shape[:2]
    if (columns, rows) != (side, side):
        size = f"{columns} x {rows} for {side} x {side}"
        if abs(rows - whole.shape[0]) <= 2 and abs(columns - whole.shape[1]) <= 2:
            then = "windows are cut here, from whole images, which are fetched once"
            return Finding("window", "differs", f"ignored: the whole image came, {size}", then)
        then = _CUT if max(abs(columns - side), abs(rows - side)) <= 2 else "it is refused"
        return Finding("window", "differs", size, then)
    expected = whole[top : top + side, left : left + side]
    shift = find_shift(expected, cut)
    if (shift.x, shift.y) != (0, 0):
        found = f"its pixels are {shift.x}, {shift.y} px from where they should be"
        return Finding("window", "differs", found, "sections are shown that far away")
    off = difference(expected, cut)
    if off > _SAME:
        found = f"its pixels differ by {off:.1f} levels from the whole image's"
        return Finding("window", "differs", found, "they are shown as they come")
    found = "the whole image's pixels" if off == 0 else f"the whole image's, to {off:.2g} levels"
    return Finding("window", "as expected", found)


def large_window(large: NDArray[np.uint8] | None, tile: NDArray[np.uint8], side: int) -> Finding:
    """Judge a window of many tiles against the tile at its corner; None is one that is refused."""
    if large is None:
        then = "tiles are asked for one by one, once a large one has failed"
        return Finding("large window", "differs", f"one of {side} px does not come", then)
    if large.shape[:2] != (side, side):
        size = f"{large.shape[1]} x {large.shape[0]} px came for {side} x {side}"
        return Finding("large window", "differs", size, "it is refused, and asked for tile by tile")
    off = difference(large[: tile.shape[0], : tile.shape[1]], tile)
    if off:
        found = f"a tile cut from one of {side} px differs by {off:.2g} levels from the tile itself"
        then = "pixels depend, by so much, on what was asked for at once"
        return Finding("large window", "differs", found, then)
    found = f"a tile cut from one of {side} px is the tile, to the bit"
    return Finding("large window", "as expected", found)


def slide_offsets(
    whole: NDArray[np.uint8], aligned: NDArray[np.uint8], image: SectionImage, tier: int
) -> Finding:
    """Judge where the image without a window starts, by one that starts with a tier's pixel."""
    place = f"section image {image.id}, at {image.x}, {image.y} of its slide, at tier {tier}"
    shift, off = find_shift(aligned, whole), difference(aligned, whole)
    then = "such images are asked for by windows, which start with a pixel of the tier"
    if off < 0.5:
        return Finding("slide offsets", "as expected", f"{place}: rounded down")
    if (shift.x, shift.y) != (0, 0) and shift.off < 1.5:
        found = f"{place}: {-shift.x}, {-shift.y} px further than rounded down"
        return Finding("slide offsets", "differs", found, then)
    found = f"{place}: not with a pixel of the tier ({off:.1f} levels from the image that does)"
    return Finding("slide offsets", "differs", found, then)


def redirect(hops: Sequence[Hop]) -> Finding:
    """Judge how a download is led on."""
    if not hops:
        then = "nothing: images are taken from where they are asked for"
        return Finding("redirect", "differs", "none: the image comes at once", then)
    told = ", ".join(f"{h.status} to {short(hide_credentials(h.target))}" for h in hops)
    if [h.status for h in hops] == [302] and urlsplit(hops[0].target).path == _SERVICE:
        return Finding("redirect", "as expected", told)
    return Finding("redirect", "differs", told, "it is followed, up to 5 times")


def redirect_target(first: Sequence[Hop], second: Sequence[Hop]) -> Finding:
    """Judge whether two windows of an image are led to the same place with other numbers."""
    name = "redirect's target"
    if not first or not second:
        return Finding(name, "not asked", "there is no redirect")
    one, two = (urlsplit(hops[-1].target) for hops in (first, second))
    ours, theirs = (dict(parse_qsl(parts.query)) for parts in (one, two))
    others = sorted(k for k in {*ours, *theirs} - _WINDOW if ours.get(k) != theirs.get(k))
    if one[:3] == two[:3] and not others:
        return Finding(name, "as expected", "the same place, with other numbers")
    found = f"{', '.join(others)} differ too" if one[:3] == two[:3] else "another place"
    return Finding(name, "differs", found, "each image is asked for at the front door")


def length(exchange: Exchange) -> Finding:
    """Judge what an answer says of its length."""
    announced = exchange.headers.get("content-length")
    if announced is None:
        how = exchange.headers.get("transfer-encoding", "until the connection ends")
        found = f"none: the answer comes {'in chunks' if how == 'chunked' else how}"
        return Finding("length", "differs", found, "a JPEG's end marker tells that it is whole")
    if announced == str(len(exchange.body)) or "content-encoding" in exchange.headers:
        return Finding("length", "as expected", f"{announced} bytes")
    found = f"{short(announced)} announced, {len(exchange.body)} came"
    return Finding("length", "differs", found, "an answer that is short is asked for again")


def media_type(exchange: Exchange) -> Finding:
    """Judge what an image is said to be."""
    said = exchange.headers.get("content-type", "")
    if said.partition(";")[0].strip().lower() == "image/jpeg":
        return Finding("media type", "as expected", "image/jpeg")
    return Finding("media type", "differs", short(said), "nothing: the bytes themselves are read")


def colours(space: str, sampling: str) -> Finding:
    """Judge how a JPEG holds its colours."""
    found = f"{space}, sampled {sampling}"
    if space in ("YCbCr", "RGB") and sampling in ("444", "422", "420"):
        return Finding("colours", "as expected", found)
    then = "it is read, if a decoder can; CMYK is refused"
    return Finding("colours", "differs", found, then)


def mask(image: NDArray[np.uint8], made: NDArray[np.uint8]) -> Finding:
    """Judge an expression mask beside its image."""
    size = f"{made.shape[1]} x {made.shape[0]}"
    if made.shape[:2] != image.shape[:2]:
        found = f"{size} where the image has {image.shape[1]} x {image.shape[0]}"
        return Finding("mask", "differs", found, f"by up to 2 px {_CUT}, else refused")
    if difference(image, made) < _SAME:
        return Finding("mask", "differs", "the image itself came", "that is shown for the mask")
    kind = "in colour" if has_colours(made) else "without colours"
    return Finding("mask", "as expected", f"{size}, {kind}")


def grey_mask(made: NDArray[np.uint8]) -> Finding:
    """Judge a mask that was asked for in grey."""
    if not has_colours(made):
        kind = "grey" if made.max() > 127 else "black, as far as it goes"
        return Finding("grey mask", "as expected", kind)
    then = 'a warning, once: with expression="intensity" it is the brightness of the colours'
    return Finding("grey mask", "differs", "in colour: the filter is not heeded", then)


def unknown_image(exchange: Exchange) -> Finding:
    """Judge the answer where there is no image."""
    said = f"{exchange.status}, {exchange.headers.get('content-type', 'of no type')}"
    if exchange.status == 404:
        return Finding("unknown image", "as expected", said)
    if exchange.status == 200 and exchange.body.startswith(b"\xff\xd8"):
        then = "an image that is lost is shown as whatever comes in its place"
        return Finding("unknown image", "differs", "an image came", then)
    then = "a failure of that section" if exchange.status < 500 and exchange.status != 200 else ""
    return Finding(
        "unknown image", "differs", said, then or "the same is tried again before it is a failure"
    )


def wrong_tier(status: int, size: tuple[int, int] | None, tier: int) -> Finding:
    """Judge the answer for a tier that the metadata does not list."""
    if status >= 400:
        return Finding("wrong tier", "as expected", f"{status} for tier {tier}")
    came = f"an image of {size[0]} x {size[1]}" if size else f"{status}, and no image"
    then = "nothing: none but listed tiers are asked for"
    return Finding("wrong tier", "differs", f"{came} came for tier {tier}", then)


def channel_range(plain: NDArray[np.uint8], ranged: NDArray[np.uint8]) -> Finding:
    """Judge an image of fluorescence with a range against the one without."""
    if plain.shape != ranged.shape:
        return Finding("range", "differs", "it changes the image's size", "it is not asked for")
    off = difference(plain, ranged)
    if off > _SAME:
        return Finding("range", "as expected", f"it changes the image by {off:.0f} levels")
    return Finding("range", "differs", "it changes nothing", "it is not asked for")
