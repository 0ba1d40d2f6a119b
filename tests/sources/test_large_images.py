"""Images of up to 65 000 px a side: by windows, exact to the last corner, and in bounded memory."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.tiers import Tile
from atldld_xr.allen.windowed import windowed_dataset
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import InvalidArgumentError, SectionImageError
from atldld_xr.sources import answers, jpeg
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.kept import to_keep
from atldld_xr.sources.noticed import noticed
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.read_whole import read_whole
from atldld_xr.testing import AllenServer, FluorescentPhantom, draw, pictures

# 65 001 x 42 107 px at least.
HUGE = FluorescentPhantom(id=900000008, resolution=0.19, count=3, span=(12350.0, 8000.0))
DRAWN = PhantomSource((HUGE,))
IMAGE = windowed_dataset(parse_dataset(HUGE.record), None).images[0]


@pytest.fixture(autouse=True)
def anew():
    TILES.reset()
    with atldld_xr.config.set({"cache.enabled": False}):
        yield


@pytest.fixture(scope="module")
def server():
    with AllenServer([HUGE]) as server:
        yield server


def test_it_is_that_large():
    assert IMAGE.width > 65_000
    assert IMAGE.tier_count == 9


@pytest.mark.parametrize("chunks", ["auto", None])
@pytest.mark.parametrize("tier", [0, 4, 8])
def test_windows_at_all_corners_are_what_is_drawn(tier, chunks):
    tracemalloc.start()
    ds = atldld_xr.open_image(IMAGE.id, tier=tier, source=DRAWN, chunks=chunks)
    height, width = ds.sizes["y"], ds.sizes["x"]
    for top in (0, height // 2, height - 40):
        for left in (0, width // 2, width - 50):
            got = ds.image[top : top + 40, left : left + 50]
            expected = draw(HUGE, IMAGE, tier, left, top, 50, 40, "image", IMAGE.range)
            np.testing.assert_array_equal(got, expected)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300e6


@pytest.mark.parametrize("interpolation", ["nearest", "linear"])
def test_registered_pixels_far_from_the_corner_are_exact(interpolation):
    """Positions are fixed-point numbers: none is lost beyond 2**15 pixels."""
    ds = atldld_xr.open_dataset(
        HUGE.id, resolution=0.19, source=DRAWN, interpolation=interpolation, chunks=None
    )
    at = ds.section_image_id.values.tolist().index(IMAGE.id)
    section = ds.isel(coronal=at)
    row, column = ds.sizes["y"] * 3 // 5, ds.sizes["x"] * 4 // 5
    part = section.isel(y=slice(row, row + 8), x=slice(column, column + 8))
    affine = section.affine.values
    for j, y in enumerate(part.y.values):
        for k, x in enumerate(part.x.values):
            px, py = affine @ (y, x, 1)
            assert px > 2**15
            left, top = int(np.floor(px)), int(np.floor(py))
            near = draw(HUGE, IMAGE, 0, left, top, 2, 2, "image", IMAGE.range).astype(float)
            fx, fy = px - left, py - top
            if interpolation == "nearest":
                expected = near[round(fy), round(fx)]
                if min(abs(fx - 0.5), abs(fy - 0.5)) < 0.01:
                    continue
                assert (part.image[j, k] == expected).all()
                continue
            across = near[:, 0] * (1 - fx) + near[:, 1] * fx
            expected = across[0] * (1 - fy) + across[1] * fy
            assert np.abs(part.image[j, k] - expected).max() <= 2 + 255 / 32


def test_a_window_is_asked_for_and_not_the_section(server):
    ds = atldld_xr.open_image(IMAGE.id, source=server.url)
    explained = ds.isel(y=slice(20_000, 20_300), x=slice(64_000, 64_300)).atldld.explain()
    server.clear_log()
    part = ds.image[20_000:20_300, 64_000:64_300].values
    assert part.shape == (300, 300, 3)
    assert server.image_requests == explained.requests
    assert server.bytes_sent < 2e6


def test_all_of_it_at_once_is_refused_before_it_is_asked_for(server):
    server.clear_log()
    for source in (DRAWN, ApiSource(server.url)):
        with pytest.raises(InvalidArgumentError, match="take a coarser tier"):
            read_whole(source, IMAGE, 0, "image")
    assert not server.log
    assert read_whole(DRAWN, IMAGE, 8, "image").shape == (IMAGE.height >> 8, IMAGE.width >> 8, 3)


def test_of_a_service_that_cuts_no_windows_it_is_refused(server):
    tile = Tile(0, 512, 512, 512, 512, whole=False)
    # What may come is bounded by the window, as long as nobody knows.
    assert answers.most_bytes(IMAGE, tile, or_whole=True) < 3e6
    noticed().enter(server.url, answers.Answer("whole", 1, 1, None), tile)
    server.clear_log()
    try:
        with pytest.raises(SectionImageError, match="cuts no windows"):
            ApiSource(server.url).read(IMAGE, tile, "image")
        assert not server.log
    finally:
        noticed().forget()


def test_a_jpeg_that_says_it_is_huge_takes_no_memory():
    small = pictures.encode(np.zeros((16, 16, 3), np.uint8), 90)
    at = small.index(b"\xff\xc0") + 5
    huge = small[:at] + (60_000).to_bytes(2, "big") * 2 + small[at + 4 :]
    assert jpeg.size(huge) == (60_000, 60_000)
    tracemalloc.start()
    with pytest.raises(jpeg.InvalidJpegError, match="more than are read at once"):
        jpeg.decode(huge, width=60_000, height=60_000, grey=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6


def test_metadata_that_an_earlier_version_kept_are_asked_for_anew(server, tmp_path):
    own = {"cache.enabled": True, "cache.directory": str(tmp_path)}
    with atldld_xr.config.set(own):
        atldld_xr.open_dataset(HUGE.id, source=server.url)
        (file,) = tmp_path.rglob(f"{HUGE.id}.json")
        envelope = json.loads(file.read_bytes())["answer"]
        del envelope["msg"][0]["equalization"]
        key = file.relative_to(tmp_path).as_posix()
        cache = default_cache()
        cache.put(key.removeprefix("v1/"), to_keep(envelope, is_complete=True))
        assert "equalization" not in file.read_text()
        offline = atldld_xr.open_dataset(HUGE.id, source=server.url, offline=True)
        assert "no equalization record" in offline.attrs["range"]
        server.clear_log()
        again = atldld_xr.open_dataset(HUGE.id, source=server.url)
        assert again.attrs["range"] == list(HUGE.range)
        assert server.metadata_requests == 1
        atldld_xr.open_dataset(HUGE.id, source=server.url)
        assert server.metadata_requests == 1
