"""Only whole JPEGs of the announced size become pixels."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg

from atldld_xr.sources import jpeg


def _picture(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([4 * x % 256, 5 * y % 256, (x + y) % 256], axis=-1).astype(np.uint8)


def _encode(pixels: np.ndarray, **options: object) -> bytes:
    return simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=95, **options)


@pytest.fixture
def colour() -> bytes:
    return _encode(_picture(), colorsubsampling="444")


@pytest.fixture
def grey() -> bytes:
    return _encode(_picture()[..., :1], colorspace="GRAY", colorsubsampling="Gray")


def test_colours_come_out_in_order_and_shape(colour: bytes) -> None:
    pixels = jpeg.decode(colour, width=64, height=48, grey=False)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - _picture())[:, :60].mean() < 3


def test_grey_file_as_grey_and_as_colour(grey: bytes) -> None:
    one = jpeg.decode(grey, width=64, height=48, grey=True)
    three = jpeg.decode(grey, width=64, height=48, grey=False)
    assert one.shape == (48, 64)
    assert np.array_equal(three, np.repeat(one[..., None], 3, axis=2))


def test_colourless_colour_file_as_grey_keeps_its_values() -> None:
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 48, axis=0)
    data = _encode(np.repeat(ramp, 3, axis=2), colorsubsampling="444")
    rgb = jpeg.decode(data, width=64, height=48, grey=False)
    assert np.array_equal(jpeg.decode(data, width=64, height=48, grey=True), rgb[..., 0])
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


@pytest.mark.parametrize("padding", [b"\0", b"\n", b"\r\n\0 \t", b"\0" * 500])
def test_padding_after_the_end_is_no_damage(colour: bytes, padding: bytes) -> None:
    whole = jpeg.decode(colour, width=64, height=48, grey=False)
    assert np.array_equal(jpeg.decode(colour + padding, width=64, height=48, grey=False), whole)


def test_any_cut_is_noticed(colour: bytes) -> None:
    for length in range(2, len(colour), 97):
        with pytest.raises(jpeg.InvalidJpegError, match="truncated"):
            jpeg.decode(colour[:length], width=64, height=48, grey=False)


def test_a_cut_with_the_end_put_back_is_noticed(colour: bytes) -> None:
    for share in (0.2, 0.5, 0.8):
        cut = colour[: int(len(colour) * share)] + b"\xff\xd9"
        with pytest.raises(jpeg.InvalidJpegError, match="damaged"):
            jpeg.decode(cut, width=64, height=48, grey=False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>Sorry</body></html>", "no JPEG but starts with '<html>"),
        (b'{"success": false}', "no JPEG"),
        (b"\xff\xd8\xff\xd9", "header is damaged"),
        (b"\xff\xd8" + b"nonsense" * 20 + b"\xff\xd9", "header is damaged"),
    ],
)
def test_reason_for_what_is_no_jpeg(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        jpeg.decode(data, width=64, height=48, grey=False)


def test_size_is_compared_with_the_announced_one(colour: bytes) -> None:
    with pytest.raises(jpeg.InvalidJpegError, match=r"64 x 48, the metadata announces 745 x 472"):
        jpeg.decode(colour, width=745, height=472, grey=False)


def test_size_is_compared_before_memory_is_spent(colour: bytes) -> None:
    # The header of a file can announce 65 000 x 65 000 pixels: 12 GB, were they decoded first.
    start = colour.index(b"\xff\xc0") + 5
    bomb = colour[:start] + (65_000).to_bytes(2, "big") * 2 + colour[start + 4 :]
    with pytest.raises(jpeg.InvalidJpegError, match="65000 x 65000"):
        jpeg.decode(bomb, width=64, height=48, grey=False)


def test_cmyk_is_refused() -> None:
    data = _encode(np.zeros((16, 16, 4), np.uint8), colorspace="CMYK", colorsubsampling="444")
    with pytest.raises(jpeg.InvalidJpegError, match="CMYK"):
        jpeg.decode(data, width=16, height=16, grey=False)


def test_very_large_images_are_no_bombs() -> None:
    # 192 Mpx: beyond where Pillow refuses (179 Mpx). Full-resolution slides have 735.
    width, height = 16_000, 12_000
    data = _encode(
        np.full((height, width, 1), 200, np.uint8), colorspace="GRAY", colorsubsampling="Gray"
    )
    pixels = jpeg.decode(data, width=width, height=height, grey=True)
    assert pixels.shape == (height, width)
    assert pixels.min() == pixels.max() == 200
