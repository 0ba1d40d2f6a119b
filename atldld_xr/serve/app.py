"""Stores over HTTP: what viewers ask for, answered from plans. Needs the extra "serve".

A path has a digest of what is served in it, so that whatever a viewer has kept under it is right
for ever; errors are never kept. Who leaves before their chunk was begun costs nothing.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from atldld_xr.errors import (
    AtldldError,
    InvalidArgumentError,
    SectionImageError,
    ServiceError,
)
from atldld_xr.serve.extra import missing_extra
from atldld_xr.serve.view import state_asked

try:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import BaseRoute, Mount, Route
except ImportError as error:
    raise missing_extra(error) from error

if TYPE_CHECKING:
    from atldld_xr.serve.plan_store import PlanStore

SUFFIX = ".ome.zarr"

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "Accept-Ranges": "bytes"}
_NEVER = {"Cache-Control": "no-store"}
_LEFT = 499  # what servers log of a client that did not wait

_TOKEN = re.compile("[A-Za-z0-9_-]{1,256}")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def make_app(
    stores: Mapping[str, PlanStore],
    *,
    token: str | None = None,
    threads: Executor,
) -> Starlette:
    """Return an ASGI application that serves stores, for any server of such.

    Parameters
    ----------
    stores : mapping of PlanStore
        By name: that of "71717640" is at ``/DIGEST/71717640.ome.zarr/``, to which
        ``/71717640.ome.zarr/`` leads. What is added to it later is served, too.
    token : str, optional
        What all paths begin with, where others may not look: ``/TOKEN/71717640.ome.zarr/``.
    threads : Executor
        What makes chunks.

    Raises
    ------
    InvalidArgumentError
        If the token cannot be a part of a path.
    """
    check_token(token)
    shelf = _Shelf(stores, threads)
    # A viewer asks for what is on screen, in any page: nothing here is secret but by the token.
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        allow_headers=["*"],
        allow_private_network=True,
        expose_headers=["Accept-Ranges", "Content-Length", "Content-Range"],
        max_age=86_400,
    )
    routes: list[BaseRoute] = [
        Route("/", shelf.index),
        Route(f"/{{name}}{SUFFIX}", shelf.lead),
        Route(f"/{{name}}{SUFFIX}/{{key:path}}", shelf.lead),
        Route(f"/{{digest}}/{{name}}{SUFFIX}/{{key:path}}", shelf.answer),
    ]
    if token is not None:
        routes = [Mount("/{token}", routes=routes, middleware=[Middleware(_Guard, token=token)])]
    return Starlette(routes=routes, middleware=[cross_origin])


def check_token(token: object) -> None:
    """Refuse a token with which no path would be found.

    Raises
    ------
    InvalidArgumentError
        If it is not of letters, digits, "-" and "_" alone; what it is, is not told.
    """
    if token is not None and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        raise InvalidArgumentError('token is 1 to 256 letters, digits, "-" and "_"')


class _Shelf:
    """What is served, and what each kind of path is answered with."""

    def __init__(self, stores: Mapping[str, PlanStore], threads: Executor) -> None:
        self._stores, self._threads = stores, threads

    async def index(self, request: Request) -> Response:
        """Tell what there is."""
        root = _address(request).rstrip("/")
        found = {name: f"{root}{path_of(name, store)}" for name, store in self._stores.items()}
        return JSONResponse(found, headers=_NEVER)

    async def lead(self, request: Request) -> Response:
        """Lead to the path with the digest."""
        name, key = request.path_params["name"], request.path_params.get("key", "")
        store = self._stores.get(name)
        if store is None:
            return self._nothing(f"{name} is not served here")
        root = request.scope.get("root_path", "")
        return RedirectResponse(f"{root}{path_of(name, store)}{key}", headers=_NEVER)

    async def answer(self, request: Request) -> Response:
        """Give the bytes of a key, or a part of them."""
        name, key = request.path_params["name"], request.path_params["key"]
        store = self._stores.get(name)
        if store is None or store.digest != request.path_params["digest"]:
            return self._nothing(f"{name} is not served here with these options")
        if "/" not in key and (state := state_asked(store, _address(request))):
            return JSONResponse(state, headers=_NEVER)
        if not store.has(key):
            return PlainTextResponse("there is nothing", 404, headers=_FOR_EVER)
        try:
            content = store.files.get(key) or await self._make(request, store, key)
        except (SectionImageError, ServiceError) as error:
            return PlainTextResponse(_told(error), 502, headers=_NEVER)
        except AtldldError as error:
            return PlainTextResponse(str(error), 500, headers=_NEVER)
        except ClientLeft:
            return PlainTextResponse("the client has left", _LEFT, headers=_NEVER)
        if content is None:
            return PlainTextResponse("all of it is fill", 404, headers=_FOR_EVER)
        is_json = key in store.files
        kind = "application/json" if is_json else "application/octet-stream"
        return _whole_or_part(content, request.headers.get("range"), kind)

    async def _make(self, request: Request, store: PlanStore, key: str) -> bytes | None:
        """Make a chunk in a thread, unless the client leaves before one is free.

        Raises
        ------
        ClientLeft
            If it has left.
        """
        made = asyncio.wrap_future(self._threads.submit(store.read, key))
        left = asyncio.ensure_future(_client_leaves(request))
        try:
            either: set[asyncio.Future[Any]] = {made, left}
            with suppress(asyncio.CancelledError):  # as the server ends
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not made.done():
                raise ClientLeft
            return made.result()
        finally:
            made.cancel()  # if it has begun it goes on to its end, as others may be waiting for it
            left.cancel()

    @staticmethod
    def _nothing(why: str) -> Response:
        return PlainTextResponse(why, 404, headers=_NEVER)


async def _client_leaves(request: Request) -> None:
    """Wait until a client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class ClientLeft(Exception):
    """A client did not wait for its chunk."""


class _Guard:
    """Lets nobody by who does not say the token."""

    def __init__(self, app: Any, token: str) -> None:
        self.app, self._token = app, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        said = scope["path_params"]["token"]
        app = self.app
        if not secrets.compare_digest(said.encode(), self._token.encode()):
            app = PlainTextResponse("the path has another token than this server's", 403)
        await app(scope, receive, send)


def _address(request: Request) -> str:
    """Return where somebody asked, without what they added after a question mark."""
    return str(request.url.replace(query=""))


def path_of(name: str, store: PlanStore) -> str:
    """Return where a store is."""
    return f"/{store.digest}/{name}{SUFFIX}/"


def _told(error: AtldldError) -> str:
    """Return what went wrong with the service; it is no question of how a Dataset was opened."""
    if isinstance(error, SectionImageError):
        return f"section image {error.section_image_id}: {error.reason} ({error.address})"
    return str(error)


def _whole_or_part(content: bytes, asked: str | None, kind: str) -> Response:
    """Return a response with what is asked for: one range of bytes, or all."""
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or not any(found.groups()):  # of several ranges, all may be given
        return Response(content, media_type=kind, headers=_FOR_EVER)
    first, last = found.groups()
    size = len(content)
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        headers = {"Content-Range": f"bytes */{size}"} | _NEVER
        return PlainTextResponse("there are no such bytes", 416, headers=headers)
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"} | _FOR_EVER
    return Response(content[start:stop], 206, media_type=kind, headers=headers)
