"""Saving mirrors by squares of tiles: few requests, and older mirrors are gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from atldld_xr.allen.metadata import SectionImage, parse_dataset
from atldld_xr.allen.tiers import Tile, View
from atldld_xr.errors import SectionImageError
from atldld_xr.sources import answers
from atldld_xr.sources.api import ApiSource
from atldld_xr.sources.kept_pieces import split
from atldld_xr.sources.mirror import MirrorSource, image_file
from atldld_xr.sources.mirror_contents import list_contents
from atldld_xr.sources.save_mirror import save_mirror
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.server import AllenServer
from wide_service import (
    DATASET,
    api,
    image,
    lay,
    running,
    section_of,
    server,
    squares,
)

__all__ = ["api", "image", "running", "server"]  # fixtures, which tests take by name


def files(path: Path) -> set[str]:
    return {p.name for p in path.glob("*.jpg")}


def manifest(path: Path) -> Any:
    return json.loads((path / "mirror.json").read_text())


def test_a_section_is_mirrored_by_squares_and_equals_the_service(
    api: ApiSource, server: AllenServer, image: SectionImage, tmp_path: Path
) -> None:
    summary = save_mirror([DATASET], str(tmp_path / "a"), source=api, tiers=[0, 4])
    images = parse_dataset(api.dataset_record(DATASET)).images
    expected = {
        image_file(i.id, tile, "image")
        for i in images
        for tile in [*squares(i, 2048), answers.whole_tile(i, 4)]
    }
    assert files(tmp_path / "a") == expected
    assert server.image_requests == len(expected) == summary.files - 1
    assert manifest(tmp_path / "a")["format"] == 2
    assert manifest(tmp_path / "a")["images"][str(image.id)] == {"image": {"0": [2048], "4": True}}
    listed = list_contents(p.name for p in (tmp_path / "a").iterdir())
    assert MirrorSource(tmp_path / "a").manifest() == listed

    # Again, and from the copy: nothing is asked for, and the same files are made.
    server.clear_log()
    again = save_mirror([DATASET], str(tmp_path / "a"), source=api, tiers=[0, 4])
    assert (again.skipped, again.files) == (len(expected), 1)
    save_mirror([DATASET], str(tmp_path / "b"), source=MirrorSource(tmp_path / "a"), tiers=[0, 4])
    assert server.image_requests == 0
    for name in expected:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_mirror_of_tiles_is_gone_on_with(
    api: ApiSource, server: AllenServer, image: SectionImage, tmp_path: Path
) -> None:
    first, second, *_ = squares(image, 2048)
    tiles = [*split(first, 512), *split(second, 512)]
    lay(api, tmp_path, image, tiles)
    old = {"format": 1, "source": "", "section_data_sets": [DATASET], "failures": []}
    old["images"] = {str(image.id): {"image": {"0": False}}}
    (tmp_path / "mirror.json").write_text(json.dumps(old))
    # One is lost: its square comes whole, the other's tiles will do.
    (tmp_path / image_file(image.id, tiles[-1], "image")).unlink()
    server.clear_log()
    summary = save_mirror([DATASET], str(tmp_path), source=api, tiers=[0])
    count = sum(len(squares(i, 2048)) for i in parse_dataset(api.dataset_record(DATASET)).images)
    assert server.image_requests == count - 1
    assert summary.skipped == 1
    assert image_file(image.id, first, "image") not in files(tmp_path)
    assert manifest(tmp_path)["images"][str(image.id)] == {"image": {"0": [512, 2048]}}
    mirror = MirrorSource(tmp_path)
    mirror.dataset_record(DATASET)
    for square in squares(image, 2048)[:3]:
        expected = api.read(image, square, "image")
        assert np.array_equal(mirror.read(image, square, "image"), expected)


def test_a_mirror_all_of_tiles_stays_as_it_is(
    api: ApiSource, server: AllenServer, image: SectionImage, tmp_path: Path
) -> None:
    only = _One(server.url, image.id)
    lay(api, tmp_path, image, squares(image, 512))
    before = files(tmp_path)
    server.clear_log()
    save_mirror([DATASET], str(tmp_path), source=only, tiers=[0])
    assert server.image_requests == 0
    assert files(tmp_path) == before
    assert manifest(tmp_path)["format"] == 1
    assert manifest(tmp_path)["images"] == {str(image.id): {"image": {"0": False}}}
    section = section_of(MirrorSource(tmp_path), image)[["image"]]
    section.atldld.to_zarr(tmp_path / "m.zarr")
    made = xr.open_zarr(tmp_path / "m.zarr").image.values
    assert np.array_equal(made, section_of(api, image).image.values)


class _One(ApiSource):
    """A service, of whose data set one section is told."""

    def __init__(self, url: str, image_id: int) -> None:
        super().__init__(url)
        object.__setattr__(self, "_only", image_id)

    def dataset_record(self, dataset_id: int) -> Any:
        record = super().dataset_record(dataset_id)
        images = [i for i in record["section_images"] if i["id"] == self._only]  # type: ignore[attr-defined]
        return {**record, "section_images": images}

    def fetch_bytes(self, image: SectionImage, tile: Tile, view: View) -> bytes:
        if tile.left == tile.top == 0 and tile.width > 512 and getattr(self, "_spoilt", False):
            raise SectionImageError(image.id, self.url, "no JPEG of squares")
        return super().fetch_bytes(image, tile, view)


def test_of_a_square_that_cannot_be_had_the_tiles_are(
    api: ApiSource, server: AllenServer, image: SectionImage, tmp_path: Path
) -> None:
    only = _One(server.url, image.id)
    object.__setattr__(only, "_spoilt", True)
    summary = save_mirror([DATASET], str(tmp_path), source=only, tiers=[0], on_error="skip")
    assert summary.failures == ()
    first, *others = squares(image, 2048)
    expected = {image_file(image.id, tile, "image") for tile in [*split(first, 512), *others]}
    assert files(tmp_path) == expected
    assert manifest(tmp_path)["images"][str(image.id)] == {"image": {"0": [512, 2048]}}
    mirror = MirrorSource(tmp_path)
    assert np.array_equal(mirror.read(image, first, "image"), api.read(image, first, "image"))


def test_tiles_that_fail_are_tried_again_in_their_square(
    api: ApiSource, server: AllenServer, image: SectionImage, tmp_path: Path
) -> None:
    server.faults = Faults(never=frozenset({image.id}))
    only = _One(server.url, image.id)
    with pytest.raises(SectionImageError):
        save_mirror([DATASET], str(tmp_path), source=only, tiers=[0])
    summary = save_mirror([DATASET], str(tmp_path), source=only, tiers=[0], on_error="skip")
    assert len(summary.failures) == len(squares(image, 512))
    assert len(manifest(tmp_path)["failures"]) == len(squares(image, 512))
    server.faults = Faults()
    server.clear_log()
    assert save_mirror([DATASET], str(tmp_path), source=only, tiers=[0]).failures == ()
    assert server.image_requests == len(squares(image, 2048))
    assert manifest(tmp_path)["failures"] == []
    damaged = tmp_path / image_file(image.id, squares(image, 2048)[0], "image")
    damaged.write_bytes(damaged.read_bytes()[:-50])
    server.clear_log()
    save_mirror([DATASET], str(tmp_path), source=only, tiers=[0])
    assert server.image_requests == 1
