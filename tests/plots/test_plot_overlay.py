"""Outlines of structures: on the borders of labels, in the ontology's colours, where tissue is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from scipy import ndimage

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.phantom.brain import LANDMARK
from atldld_xr.plots.outlines import innermost, outlines
from atldld_xr.plots.overlay import merged
from pages import inside, page

TOY = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 3, 3, 3, 3, 3, 7, 7],
        [0, 3, 0, 0, 0, 3, 7, 7],
        [0, 3, 0, 9, 0, 3, 7, 7],
        [0, 3, 0, 0, 0, 3, 7, 7],
        [0, 3, 3, 3, 3, 3, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
)


def border(labels):
    """Return which pixels have a neighbour of another label; beyond the picture is none."""
    around = np.pad(labels, 1, mode="edge")
    same = [around[1:-1, :-2], around[1:-1, 2:], around[:-2, 1:-1], around[2:, 1:-1]]
    return np.any([labels != other for other in same], axis=0)


def on_lines(lines, shape):
    """Return which pixels lines run through, walked in small steps."""
    out = np.zeros(shape, bool)
    for line in lines:
        steps = np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(line)])
        rows, columns = np.floor(steps + 0.5).astype(int).T
        out[rows, columns] = True
    return out


def test_outlines_run_through_the_outermost_pixels_of_each_label():
    found = outlines(TOY)
    assert sorted(found) == [3, 7, 9]
    for label, lines in found.items():
        passed = on_lines(lines, TOY.shape)
        np.testing.assert_array_equal(passed, border(TOY) & (label == TOY))
    assert len(found[3]) == 2  # and around its hole
    assert outlines(np.zeros((3, 3), int)) == {}
    # What the picture cuts is open there, in however many parts.
    comb = np.zeros((5, 9), int)
    comb[1] = comb[:, 1::3] = 5
    (lines,) = outlines(comb).values()
    for line in lines:
        for a, b in pairwise(line):
            assert not ((a == b) & ((a == 0) | (a == np.array(comb.shape) - 1))).any()
    assert on_lines(lines, comb.shape)[2:4, 1::3].all()


def test_a_name_is_written_inside():
    places = innermost(TOY)
    assert {TOY[round(row), round(column)] == label for label, (row, column) in places.items()} == {
        True
    }
    wide = np.zeros((40, 60), np.uint32)
    wide[5:35, 10:50] = 4
    assert np.abs(np.subtract(innermost(wide)[4], (19.5, 29.5))).max() <= 10


@pytest.fixture(scope="module")
def section():
    return atldld_xr.open_dataset("phantom", resolution=50).atldld.section(LANDMARK.p)


@pytest.fixture(scope="module")
def ontology():
    return atldld_xr.structures(source="phantom")


@pytest.mark.parametrize("unit", ["mm", "um"])
def test_outlines_are_drawn_on_the_borders_of_labels(section, ontology, unit):
    lines = section.atldld.plot.overlay(ax=page(), unit=unit)
    labels = section.atldld.annotation().values
    near = ndimage.binary_dilation(border(labels), np.ones((3, 3)))
    per = {"mm": 1000, "um": 1}[unit]
    colours = {ontology.colour(int(label)).lower() for label in np.unique(labels) if label}
    assert {to_hex(colour) for colour in lines.get_colors()} == colours
    seen = np.zeros_like(near)
    for segment in lines.get_segments():
        columns, rows = (segment * per / 50 - 0.5).round().astype(int).T
        assert near[rows, columns].all()
        seen[rows, columns] = True
    assert seen.any(axis=0).mean() > 0.7


@pytest.mark.parametrize("space", [9, 10])
def test_a_structure_of_the_left_is_outlined_where_its_tissue_is(space):
    ds = atldld_xr.open_dataset("phantom", resolution=50, reference_space=space)
    drawing = {"ax": page(dpi=150), "scale_bar": False, "title": "", "linewidth": 1.5}
    lines = ds.atldld.plot.overlay(at=LANDMARK.p, structures="LM", names=True, **drawing)
    (line,) = lines.get_segments()
    r = 11350 - LANDMARK.r if space == 10 else LANDMARK.r
    true = ds.atldld.section(LANDMARK.p).atldld.true_coordinate()
    off = float(true.sel(y=LANDMARK.i, x=r, method="nearest")) - LANDMARK.p
    radius = np.sqrt(LANDMARK.radius**2 - off**2)
    away = np.hypot(line[:, 0] * 1000 - r, line[:, 1] * 1000 - LANDMARK.i)
    np.testing.assert_allclose(away, radius, atol=75)  # a pixel and its half
    (name,) = (text for text in lines.axes.texts if text.get_text() == "LM")
    assert np.hypot(name.get_position()[0] * 1000 - r, name.get_position()[1] * 1000 - 4250) < 100
    # And on the page, in the structure's own colour, F0408A, on the left.
    shown = inside(lines.axes).astype(int)
    pink = (np.abs(shown - np.array([0xF0, 0x40, 0x8A])) < 50).all(-1)
    middle = shown.shape[1] // 2
    assert pink[:, :middle].sum() > 100
    assert not pink[:, middle:].any()


def test_labels_can_be_given_as_they_were_cut(section):
    ds = atldld_xr.open_dataset("phantom", resolution=50)
    cut = ds.atldld.annotation()
    by_default = section.atldld.plot.overlay(ax=page()).get_segments()
    given = section.atldld.plot.overlay(cut, ax=page()).get_segments()
    assert len(given) == len(by_default) > 10
    for a, b in zip(given, by_default, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(InvalidArgumentError, match="of other sections"):
        section.atldld.plot.overlay(cut.isel(coronal=[0, 1]), ax=page())


def test_parts_are_drawn_with_what_they_are_part_of(section, ontology):
    labels = section.atldld.annotation().values
    whole = merged(labels, ontology, ["CTX", "CTX4"])
    assert {ontology.acronym(int(label)) for label in np.unique(whole) if label} == {"CTX", "CTX4"}
    assert (whole == ontology.id_of("CTX4")).sum() == (labels == ontology.id_of("CTX4")).sum()
    numbers = pyplot.get_fignums()
    for on in ({"ax": page()}, {"figsize": (2, 2)}):
        with pytest.raises(InvalidArgumentError, match="no structure has the acronym"):
            section.atldld.plot.overlay(structures="XYZ", **on)
    assert pyplot.get_fignums() == numbers
