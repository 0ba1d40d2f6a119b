"""The folder that the server serves: data sets of true size, with every file ready to be sent.

One section is drawn; the files of all others are hard links to its. Each has its own registration.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from atldld_xr.allen.tiers import tier_size
from atldld_xr.sources.protocol import PIECE_SIDE, TILE_SIDE, WHOLE_SIDE
from atldld_xr.testing import Phantom, draw
from atldld_xr.warp.averages import reduce_tile
from benchmarks import geometry
from benchmarks.sizes import Size

Pixels = NDArray[np.uint8]

FEW_ID, MANY_ID = 900000010, 900000020

# As Allen's own files: 4:2:0. The grain brings the phantom, which is smooth, to their bytes per
# pixel (a recorded section: 0.28 in tissue, 0.05 on glass) and so to their costs of decoding and
# compressing.
_QUALITY = 85
_GRAIN_TISSUE, _GRAIN_GLASS = 7.0, 1.0
_STRIP = 256
_VERSION = 2


@dataclass(frozen=True)
class Folder:
    """What was made.

    Attributes
    ----------
    path : Path
        The folder.
    few, many : tuple of int
        Image ids of the two data sets.
    width, height : int
        Of every section, in full-resolution pixels.
    whole_bytes : dict
        Bytes of a whole section's JPEG, by tier.
    windows : dict
        By image id: left, top, width and height of what the window case needs of it at tier 0.
    """

    path: Path
    few: tuple[int, ...]
    many: tuple[int, ...]
    width: int
    height: int
    whole_bytes: dict[int, int]
    windows: dict[int, tuple[int, int, int, int]]

    @property
    def bytes_per_pixel(self) -> float:
        """Of the JPEG of the finest tier."""
        return self.whole_bytes[0] / (self.width * self.height)


def build(path: Path, size: Size) -> Folder:
    """Make the folder, or return what is there if it was made for the same size.

    Parameters
    ----------
    path : Path
        An empty or missing folder, or one that this made.
    size : Size
        How large.
    """
    note = path / "folder.json"
    wanted = {"version": _VERSION, "size": asdict(size)}
    if note.exists():
        kept = json.loads(note.read_text())
        if kept["wanted"] == json.loads(json.dumps(wanted)):
            return _from_json(path, kept["folder"])
        raise SystemExit(f"{path} holds a folder of another size: name another, or remove it")
    path.mkdir(parents=True, exist_ok=True)
    phantom = Phantom(FEW_ID, resolution=size.pixel, count=size.few, span=size.span)
    pixels = _draw(phantom)
    height, width = pixels.shape[:2]
    records = {
        FEW_ID: _write_record(path, phantom, width, height),
        MANY_ID: _write_record(
            path, Phantom(MANY_ID, resolution=size.pixel, count=size.many, span=size.span),
            width, height,
        ),
    }  # fmt: skip
    few, many = (tuple(i["id"] for i in records[k]["section_images"]) for k in (FEW_ID, MANY_ID))
    windows = _write_windows(path, records[FEW_ID], pixels, size)
    whole = _write_tiers(path, few, many, pixels)
    folder = {
        "few": few,
        "many": many,
        "width": width,
        "height": height,
        "whole_bytes": whole,
        "windows": windows,
    }
    note.write_text(json.dumps({"wanted": wanted, "folder": folder}))
    return _from_json(path, json.loads(note.read_text())["folder"])


def _from_json(path: Path, folder: dict[str, Any]) -> Folder:
    return Folder(
        path=path,
        few=tuple(folder["few"]),
        many=tuple(folder["many"]),
        width=folder["width"],
        height=folder["height"],
        whole_bytes={int(k): v for k, v in folder["whole_bytes"].items()},
        windows={int(k): (v[0], v[1], v[2], v[3]) for k, v in folder["windows"].items()},
    )


def _draw(phantom: Phantom) -> Pixels:
    """Return the section in the middle of a phantom, at full resolution and with grain."""
    image = phantom.record["section_images"][phantom.count // 2]
    width, height = image["width"], image["height"]
    out = np.empty((height, width, 3), np.uint8)
    random = np.random.default_rng(1)
    texture = random.standard_normal((_STRIP, 2 * width), dtype=np.float32)
    texture = cv2.GaussianBlur(texture, (0, 0), 0.7)
    texture /= texture.std()
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        strip = draw(phantom, image, 0, 0, top, width, rows)
        glass = strip.min(axis=2) > 225
        at = random.integers(width)
        grain = texture[:rows, at : at + width] * np.where(glass, _GRAIN_GLASS, _GRAIN_TISSUE)
        out[top : top + rows] = np.clip(strip + np.rint(grain)[..., None], 0, 255)
    return out


def _write_record(path: Path, phantom: Phantom, width: int, height: int) -> dict[str, Any]:
    """Write a data set's record, in which all sections are of one size, and none failed."""
    record = json.loads(json.dumps(phantom.record))
    for image in record["section_images"]:
        image |= {"width": width, "height": height, "failed": False}
    record["plane_of_section"] = {"id": 1, "name": "coronal"}
    answer = {"success": True, "id": 0, "start_row": 0, "num_rows": 1, "total_rows": 1}
    (path / f"section_data_set_{phantom.id}.json").write_text(
        json.dumps(answer | {"msg": [record]})
    )
    return dict(record)


def _write_windows(
    path: Path, record: dict[str, Any], pixels: Pixels, size: Size
) -> dict[int, tuple[int, int, int, int]]:
    out = {}
    height, width = pixels.shape[:2]
    first = [
        (um // 2 - size.window // 2) // size.fine
        for um in (geometry.ROWS_UM, geometry.COLUMNS_UM)
    ]  # fmt: skip
    rows, columns = ((f, f + size.window // size.fine) for f in first)
    for image in record["section_images"][: size.windows + 1]:
        matrix = geometry.affine(record, image, size.fine, 0)
        found = geometry.window(matrix, rows, columns, (width, height))
        assert found is not None, "the brain's centre is on every section"
        left, top, right, bottom = found
        data = _encode(pixels[top:bottom, left:right])
        _file(path, image["id"], 0, (left, top, right - left, bottom - top)).write_bytes(data)
        out[image["id"]] = (left, top, right - left, bottom - top)
    return out


def _write_tiers(
    path: Path, few: tuple[int, ...], many: tuple[int, ...], pixels: Pixels
) -> dict[int, int]:
    """Write the first image's files and link the others'; return the bytes of the whole ones."""
    first, *others = few
    full_height, full_width = pixels.shape[:2]
    sizes = {}
    for tier in range(7):
        width, height = tier_size(full_width, tier), tier_size(full_height, tier)
        if tier:
            pixels = reduce_tile(pixels[: height * 2, : width * 2], 1)
        data = _encode(pixels)
        sizes[tier] = len(data)
        file = _file(path, first, tier)
        file.write_bytes(data)
        for image_id in (*others, *many):
            os.link(file, _file(path, image_id, tier))
        if max(width, height) > WHOLE_SIDE:
            for left, top, w, h in _tiles(width, height):
                file = _file(path, first, tier, (left, top, w, h))
                file.write_bytes(_encode(pixels[top : top + h, left : left + w]))
                for image_id in others:
                    os.link(file, _file(path, image_id, tier, (left, top, w, h)))
    return sizes


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the tiles, and the squares of them that one request may carry."""
    side = TILE_SIDE
    while side <= PIECE_SIDE:
        for top in range(0, height, side):
            for left in range(0, width, side):
                yield left, top, min(side, width - left), min(side, height - top)
        side *= 2


def _file(
    path: Path, image_id: int, tier: int, place: tuple[int, int, int, int] | None = None
) -> Path:
    where = "_{}_{}_{}x{}".format(*place) if place else ""
    return path / f"section_image_{image_id}_downsample_{tier}{where}.jpg"


def _encode(pixels: Pixels) -> bytes:
    out: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=_QUALITY, colorsubsampling="420"
    )
    return out
