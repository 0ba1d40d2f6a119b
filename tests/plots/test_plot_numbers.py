"""Fields, coverage and summaries on a page: the numbers that are drawn are those of the Dataset."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

import atldld_xr
from atldld_xr.errors import InvalidArgumentError
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource, bend_of_noise
from pages import page

DOCS = Path(__file__).parents[2] / "docs" / "plots.md"


def noise(**options):
    return atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(), resolution=100, **options)


def test_arrows_are_the_displacements_where_they_are():
    section = noise().isel(coronal=2).load()
    arrows = section.atldld.plot.field(ax=page(), arrows=20)
    at = arrows.get_offsets()
    assert 100 < len(at) <= 20 * 15
    x, y = (xr.DataArray(places * 1000, dims="arrow") for places in at.T)
    here = section[["displacement", "coverage"]].sel(y=y, x=x, method="nearest")
    np.testing.assert_allclose(here.y, y)
    np.testing.assert_allclose(here.x, x)
    assert here.coverage.all()
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], -1), here.displacement)
    # Down on the page is inferior, as rows are: arrows are in the axes' own directions.
    assert arrows.angles == "xy"
    assert arrows.axes.get_ylim()[0] > 0
    longest = np.hypot(arrows.U, arrows.V).max() / arrows.scale
    assert longest < 2 * np.diff(np.unique(at[:, 0])).min()


def test_of_an_affine_no_bend_is_left():
    assert np.abs(noise().isel(coronal=2).atldld.plot.field(ax=page(), bend=True).U).max() < 1e-3
    bent = noise(registration=atldld_xr.Registration(bends={FIRST_IMAGE_ID: bend_of_noise()}))
    here = int(np.flatnonzero(bent.section_image_id == FIRST_IMAGE_ID)[0])
    arrows = bent.isel(coronal=here).atldld.plot.field(ax=page(), bend=True)
    assert np.hypot(arrows.U, arrows.V).max() > 0.5


def test_coverage_counts_sections():
    ds = noise(on_error="fill")
    image = ds.atldld.plot.coverage(ax=page())
    np.testing.assert_array_equal(image.get_array(), ds.coverage.sum("coronal"))
    assert image.get_clim() == (0, 3)
    one = ds.isel(coronal=1)
    np.testing.assert_array_equal(one.atldld.plot.coverage(ax=page()).get_array(), one.coverage)
    at = float(one.coronal)
    np.testing.assert_array_equal(ds.atldld.plot.coverage(at, ax=page()).get_array(), one.coverage)


def test_a_section_that_could_not_be_read_says_so():
    bad = tuple((FIRST_IMAGE_ID, x, y) for x in range(0, 901, 128) for y in range(0, 703, 128))
    ds = atldld_xr.open_dataset(
        DATASET_ID, source=NoiseSource(bad=bad), resolution=100, on_error="fill"
    )
    figure = ds.atldld.plot.montage()
    said = [[t.get_text() for t in ax.texts if t.get_text() == "no pixels"] for ax in figure.axes]
    failed = (ds.section_image_id == FIRST_IMAGE_ID).values.tolist()
    assert [bool(texts) for texts in said[:3]] == failed


@pytest.fixture(scope="module")
def summary():
    ds = atldld_xr.open_dataset("phantom", resolution=200, expression="intensity")
    return ds.isel(coronal=slice(6, 8)).atldld.structure_summary(hemisphere="each")


def test_bars_are_the_numbers_of_a_summary(summary):
    ontology = atldld_xr.structures(source="phantom")
    both = summary.sel(hemisphere_id=3)
    expected = both.atldld.structure_values("expression_energy")
    (bars,) = both.atldld.plot.summary(most=7, ax=page())
    ax = bars.patches[0].axes
    drawn = {t.get_text(): p for t, p in zip(ax.get_yticklabels(), bars, strict=True)}
    assert list(drawn) == sorted(expected, key=lambda one: -expected[one])[:7]
    for acronym, patch in drawn.items():
        assert patch.get_width() == pytest.approx(expected[acronym])
        assert to_hex(patch.get_facecolor()) == ontology.colour(acronym).lower()
    tops = [patch.get_y() for patch in bars]
    assert ax.get_ylim()[0] > tops[-1] > tops[0] > ax.get_ylim()[1]  # the highest is on top
    assert ax.get_xlabel() == "expression energy"
    assert "Phanc" in ax.get_title()
    (bars,) = both.atldld.plot.summary("volume_mm3", most=None, sort=False, names=True, ax=page())
    texts = [t.get_text() for t in bars.patches[0].axes.get_yticklabels()]
    assert texts[0] == "root (root)"
    assert "landmark, on the left alone (LM)" in texts


def test_both_sides_are_told_apart(summary):
    left, right = summary.sel(hemisphere_id=[1, 2]).atldld.plot.summary(most=3, ax=page())
    assert (left.get_label(), right.get_label()) == ("left", "right")
    texts = [t.get_text() for t in left.patches[0].axes.get_yticklabels()]
    landmark = texts.index("LM")
    assert left[landmark].get_width() > 50
    assert not right[landmark].get_width() > 0


@pytest.mark.parametrize(
    ("message", "made"),
    [
        ("no summary of structures", lambda s: noise().atldld.plot.summary()),
        ("columns are", lambda s: s.atldld.plot.summary("energy")),
        ("most is a number", lambda s: s.atldld.plot.summary(most=0)),
        ("no structure of this summary", lambda s: s.where(False).assign(reason=s.reason)
            .atldld.plot.summary()),
        ("arrows is how many", lambda s: noise().atldld.plot.field(0, arrows=1)),
        ("has no displacement", lambda s: noise()[["image"]].atldld.plot.field(0)),
        ("no attribute section_data_set_id", lambda s: xr.Dataset().atldld.plot.preview()),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told(summary, message, made):
    with pytest.raises(InvalidArgumentError, match=message):
        made(summary)


def test_a_preview_is_of_the_datasets_own_space():
    ds = atldld_xr.open_dataset("phantom-sagittal", reference_space=9, chunks=None)
    title = ds.isel(sagittal=0).atldld.plot.preview().get_suptitle()
    assert "900000002" in title
    assert "which mirrors them" in title
    assert noise().atldld.plot.preview().get_suptitle().startswith(f"Section data set {DATASET_ID}")


def test_what_the_docs_show_runs(tmp_path, monkeypatch):
    from matplotlib import pyplot

    pytest.importorskip("ipywidgets")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    few = r'open_dataset("phantom"\1, resolution=200).isel(coronal=slice(8, 10)).load()'
    with pyplot.rc_context({"backend": "agg"}):
        try:
            for code in re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.M | re.S):
                code = code.replace(", resolution=100", "").replace("dpi=300", "dpi=60")
                exec(re.sub(r"open_dataset\(71717640(.*?)\)", few, code), names)
        finally:
            pyplot.close("all")
    assert {path.name for path in tmp_path.iterdir()} == {
        "section.png",
        "montage.png",
        "panels.png",
    }
    assert matplotlib.image.imread("section.png").shape == (360, 480, 4)
