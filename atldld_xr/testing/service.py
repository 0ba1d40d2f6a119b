"""What an Allen service answers to an address, apart from sockets and faults."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from atldld_xr.allen.fluorescence import MOST, Range
from atldld_xr.allen.tiers import View
from atldld_xr.errors import MetadataError
from atldld_xr.phantom.grid import grid
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.testing import rma
from atldld_xr.testing.atlas import PLACE, Atlas, FolderAtlas, PhantomAtlas
from atldld_xr.testing.catalogue import Catalogue
from atldld_xr.testing.connections import Answer
from atldld_xr.testing.grids import NAMES, folder_zip, grid_zip
from atldld_xr.testing.pictures import Memo, MirrorPictures, PhantomPictures, Pictures, Window
from atldld_xr.testing.quirks import Quirks
from atldld_xr.testing.synchronization import image_to_reference, reference_to_image

_API = "/api/v2/"
_DOWNLOAD = re.compile(r"(?:(?:section|projection)_)?image_download/(\d+)")
_IMAGE_SERVICE = "/cgi-bin/imageservice"
_GRID = re.compile(r"/grid_data/download/(\d+)")
_PROJECTION = re.compile(r"/grid_data/download_file/(\d+)")
_ANNOTATION = re.compile(rf"{PLACE}/(\w+)/annotation_(\d{{1,3}})\.nrrd")
_SHORT_QUERY = re.compile(r"data/(\w+)/(\d+|query)\.json")


Grids = Callable[[int, Sequence[str]], bytes | None]


class BadRequestError(ValueError):
    """A request that makes no sense; the message says why."""


@dataclass(frozen=True)
class Place:
    """What a path leads to: a picture, or something else.

    Attributes
    ----------
    path : str
        The path.
    image_id : int, optional
        The section image whose pixels are asked for.
    redirects : bool
        Whether the path is one of those that lead on to the image service.
    """

    path: str
    image_id: int | None = None
    redirects: bool = False


class Service:
    """Data sets, and answers about them.

    Parameters
    ----------
    datasets : mapping of int to mapping
        ``SectionDataSet`` records, by id.
    pictures : Pictures
        Where the images come from.
    max_rows : int
        The longest page of metadata.
    quirks : Quirks
        What it does otherwise than Allen's service.
    grids : callable
        ``grids(dataset_id, names)`` returns a zip of expression grids, None if they are not there.
    atlas : Atlas
        The annotation and the ontology.
    catalogue : Catalogue, optional
        Further data sets, of which there are records alone.
    """

    def __init__(
        self,
        datasets: Mapping[int, Mapping[str, Any]],
        pictures: Pictures,
        max_rows: int,
        quirks: Quirks,
        grids: Grids,
        atlas: Atlas,
        catalogue: Catalogue | None = None,
    ) -> None:
        self._atlas = atlas
        self._grids = grids
        self._datasets = datasets
        self._tables = rma.tables(datasets.values())
        self._catalogue = catalogue
        self._images = {image["id"]: image for image in self._tables["SectionImage"]}
        self._pictures = pictures
        self._max_rows = max_rows
        self._quirks = quirks
        self._memo = Memo()

    def place(self, path: str, params: Mapping[str, str]) -> Place:
        """Return what a path leads to."""
        if path == _IMAGE_SERVICE:
            image_id = params.get("section_image", "")
            return Place(path, int(image_id) if image_id.isdecimal() else -1)
        match = _DOWNLOAD.fullmatch(path.removeprefix(_API))
        return Place(path, int(match[1]), redirects=True) if match else Place(path)

    def redirect(self, place: Place, params: Mapping[str, str], host: str) -> Answer:
        """Return the answer that sends a request for an image on to the image service."""
        query = {"mime": "1", "section_image": str(place.image_id), **params}
        location = f"{host}{_IMAGE_SERVICE}?{urlencode(query)}"
        return Answer(self._quirks.redirect_status, b"", "text/html", (("Location", location),))

    def metadata(self, path: str, params: Mapping[str, str]) -> Answer:
        """Return the answer to anything but an image."""
        if match := _GRID.fullmatch(path):
            return self._grid(int(match[1]), params.get("include", ",".join(NAMES)).split(","))
        if match := _PROJECTION.fullmatch(path):
            kind, resolution = params.get("image", ""), _number(params, "resolution", 100)
            return self._projection(int(match[1]), kind, resolution)
        if match := _ANNOTATION.fullmatch(path):
            return self._annotation(match[1], int(match[2]))
        if not path.startswith(_API):
            return _failed(404, f"there is nothing at {path}")
        path = path.removeprefix(_API)
        try:
            return self._metadata(path, params)
        except (rma.RmaError, BadRequestError, MetadataError) as error:
            return _failed(400, str(error))

    def image(self, place: Place, params: Mapping[str, str]) -> Answer:
        """Return the answer to a request for an image's pixels."""
        image = self._images.get(place.image_id)
        if image is None:
            return not_found(place.image_id)
        try:
            params = self._quirks.asked(params)
            window, corner = _window(image, params, self._quirks)
            quality = _number(params, "quality", 100)
            values = _values(params)
        except BadRequestError as error:
            return _failed(400, str(error))
        view = _view(params)
        body = self._memo.get(
            (image["id"], window, tuple(corner.values()), view, quality, values),
            lambda: self._pictures.jpeg(
                {**image, **corner}, window, view, min(max(quality, 1), 100), values
            ),
        )
        return not_found(image["id"]) if body is None else Answer(200, body, "image/jpeg")

    def _answer(self, query: rma.Query) -> Answer:
        tables = self._tables
        if self._catalogue:
            more = self._catalogue.asked(query.model)
            tables = tables | {model: [*tables[model], *records] for model, records in more.items()}
        rows = self._max_rows
        return _answered(rma.answer(query, tables, rows, joined_rows=self._quirks.joined_rows))

    def _grid(self, dataset_id: int, names: Sequence[str]) -> Answer:
        body = None
        if not set(names) - set(NAMES):
            key = ("grid", dataset_id, *names)
            body = self._memo.get(key, lambda: self._grids(dataset_id, names))
        if body is None:
            return Answer(404, f"<html>no grid {dataset_id}</html>".encode(), "text/html")
        return Answer(200, body, "application/zip")

    def _projection(self, dataset_id: int, kind: str, resolution: int) -> Answer:
        key = ("projection", dataset_id, kind, resolution)
        body = self._memo.get(key, lambda: self._pictures.grid(dataset_id, kind, resolution))
        if body is None:
            return Answer(404, f"<html>no grid {dataset_id}</html>".encode(), "text/html")
        return Answer(200, body, "application/octet-stream")

    def _annotation(self, version: str, spacing: int) -> Answer:
        body = None
        if spacing in (10, 25, 50, 100):
            key = ("annotation", version, spacing)
            body = self._memo.get(key, lambda: self._atlas.annotation(version, spacing))
        if body is None:
            return Answer(404, b"<html>no such annotation</html>", "text/html")
        return Answer(200, body, "application/octet-stream")

    def _metadata(self, path: str, params: Mapping[str, str]) -> Answer:
        if path == "data/query.json":
            query = rma.parse_query(params.get("criteria") or params.get("q") or "")
            return self._answer(query)
        match = _SHORT_QUERY.fullmatch(path)
        if match:
            criteria = params.get("criteria", "")
            if match[2] != "query":
                criteria = f"[id$eq{match[2]}]"
            options = {k: params[k] for k in ("num_rows", "start_row", "order") if k in params}
            include = rma.parse_paths(params.get("include", ""))
            short = rma.Query(match[1], rma.parse_paths(criteria), include, options)
            return self._answer(short)
        if path == "structure_graph_download/1.json":
            answer = self._atlas.structures()
            return _failed(404, "there is no ontology") if answer is None else _answered(answer)
        match = re.fullmatch(r"(image_to_reference|reference_to_image)/(\d+)\.json", path)
        if not match:
            return _failed(404, f"there is nothing at {_API}{path}")
        x, y = _coordinate(params, "x"), _coordinate(params, "y")
        msg: Any
        if match[1] == "image_to_reference":
            msg = image_to_reference(self._datasets, int(match[2]), x, y)
            if msg is None:
                return _failed(404, f"there is no registered section image {match[2]}")
        else:
            ids = [
                int(s) for s in params.get("section_data_set_ids", "").split(",") if s.isdecimal()
            ]
            point = (x, y, _coordinate(params, "z"))
            msg = reference_to_image(self._datasets, int(match[2]), point, ids)
        envelope = {"success": True, "id": 0, "start_row": 0, "num_rows": 0, "total_rows": 0}
        return _answered({**envelope, "msg": msg})


def phantom_service(
    phantoms: Mapping[int, Phantom],
    max_rows: int,
    quirks: Quirks,
    catalogue: Catalogue | None = None,
) -> Service:
    """Return a service of phantoms."""
    records = {p.id: p.record for p in phantoms.values()}

    def grids(dataset_id: int, names: Sequence[str]) -> bytes | None:
        if dataset_id not in phantoms:
            return None
        made = grid(phantoms[dataset_id])
        return grid_zip({name: made[name] for name in names})

    pictures = PhantomPictures(phantoms, quirks)
    return Service(records, pictures, max_rows, quirks, grids, PhantomAtlas(), catalogue)


def mirror_service(folder: Path, max_rows: int, quirks: Quirks) -> Service:
    """Return a service of the files ``section_data_set_{id}.json`` and images in a folder.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    files = sorted(folder.glob("section_data_set_*.json"))
    if not files:
        raise FileNotFoundError(f"{folder} has no file section_data_set_*.json")
    datasets: dict[int, Mapping[str, Any]] = {}
    for file in files:
        for record in json.loads(file.read_bytes())["msg"]:
            datasets[record["id"]] = record

    def grids(dataset_id: int, names: Sequence[str]) -> bytes | None:
        return folder_zip(folder, dataset_id, names)

    return Service(
        datasets, MirrorPictures(folder, quirks), max_rows, quirks, grids, FolderAtlas(folder)
    )


def not_found(image_id: int | None) -> Answer:
    """Return the answer where an image is not there."""
    return Answer(404, f"<html>no image {image_id}</html>".encode(), "text/html")


def _answered(envelope: Mapping[str, Any]) -> Answer:
    return Answer(200, json.dumps(envelope).encode())


def _failed(status: int, message: str) -> Answer:
    return Answer(status, json.dumps(rma.failure(message)).encode())


def _view(params: Mapping[str, str]) -> View:
    is_grey = params.get("filter") == "colormap"
    if params.get("view") == "projection" or params.get("projection") == "true":
        return "projection_intensity" if is_grey else "projection"
    if params.get("view") != "expression" and params.get("expression") != "true":
        return "image"
    return "intensity" if is_grey else "expression"


def _values(params: Mapping[str, str]) -> Range | None:
    """Return the range that 16 bits are asked for by: six numbers, each pair of them ascending."""
    if "range" not in params:
        return None
    try:
        rl, rh, gl, gh, bl, bh = map(int, params["range"].split(","))
    except ValueError:
        raise BadRequestError(f"range={params['range']!r} is not six whole numbers") from None
    if not all(0 <= low < high <= MOST for low, high in ((rl, rh), (gl, gh), (bl, bh))):
        raise BadRequestError(f"range={params['range']} has values that are none")
    return rl, rh, gl, gh, bl, bh


def _window(
    image: Mapping[str, Any], params: Mapping[str, str], quirks: Quirks
) -> tuple[Window, dict[str, int]]:
    """Return the window asked for, clamped to the slide, and where the section is on the slide.

    The window's origin is asked for in pixels of the slide. A service whose tiers are of what is
    asked for starts one there, as if the section were elsewhere on the slide.
    """
    tier = _number(params, "downsample", 0)
    if not 0 <= tier < image["tier_count"]:
        raise BadRequestError(f"downsample={tier}: there are tiers 0 to {image['tier_count'] - 1}")
    bounds, corners = [], {}
    for axis, origin, side in (("x", "left", "width"), ("y", "top", "height")):
        corner = image[axis]
        start = _number(params, origin, corner)
        if quirks.offsets == "exact":
            corner -= start % (1 << tier)
            start -= start % (1 << tier)
        corners[axis] = corner
        first = quirks.offset(start, tier)
        last = first + _number(params, side, quirks.size(image[side], tier))
        first, last = max(first, 0), min(last, quirks.size(image[f"image_{side}"], tier))
        if last <= first:
            raise BadRequestError(f"the window has no {side} on the slide")
        bounds.append((first - (corner >> tier), last - first))
    (left, width), (top, height) = bounds
    return Window(tier, left, top, width, height), corners


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except ValueError:
        raise BadRequestError(f"{name}={params[name]!r} is not a whole number") from None


def _coordinate(params: Mapping[str, str], name: str) -> float:
    try:
        return float(params[name])
    except (KeyError, ValueError):
        raise BadRequestError(f"{name} must be given, as a number") from None
