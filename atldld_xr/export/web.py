"""Stores on web servers: files are read up to a bound, folders where there are listings of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

_PIECE = 1 << 20
_LISTING = 1 << 24  # bytes that a folder's can sensibly have
_DEEPEST = 16  # folders below each other; a store has some six
_MOST = 1 << 24  # files and folders, for servers that go on for ever
_NOT_SHOWN = (400, 401, 403, 405, 410)


def address(url: str, key: str) -> str:
    """Return where a file is; a key is a path, in which "?", "#" and "%" mean nothing."""
    return f"{url}/{quote(key)}"


def pieces(fs: Any, url: str, most: int | None = None) -> Iterator[bytes]:
    """Yield what is at an address, piece by piece.

    Parameters
    ----------
    fs : fsspec.implementations.http.HTTPFileSystem
        Asks.
    url : str
        The address.
    most : int, optional
        The most bytes that are taken in.

    Raises
    ------
    FileNotFoundError
        If the server says that there is nothing.
    Exception
        What the file system has for all other answers, and for none.
    """
    left = most
    # As a stream of unknown size: asking for the size first calls every failure "not found", and
    # there are servers that send all of what they are asked a range of.
    with fs.open(url, "rb", block_size=0, size=1) as file:
        while left is None or left > 0:
            piece: bytes = file.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                break
            yield piece
            left = None if left is None else left - len(piece)


def links(page: bytes, url: str) -> tuple[set[str], set[str]]:
    """Return the names of the files and of the folders that a folder's page leads to. Pure.

    Parameters
    ----------
    page : bytes
        What the server sends for the folder.
    url : str
        The folder's address, with "/" at its end.
    """
    parser = _Links()
    parser.feed(page.decode("utf-8", "replace"))
    top = urlsplit(url)
    files: set[str] = set()
    folders: set[str] = set()
    for link in parser.found:
        try:
            found = urlsplit(urljoin(url, link))
        except ValueError:
            continue
        # Others sort the page, lead to the folder above, or away.
        is_here = found[:2] == top[:2] and not found.query and not found.fragment
        path, start = unquote(found.path), unquote(top.path)
        name = path.removeprefix(start)
        if not is_here or name == path or name in ("", "/") or "/" in name[:-1]:
            continue
        (folders if name.endswith("/") else files).add(name.rstrip("/"))
    return files, folders


def walk(fs: Any, url: str, below: str = "") -> list[str] | None:
    """Return the keys of all files in a folder; None if the server does not list its folders.

    Parameters
    ----------
    fs : fsspec.implementations.http.HTTPFileSystem
        Asks.
    url : str
        The store's address.
    below : str
        The folder to look at, of the store.

    Raises
    ------
    Exception
        What the file system has for a server that fails, or does not answer.
    """

    def look(folder: str) -> tuple[list[str], list[str]] | None:
        page = _page(fs, address(url, folder))
        if page is None:
            return None
        files, folders = links(page, address(url, folder))
        return [f"{folder}{name}" for name in files], [f"{folder}{name}/" for name in folders]

    keys: list[str] = []
    folders = [f"{below}/" if below else ""]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(_DEEPEST):
            found = [some for some in pool.map(look, folders) if some is not None]
            if len(found) < len(folders):  # half a listing is none
                return None
            keys += sorted(key for files, _ in found for key in files)
            folders = sorted(folder for _, more in found for folder in more)
            if not folders:
                return keys or None
            if len(keys) + len(folders) > _MOST:
                break
    return None


def _page(fs: Any, url: str) -> bytes | None:
    """Return a folder's page, None if the server has none to show."""
    try:
        return b"".join(pieces(fs, url, _LISTING))
    except FileNotFoundError:
        return None
    except Exception as error:  # aiohttp's, which is not imported for all other stores
        if getattr(error, "status", None) in _NOT_SHOWN:
            return None
        raise


class _Links(HTMLParser):
    """What the links of a page lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]
