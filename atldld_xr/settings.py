"""Settings, like zarr's and dask's: argument > ``config.set`` > environment > file > default."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from atldld_xr.configuration import Settings, variable_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.forks import after_fork
from atldld_xr.messages.repeating import short

T = TypeVar("T")

config = Settings(
    "atldld_xr",
    defaults=[
        {
            # Where data sets come from by default: as the argument `source`. None: from api_url.
            "source": None,
            # The Allen service, or something that answers like it.
            "api_url": "https://api.brain-map.org/api/v2",
            # Where Allen's annotations are: VERSION/annotation_RESOLUTION.nrrd below it.
            "annotation_url": "http://download.alleninstitute.org/informatics-archive/"
            "current-release/mouse_ccf/annotation",
            # What source="auto" tries, in this order: words, addresses and paths as for `source`.
            "auto": {"sources": ["service", "bucket"]},
            # Bytes of pixels of a slide that are unpacked at once where no less can be.
            "bucket": {"limit": 300_000_000},
            "offline": False,  # take everything from the cache and from mirrors
            "cache": {
                "enabled": True,
                "directory": None,  # None: the user's cache directory of the platform
                "limit": 10_000_000_000,  # bytes of images kept on disk, or as "10GB"
                "metadata_days": 7,  # how long a record is taken as current
                "incomplete_minutes": 10,  # how long one in which something is missing is
            },
            "memory": {"limit": 256_000_000},  # bytes of decoded tiles kept without Dask
            "http": {
                "connections": 8,  # at once, per process
                "requests_per_second": None,  # at most, per process; None: as many as there are
                "retries": 6,
                "backoff": 0.5,  # seconds, doubled at each retry, with jitter
                "longest_wait": 60,  # seconds, between two tries
                "connect_timeout": 10,  # seconds
                "read_timeout": 60,  # seconds without a byte
                "least_rate": 1000,  # bytes a second, over each read_timeout
                "learn_redirects": True,  # ask where redirects led to, once they have shown it
                "allow_downgrade": True,  # follow redirects from https to http
            },
        }
    ],
)
"""The settings. ``ATLDLD_XR_API_URL`` sets ``api_url``, ``ATLDLD_XR_CACHE__LIMIT`` ``cache.limit``,
and so on; files are read from ``~/.config/atldld_xr/*.yaml``.

Each process has its own. The workers of a cluster take theirs from their environment and files:
what the client sets with ``config.set`` does not reach them."""

# donfig's lock, which another thread may have held.
after_fork(lambda: setattr(config, "config_lock", type(config.config_lock)()))

_DAY = 86_400
# What would make a loop, a wait or a socket fail, or never end, is refused by name instead.
_RANGES = {
    "http.connections": (1, 1000),
    "http.requests_per_second": (0.001, 100_000),
    "http.retries": (0, 1000),
    "http.backoff": (0, _DAY),
    "http.longest_wait": (0, _DAY),
    "http.connect_timeout": (0.001, _DAY),
    "http.read_timeout": (0.001, _DAY),
    "http.least_rate": (0, 1_000_000_000),
}


def setting(name: str, kind: Callable[[Any], T]) -> T:
    """Return a setting's value, of its kind and within its range.

    Parameters
    ----------
    name : str
        The setting, for instance "http.retries".
    kind : callable
        One of `as_bool`, `as_int`, `as_float`, `as_rate`, `as_bytes`, `as_path`, `as_text`,
        `as_list` and `as_source`.

    Raises
    ------
    InvalidArgumentError
        If it has another value; says which setting, and where it was set.
    """
    value = config.get(name, default=None)
    least, most = _RANGES.get(name, (0, math.inf))
    try:
        result = kind(value)
        if not isinstance(result, int | float) or least <= result <= most:
            return result
    except (TypeError, ValueError, OverflowError):
        pass
    group = name.rpartition(".")[0]
    if group and not isinstance(found := config.get(group, default=None), Mapping):
        raise InvalidArgumentError(
            f"the setting {group} ({config.origin(name)}) is {short(found)}; it is a group of "
            f"settings, such as {name}"
        )
    words = _WORDS[kind].format(least=least, most=f" and at most {most}" * (most < math.inf))
    raise InvalidArgumentError(
        f"the setting {name} ({told_origin(name)}) is {short(value)}; it takes {words}"
    )


def told_origin(name: str) -> str:
    """Return where a setting's value is from, and the environment variable that also sets it."""
    variable, origin = variable_of(config.env_prefix, name), config.origin(name)
    return origin if variable in origin else f"{origin}; environment variable {variable}"


def as_bool(value: Any) -> bool:
    """Return whether a setting is on: environment variables give words and numbers."""
    word = str(value).strip().lower()
    if word not in _ON | _OFF:
        raise ValueError(word)
    return word in _ON


def as_float(value: Any) -> float:
    """Return a number."""
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def as_rate(value: Any) -> float | None:
    """Return a number, None where none is given."""
    return None if value is None or value == "" else as_float(value)


def as_int(value: Any) -> int:
    """Return a whole number."""
    number = as_float(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def as_bytes(value: Any) -> int:
    """Return a number of bytes, given as such or as "10GB"."""
    if not isinstance(value, str):
        return as_int(value)
    if not value.strip()[:1].isdigit():  # Dask takes "" and "GB" as one of them
        raise ValueError(value)
    from dask.utils import parse_bytes

    return int(parse_bytes(value))


def as_path(value: Any) -> str | None:
    """Return a path, None where none is given."""
    if value is None or value == "":
        return None
    path = os.fsdecode(value)
    if "\0" in path:
        raise ValueError(path)
    return path


def as_text(value: Any) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str):
        raise TypeError
    if not value.strip():
        raise ValueError
    return value


def as_source(value: Any) -> Any:
    """Return an address, a path or a source object; None where none is given."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float | bool | Mapping | list | tuple):
        raise TypeError
    return value


def as_list(value: Any) -> list[Any]:
    """Return a list that is not empty; environment variables give one with commas."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts or "" in parts:
        raise ValueError(value)
    return list(parts)


_ON, _OFF = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
_WORDS: dict[Callable[[Any], object], str] = {
    as_bool: "true or false",
    as_float: "a number of at least {least}{most}",
    as_rate: "a number of at least {least}{most}, or nothing",
    as_int: "a whole number of at least {least}{most}",
    as_bytes: "a number of bytes such as 500MB or 10GB",
    as_path: "a path",
    as_text: "a text",
    as_list: "a list, or words with commas between them",
    as_source: "an address, the path or URL of a mirror, or a source object",
}

KINDS: dict[str, Callable[[Any], Any]] = {
    "source": as_source,
    "api_url": as_text,
    "annotation_url": as_text,
    "auto.sources": as_list,
    "bucket.limit": as_bytes,
    "offline": as_bool,
    "cache.enabled": as_bool,
    "cache.directory": as_path,
    "cache.limit": as_bytes,
    "cache.metadata_days": as_float,
    "cache.incomplete_minutes": as_float,
    "memory.limit": as_bytes,
    "http.connections": as_int,
    "http.requests_per_second": as_rate,
    "http.retries": as_int,
    "http.backoff": as_float,
    "http.longest_wait": as_float,
    "http.connect_timeout": as_float,
    "http.read_timeout": as_float,
    "http.least_rate": as_float,
    "http.learn_redirects": as_bool,
    "http.allow_downgrade": as_bool,
}
"""What each setting is."""
