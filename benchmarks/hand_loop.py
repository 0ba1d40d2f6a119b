"""The hand-written loop: requests, simplejpeg, OpenCV and Zarr on two threads, and nothing else.

No retries, no checks, no laziness, no cache: what somebody writes who wants this one array soon.
It is the bar, so it is as fast as its author could make it.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import cv2
import numpy as np
import requests
import simplejpeg
import zarr
from numpy.typing import NDArray

from benchmarks import geometry

Pixels = NDArray[np.uint8]
Facts = Mapping[str, Any]

THREADS = 2
FILL = (255, 255, 255)
BLOCK = 512
_WHOLE = 2048  # wider images are cut into blocks
_INCLUDE = "alignment3d,section_images(alignment2d)"


def export(
    server: str,
    out: str,
    dataset: int,
    count: int,
    resolution: int,
    tier: int,
    codec: Facts | None,
) -> Iterator[Facts]:
    """Write the first sections of a data set, registered, to a Zarr array.

    Parameters
    ----------
    server : str
        The service's address.
    out : str
        The array's path.
    dataset : int
        The data set's id.
    count : int
        How many sections.
    resolution : int
        Output pixel size, in micrometres.
    tier : int
        Of the images.
    codec : mapping, optional
        A Zarr v3 codec.
    """
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(THREADS)
    session = requests.Session()
    yield {}
    url = f"{server}/data/SectionDataSet/{dataset}.json"
    record = session.get(url, params={"include": _INCLUDE}).json()["msg"][0]
    images = record["section_images"][:count]
    rows, columns = (um // resolution for um in (geometry.ROWS_UM, geometry.COLUMNS_UM))
    side = BLOCK if columns > 4 * BLOCK else max(rows, columns)
    array: Any = zarr.create_array(
        out,
        shape=(len(images), rows, columns, 3),
        chunks=(1, min(side, rows), min(side, columns), 3),
        dtype="uint8",
        compressors=codec,
        fill_value=255,
    )
    tops, lefts = range(0, rows, side), range(0, columns, side)

    def section(index: int, over: ThreadPoolExecutor | None) -> None:
        image = images[index]
        source = fetch(session, server, image["id"], {"downsample": tier}, over)
        matrix = geometry.affine(record, image, resolution, tier)

        def block(place: tuple[int, int]) -> None:
            top, left = place
            bottom, right = min(top + side, rows), min(left + side, columns)
            pixels = warp(source, matrix, (top, bottom), (left, right))
            if pixels is not None:
                array[index, top:bottom, left:right] = pixels

        list((over.map if over else map)(block, product(tops, lefts)))

    if len(tops) * len(lefts) == 1:  # small sections: one to a thread
        list(pool.map(lambda index: section(index, None), range(len(images))))
    else:  # large ones: a block to a thread
        for index in range(len(images)):
            section(index, pool)
    yield {}
    # A thin sample of all of it, to see that all contestants made the same.
    yield {"mean": float(array[:, :: max(rows // 64, 1)].mean())}


def fetch(
    session: requests.Session,
    server: str,
    image_id: int | str,
    params: Mapping[str, int],
    over: ThreadPoolExecutor | None,
) -> Pixels:
    """Return an image: one request, decoded in one go."""
    answer = session.get(f"{server}/section_image_download/{image_id}", params=dict(params))
    pixels: Pixels = simplejpeg.decode_jpeg(answer.content)
    return pixels


def warp(
    source: Pixels, matrix: geometry.Matrix, rows: tuple[int, int], columns: tuple[int, int]
) -> Pixels | None:
    """Return a block of a registered section, None where it has no pixel."""
    height, width = source.shape[:2]
    found = geometry.window(matrix, rows, columns, (width, height))
    if found is None:
        return None
    left, top, right, bottom = found
    move = matrix.copy()
    move[:, 2] += matrix[:, :2] @ [columns[0], rows[0]] - [left, top]
    return np.asarray(
        cv2.warpAffine(
            source[top:bottom, left:right],
            move,
            (columns[1] - columns[0], rows[1] - rows[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=FILL,
        ),
        dtype=np.uint8,
    )


def window(
    server: str,
    out: str,
    windows: Mapping[str, Sequence[int]],
    offsets: Mapping[str, Sequence[int]],
) -> Iterator[Facts]:
    """Make a bare request for a window of each of some sections, and do nothing with the answer.

    Parameters
    ----------
    server, out : str
        The service's address; nothing is written.
    windows : mapping
        By image id: left, top, width, height at tier 0. The first is a warm-up.
    offsets : mapping
        By image id: where the section starts on its slide.
    """
    session = requests.Session()
    each = []
    yield {}
    for image_id, (left, top, width, height) in windows.items():
        x, y = offsets[image_id]
        place = {"left": x + left, "top": y + top, "width": width, "height": height}
        start = time.perf_counter()
        answer = session.get(
            f"{server}/section_image_download/{image_id}", params={"downsample": 0} | place
        )
        assert answer.content[:2] == b"\xff\xd8"
        each.append(time.perf_counter() - start)
    yield {}
    yield {"each": statistics.median(each[1:]), "first": each[0]}


def tiles(
    server: str,
    out: str,
    windows: Mapping[str, Sequence[int]],
    offsets: Mapping[str, Sequence[int]],
    side: int,
) -> Iterator[Facts]:
    """Fetch and decode the tiles that cover a window of each of some sections, four at a time.

    What a window costs at least where sections are read by tiles on a fixed grid.

    Parameters
    ----------
    server, out, windows, offsets
        As for `window`.
    side : int
        Of a tile.
    """
    pool = ThreadPoolExecutor(4)
    own = threading.local()

    def get(asked: tuple[str, dict[str, int]]) -> Pixels:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        return fetch(own.session, server, *asked, None)

    each = []
    yield {}
    for image_id, (left, top, width, height) in windows.items():
        x, y = offsets[image_id]
        rows, columns = (
            range(start // side, (start + size - 1) // side + 1)
            for start, size in ((top, height), (left, width))
        )
        asked = [
            (
                image_id,
                {"downsample": 0, "left": x + column * side, "top": y + row * side}
                | {"width": side, "height": side},
            )
            for row in rows
            for column in columns
        ]
        start = time.perf_counter()
        list(pool.map(get, asked))
        each.append(time.perf_counter() - start)
    yield {}
    yield {"each": statistics.median(each[1:]), "first": each[0]}


def kernel(server: str, out: str, side: int) -> Iterator[Facts]:
    """Warp a square with warpAffine and with remap of maps given, on one thread; in Mpx/s."""
    cv2.setNumThreads(1)
    source: Any = np.random.default_rng(0).integers(
        0, 256, (side + 512, side + 512, 3), dtype=np.uint8
    )
    matrix = np.array([[1.01, 0.02, 100.0], [-0.02, 1.01, 150.0]])
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    at: list[Any] = [(m[0] * x + m[1] * y + m[2]).astype(np.float32) for m in matrix]
    maps = cv2.convertMaps(at[0], at[1], cv2.CV_16SC2)
    yield {}
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    works: dict[str, Callable[[], Any]] = {
        "warpAffine": lambda: cv2.warpAffine(source, matrix, (side, side), flags=flags),
        "remap": lambda: cv2.remap(source, maps[0], maps[1], cv2.INTER_LINEAR),
    }
    speeds = {}
    for name, work in works.items():
        times = []
        for _ in range(4):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        speeds[name] = side * side / 1e6 / statistics.median(times)
    yield {}
    yield speeds


def download(server: str, out: str, requests_each: Sequence[Sequence[Any]]) -> Iterator[Facts]:
    """Fetch images on two threads and do nothing with them: what the server can serve.

    Parameters
    ----------
    server, out : str
        The service's address; nothing is written.
    requests_each : sequence
        Image id and query of each.
    """
    pool = ThreadPoolExecutor(THREADS)
    own = threading.local()

    def get(asked: Sequence[Any]) -> int:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        image_id, params = asked
        return len(
            own.session.get(f"{server}/section_image_download/{image_id}", params=params).content
        )

    yield {}
    list(pool.map(get, requests_each))
    yield {}
    yield {}
