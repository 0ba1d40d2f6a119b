"""Names of a package that are imported when they are first used, so that importing it is quick."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def find_name(package: str, name: str, places: Mapping[str, str]) -> Any:
    """Return what a package has under a name: what is listed, or else one of its modules.

    Parameters
    ----------
    package : str
        The package.
    name : str
        What is looked for.
    places : mapping
        The module of each name that is listed.

    Raises
    ------
    AttributeError
        If there is none.
    """
    if name in places:
        return getattr(import_module(places[name]), name)
    module = f"{package}.{name}"
    if not name.startswith("_") and find_spec(module):
        return import_module(module)
    raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
