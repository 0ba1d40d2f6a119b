"""Answers that are not quite what was asked for: cut, padded, or refused before memory is spent."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.tiers import Tile, tier_size
from atldld_xr.sources import answers, jpeg
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.noticed import noticed
from atldld_xr.sources.recent_pixels import RecentPixels, whole_images
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.testing import AllenServer, Phantom, Quirks

SMALL = Phantom(id=900000007, count=3, resolution=16.0)
LARGE = Phantom(id=900000008, count=2, resolution=3.0)  # its finest tier comes in windows
IMAGE = parse_dataset(LARGE.record).images[0]
WINDOW = Tile(0, 1024, 512, 512, 512, whole=False)


def picture(width, height):
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 251, y % 241, (x + y) % 239], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("more", "kind"), [(0, "exact"), (1, "near"), (-1, "near"), (-2, "near")])
def test_a_pixel_or_two_more_or_less_are_cut_or_padded(more, kind):
    made = picture(300 + more, 200 - more)
    answer = answers.decode(jpeg.encode(made), Tile(3, 0, 0, 300, 200, True), grey=False)
    decoded = jpeg.decode(jpeg.encode(made), width=300 + more, height=200 - more, grey=False)
    assert answer.kind == kind
    assert answer.pixels.shape == (200, 300, 3)
    shared = decoded[:200, :300]
    np.testing.assert_array_equal(answer.pixels[: shared.shape[0], : shared.shape[1]], shared)
    np.testing.assert_array_equal(answer.pixels[-1, : shared.shape[1]], shared[-1])
    np.testing.assert_array_equal(answer.pixels[: shared.shape[0], -1], shared[:, -1])


@pytest.mark.parametrize("size", [(303, 200), (300, 197), (150, 100), (600, 400), (300, 100)])
def test_three_more_or_another_tier_are_refused(size):
    with pytest.raises(jpeg.InvalidJpegError, match="the metadata announces 300 x 200"):
        answers.decode(jpeg.encode(picture(*size)), Tile(3, 0, 0, 300, 200, True), grey=False)


@given(st.integers(1, 3000), st.sampled_from([0.5, 2]))
def test_no_side_is_near_half_or_twice_of_it(side, factor):
    assert answers._is_near(side, side)
    if int(side * factor) not in (0, side):
        assert not answers._is_near(int(side * factor), side)


def test_a_whole_image_in_place_of_its_window_is_told_apart_and_not_decoded(monkeypatch):
    whole = answers.whole_tile(IMAGE, 2)
    window = Tile(2, 512, 0, 256, 256, whole=False)
    data = jpeg.encode(picture(whole.width + 1, whole.height))
    monkeypatch.setattr(jpeg, "decode", None)
    answer = answers.decode(data, window, grey=False, image=IMAGE)
    assert (answer.kind, answer.pixels) == ("whole", None)
    with pytest.raises(jpeg.InvalidJpegError, match="the metadata announces 256 x 256"):
        answers.decode(data, window, grey=False)
    for more in (3, -3, 256):
        other = jpeg.encode(picture(whole.width + more, whole.height))
        with pytest.raises(jpeg.InvalidJpegError, match="its size is"):
            answers.decode(other, window, grey=False, image=IMAGE)


def test_no_memory_is_spent_on_a_header_that_announces_much():
    data = bytearray(jpeg.encode(picture(64, 48)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\x00\xff\x00"
    with pytest.raises(jpeg.InvalidJpegError, match="its size is 65280 x 65280"):
        answers.decode(bytes(data), Tile(0, 0, 0, 64, 48, False), grey=False, image=IMAGE)


def test_bytes_are_bounded_by_what_can_come():
    whole = answers.whole_tile(IMAGE, 0)
    assert answers.most_bytes(IMAGE, WINDOW, or_whole=False) == jpeg.most_bytes(512, 512)
    assert answers.most_bytes(IMAGE, WINDOW, or_whole=True) == 2 * whole.width * whole.height
    assert answers.most_bytes(IMAGE, whole, or_whole=True) == jpeg.most_bytes(
        whole.width, whole.height
    )


@pytest.mark.parametrize("tiers", ["ceiling", "short"])
@pytest.mark.parametrize("view", ["image", "expression", "intensity"])
def test_a_service_that_rounds_otherwise(tiers, view, caplog):
    image = parse_dataset(SMALL.record).images[0]
    width, height = tier_size(image.width, 2), tier_size(image.height, 2)
    tile = Tile(2, 0, 0, width, height, whole=True)
    with AllenServer([SMALL]) as plain, AllenServer([SMALL], quirks=Quirks(tiers=tiers)) as server:
        expected = ApiSource(plain.url).read(image, tile, view)
        assert noticed().counts(plain.url)["near"] == 0
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                pixels = ApiSource(server.url).read(image, tile, view)
        assert noticed().counts(server.url)["near"] == 3
    assert pixels.shape == expected.shape
    inner = np.s_[: height - 16, : width - 16]
    assert np.abs(pixels[inner].astype(int) - expected[inner]).max() <= 12
    assert [r.getMessage() for r in caplog.records] == [caplog.records[0].getMessage()]
    assert f"announces {width} x {height}: such are cut or padded" in caplog.text


def test_a_service_that_ignores_windows(caplog):
    windows = [replace(WINDOW, left=left) for left in (0, 512, 1024)]
    quirks = Quirks(windows=False)
    with AllenServer([LARGE]) as plain, AllenServer([LARGE], quirks=quirks) as server:
        source = ApiSource(server.url)
        for tile in windows:
            pixels = source.read(IMAGE, tile, "image")
            expected = ApiSource(plain.url).read(IMAGE, tile, "image")
            assert pixels.shape == (512, 512, 3)
            assert np.abs(pixels.astype(int) - expected).max() <= 24
        assert server.image_requests <= 2  # the window that showed it, and the whole
        assert noticed().cuts_windows(server.url) is False
        assert noticed().cuts_windows(plain.url) is True
        data = source.fetch_bytes(IMAGE, windows[0], "image")
    assert jpeg.size(data) == (512, 512)
    assert "windows are cut here, from whole images" in caplog.text


@pytest.mark.parametrize("cache", [True, False])
def test_an_export_from_it_asks_for_each_image_once(cache, tmp_path, monkeypatch):
    # Two are kept, as of all but the largest images: an export fetches ahead for the next section.
    monkeypatch.setattr(whole_images(), "_limit", 2 * 3 * IMAGE.width * IMAGE.height)
    several = replace(LARGE, count=4)
    settings = {"cache.enabled": cache, "cache.directory": str(tmp_path / "cache")}
    with (
        AllenServer([several], quirks=Quirks(windows=False)) as server,
        atldld_xr.config.set(settings),
    ):
        ds = atldld_xr.open_dataset(several.id, source=server.url, resolution=12, tier=0)
        ds.atldld.to_zarr(tmp_path / "a.zarr", progress=False)
        # All tiles of one are some 40; as many as there are connections were asked for at first.
        assert server.image_requests <= 3 + atldld_xr.config.get("http.connections") + 2


def test_a_mirror_is_made_of_services_that_differ(tmp_path):
    for name, quirks in (("a", Quirks(tiers="ceiling")), ("b", Quirks(windows=False))):
        with AllenServer([LARGE], quirks=quirks) as server:
            source = ApiSource(server.url)
            save_mirror([LARGE.id], tmp_path / name, source=source, tiers=[0, 3])
            mirror = MirrorSource(tmp_path / name)
            for tile in (WINDOW, answers.whole_tile(IMAGE, 3)):
                one, other = (s.read(IMAGE, tile, "image") for s in (source, mirror))
                assert one.shape == other.shape
                assert np.abs(one.astype(int) - other).max() <= 8
            asked = server.image_requests
            save_mirror([LARGE.id], tmp_path / name, source=source, tiers=[0, 3])
            assert server.image_requests == asked


def test_a_mask_in_colour_where_grey_was_asked_for(caplog):
    image = parse_dataset(SMALL.record).images[1]
    tile = answers.whole_tile(image, 2)
    for grey_filter in (True, False):
        with AllenServer([SMALL], quirks=Quirks(grey_filter=grey_filter)) as server:
            assert ApiSource(server.url).read(image, tile, "intensity").ndim == 2
            assert noticed().counts(server.url)["colours"] == (not grey_filter)
            assert ("in colour where grey was asked for" in caplog.text) is not grey_filter


def test_whole_images_are_kept_within_a_bound():
    made = []

    def make(side):
        made.append(side)
        return np.zeros((side, side), np.uint8)

    kept = RecentPixels(limit=30_000, one_at_a_time=True)
    for side in (100, 101, 100, 101):
        kept.get(side, lambda side=side: make(side))
    assert made == [100, 101]
    kept.get(1000, lambda: make(1000))
    kept.get(1000, lambda: make(1000))
    assert made == [100, 101, 1000]
    assert len(kept._kept) == 1
