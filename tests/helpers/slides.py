"""Buckets of slides, as Allen's public one is laid out: a phantom's sections, four to a slide."""

from __future__ import annotations

import io
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
import numpy as np
import pytest

from atldld_xr.allen.bucket_layout import DATASETS_FILE, dataset_key, slide_key
from atldld_xr.phantom.drawing import draw
from atldld_xr.phantom.phantom import Phantom

TILED = {"tile": (256, 256), "compression": "zlib"}
STRIPPED = {"rowsperstrip": 16, "compression": "lzw", "predictor": True}
PLAIN = {"rowsperstrip": 1 << 30}
JPEG = {
    "tile": (256, 256),
    "compression": "jpeg",
    "compressionargs": {"level": 95},
    "subsampling": (2, 2),  # which makes it YCbCr
}
FORMS: dict[str, dict[str, Any]] = {
    "tiled": TILED,
    "stripped": STRIPPED,
    "one strip": PLAIN,
    "one packed strip": {"rowsperstrip": 1 << 30, "compression": "zlib"},
    "BigTIFF": {"tile": (128, 64), "bigtiff": True},
    "JPEG": JPEG,
}
"""How a slide may be written, by name, as arguments of tifffile's."""


def tiff(pixels: np.ndarray, **form: Any) -> bytes:
    """Return pixels as a TIFF."""
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **{"photometric": "rgb", "metadata": None} | form)
    return out.getvalue()


def slide_name(record: dict[str, Any]) -> str:
    """Return the name of the slide that a section image is on."""
    return f"section_image_{record['path'].rpartition('_')[2].removesuffix('.aff')}.tiff"


def bucket_record(phantom: Phantom) -> dict[str, Any]:
    """Return what the bucket says of a data set."""
    images = []
    for image in phantom.record["section_images"]:
        tiers = {}
        for tier in range(image["tier_count"]):
            sizes = {name: image[name] >> tier for name in ("x", "y", "width", "height")}
            slide = {f"image_file_{n}": image[f"image_{n}"] >> tier for n in ("width", "height")}
            tiers[f"downsample_{tier}"] = sizes | slide
        kept = {name: image[name] for name in ("id", "section_number", "resolution")}
        images.append(kept | {"image_file_name": slide_name(image), "downsampling": tiers})
    return {"id": phantom.id, "section_thickness": 25.0, "section_images": images}


def draw_slides(phantom: Phantom, tier: int) -> dict[str, np.ndarray]:
    """Return the images of all slides at a tier, by their names."""
    slides: dict[str, np.ndarray] = {}
    for image in phantom.record["section_images"]:
        shape = image["image_height"] >> tier, image["image_width"] >> tier, 3
        slide = slides.setdefault(slide_name(image), np.full(shape, 255, np.uint8))
        x, y, width, height = (image[name] >> tier for name in ("x", "y", "width", "height"))
        window = draw(phantom, image, tier, 0, 0, width, height)
        slide[y : y + height, x : x + width] = window
    return slides


def lay_out(
    put: Callable[[str, bytes], object], phantom: Phantom, tiers: Iterable[int], **form: Any
) -> None:
    """Write a bucket of one data set; `put` takes a file's name and its content."""
    put(DATASETS_FILE, json.dumps([{"id": phantom.id}]).encode())
    put(dataset_key(phantom.id), json.dumps(bucket_record(phantom)).encode())
    for tier in tiers:
        for name, pixels in draw_slides(phantom, tier).items():
            put(slide_key(phantom.id, tier, name), tiff(pixels, **form))


def putting(url: str, options: dict[str, Any] | None = None) -> Callable[[str, bytes], object]:
    """Return what writes a file below an address."""
    fs, path = fsspec.core.url_to_fs(url, **(options or {}))

    def put(name: str, content: bytes) -> None:
        if fs.protocol == "file" or "file" in fs.protocol:
            fs.makedirs(f"{path}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe_file(f"{path}/{name}", content)

    return put


@dataclass
class LoggedBucket:
    """An empty bucket of S3, and what was asked of it.

    Attributes
    ----------
    url : str
        Its address.
    options : dict
        Storage options that lead there.
    endpoint : str
        The server's address.
    asked : list
        For each request, its method, path and range.
    """

    url: str
    options: dict[str, Any]
    endpoint: str
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self) -> Counter[str]:
        """Return how often each file was asked for its content."""
        return Counter(path for method, path, _ in self.asked if method == "GET")

    def sent(self, ending: str = ".tiff") -> int:
        """Return how many bytes were asked for of files, all by ranges."""
        spans = [r for method, path, r in self.asked if method == "GET" and path.endswith(ending)]
        ends = [span.removeprefix("bytes=").split("-") for span in spans]
        return sum(int(last) + 1 - int(first) for first, last in ends)


@contextmanager
def logged_s3(name: str = "") -> Iterator[LoggedBucket]:
    """Serve S3 by moto, whoever asks, and note what is asked for."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    from werkzeug.serving import make_server

    name = name or f"slides-{uuid.uuid4()}"
    app = moto.DomainDispatcherApplication(moto.create_backend_app)
    log: list[tuple[str, str, str]] = []

    def logged(environ: dict[str, Any], start_response: Any) -> Any:
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", "")
        log.append(asked)
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, logged, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        options = {"key": "test", "secret": "secret-of-mine", "endpoint_url": endpoint}
        fs = fsspec.filesystem("s3", **options)
        if not fs.exists(name):
            fs.mkdir(name, acl="public-read")
        yield LoggedBucket(f"s3://{name}", options, endpoint, log)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
