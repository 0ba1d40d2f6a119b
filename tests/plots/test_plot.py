"""The preview: every section where it lies, the brain the right way round, nothing overlapping."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Polygon, Rectangle

from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError, MissingExtraError
from atldld_xr.plots.preview import preview
from atldld_xr.testing import CORONAL, SAGITTAL
from noise import DATASET_ID, NoiseSource

PANELS = {"from the left": (0, 1), "from behind": (2, 1), "from above": (0, 2)}
"""Which of (p, i, r) is horizontal, and vertical."""


def panels(figure):
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def outlines(axes):
    """Return the sections' outlines: those polygons that are not filled."""
    return [p.get_xy()[:4] for p in axes.patches if isinstance(p, Polygon) and not p.get_fill()]


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize(
    ("name", "phantom"), [("phantom", CORONAL), ("phantom-sagittal", SAGITTAL)]
)
def test_sections_are_drawn_where_they_lie(name, phantom, space):
    data = parse_dataset(phantom.record)
    figure = preview(name, reference_space=space)
    drawn = panels(figure)
    assert set(drawn) == set(PANELS)
    footprints = [transforms.footprint(data, i, reference_space=space) for i in data.images]
    for title, plane in PANELS.items():
        axes = drawn[title]
        expected = {np.round(corners[:, plane] / 1000, 6).tobytes() for corners in footprints}
        assert {np.round(xy, 6).tobytes() for xy in outlines(axes)} == expected
        points = np.array([line.get_xydata()[0] for line in axes.lines])
        across = data.plane.section_axis
        if across in plane:
            at = [transforms.detect(data, i, reference_space=space)[across] for i in data.images]
            np.testing.assert_allclose(points[:, plane.index(across)], np.sort(at) / 1000)
        (box,) = [p for p in axes.patches if isinstance(p, Rectangle)]
        extent = (13.2, 8.0, 11.4)
        assert (box.get_width(), box.get_height()) == (extent[plane[0]], extent[plane[1]])


@pytest.mark.parametrize("space", [9, 10])
def test_the_brain_is_the_right_way_round(space):
    drawn = panels(preview("phantom-sagittal", reference_space=space))
    for title, (horizontal, vertical) in PANELS.items():
        axes = drawn[title]
        for axis, limits in ((horizontal, axes.get_xlim()), (vertical, axes.get_ylim())):
            # In space 9 it is mirrored, and r runs from right to left; it is drawn as it is.
            is_reversed = axis == 1 or (axis == 2 and space == 9)
            assert (limits[0] > limits[1]) == is_reversed, (title, axis)
    left = [xy[:, 0].mean() for xy in outlines(drawn["from behind"])]
    x_of = drawn["from behind"].transData.transform
    middle = x_of((5.7, 4.0))[0]
    # The phantom's sagittal sections are of the left hemisphere.
    assert all(x_of((r, 4.0))[0] < middle for r in left)


@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_nothing_overlaps(name):
    figure = preview(name)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    numbers = 0
    for axes in panels(figure).values():
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
        numbers += len(boxes)
        frame = axes.get_window_extent(renderer)
        for n, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[n + 1 :])
            assert frame.x0 < box.x0 < box.x1 < frame.x1
            assert frame.y0 < box.y0 < box.y1 < frame.y1
    assert numbers >= 8
    around = [axes.get_tightbbox(renderer) for axes in figure.axes]
    for n, box in enumerate(around):
        assert not any(box.overlaps(other) for other in around[n + 1 :])
    assert all(0 <= b.x0 < b.x1 <= canvas.figure.bbox.width for b in around)


def test_it_says_what_it_shows():
    figure = preview("phantom")
    text = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    assert "900000001" in figure.get_suptitle()
    assert "Phanc" in figure.get_suptitle()
    assert "17 sections" in text
    assert "section 141 (image 910000007): Allen marked it as failed" in text.replace("\n   ", " ")
    labels = {t.get_text() for axes in panels(figure).values() for t in axes.texts}
    assert labels <= {str(i.section_number) for i in parse_dataset(CORONAL.record).images}


def test_how_oblique_the_planes_are():
    # The volume's axis across sections is turned by these, in degrees, about i and about r.
    text = " ".join(t.get_text() for axes in preview("phantom").axes for t in axes.texts)
    assert f"oblique by {np.hypot(1.3, 1.1):.1f}°" in text


def test_many_excluded_sections_are_summed_up():
    class Failing(NoiseSource):
        def dataset_record(self, dataset_id):
            out = super().dataset_record(dataset_id)
            for image in out["section_images"][1:]:
                image["failed"] = True
            return out

    figure = preview(DATASET_ID, source=Failing(sections=30))
    text = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    assert "cannot be registered: 29" in text
    assert "and 21 more" in text
    assert "1 section," in text


def test_no_state_is_left_in_pyplot():
    preview("phantom")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "atldld-xr\[plot\]"'):
        preview("phantom")


def test_arguments_that_cannot_work():
    with pytest.raises(InvalidArgumentError, match="reference space 3"):
        preview("phantom", reference_space=3)
    with pytest.raises(InvalidArgumentError, match="names no section data set"):
        preview("../../etc")
    with pytest.raises(DatasetNotFoundError):
        preview(12, source="phantom")
