"""The kinds of sources, a row each: what names one, and what opens it, with its imports."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from atldld_xr.allen.bucket_layout import DATASETS_FILE
from atldld_xr.files.paths import without_scheme
from atldld_xr.settings import as_text, setting
from atldld_xr.sources.protocol import Source

PUBLIC_BUCKET = "s3://allen-mouse-brain-atlas"
"""Allen's own, of adult mouse ISH; whoever asks needs no account."""


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes
    ----------
    name : str
        A word for it.
    how : str
        How one is named, for errors.
    is_named_by : callable
        ``is_named_by(text) -> bool``; asks nobody but this machine's disks.
    open : callable
        ``open(text) -> Source``.
    """

    name: str
    how: str
    is_named_by: Callable[[str], bool]
    open: Callable[[str], Source]


def open_phantom(_: str) -> Source:
    """Return the built-in data sets."""
    from atldld_xr.sources.phantom import PhantomSource

    return PhantomSource()


def _open_auto(_: str) -> Source:
    from atldld_xr.sources.auto import open_auto

    return open_auto()


def open_service(text: str) -> Source:
    """Return the service at an address; "service" is the one of the setting ``api_url``."""
    from atldld_xr.sources.api import ApiSource

    return ApiSource(setting("api_url", as_text) if text == "service" else text)


def _open_bucket(text: str) -> Source:
    from atldld_xr.sources.bucket import BucketSource

    return BucketSource(PUBLIC_BUCKET if text == "bucket" else text)


def open_mirror(text: str) -> Source:
    """Return the mirror at a path or URL."""
    from atldld_xr.sources.mirror import MirrorSource

    return MirrorSource(text)


def _is_service(text: str) -> bool:
    if text == "service":
        return True
    if not text.startswith(("http://", "https://")):
        return False
    try:
        return urlsplit(text).path.rstrip("/").endswith("/api/v2")
    except ValueError:  # malformed: ApiSource says in which way
        return True


def _is_bucket(text: str) -> bool:
    plain = text.rstrip("/")
    return plain in ("bucket", PUBLIC_BUCKET) or plain.endswith(f"/{DATASETS_FILE}")


def _is_mirror(text: str) -> bool:
    import fsspec

    if without_scheme(text) != text or os.path.exists(os.path.expanduser(text)):
        return True
    protocol, colon, rest = text.partition("://")
    return bool(colon and rest) and protocol.split("::")[0] in fsspec.available_protocols()


KINDS = (
    Kind("phantom", '"phantom" for the built-in data sets', "phantom".__eq__, open_phantom),
    Kind("auto", '"auto" for the first that has the data set', "auto".__eq__, _open_auto),
    Kind("service", "the service's address (http(s)://.../api/v2)", _is_service, open_service),
    Kind(
        "bucket",
        f"\"bucket\" for Allen's public one, the address of another's {DATASETS_FILE}",
        _is_bucket,
        _open_bucket,
    ),
    # Last, as any address can be one.
    Kind("mirror", "the path or URL of a mirror that exists, or its .zip", _is_mirror, open_mirror),
)
"""In the order in which a text is held against them."""
