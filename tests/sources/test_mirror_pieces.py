"""Mirrors of squares of tiles: any tile that lies in a file that is there, few files read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from atldld_xr.allen.metadata import SectionImage
from atldld_xr.errors import SectionImageError
from atldld_xr.files.file_store import FileStore
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.kept_pieces import split
from atldld_xr.sources.mirror import MirrorSource, image_file
from atldld_xr.sources.mirror_contents import list_contents, read_manifest
from atldld_xr.sources.protocol import WideSource
from atldld_xr.sources.recent_pixels import RecentPixels, recent_pieces
from wide_service import (
    api,
    image,
    lay,
    running,
    section_of,
    server,
    squares,
)

__all__ = ["api", "image", "running", "server"]  # fixtures, which tests take by name


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are asked for, there or not."""
    names: list[str] = []
    get = FileStore.get

    def counted(self: FileStore, key: str, *more: Any) -> bytes | None:
        if key.endswith(".jpg"):
            names.append(key)
        return get(self, key, *more)

    monkeypatch.setattr(FileStore, "get", counted)
    recent_pieces().clear()
    return names


def test_any_tile_is_cut_from_the_square_it_lies_in(
    api: ApiSource, image: SectionImage, tmp_path: Path, read: list[str]
) -> None:
    lay(api, tmp_path, image, squares(image, 2048))
    mirror = MirrorSource(tmp_path)
    assert isinstance(mirror, WideSource)
    assert (mirror.tile_side(image, 0, "image"), mirror.piece_side(image, 0, "image")) == (
        512,
        2048,
    )
    for side in (512, 1024, 2048):
        wanted = squares(image, side)
        for tile in wanted[:: max(len(wanted) // 12, 1)] + wanted[-1:]:
            expected = api.read(image, tile, "image")
            assert np.array_equal(mirror.read(image, tile, "image"), expected)
    read.clear()
    for tile in split(squares(image, 2048)[0], 512):
        mirror.read(image, tile, "image")
    assert read in ([], [image_file(image.id, squares(image, 2048)[0], "image")])


def test_a_square_is_put_together_from_tiles_where_they_are_there(
    api: ApiSource, image: SectionImage, tmp_path: Path, read: list[str]
) -> None:
    first, second, *_ = squares(image, 2048)
    lay(api, tmp_path, image, [*split(first, 512), second])
    mirror = MirrorSource(tmp_path)
    assert mirror.piece_side(image, 0, "image") == 2048
    for square in (first, second):
        for wanted in (square, *split(square, 1024), *split(square, 512)):
            expected = api.read(image, wanted, "image")
            assert np.array_equal(mirror.read(image, wanted, "image"), expected)
    lost = image_file(image.id, next(split(first, 512)), "image")
    (tmp_path / lost).unlink()
    with pytest.raises(SectionImageError, match="misses a part of its image at tier 0"):
        mirror.read(image, first, "image")


def test_a_mirror_of_tiles_is_read_as_ever_and_no_more_files_are_asked_for(
    api: ApiSource, image: SectionImage, tmp_path: Path, read: list[str]
) -> None:
    tiles = squares(image, 512)
    lay(api, tmp_path, image, tiles)
    mirror = MirrorSource(tmp_path)
    assert mirror.piece_side(image, 0, "image") == 512
    for tile in tiles[:5]:
        mirror.read(image, tile, "image")
    assert read == [image_file(image.id, tile, "image") for tile in tiles[:5]]


def test_squares_are_found_that_came_after_the_mirror_was_listed(
    api: ApiSource, image: SectionImage, tmp_path: Path
) -> None:
    tiles = squares(image, 512)
    lay(api, tmp_path, image, tiles[:1])
    mirror = MirrorSource(tmp_path)
    assert mirror.piece_side(image, 0, "image") == 512
    square = squares(image, 2048)[1]
    data = api.fetch_bytes(image, square, "image")
    (tmp_path / image_file(image.id, square, "image")).write_bytes(data)
    tile = next(split(square, 512))
    assert np.array_equal(mirror.read(image, tile, "image"), api.read(image, tile, "image"))


def test_a_window_of_four_tiles_reads_its_square_once(
    api: ApiSource, image: SectionImage, tmp_path: Path, read: list[str]
) -> None:
    lay(api, tmp_path, image, squares(image, 2048))
    for chunks in (None, {}):
        mirrored, served = (
            section_of(source, image, chunks=chunks) for source in (MirrorSource(tmp_path), api)
        )
        middle = {"y": slice(2300, 2500), "x": slice(2300, 2500)}
        read.clear()
        window = mirrored.image.isel(coronal=0, **middle).values
        assert len(read) == len(set(read)) <= 4
        assert np.array_equal(window, served.image.isel(coronal=0, **middle).values)


def test_an_export_reads_each_square_once(
    api: ApiSource, image: SectionImage, tmp_path: Path, read: list[str]
) -> None:
    lay(api, tmp_path / "m", image, squares(image, 2048))
    for name, source in (("m.zarr", MirrorSource(tmp_path / "m")), ("s.zarr", api)):
        section_of(source, image)[["image"]].atldld.to_zarr(tmp_path / name)
    assert sorted(read) == sorted(
        image_file(image.id, square, "image") for square in squares(image, 2048)
    )
    made, expected = (xr.open_zarr(tmp_path / n) for n in ("m.zarr", "s.zarr"))
    assert np.array_equal(made.image.values, expected.image.values)


def test_how_a_tier_is_there_is_told_by_names() -> None:
    name = "section_image_7_downsample_{}.jpg"
    sizes = ["0_0_0_2048x2048", "0_4096_0_100x2048", "1_0_0_512x512", "1_512_0_80x512", "2"]
    odd = ["3_0_0_99999999999999x1", "4_0_0_0x0", "5", "5_0_0_512x512", "6_0_0_512x512"]
    contents = list_contents(name.format(size) for size in [*sizes, *odd, "6_0_512_2048x1000"])
    assert contents.images[7]["image"] == {
        0: (2048,),
        1: False,
        2: True,
        3: (2048,),
        4: False,
        5: True,
        6: (512, 2048),
    }
    assert contents.sides(7, 6, "image") == (512, 2048)
    assert contents.sides(7, 1, "image") == (512,)
    assert contents.sides(7, 2, "image") == contents.sides(7, 9, "image") == ()


@pytest.mark.parametrize("sides", ["[]", "[513]", "[true]", '["512"]', "[4096]", "[[512]]"])
def test_a_manifest_with_squares_of_no_such_side_is_not_believed(sides: str) -> None:
    images = f'"images": {{"7":{{"image":{{"0":{sides}}}}}}}'
    content = f'{{"format": 2, "section_data_sets": [], "failures": [], {images}}}'
    with pytest.raises(ValueError, match="no such side"):
        read_manifest(content.encode())


def test_recent_pieces_are_bounded_and_made_once() -> None:
    recent, made = RecentPixels(limit=25), []

    def make(n: int) -> np.ndarray:
        made.append(n)
        return np.full(10, n, np.uint8)

    for n in (1, 2, 1, 3, 1, 2):
        assert (recent.get(n, lambda n=n: make(n)) == n).all()
    assert made == [1, 2, 3, 2]
    assert recent.get("none", lambda: None) is None
    assert recent.get("large", lambda: np.zeros(100, np.uint8)).size == 100
    assert recent.get("none", lambda: np.zeros(1, np.uint8)).size == 1
