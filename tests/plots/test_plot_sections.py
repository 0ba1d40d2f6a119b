"""Sections on a page: the right way up, left left, to scale, and clear where nothing is."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest
from matplotlib.figure import Figure

import atldld_xr
from atldld_xr.errors import InvalidArgumentError, MissingExtraError, SectionImageError
from atldld_xr.phantom.brain import LANDMARK
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource
from pages import drawn, inside, likeness, page

BARE = {"scale_bar": False, "title": ""}


def opened(name="phantom", **options):
    return atldld_xr.open_dataset(name, **{"resolution": 50, "chunks": None, **options})


@pytest.mark.parametrize(
    ("name", "space", "at"),
    [
        ("phantom", 9, LANDMARK.p),
        ("phantom", 10, LANDMARK.p),
        ("phantom-sagittal", 10, LANDMARK.r),
        ("phantom-sagittal", 9, 11350 - LANDMARK.r),
    ],
)
def test_dorsal_is_up_and_left_is_left(name, space, at):
    section = opened(name, reference_space=space).atldld.section(at).load()
    ax = page()
    section.atldld.plot.section(ax=ax, **BARE)
    # Rows run down from dorsal, columns from the low end; r of a mirror runs from right to left.
    mirrored = name == "phantom" and space == 10
    expected = section.image.where(section.coverage, 255).values.astype(np.uint8)
    expected = expected[:, ::-1] if mirrored else expected
    shown = inside(ax)
    assert likeness(shown, expected) > 0.97
    for wrong in (expected[::-1], expected[:, ::-1], expected[::-1, ::-1]):
        assert likeness(shown, wrong) < 0.95  # both halves are much alike
    words = ("left", "right") if name == "phantom" else ("anterior", "posterior")
    assert ax.get_xlabel().split("←")[0].strip() == words[0]
    assert ax.get_xlabel().split("→")[1].strip() == words[1]
    assert ax.get_ylabel().startswith("ventral")  # which is read from below
    assert ax.get_ylabel().endswith("dorsal")


@pytest.mark.parametrize("space", [9, 10])
def test_what_only_the_left_has_is_on_the_left_of_the_page(space):
    ax = page()
    opened(reference_space=space).atldld.plot.section(LANDMARK.p, ax=ax, **BARE)
    shown = inside(ax).astype(int)
    dark = shown.sum(-1) < 350  # as nothing else is, over so large an area
    middle = shown.shape[1] // 2
    assert dark[:, :middle].sum() > 200 > 20 * dark[:, middle:].sum() / 2


def test_pixels_are_square_and_axes_in_the_unit():
    for unit, per in (("mm", 1000), ("um", 1)):
        ax = page(figsize=(9, 3))
        opened(resolution=400).atldld.plot.section(6600, ax=ax, unit=unit)
        drawn(ax.figure)
        box = ax.get_window_extent()
        assert box.width / box.height == pytest.approx(11200 / 8000, rel=0.01)
        assert ax.get_xlim() == (0, 11200 / per)
        assert ax.get_ylim() == (8000 / per, 0)
        assert {"mm": "(mm)", "um": "(µm)"}[unit] in ax.get_xlabel()


@pytest.mark.parametrize("unit", ["mm", "um"])
@pytest.mark.parametrize(
    ("window", "length", "text"),
    [((0, 11400), 2000, "2 mm"), ((3000, 8000), 1000, "1 mm"), ((4000, 5600), 200, "200 µm")],
)
def test_the_scale_bar_is_as_long_as_it_says(window, length, text, unit):
    ax = page(dpi=200)
    part = opened().sel(x=slice(*window), y=slice(2000, 6000))
    part.atldld.plot.section(6600, ax=ax, unit=unit, title="")
    shown = inside(ax)
    black = (shown < 40).all(-1)
    runs = [max(map(len, "".join(".#"[int(b)] for b in row).split("."))) for row in black]
    expected = length * shown.shape[1] / (window[1] - window[0])
    assert max(runs) == pytest.approx(expected, abs=4)
    assert np.argmax(runs) > 0.8 * len(runs)  # low on the page
    (bar,) = [a for a in ax.artists if a.get_gid() == "scale-bar"]
    assert bar.txt_label.get_text() == text


@pytest.mark.parametrize("fluorescent", [False, True])
def test_what_has_no_pixel_is_transparent(fluorescent):
    fill = {"fill_value": 0} if fluorescent else {}
    section = opened(resolution=100, **fill).isel(coronal=4).load()
    assert not section.coverage.all()
    made = section.atldld.plot.section(ax=page())
    np.testing.assert_array_equal(made.get_array()[..., 3] == 255, section.coverage)
    np.testing.assert_array_equal(made.get_array()[..., :3], section.image)
    masked = section.atldld.masked.image.atldld.plot.section(ax=page())
    np.testing.assert_array_equal(masked.get_array()[..., 3] == 255, section.coverage)


def test_a_title_says_what_is_shown():
    ds = opened(resolution=400)
    text = ds.atldld.plot.section(6600, ax=page()).axes.get_title()
    assert text == "Phanc · data set 900000001\nsection 201 · image 910000010 · coronal p = 6.60 mm"
    mirrored = opened("phantom-sagittal", reference_space=9, resolution=400)
    assert (
        mirrored.atldld.plot.section(8000, ax=page())
        .axes.get_title()
        .endswith("left hemisphere, mirrored")
    )
    masks = opened(resolution=400, expression="intensity").atldld.plot
    mask = masks.section(6600, ax=page(), variable="expression")
    assert mask.axes.get_title() == f"{text} · expression"
    array = ds.atldld.section(6600).image
    assert array.atldld.plot.section(ax=page()).axes.get_title() == text.split("\n")[1]


def test_sides_that_nothing_tells_are_not_written():
    ds = opened(resolution=200).isel(coronal=0)
    ds.x.attrs.clear()
    ds.attrs.clear()
    ax = ds.atldld.plot.section(ax=page()).axes
    assert ax.get_xlabel() == "r (mm)"
    assert "dorsal" in ax.get_ylabel()


def test_planes_of_a_volume_lie_as_the_brain_does():
    volume = atldld_xr.open_volume(DATASET_ID, source=NoiseSource(), resolution=400)
    for dim, (down, right) in {
        "coronal": (("ventral", "dorsal"), ("left", "right")),
        "y": (("posterior", "anterior"), ("left", "right")),  # each read from left, or from below
        "x": (("ventral", "dorsal"), ("anterior", "posterior")),
    }.items():
        ax = volume.isel({dim: 5}).atldld.plot.section(ax=page()).axes
        for text, ends in ((ax.get_ylabel(), down), (ax.get_xlabel(), right)):
            assert (text.split()[0], text.split()[-1]) == ends
        assert ax.get_ylim()[0] > ax.get_ylim()[1] == 0
    assert volume.atldld.plot.section(100, ax=page()).axes.get_xlabel().startswith("left")


def test_without_labels_letters_say_what_is_where():
    ds = atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(plane=2), resolution=400)
    ax = ds.isel(sagittal=0).atldld.plot.section(ax=page(), labels=False).axes
    assert {text.get_text() for text in ax.texts} == set("DVAP")
    assert not ax.axison


def test_a_montage_has_all_sections_in_order():
    ds = opened(resolution=400).isel(coronal=slice(3, 9))
    figure = ds.atldld.plot.montage(columns=4)
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) == 6
    for ax, number, p in zip(panels, ds.section_number.values, ds.coronal.values, strict=True):
        assert ax.get_title() == f"section {number} · p = {p / 1000:.2f} mm"
        assert ax.get_ylim()[0] > ax.get_ylim()[1]
    letters = {text.get_text(): text.get_position() for text in panels[0].texts}
    assert set(letters) == set("DVLR")
    assert letters["D"][1] > 0.9 > 0.1 > letters["V"][1]
    assert letters["L"][0] < 0.1 < 0.9 < letters["R"][0]
    assert sum(bool(ax.artists) for ax in panels) == 1
    assert "Phanc" in figure.get_suptitle()
    pixels = drawn(figure)
    assert (pixels.min(axis=(0, 2)) < 200).mean() > 0.5  # tissue nearly all along


def test_nothing_is_left_of_a_figure():
    ds = opened(resolution=400)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    assert not pyplot.get_fignums()
    figure = ds.isel(coronal=[3, 4]).atldld.plot.montage()
    drawn(figure)
    image = ds.atldld.plot.section(6600, ax=page())
    assert not pyplot.get_fignums()
    gone = [weakref.ref(figure), weakref.ref(image)]
    del figure, image
    gc.collect()
    assert [left() for left in gone] == [None, None]


def test_without_axes_it_is_where_xarrays_own_would_be():
    from matplotlib import pyplot

    with pyplot.rc_context({"backend": "agg"}):
        try:
            figure, ax = pyplot.subplots()
            assert opened(resolution=400).atldld.plot.section(6600).axes is ax
            image = opened(resolution=400).atldld.plot.section(6600, figsize=(3, 2))
            assert image.figure is not figure
            assert image.figure.get_size_inches().tolist() == [3, 2]
            # What fails leaves pyplot as it was.
            numbers = pyplot.get_fignums()
            bad = frozenset((FIRST_IMAGE_ID, x, y) for x in (0, 128) for y in (0, 128))
            failing = atldld_xr.open_dataset(
                DATASET_ID, source=NoiseSource(bad=tuple(bad)), resolution=10
            )
            section = failing.isel(coronal=failing.section_image_id.values == FIRST_IMAGE_ID)
            with pytest.raises(SectionImageError, match="made to fail"):
                section.atldld.plot.section(figsize=(30, 20))
            assert pyplot.get_fignums() == numbers
        finally:
            pyplot.close("all")


def test_what_cannot_be_drawn_is_told():
    ds = opened(resolution=400)
    plot = ds.atldld.plot
    for message, call in {
        "17 sections: say near which coronal": plot.section,
        "variable is one of image, displacement": lambda: plot.section(0, variable="picture"),
        "unit is": lambda: plot.section(0, unit="m"),
        "ax is one Axes": lambda: plot.section(0, ax=Figure().subplots(2)),
        "not both": lambda: plot.section(0, ax=page(), figsize=(2, 2)),
        "figsize is width and height in inches, as .6, 4., not 3": lambda: plot.section(
            0, figsize=3
        ),
        "inches, .* not .0, 2.": lambda: plot.montage(figsize=(0, 2)),
        "resolution is a size": lambda: plot.section(0, ax=page(), resolution=-1),
        "2 values a pixel": lambda: plot.section(0, ax=page(), variable="displacement"),
        "columns is a number from 1 to 17": lambda: plot.montage(columns=0),
        "equal steps along y": lambda: ds.isel(y=[0, 1, 5]).atldld.plot.section(0, ax=page()),
        "montage is of 1 to 200": lambda: ds.isel(coronal=[]).atldld.plot.montage(),
        "coronal is empty": ds.isel(coronal=[]).atldld.plot.section,
        "no section: coronal": ds.isel(coronal=[]).atldld.plot.coverage,
        "no pixels along y": lambda: ds.isel(y=[]).atldld.plot.section(0, ax=page()),
    }.items():
        with pytest.raises(InvalidArgumentError, match=message):
            call()


@pytest.mark.parametrize("draw", ["section", "montage", "overlay", "field", "coverage"])
def test_without_matplotlib_the_extra_is_named(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "atldld-xr\[plot\]"'):
        getattr(opened(resolution=400).isel(coronal=[3]).atldld.plot, draw)()
