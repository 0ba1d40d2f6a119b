"""What is different in two plans of a store: the one that is there, and the one asked for. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from atldld_xr.store.consolidated import same
from atldld_xr.store.store_plan import OME_KEY

# Attributes that say what was asked for; others may have become others with the version.
_ASKED = (
    "section_data_set_id", "resolution", "anchor", "interpolation", "reference_space_id", "source"
)  # fmt: skip


_DIGESTS = "made of", "crc32c of files"


def equal_except_on_error(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Return whether two plans are the same but for what is done about failing sections."""
    return same({**stored, "on_error": asked["on_error"]}, asked)


def adds_failure_report(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Return whether a plan also tells of failing sections, which the other one ends at."""
    more = asked["values"].keys() - stored["values"].keys()
    asked_without = {
        part: {key: v for key, v in asked[part].items() if key.partition("/")[0] not in more}
        for part in ("values", "made of", "crc32c of files")
    }
    fills = (stored["on_error"], asked["on_error"]) == ("raise", "fill")
    return bool(more) and fills and equal_except_on_error(stored, {**asked, **asked_without})


def shared(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a plan what one of another version can be compared with."""
    return {
        **{key: value for key, value in plan.items() if key != "format"},
        "dataset": {key: plan["dataset"][key] for key in _ASKED if key in plan["dataset"]},
        "arrays": {name: {**meta, "attributes": {}} for name, meta in plan["arrays"].items()},
    }


def difference(stored: Mapping[str, Any], asked: Mapping[str, Any], most: int = 3) -> str:
    """Return in words what is different in two plans, first what was asked for; "" if nothing.

    Parameters
    ----------
    stored, here : mapping
        The plan of the store, and the one that is asked for.
    most : int
        How many differences are told of.
    """
    words = list(differences(_grid(stored), _grid(asked)))
    if stored["format"] != asked["format"]:  # which explains nothing
        stored, asked = shared(stored), shared(asked)

    def differing_in(part: Callable[[Mapping[str, Any]], Any]) -> list[str]:
        return list(islice(differences(part(stored), part(asked)), most + 1))

    words += differing_in(lambda plan: {key: plan["dataset"].get(key) for key in _ASKED})
    words += differing_in(lambda plan: dict.fromkeys(plan["arrays"]))
    if not words:  # digests are told of only where nothing says it better
        words = differing_in(lambda plan: {k: v for k, v in plan.items() if k not in _DIGESTS})
    return "; ".join([*words[:most], *(["and more"] if len(words) > most else [])])


def _grid(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the planes of an OME-Zarr are."""
    own = plan["dataset"].get(OME_KEY)
    grid = own.get("planes") if isinstance(own, Mapping) else None
    return {"step": grid.get("step")} if isinstance(grid, Mapping) else {}


def changed(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return what is of the same shape in two plans, and made of something else."""
    keys = {key for part in _DIGESTS for key, _ in stored[part].items() ^ asked[part].items()}
    return sorted({key.partition("/")[0] for key in keys})


def differences(stored: Any, asked: Any, name: str = "") -> Iterator[str]:
    """Yield in words what is different in two plans, as far down as both have it."""
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        for key in [*asked, *(k for k in stored if k not in asked)]:
            below = f"{name}.{key}" if name else str(key)
            if key not in stored or key not in asked:
                yield f"{below} is only {'asked' if key in asked else 'there'}"
            else:
                yield from differences(stored[key], asked[key], below)
    elif not same(stored, asked):
        yield f"{name}: {_short(stored)} there, {_short(asked)} asked"


def _short(value: Any) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    text = "nothing" if value is None else json.dumps(int(value) if is_whole else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
