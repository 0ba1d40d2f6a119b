"""The browser: moving a slider shows what it says, and fetches what is on screen and no more."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

import atldld_xr
from atldld_xr.arrays.tile_memory import TILES
from atldld_xr.errors import InvalidArgumentError, MissingExtraError
from atldld_xr.phantom.brain import LANDMARK
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource, WatchedNoise

pytest.importorskip("ipywidgets")


def shown(browser):
    return cv2.imdecode(np.frombuffer(browser.image.value, np.uint8), cv2.IMREAD_COLOR_RGB)


@pytest.mark.parametrize("chunks", [None, "auto"])
def test_what_is_fetched_is_what_is_on_screen(chunks):
    source = WatchedNoise(width=3604, height=2812, resolution=2.5)
    ds = atldld_xr.open_dataset(DATASET_ID, source=source, resolution=2.5, chunks=chunks)
    TILES.reset()
    browser = ds.atldld.plot.browse(figsize=(4, 3))
    ids, tiers, pixels = source.told()
    assert ids == {int(ds.section_image_id[1])}  # the one in the middle
    assert tiers == {2}  # the coarsest there is
    assert pixels <= 1.5 * 3604 * 2812 / 4**2
    browser.section.value = 2
    assert source.told()[:2] == ({int(ds.section_image_id[2])}, {2})
    before = browser.image.value
    browser.y.value = (2.0, 3.0)
    source.told()
    browser.x.value = (3.0, 4.0)
    ids, tiers, pixels = source.told()
    assert ids == {int(ds.section_image_id[2])}
    assert tiers == {0}
    assert pixels < 0.1 * 3604 * 2812
    assert browser.image.value != before
    browser.section.value = 2  # where it is
    assert source.told() == (set(), set(), 0)


def test_the_picture_is_of_the_slider():
    ds = atldld_xr.open_dataset("phantom", resolution=50, chunks=None)
    at = int(np.abs(ds.coronal.values - LANDMARK.p).argmin())
    browser = ds.isel(coronal=[2, at]).load().atldld.plot.browse(figsize=(6, 4.5), scale_bar=False)

    def dark(pixels):
        found = pixels.astype(int).sum(-1) < 350
        return found[60:-60, 100 : pixels.shape[1] // 2]  # the left of the page, without its edge

    assert browser.section.value == 1
    assert browser.section.label == f"2: section {int(ds.section_number[at])} · p = 6.09 mm"
    assert shown(browser).shape == (450, 600, 3)
    assert dark(shown(browser)).sum() > 150
    browser.section.value = 0
    assert dark(shown(browser)).sum() < 20
    plain = browser.image.value
    browser.outlines.value = True
    assert browser.image.value != plain


def test_what_cannot_be_read_is_told_and_the_sliders_go_on():
    bad = tuple((FIRST_IMAGE_ID, x, y) for x in range(0, 901, 128) for y in range(0, 703, 128))
    ds = atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(bad=bad), resolution=20)
    failing = int(np.flatnonzero(ds.section_image_id == FIRST_IMAGE_ID)[0])
    browser = ds.atldld.plot.browse(figsize=(4, 3))
    other = browser.image.value
    browser.section.value = failing
    told = shown(browser)
    assert (told > 240).all(-1).mean() > 0.8  # text on white, in the picture's place
    assert not (told > 240).all()
    browser.section.value = 1
    assert browser.image.value == other


def test_notebooks_show_it_as_it_is():
    browser = atldld_xr.open_dataset(DATASET_ID, source=NoiseSource()).image.atldld.plot.browse()
    assert "application/vnd.jupyter.widget-view+json" in browser._repr_mimebundle_()


def test_no_section_and_no_ipywidgets_are_told(monkeypatch):
    ds = atldld_xr.open_dataset(DATASET_ID, source=NoiseSource())
    with pytest.raises(InvalidArgumentError, match="no section to browse"):
        ds.isel(coronal=[]).atldld.plot.browse()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(MissingExtraError, match=r'pip install "atldld-xr\[browse\]"'):
        ds.atldld.plot.browse()
