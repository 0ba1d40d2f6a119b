"""A body over several tries: what came before an answer broke off need not come again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atldld_xr.sources.retry import TryError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_PART = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class PartialBody:
    """What has come of a body, and by what the service knows whether the rest belongs to it.

    Attributes
    ----------
    content : bytearray
        What has come.
    """

    def __init__(self) -> None:
        self.content = bytearray()
        self._validator = ""
        self._total: int | None = None

    def headers(self) -> dict[str, str]:
        """Return what to ask with for the rest alone, if the body is still what it was."""
        if not self.content or not self._validator:
            return {}
        return {
            "Range": f"bytes={len(self.content)}-",
            "If-Range": self._validator,
            "Accept-Encoding": "identity",
        }

    def forget(self) -> None:
        """Start anew."""
        self.content, self._validator, self._total = bytearray(), "", None

    def begin(self, response: BaseHTTPResponse) -> None:
        """Take the headers of an answer, whose body then belongs at the end of what has come.

        Raises
        ------
        TryError
            If it is a part, and none that belongs there.
        """
        if response.status == 206:
            if not self._is_rest(response):
                self.forget()
                raise TryError("the service answered with another part than was asked for")
            return
        self.forget()
        if response.headers.get("Content-Encoding", "identity") != "identity":
            return  # its parts are parts of what is packed
        if response.headers.get("Accept-Ranges", "").strip().lower() != "none":
            self._validator = _validator(response)
        length = response.headers.get("Content-Length", "")
        self._total = int(length) if length.isdecimal() else None

    def _is_rest(self, response: BaseHTTPResponse) -> bool:
        part = _PART.fullmatch(response.headers.get("Content-Range", "").strip())
        if not part or not self.content or not self._validator:
            return False
        first, last, total = map(int, part.groups())
        return (
            first == len(self.content)
            and last == total - 1
            and self._total in (None, total)
            and _validator(response) == self._validator
            and response.headers.get("Content-Encoding", "identity") == "identity"
        )


def _validator(response: BaseHTTPResponse) -> str:
    """Return what tells a version of the body from others; a weak ETag does not to the byte."""
    tag = str(response.headers.get("ETag", "")).strip()
    if tag and not tag.startswith("W/"):
        return tag
    return str(response.headers.get("Last-Modified", "")).strip()
