"""TIFFs in parts: what an independent reader says of them, and what no TIFF should cost."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slides import FORMS, tiff

pytest.importorskip("imagecodecs")

from atldld_xr.sources.tiff import MOST_HEADER_BYTES, InvalidTiffError, Tiff

PIXELS = np.random.default_rng(7).integers(0, 256, (333, 517, 3), np.uint8)
PIXELS = np.cumsum(PIXELS // 64, axis=1, dtype=np.uint8)  # which packs, as noise does not


def opened(content: bytes) -> Tiff:
    return Tiff(io.BytesIO(content), len(content))


def window(content: bytes, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Return a window by the segments that have pixels of it, which are laid out here."""
    found = opened(content)
    out = np.zeros((found.height, found.width, 3), np.uint8)
    for segment in found.segments(left, top, width, height):
        rows = slice(segment.top, segment.top + segment.height)
        columns = slice(segment.left, segment.left + segment.width)
        out[rows, columns] = found.decode(segment, content[segment.start : segment.end])
    return out[top : top + height, left : left + width]


def by_libtiff(content: bytes) -> np.ndarray:
    """Return all pixels as Pillow, which is made with libtiff, reads them."""
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(content))
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_windows_are_parts_of_what_libtiff_reads(form: str, data: st.DataObject) -> None:
    content = tiff(PIXELS, **FORMS[form])
    height, width = PIXELS.shape[:2]
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    expected = by_libtiff(content)[top : top + h, left : left + w].astype(int)
    most = 0 if form != "JPEG" else 40  # libtiff smooths colours, and rounds in its own way
    assert np.abs(window(content, left, top, w, h) - expected).max() <= most


def test_what_libtiff_writes_is_read() -> None:
    """JPEG in strips, with its tables once for all."""
    out = io.BytesIO()
    image = pytest.importorskip("PIL.Image").fromarray(PIXELS // 8 + 100)
    image.save(out, "TIFF", compression="jpeg", quality=95)
    content = out.getvalue()
    assert len(opened(content).segments(0, 0, 517, 333)) > 1
    difference = window(content, 0, 0, 517, 333).astype(int) - by_libtiff(content)
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize(
    ("pixels", "form", "reason"),
    [
        (PIXELS[..., 0], {"photometric": "minisblack"}, "of 1 samples of 8 bits"),
        (PIXELS.astype(np.uint16), {}, "of 3 samples of 16 bits"),
        (PIXELS.transpose(2, 0, 1), {"planarconfig": "separate"}, "planar configuration 2"),
        (PIXELS, {"compression": "zstd"}, "its compression is 50000; what is read is"),
    ],
)
def test_other_kinds_are_named(pixels: np.ndarray, form: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidTiffError, match=reason):
        opened(tiff(pixels, **form))


def header(**tags: tuple[int, int, int]) -> bytes:
    """Return a TIFF's header of tags, each with its type, count and value or offset."""
    codes = {
        "width": 256, "length": 257, "bits": 258, "compression": 259, "photometric": 262,
        "offsets": 273, "samples": 277, "rows": 278, "counts": 279,
    }  # fmt: skip
    entries = [(codes[name], *tag) for name, tag in tags.items()]
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    start = 8 + 2 + len(packed) + 4
    bits = struct.pack("<HHH", 8, 8, 8)
    packed = packed.replace(struct.pack("<I", 0xB175), struct.pack("<I", start))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + packed + bytes(4) + bits


PLAIN = {
    "width": (4, 1, 100), "length": (4, 1, 100), "bits": (3, 3, 0xB175),
    "compression": (3, 1, 1), "photometric": (3, 1, 2), "offsets": (4, 1, 200),
    "samples": (3, 1, 3), "rows": (4, 1, 100), "counts": (4, 1, 30_000),
}  # fmt: skip


def test_the_header_that_the_next_ones_spoil_is_a_good_one() -> None:
    content = header(**PLAIN).ljust(200, b"\0") + bytes(30_000)
    assert window(content, 10, 10, 20, 20).shape == (20, 20, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"width": (4, 1, 2**31)},
        {"length": (4, 1, 0)},
        {"length": (4, 1, 199_999), "rows": (4, 1, 199_999)},
        {"rows": (4, 1, 0)},
        {"rows": (4, 1, 1)},  # a hundred strips, of which there is one
        {"offsets": (4, 1, 2**32 - 9)},
        {"offsets": (4, 1, 0)},
        {"offsets": (4, 2**30, 200), "counts": (4, 2**30, 200)},
        {"offsets": (4, 2**32 - 1, 8)},
        {"counts": (4, 1, 2**32 - 1)},
        {"counts": (4, 1, 5)},
        {"bits": (3, 2**31, 0xB175)},
        {"compression": (3, 1, 5), "counts": (4, 1, 3)},
    ],
    ids=str,
)
def test_what_a_header_cannot_say_costs_nothing(change: dict[str, tuple[int, int, int]]) -> None:
    content = header(**PLAIN | change).ljust(200, b"\0") + bytes(30_000)
    with pytest.raises(InvalidTiffError):
        window(content, 0, 0, 100, 100)


def test_a_directory_that_leads_to_itself_ends() -> None:
    content = bytearray(header(**PLAIN).ljust(200, b"\0") + bytes(30_000))
    content[10 + 12 * len(PLAIN) : 14 + 12 * len(PLAIN)] = struct.pack("<I", 8)
    assert window(bytes(content), 0, 0, 10, 10).shape == (10, 10, 3)


def test_a_segment_that_unpacks_to_more_is_cut() -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    tags = {"compression": (3, 1, 8), "counts": (4, 1, len(bomb))}
    content = header(**PLAIN | tags).ljust(200, b"\0") + bomb
    with pytest.raises(InvalidTiffError, match=r"a segment of 100 x 100 pixels has"):
        window(content, 0, 0, 100, 100)


def test_a_jpeg_of_another_size_is_refused() -> None:
    content = tiff(PIXELS, tile=(64, 64), compression="jpeg")
    at = content.index(b"\xff\xc0", 100) + 5
    content = content[:at] + struct.pack(">HH", 65_500, 65_500) + content[at + 4 :]
    with pytest.raises(InvalidTiffError, match="JPEG is of"):
        window(content, 0, 0, 517, 333)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_damaged_file_is_told_or_read(form: str, data: st.DataObject) -> None:
    content = bytearray(tiff(PIXELS[:64, :80], **FORMS[form]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 300))
        content[min(at, len(content) - 1)] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    try:
        found = window(bytes(content[:end]), 0, 0, 80, 64)
    except InvalidTiffError:
        return
    assert found.dtype == np.uint8


def test_no_more_of_a_file_is_read_than_a_header_can_have(tmp_path: Any) -> None:
    from atldld_xr.files.ranges import RangedFile
    from atldld_xr.files.storage_options import StorageOptionsRef

    path = tmp_path / "a.tiff"
    with open(path, "wb") as out:
        out.truncate(2 * MOST_HEADER_BYTES)
    file = RangedFile(str(tmp_path), "a.tiff", StorageOptionsRef(), "bucket")
    with pytest.raises(OSError, match="more of it would be read"):
        file.opened(MOST_HEADER_BYTES).read()
    assert len(file.opened(MOST_HEADER_BYTES).read(100)) == 100
