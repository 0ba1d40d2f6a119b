"""What a mirror holds, by the names of its files or by its manifest; neither is trusted. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from atldld_xr.allen import rma
from atldld_xr.allen.metadata import single_record
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.allen.values import items
from atldld_xr.errors import MetadataError
from atldld_xr.foreign_json import parse_json
from atldld_xr.messages.repeating import short
from atldld_xr.sources.kept_pieces import SIDES, side_of
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE

MANIFEST = "mirror.json"
"""What a mirror holds, for those that cannot list it; and what could not be put there."""

MOST_MANIFEST_BYTES = 100_000_000
"""Bytes of a manifest: all images of Allen's, three views of each at three tiers, have 95 MB."""

_FORMATS = (1, 2)  # 2: of some tiers there are squares of tiles, which readers of 1 do not look for
_MOST_IMAGES = 1_000_000  # Allen's are 700 000
_MOST_KINDS = 10_000  # of images, by the views and tiers that there are
_MOST_OTHER_BYTES = 16_000_000
# What is read of an image, as `name_of` says it: a view, or a range of its 16 bits.
_RANGE = r"range(?:_\d{1,4}){6}"
_OF_IMAGES = ("products", "equalization", "red_channel", "green_channel", "blue_channel")
_NAMES = (*get_args(View), _RANGE)
_MASKS = "|".join(name for name in _NAMES if name != "image")
_ID = r"[1-9]\d{0,18}"
_TIER = r"\d|1\d"
_DATASET_FILE = re.compile(rf"section_data_set_({_ID})\.json")
_IMAGE_FILE = re.compile(
    rf"section_image_({_ID})_downsample_({_TIER})(?:_\d+_\d+_(\d+)x(\d+))?(?:_({_MASKS}))?\.jpg"
)
# An image in a manifest, to the comma after it. Quotes in strings are escaped, so none has it.
_HELD = rf'"(?:{"|".join(_NAMES)})"\s*+:\s*+\{{[^{{}}]*+\}}\s*+'
_IMAGE = re.compile(rf'"({_ID})"\s*+:\s*+(\{{\s*+{_HELD}(?:,\s*+{_HELD})*+\}})\s*+,?\s*+'.encode())
_IN_A_PAGE = re.compile(r"section_[a-z0-9_]{1,99}\.(?:jpg|json)(?!\.\w)")  # nor one under way


Held = bool | tuple[int, ...]
"""How a tier is there: True in one piece, False in tiles; or the sides of the squares of tiles."""

Views = Mapping[str, Mapping[int, Held]]
"""By view, the tiers that are there, each with how."""


@dataclass(frozen=True)
class Contents:
    """What a mirror holds.

    Attributes
    ----------
    known : bool
        False where neither a listing nor a manifest is to be had.
    datasets : frozenset of int
        The ids of the data sets whose metadata are there.
    images : mapping
        By image id and what is read (`name_of`), the tiers, each with how it is there. Images of
        which the same is there may share it: it is not to be changed.
    failures : mapping
        By the names of their files, what could not be put there; of a manifest.
    """

    known: bool
    datasets: frozenset[int] = frozenset()
    images: Mapping[int, Views] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def tiers(self, image_id: int, name: str) -> Mapping[int, Held]:
        """Return the tiers of an image that are there, each with how it is there."""
        return self.images.get(image_id, {}).get(name, {})

    def sides(self, image_id: int, tier: int, name: str) -> tuple[int, ...]:
        """Return the sides of the squares in which a tier is there, but for one piece of it all."""
        held = self.tiers(image_id, name).get(tier, ())
        return held if isinstance(held, tuple) else () if held else (TILE_SIDE,)


def dataset_file(dataset_id: int) -> str:
    """Return the name of a data set's metadata in a mirror."""
    return f"section_data_set_{dataset_id}.json"


def image_file(image_id: int, tile: Tile, name: str) -> str:
    """Return the name of a tile's JPEG in a mirror, of what `name_of` says is read."""
    place = "" if tile.whole else f"_{tile.left}_{tile.top}_{tile.width}x{tile.height}"
    suffix = "" if name == "image" else f"_{name}"
    return f"section_image_{image_id}_downsample_{tile.tier}{place}{suffix}.jpg"


def parse_record(body: bytes, dataset_id: int, path: str) -> Mapping[str, Any]:
    """Return the record in a data set's file of the mirror at a path.

    Raises
    ------
    MetadataError
        If it is damaged or another's.
    """
    name = f"section data set {dataset_id}"
    file = f"{path}/{dataset_file(dataset_id)}"
    try:
        envelope = rma.parse_envelope(body)
    except ValueError as error:
        raise MetadataError(f"{name}: {file} is damaged: {error}") from error
    record = single_record(envelope["msg"], name)
    if record.get("id") != dataset_id:
        raise MetadataError(f"{name}: {file} is about {short(record.get('id'))}")
    return record


def told_missing(tiers: Collection[int] | None, tier: int, view: str) -> str:
    """Return in words what a mirror lacks of an image of which it has some tiers, or none known."""
    what = view.replace("_", " ") + ("" if view.startswith(("image", "range")) else " mask")
    if tiers is not None and tier in tiers:
        return f"the mirror misses a part of its {what} at tier {tier}"
    reason = f"the mirror has no {what} of it at tier {tier}"
    if tiers is None:
        return reason
    has = f"tiers {', '.join(map(str, sorted(tiers)))}" if tiers else "none at all"
    return f"{reason} (it has {has})"


def told_holdings(contents: Contents) -> str:
    """Return in words which data sets a mirror has."""
    if not contents.known:
        return "there is no mirror there, or none that can be listed"
    ids = [str(i) for i in sorted(contents.datasets)]
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"it holds {', '.join(ids[:10])}{more}" if ids else "it holds none"


def find_image(dataset: Mapping[str, Any], image_id: int) -> Mapping[str, Any] | None:
    """Return an image's record of its data set's, with what that says of its images, or None."""
    name = f"section data set {dataset.get('id')}"
    for record in items(dataset, "section_images", name):
        if isinstance(record, Mapping) and record.get("id") == image_id:
            return {"section_data_set": {key: dataset.get(key) for key in _OF_IMAGES}, **record}
    return None


def list_contents(names: Iterable[str]) -> Contents:
    """Tell from the names of its files what a mirror holds."""
    datasets = set()
    images: dict[int, dict[str, dict[int, Held]]] = {}
    for name in names:
        if match := _DATASET_FILE.fullmatch(name):
            datasets.add(int(match[1]))
        elif match := _IMAGE_FILE.fullmatch(name):
            views = images.setdefault(int(match[1]), {})
            tiers = views.setdefault(match[5] or "image", {})
            tier, held = int(match[2]), _held(match[3], match[4])
            tiers[tier] = add_held(tiers.get(tier), held)
    return Contents(True, frozenset(datasets), images)


def _held(width: str | None, height: str | None) -> Held:
    """Return how a file says that a tier is there; it is whole if it tells no size."""
    if width is None or height is None:
        return True
    return (min(side_of(int(width[:9]), int(height[:9])), PIECE_SIDE),)


def add_held(held: Held | None, more: Held) -> Held:
    """Return how a tier is there, where more of it is."""
    if held is True or more is True:
        return True
    sides = {TILE_SIDE} if held is False else set(held or ())
    sides |= {TILE_SIDE} if more is False else set(more)
    return False if sides <= {TILE_SIDE} else tuple(sorted(sides))


def names_in_page(page: bytes) -> set[str]:
    """Return the names of a mirror's files that a web server's page about its folder has."""
    return set(_IN_A_PAGE.findall(page.decode("utf-8", "replace")))


def read_manifest(content: bytes) -> Contents:
    """Tell from its manifest what a mirror holds.

    Images are taken out of the text one by one, as there are many of few kinds: those of all of
    Allen's take 120 MB beside the text, where parsing them all takes 0.8 GB (measured).

    Raises
    ------
    ValueError
        If that is no manifest of ours, or more than one that can be; in words. Nothing of it is to
        be believed then, and it is nobody's to replace.
    """
    if len(content) > MOST_MANIFEST_BYTES:
        raise ValueError(f"it has more than {MOST_MANIFEST_BYTES:,} bytes")
    images: dict[int, Views] = {}
    kinds: dict[bytes, Views] = {}

    def take(match: re.Match[bytes]) -> bytes:
        image_id, text = match.groups()
        if text not in kinds:
            kinds[text] = _read_views(text)
        images[_id(int(image_id))] = kinds[text]
        if len(images) > _MOST_IMAGES or len(kinds) > _MOST_KINDS:
            raise ValueError(f"it has more than {_MOST_IMAGES:,} images, or of too many kinds")
        return b""

    rest = parse_json(_IMAGE.sub(take, content), most=_MOST_OTHER_BYTES)
    try:
        if rest.get("format", 1) not in _FORMATS:
            raise ValueError(f"it is of the format {short(rest['format'])}, not 1 or 2")
        datasets = [_id(value) for value in rest["section_data_sets"]]
        failures = {_image_name(failure["file"]): dict(failure) for failure in rest["failures"]}
        if rest["images"] != {}:
            raise ValueError("it has images that are none")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is no manifest of a mirror: {type(error).__name__}") from None
    return Contents(True, frozenset(datasets), images, failures)


def _read_views(text: bytes) -> Views:
    return {
        view: {int(_matched(_TIER, tier)): _read_held(held) for tier, held in tiers.items()}
        for view, tiers in parse_json(text).items()
    }


def _read_held(value: Any) -> Held:
    if not isinstance(value, list):
        return bool(value)
    if not value or any(type(side) is not int or side not in SIDES for side in value):
        raise ValueError("it has squares of no such side")
    return add_held(None, tuple(value))


def write_manifest(contents: Contents, source: str) -> bytes:
    """Return the manifest of a mirror, a line an image.

    Parameters
    ----------
    contents : Contents
        What it holds.
    source : str
        Where that is from.

    Raises
    ------
    ValueError
        If that is more than `read_manifest` reads.
    """
    texts: dict[int, str] = {}  # by identity: most images share what they have

    def text(views: Views) -> str:
        if id(views) not in texts:
            texts[id(views)] = json.dumps(views, separators=(",", ":"))
        return texts[id(views)]

    has_squares = any(
        isinstance(held, tuple)
        for views in {id(views): views for views in contents.images.values()}.values()
        for tiers in views.values()
        for held in tiers.values()
    )
    head = {
        "format": 2 if has_squares else 1,
        "source": source,
        "section_data_sets": sorted(contents.datasets),
        "failures": [contents.failures[name] for name in sorted(contents.failures)],
    }
    images = ",\n".join(f'"{i}":{text(views)}' for i, views in contents.images.items())
    manifest = f'{json.dumps(head)[:-1]}, "images": {{\n{images}\n}}}}\n'.encode()
    read_manifest(manifest)
    return manifest


def _id(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1 << 63:
        raise ValueError("it has ids that are none")
    return value


def _image_name(value: Any) -> str:
    if not isinstance(value, str) or not _IMAGE_FILE.fullmatch(value):
        raise ValueError("it names files that are none of a mirror")
    return value


def _matched(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError("it has numbers that are none")
    return text
