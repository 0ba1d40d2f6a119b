"""get_image, and whole reads from sources of any kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import atldld_xr
from atldld_xr.allen.metadata import parse_image
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError, SectionImageError
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.read_whole import read_whole
from atldld_xr.testing.catalogue import Catalogue
from atldld_xr.testing.faults import Faults
from atldld_xr.testing.server import AllenServer
from atldld_xr.utils import get_experiment_list_from_gene, get_image
from noise import FIRST_IMAGE_ID, NoiseSource, noise

CORONAL = Phantom(resolution=32.0, count=6, spacing=60)
SOURCE = PhantomSource((CORONAL,))
FIRST_CORONAL = 910000001


@pytest.fixture
def server():
    with AllenServer([CORONAL]) as running:
        yield running


@pytest.mark.parametrize("downsample", [0, 1, 2])
@pytest.mark.parametrize("expression", [False, True])
def test_get_image(downsample, expression):
    image = get_image(FIRST_CORONAL, None, expression, downsample, source=SOURCE)
    assert image.dtype == np.uint8
    assert image.shape == (251 >> downsample, 357 >> downsample, 3)
    parsed = parse_image(CORONAL.image_record(FIRST_CORONAL))
    view = "expression" if expression else "image"
    np.testing.assert_array_equal(image, read_whole(SOURCE, parsed, downsample, view))


def test_get_image_is_one_request_also_beyond_the_tile_grid():
    large = Phantom(resolution=4.0, count=3)
    with AllenServer([large]) as service:
        image = get_image(FIRST_CORONAL, source=service.url)
        assert image.shape == (2001, 2851, 3)
        assert service.image_requests == 1
        asked = next(r for r in service.log if r.image_id).query
    assert asked == {"downsample": "0"}


def test_get_image_keeps_it_in_the_folder(server, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "910000001-1.jpg").write_bytes(b"of another program")
    first = get_image(FIRST_CORONAL, folder, downsample=1, source=server.url)
    assert server.image_requests == 1
    with atldld_xr.config.set({"cache.enabled": False}):
        again = get_image(FIRST_CORONAL, str(folder), downsample=1, source=server.url)
    assert server.image_requests == 1
    np.testing.assert_array_equal(again, first)
    assert len(list(folder.rglob("*.jpg"))) == 2
    assert not (tmp_path / "cache").exists()
    assert atldld_xr.config.get("cache.directory") == str(tmp_path / "cache")


def test_get_image_makes_the_folder(server, tmp_path):
    get_image(FIRST_CORONAL, tmp_path / "a" / "b", downsample=1, source=server.url)
    assert len(list(Path(tmp_path / "a" / "b").rglob("*.jpg"))) == 1


@pytest.mark.parametrize(
    ("image_id", "options", "error"),
    [
        (FIRST_CORONAL, {"downsample": 9}, InvalidArgumentError),
        (FIRST_CORONAL, {"downsample": "auto"}, InvalidArgumentError),
        (FIRST_CORONAL, {"downsample": 1.5}, InvalidArgumentError),
        ("phantom", {}, InvalidArgumentError),
        (0, {}, InvalidArgumentError),
        (123, {}, DatasetNotFoundError),
    ],
)
def test_get_image_refuses(image_id, options, error):
    with pytest.raises(error):
        get_image(image_id, source=SOURCE, **options)


def test_get_image_refuses_a_mask_that_does_not_exist():
    source = NoiseSource()
    assert get_image(FIRST_IMAGE_ID, expression=True, source=source).shape == (703, 901, 3)
    with pytest.raises(InvalidArgumentError, match="no expression mask"):
        get_image(FIRST_IMAGE_ID + 1, expression=True, source=source)


@pytest.mark.parametrize("kind", ["html", "truncated", "wrong_size"])
def test_get_image_never_returns_what_is_not_the_image(server, kind):
    server.faults = Faults(never={FIRST_CORONAL}, never_kind=kind)
    with (
        atldld_xr.config.set({"http.retries": 1}),
        pytest.raises(SectionImageError, match=str(FIRST_CORONAL)),
    ):
        get_image(FIRST_CORONAL, downsample=1, source=server.url)


@pytest.mark.parametrize("view", ["image", "expression", "intensity"])
def test_a_source_of_tiles_is_put_together(view):
    source = NoiseSource(have=frozenset({0, 1}))
    image = parse_image(source.image_record(FIRST_IMAGE_ID))
    read = []
    with pytest.MonkeyPatch.context() as patch:
        original = NoiseSource.read
        patch.setattr(NoiseSource, "read", lambda *a: read.append(a[2]) or original(*a))
        pixels = read_whole(source, image, 1, view)
    expected = noise(FIRST_IMAGE_ID, 351, 450, 1)
    np.testing.assert_array_equal(pixels, expected[..., 0] if view == "intensity" else expected)
    assert len(read) == 3 * 4
    assert not any(tile.whole for tile in read)
    assert {(tile.left % 128, tile.top % 128) for tile in read} == {(0, 0)}


def test_a_tile_that_cannot_be_read_fails_the_whole():
    source = NoiseSource(have=frozenset({0, 1}), bad=((FIRST_IMAGE_ID, 128, 0),))
    with pytest.raises(SectionImageError):
        get_image(FIRST_IMAGE_ID, downsample=1, source=source)


def test_the_experiments_of_a_gene():
    with AllenServer([], catalogue=Catalogue(600)) as server:

        def experiments(*args):
            return get_experiment_list_from_gene(*args, source=server.url)

        for axis in ("coronal", "sagittal"):
            found = atldld_xr.search(gene="Gad2", plane=axis, product="Mouse", source=server.url)
            assert experiments("Gad2", axis) == found.id.tolist()
            assert all(type(number) is int for number in experiments("Gad2", axis))
        assert experiments("Gad2") == experiments("Gad2", "sagittal") != []
        assert experiments("A930033C01Rik*", "sagittal") != []
        assert experiments("Gad*") == experiments("Nope") == []
        for wrong in (("Gad2", "oblique"), ("it's",), (5,)):
            with pytest.raises(InvalidArgumentError):
                experiments(*wrong)
