"""What a `source` argument means."""

from __future__ import annotations

import os

from atldld_xr.allen.ids import is_phantom, parse_dataset_name
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.settings import as_source, as_text, setting, told_origin
from atldld_xr.sources.kinds import KINDS, open_mirror, open_phantom, open_service
from atldld_xr.sources.protocol import Source

__all__ = ["parse_dataset_name", "resolve"]


def resolve(source: object, dataset: object = None) -> Source:
    """Return the source that an argument stands for.

    Parameters
    ----------
    source : Source, str, path or None
        A source; what names one of `KINDS`; a path object, which is a mirror's whatever its name;
        or None for the setting ``source`` and, where that is None too, ``api_url``. For a
        phantom's name None is the phantom.
    dataset : int or str, optional
        What is to be opened.

    Raises
    ------
    InvalidArgumentError
        If it stands for none.
    """
    if isinstance(source, Source):
        return source
    if source is None:
        return open_phantom("phantom") if is_phantom(dataset) else _default()
    if isinstance(source, os.PathLike):
        return open_mirror(os.fsdecode(source))
    if isinstance(source, str):
        for kind in KINDS:
            if kind.is_named_by(source):
                return kind.open(source)
        source = hide_credentials(source)
    raise InvalidArgumentError(
        f"{short(source)} is no source: give {'; '.join(kind.how for kind in KINDS)}; a Source "
        "object; or nothing for the Allen service"
    )


def _default() -> Source:
    """Return the source that the settings name."""
    name, chosen = "source", setting("source", as_source)
    if chosen is None:
        name, chosen = "api_url", setting("api_url", as_text)
    try:
        return open_service(chosen) if name == "api_url" else resolve(chosen)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"the setting {name} ({told_origin(name)}): {error}") from None
