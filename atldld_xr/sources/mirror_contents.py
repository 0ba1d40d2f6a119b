"""What a mirror holds, by the names of its files or by its manifest; neither is trusted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from atldld_xr.allen.tiers import Tile, View
from atldld_xr.foreign_json import parse_json

MANIFEST = "mirror.json"
"""What a mirror holds, for those that cannot list it; and what could not be put there."""

_VIEWS = get_args(View)
_ID = r"[1-9]\d{0,18}"
_TIER = r"\d|1\d"
_DATASET_FILE = re.compile(rf"section_data_set_({_ID})\.json")
_IMAGE_FILE = re.compile(
    rf"section_image_({_ID})_downsample_({_TIER})(_\d+_\d+_\d+x\d+)?(?:_(expression|intensity))?\.jpg"
)
_IN_A_PAGE = re.compile(r"section_[a-z0-9_]{1,99}\.(?:jpg|json)")


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
        By image id and view, the tiers, each with whether it is there in one piece.
    failures : mapping
        By the names of their files, what could not be put there; of a manifest.
    """

    known: bool
    datasets: frozenset[int] = frozenset()
    images: Mapping[tuple[int, str], Mapping[int, bool]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def dataset_file(dataset_id: int) -> str:
    """Return the name of a data set's metadata in a mirror."""
    return f"section_data_set_{dataset_id}.json"


def image_file(image_id: int, tile: Tile, view: View) -> str:
    """Return the name of a tile's JPEG in a mirror."""
    place = "" if tile.whole else f"_{tile.left}_{tile.top}_{tile.width}x{tile.height}"
    suffix = "" if view == "image" else f"_{view}"
    return f"section_image_{image_id}_downsample_{tile.tier}{place}{suffix}.jpg"


def list_contents(names: Iterable[str]) -> Contents:
    """Tell from the names of its files what a mirror holds."""
    datasets = set()
    images: dict[tuple[int, str], dict[int, bool]] = {}
    for name in names:
        if match := _DATASET_FILE.fullmatch(name):
            datasets.add(int(match[1]))
        elif match := _IMAGE_FILE.fullmatch(name):
            tiers = images.setdefault((int(match[1]), match[4] or "image"), {})
            tiers[int(match[2])] = tiers.get(int(match[2]), False) or match[3] is None
    return Contents(True, frozenset(datasets), images)


def names_in_page(page: bytes) -> set[str]:
    """Return the names of a mirror's files that a web server's page about its folder has."""
    return set(_IN_A_PAGE.findall(page.decode("utf-8", "replace")))


def read_manifest(content: bytes) -> Contents:
    """Tell from its manifest what a mirror holds.

    Raises
    ------
    ValueError
        If that is no manifest: all of it is as good as not there, as it can be no mirror's of ours.
    """
    manifest = parse_json(content)
    try:
        datasets = [_id(value) for value in manifest["section_data_sets"]]
        images = {
            (_id(int(_matched(_ID, image_id))), view): {
                int(_matched(_TIER, tier)): bool(whole) for tier, whole in tiers.items()
            }
            for image_id, views in manifest["images"].items()
            for view, tiers in views.items()
            if view in _VIEWS
        }
        failures = {failure["file"]: dict(failure) for failure in manifest["failures"]}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is no manifest of a mirror: {type(error).__name__}") from None
    if not all(_IMAGE_FILE.fullmatch(name) for name in failures):
        raise ValueError("it names files that are none of a mirror")
    return Contents(True, frozenset(datasets), images, failures)


def _id(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1 << 63:
        raise ValueError("it has ids that are none")
    return value


def _matched(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError("it has numbers that are none")
    return text
