"""Plans compared: whether one export can go on with another's store, and what differs. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from atldld_xr.export.consolidated import same

# Attributes that say what was asked for; others may have become others with the version.
_ASKED = (
    "section_data_set_id", "resolution", "anchor", "interpolation", "reference_space_id", "source"
)  # fmt: skip


_DIGESTS = "made of", "crc32c of files"


def is_that_but_for_failures(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Return whether two plans are the same but for what is done about failing sections."""
    return same({**there, "on_error": here["on_error"]}, here)


def extends(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Return whether a plan also tells of failing sections, which the other one ends at."""
    more = here["values"].keys() - there["values"].keys()
    told = {
        part: {key: v for key, v in here[part].items() if key.partition("/")[0] not in more}
        for part in ("values", "made of", "crc32c of files")
    }
    fills = (there["on_error"], here["on_error"]) == ("raise", "fill")
    return bool(more) and fills and is_that_but_for_failures(there, {**here, **told})


def shared(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a plan what one of another version can be compared with."""
    return {
        **{key: value for key, value in plan.items() if key != "format"},
        "dataset": {key: plan["dataset"][key] for key in _ASKED if key in plan["dataset"]},
        "arrays": {name: {**meta, "attributes": {}} for name, meta in plan["arrays"].items()},
    }


def difference(there: Mapping[str, Any], here: Mapping[str, Any], most: int = 3) -> str:
    """Return in words what is different in two plans, first what was asked for; "" if nothing.

    Parameters
    ----------
    there, here : mapping
        The plan of the store, and the one that is asked for.
    most : int
        How many differences are told of.
    """
    if there["format"] != here["format"]:  # which explains nothing
        there, here = shared(there), shared(here)

    def found_in(part: Callable[[Mapping[str, Any]], Any]) -> list[str]:
        return list(islice(differences(part(there), part(here)), most + 1))

    found = found_in(lambda plan: {key: plan["dataset"].get(key) for key in _ASKED})
    found += found_in(lambda plan: dict.fromkeys(plan["arrays"]))
    if not found:  # digests are told of only where nothing says it better
        found = found_in(lambda plan: {k: v for k, v in plan.items() if k not in _DIGESTS})
    return "; ".join([*found[:most], *(["and more"] if len(found) > most else [])])


def changed(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return what is of the same shape in two plans, and made of something else."""
    keys = {key for part in _DIGESTS for key, _ in there[part].items() ^ here[part].items()}
    return sorted({key.partition("/")[0] for key in keys})


def differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """Yield in words what is different in two plans, as far down as both have it."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*here, *(k for k in there if k not in here)]:
            below = f"{name}.{key}" if name else str(key)
            if key not in there or key not in here:
                yield f"{below} is only {'asked' if key in here else 'there'}"
            else:
                yield from differences(there[key], here[key], below)
    elif not same(there, here):
        yield f"{name}: {_short(there)} there, {_short(here)} asked"


def _short(value: Any) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    text = "nothing" if value is None else json.dumps(int(value) if is_whole else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
