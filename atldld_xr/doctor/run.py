"""Examining a service: which requests are made, one after the other, and of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atldld_xr._version import __version__
from atldld_xr.allen import rma
from atldld_xr.allen.ids import check_id
from atldld_xr.allen.metadata import SectionDataset, SectionImage, parse_dataset, single_record
from atldld_xr.allen.tiers import slide_offset, starts_before, tier_size
from atldld_xr.allen.transforms import xy_to_pir
from atldld_xr.doctor import checks
from atldld_xr.doctor.ask import Asker, AskError, Exchange
from atldld_xr.doctor.findings import Finding, Report
from atldld_xr.doctor.search import search
from atldld_xr.errors import AtldldError, DatasetNotFoundError
from atldld_xr.settings import as_text, setting
from atldld_xr.sources import jpeg
from atldld_xr.sources.api import DATASET_INCLUDE
from atldld_xr.sources.http import check_address
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE, service_tile_side
from atldld_xr.sources.service_images import VIEWS

DATASET = 69289763
"""Prox1, sagittal, 18 sections: what is asked about where it is there."""

_UNKNOWN = 1_999_999_999  # no data set, and no image
_LARGEST = 1600  # pixels a side of the largest image that is asked for
_TIERS = 4
_PAGE = 2


def examine(api_url: str | None = None, *, dataset: int | str | None = None) -> Report:
    """Ask a service some twenty small things, one at a time, and report what it does otherwise.

    Parameters
    ----------
    api_url : str, optional
        The service's base address. Default: the setting ``api_url``.
    dataset : int or str, optional
        The section data set to ask about. Default: 69289763, or where that is not, the first.

    Raises
    ------
    InvalidArgumentError
        If the address or the id is none.
    """
    url = check_address(setting("api_url", as_text) if api_url is None else api_url)
    wanted = None if dataset is None else check_id(dataset, "section data set")
    with Asker(url) as asker:
        examination = _Examination(asker, wanted)
        findings = tuple(examination.findings())
        data = examination.data
        found = None if data is None else data.id
        return Report(url, found, __version__, asker.requests, asker.nbytes, findings)


class _Examination:
    """One run: what is asked, and what was seen so far."""

    def __init__(self, asker: Asker, wanted: int | None) -> None:
        self._asker = asker
        self._wanted = wanted
        self.data: SectionDataset | None = None
        self._listed = 0  # images, with those that cannot be registered
        self._wholes: dict[int, NDArray[np.uint8]] = {}
        self._hops: list[Exchange] = []
        self._cuts_windows = True

    def findings(self) -> Iterator[Finding]:
        """Yield what is found, in order; of a service that does not answer, that alone."""
        try:
            self.data = data = self._find_data()
        except AskError as error:
            yield Finding("answer", "failed", str(error))
            return
        except (AtldldError, ValueError) as error:
            yield Finding("answer", "as expected", f"from {self._asker.address()}")
            yield Finding("record", "failed", str(error))
            return
        yield Finding("answer", "as expected", f"from {self._asker.address()}")
        genes = ", ".join(data.genes) or "no gene"
        yield Finding("record", "as expected", f"{genes}, {len(data.images)} registered images")
        image = _pick_image(data)
        steps: dict[str, Callable[[], Finding]] = {
            "unknown data set": self._unknown_data_set,
            "pages": lambda: self._pages(data),
            "large page": lambda: self._large_page(data),
            "search": lambda: search(self._envelope, data),
            "conversion": lambda: self._conversion(data, image),
            "tier sizes": lambda: self._tier_sizes(image),
            "window": lambda: self._window(image),
            "large window": lambda: self._large_window(image),
            "slide offsets": lambda: self._slide_offsets(data),
            "redirect": lambda: checks.redirect(self._an_image().hops),
            "redirect's target": self._redirect_target,
            "length": lambda: checks.length(self._an_image()),
            "media type": lambda: checks.media_type(self._an_image()),
            "colours": lambda: checks.colours(*jpeg.colours(self._an_image().body)),
            "mask": lambda: self._mask(image),
            "grey mask": lambda: self._grey_mask(image),
            "unknown image": lambda: checks.unknown_image(self._ask_image(_UNKNOWN, downsample=5)),
            "wrong tier": lambda: self._wrong_tier(image),
            "range": lambda: self._range(data, image),
            "TLS": lambda: checks.tls(
                self._asker.url, [h for e in self._asker.exchanges for h in e.hops]
            ),
            "speed": lambda: checks.speed([e.seconds for e in self._asker.exchanges]),
        }
        for name, step in steps.items():
            try:
                yield step()
            except (AtldldError, ValueError, TypeError) as error:
                yield Finding(name, "failed", str(error))

    # Metadata

    def _find_data(self) -> SectionDataset:
        first = DATASET if self._wanted is None else self._wanted
        try:
            return self._record(first)
        except DatasetNotFoundError:
            if self._wanted is not None:
                raise
        stages = _stages("SectionDataSet", "", 0, 1)
        record = single_record(
            self._envelope("data/query.json", criteria=stages)["msg"], "data set"
        )
        return self._record(check_id(record.get("id"), "section data set"))

    def _record(self, number: int) -> SectionDataset:
        path = f"data/SectionDataSet/{number}.json"
        envelope = self._envelope(path, include=DATASET_INCLUDE)
        record = single_record(envelope["msg"], f"section data set {number}")
        data = parse_dataset(record)
        self._listed = len(record["section_images"])
        return data

    def _envelope(self, path: str, **params: str | int) -> Mapping[str, Any]:
        exchange = self._asker.ask(path, **params)
        try:
            envelope = rma.parse_envelope(exchange.body)
        except ValueError as error:
            raise ValueError(f"{exchange.status}: {error}") from None
        if envelope["success"] is not True:
            raise ValueError(f"{exchange.status}: {rma.failure_message(envelope)}")
        return envelope

    def _unknown_data_set(self) -> Finding:
        exchange = self._asker.ask(f"data/SectionDataSet/{_UNKNOWN}.json")
        if exchange.status == 404:
            return checks.unknown_data_set(404, {})
        return checks.unknown_data_set(exchange.status, rma.parse_envelope(exchange.body))

    def _pages(self, data: SectionDataset) -> Finding:
        criteria = f"[data_set_id$eq{data.id}]"
        envelopes = [
            self._envelope(
                "data/query.json", criteria=_stages("SectionImage", criteria, start, _PAGE)
            )
            for start in (0, _PAGE)
        ]
        return checks.pages(envelopes, _PAGE, self._listed)

    def _large_page(self, data: SectionDataset) -> Finding:
        criteria = f"[data_set_id$eq{data.id}]"
        stages = _stages("SectionImage", criteria, 0, rma.MOST_ROWS)
        return checks.large_page(self._envelope("data/query.json", criteria=stages), self._listed)

    def _conversion(self, data: SectionDataset, image: SectionImage) -> Finding:
        x, y = float(image.width // 2), float(image.height // 3)
        answer = self._envelope(f"image_to_reference/{image.id}.json", x=int(x), y=int(y))
        z = image.section_number * data.section_thickness
        ours = xy_to_pir([[x], [y], [z]], image.tsv, data.tvr)[:, 0].tolist()
        msg = answer["msg"]
        return checks.conversion(msg if isinstance(msg, Mapping) else {}, ours)

    # Images

    def _ask_image(self, number: int, **params: str | int) -> Exchange:
        return self._asker.ask(f"section_image_download/{number}", **params)

    def _fetch(self, number: int, **params: str | int) -> NDArray[np.uint8]:
        """Return a JPEG's pixels, in colour, of whatever size within reason."""
        exchange = self._ask_image(number, **params)
        if exchange.status != 200:
            raise ValueError(f"the service answers {exchange.status}")
        width, height = jpeg.size(exchange.body)
        if max(width, height) > 4 * _LARGEST:
            raise ValueError(f"an image of {width} x {height} came")
        pixels = jpeg.decode(exchange.body, width=width, height=height, grey=False)
        self._hops.append(exchange)
        return pixels

    def _an_image(self) -> Exchange:
        if not self._hops:
            raise ValueError("no image came")
        return self._hops[0]

    def _whole(self, tier: int) -> NDArray[np.uint8]:
        if tier not in self._wholes:
            raise ValueError(f"the whole image did not come at tier {tier}")
        return self._wholes[tier]

    def _tier_sizes(self, image: SectionImage) -> Finding:
        for tier in _tiers(image):
            self._wholes[tier] = self._fetch(image.id, downsample=tier)
        sizes = {tier: (p.shape[1], p.shape[0]) for tier, p in self._wholes.items()}
        return checks.tier_sizes(image, sizes)

    def _window(self, image: SectionImage) -> Finding:
        tier = _tiers(image)[0]
        whole = self._whole(tier)
        side = max(min(256, min(whole.shape[:2]) // 32 * 16), 16)
        left, top = (n // 2 // 16 * 16 - side // 32 * 16 for n in whole.shape[1::-1])
        cut = self._fetch(image.id, **_place(image, tier, left, top, side, side))
        finding = checks.window(whole, cut, left, top, side)
        self._cuts_windows = finding.outcome == "as expected"
        return finding

    def _large_window(self, image: SectionImage) -> Finding:
        if not self._cuts_windows:
            return Finding("large window", "not asked", "windows are not cut")
        if service_tile_side(image, 0) != TILE_SIDE or min(image.width, image.height) < PIECE_SIDE:
            return Finding("large window", "not asked", "the image is asked for as a whole")
        tile = self._fetch(image.id, **_place(image, 0, 0, 0, TILE_SIDE, TILE_SIDE))
        try:
            large = self._fetch(image.id, **_place(image, 0, 0, 0, PIECE_SIDE, PIECE_SIDE))
        except (ValueError, AskError):
            return checks.large_window(None, tile, PIECE_SIDE)
        return checks.large_window(large, tile, PIECE_SIDE)

    def _redirect_target(self) -> Finding:
        windows = [e.hops for e in self._hops if any("left=" in h.target for h in e.hops)]
        return checks.redirect_target(self._an_image().hops, windows[0] if windows else ())

    def _slide_offsets(self, data: SectionDataset) -> Finding:
        place = _off_the_tier(data)
        if place is None:
            found = "every section starts with a pixel of its tiers; 100055044 has others"
            return Finding("slide offsets", "not asked", found)
        if not self._cuts_windows:
            return Finding("slide offsets", "not asked", "windows are not cut")
        image, tier = place
        whole = self._fetch(image.id, downsample=tier)
        size = tier_size(image.width, tier), tier_size(image.height, tier)
        aligned = self._fetch(image.id, **_place(image, tier, 0, 0, *size))
        return checks.slide_offsets(whole, aligned, image, tier)

    def _mask(self, image: SectionImage) -> Finding:
        if not image.has_expression:
            return Finding("mask", "not asked", "the image has none")
        tier = _tiers(image)[-1]
        made = self._fetch(image.id, downsample=tier, **VIEWS["expression"])
        return checks.mask(self._whole(tier), made)

    def _grey_mask(self, image: SectionImage) -> Finding:
        if not image.has_expression:
            return Finding("grey mask", "not asked", "the image has no mask")
        tier = _tiers(image)[0]
        return checks.grey_mask(self._fetch(image.id, downsample=tier, **VIEWS["intensity"]))

    def _wrong_tier(self, image: SectionImage) -> Finding:
        tier = image.tier_count + 1
        exchange = self._ask_image(image.id, downsample=tier)
        try:
            size = jpeg.size(exchange.body)
        except ValueError:
            size = None
        return checks.wrong_tier(exchange.status, size, tier)

    def _range(self, data: SectionDataset, image: SectionImage) -> Finding:
        if not data.fluorescence:
            return Finding("range", "not asked", "it is not of fluorescence; 126862385 is")
        tier = _tiers(image)[-1]
        ranged = self._fetch(image.id, downsample=tier, range="0,400,0,400,0,4095")
        return checks.channel_range(self._whole(tier), ranged)


def _stages(model: str, criteria: str, start: int, rows: int) -> str:
    return rma.stages(model, criteria=criteria, include=(), order="id", start=start, rows=rows)


def _tiers(image: SectionImage) -> list[int]:
    """Return the tiers that are asked for whole, the finest first: few, and small."""
    longest = max(image.width, image.height)
    small = [t for t in range(image.tier_count) if tier_size(longest, t) <= _LARGEST]
    return (small or [image.tier_count - 1])[-_TIERS:]


def _pick_image(data: SectionDataset) -> SectionImage:
    """Return the smallest image of those whose sides are the least often halved without a rest."""

    def whole_halves(image: SectionImage) -> int:
        return sum(side % (1 << t) == 0 for t in _tiers(image) for side in _sides(image))

    return min(
        data.images,
        key=lambda i: (not i.has_expression, whole_halves(i), i.width * i.height),
    )


def _sides(image: SectionImage) -> tuple[int, int]:
    return image.width, image.height


def _off_the_tier(data: SectionDataset) -> tuple[SectionImage, int] | None:
    """Return the image and tier at which rounding down and to the nearest differ the most."""

    def rest(image: SectionImage, tier: int) -> float:
        return max(starts_before(offset, tier) for offset in (image.x, image.y)) / (1 << tier)

    places = [(image, tier) for image in data.images for tier in _tiers(image)]
    image, tier = max(places, key=lambda place: rest(*place))
    return (image, tier) if rest(image, tier) else None


def _place(
    image: SectionImage, tier: int, left: int, top: int, width: int, height: int
) -> dict[str, int]:
    """Return the query for a window, in pixels of the section's tier."""
    corner = {
        "left": slide_offset(image.x, left, tier),
        "top": slide_offset(image.y, top, tier),
    }
    return {"downsample": tier, **corner, "width": width, "height": height}
