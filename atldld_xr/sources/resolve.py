"""What a `source` argument means."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from atldld_xr.allen.ids import is_phantom, parse_dataset_name
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.files.paths import without_scheme
from atldld_xr.messages.repeating import hide_credentials, short
from atldld_xr.settings import as_source, as_text, setting, told_origin
from atldld_xr.sources.protocol import Source

__all__ = ["parse_dataset_name", "resolve"]


def resolve(source: object, dataset: object = None) -> Source:
    """Return the source that an argument stands for.

    Parameters
    ----------
    source : Source, str, path or None
        A source; "phantom" for the built-in data sets; the address of the service, which ends in
        ``/api/v2``; the path or URL of a mirror; or None for the setting ``source`` and, where that
        is None too, ``api_url``. For a phantom's name None is the phantom.
    dataset : int or str, optional
        What is to be opened.

    Raises
    ------
    InvalidArgumentError
        If it stands for none.
    """
    if isinstance(source, Source):
        return source
    if source == "phantom" or (source is None and is_phantom(dataset)):
        from atldld_xr.sources.phantom import PhantomSource

        return PhantomSource()
    if source is None:
        return _default()
    if isinstance(source, os.PathLike):
        return _mirror(os.fsdecode(source))
    if isinstance(source, str):
        if source.startswith(("http://", "https://")) and _is_service(source):
            return _service(source)
        path = without_scheme(source)
        if path != source or _is_known_url(source) or os.path.exists(os.path.expanduser(source)):
            return _mirror(source)
        source = hide_credentials(source)
    raise InvalidArgumentError(
        f"{short(source)} is no source: give the service's address (http(s)://.../api/v2), the "
        'path or URL of a mirror that exists, "phantom", a Source object, or nothing for the Allen '
        "service"
    )


def _default() -> Source:
    """Return the source that the settings name."""
    name, chosen = "source", setting("source", as_source)
    if chosen is None:
        name, chosen = "api_url", setting("api_url", as_text)
    try:
        return _service(chosen) if name == "api_url" else resolve(chosen)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"the setting {name} ({told_origin(name)}): {error}") from None


def _service(url: str) -> Source:
    from atldld_xr.sources.api import ApiSource  # of the sources, who opens one needs no other

    return ApiSource(url)


def _mirror(path: str) -> Source:
    from atldld_xr.sources.mirror import MirrorSource

    return MirrorSource(path)


def _is_service(url: str) -> bool:
    try:
        return urlsplit(url).path.rstrip("/").endswith("/api/v2")
    except ValueError:  # malformed: ApiSource says in which way
        return True


def _is_known_url(text: str) -> bool:
    import fsspec

    protocol, colon, rest = text.partition("://")
    return bool(colon and rest) and protocol.split("::")[0] in fsspec.available_protocols()
