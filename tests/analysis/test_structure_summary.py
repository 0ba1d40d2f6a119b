"""Numbers per structure, counted on sections: against plain NumPy, the formula, and themselves."""

from __future__ import annotations

import math
from dataclasses import replace

import dask
import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.analysis.places import r_lines
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.phantom.brain import expression, value
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import LANDMARK, PHANTOMS
from structures_of import TREE, labels_of
from tilted import TILTS, open_tilted, tilted_source, true_places

EXACT = ["sum_pixels", "sum_expressing_pixels", "sum_pixel_intensity"]
EXACT += ["sum_expressing_pixel_intensity"]
SIDES = {1: [1], 2: [2], 3: [1, 2]}


COARSE = PhantomSource(tuple(replace(p, resolution=32.0, count=8) for p in PHANTOMS.values()))


def opened(name="phantom", **arguments):
    arguments = {"resolution": 100, "expression": "intensity", "source": COARSE, **arguments}
    return atldld_xr.open_dataset(name, **arguments)


def opened_finely(name="phantom", **arguments):
    return opened(name, source="phantom", **arguments)


def summary(dataset, labels=None, **arguments):
    labels = labels_of(dataset, dataset.atldld.section_dim) if labels is None else labels
    return dataset.atldld.structure_summary(labels, ontology=TREE, **arguments)


def directly(dataset, dim, members, sides, threshold=25):
    """Return sums of a structure's pixels, coverage and sections, by NumPy on what is loaded."""
    dataset = dataset.load()
    labels = labels_of(dataset, dim).values
    image, mask = dataset.image.values.astype(int), dataset.expression.values
    dark = 255 - ((77 * image[..., 0] + 150 * image[..., 1] + 29 * image[..., 2] + 128) >> 8)
    expressing = mask > threshold if mask.ndim == 3 else (mask > threshold).any(-1)
    valid = dataset.coverage.values & dataset.expression_coverage.values
    r = dataset.x.values + np.zeros(labels.shape)
    if dim == "sagittal":
        along = [dataset[n].values[:, None, None] for n in ("tilt_y", "tilt_x")]
        off = [dataset[a].values - dataset[f"detection_{a}"].values[:, None] for a in "yx"]
        r = dataset.sagittal.values[:, None, None] + along[0] * off[0][:, :, None]
        r = r + along[1] * off[1][:, None, :]
    side = np.where(r < 5700, 1, 2)
    here = np.isin(labels, members) & np.isin(side, sides)
    step = float(np.diff(dataset.y.values[:2])[0])
    scale = np.abs(np.linalg.det(dataset.affine.values[:, :, :2])) * step**2
    shows = here & valid & expressing
    counted = [here & valid, shows, (here & valid) * dark, shows * dark]
    sums = [math.fsum(c.sum(axis=(1, 2)) * scale) for c in counted]
    return sums, (here & valid).sum() / max(here.sum(), 1), (here & valid).any((1, 2)).sum()


@pytest.mark.parametrize("mask", ["intensity", True])
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_it_agrees_with_numpy_to_the_last_digit(name, mask):
    dataset = opened(name, expression=mask)
    dim = dataset.atldld.section_dim
    found = summary(dataset, hemisphere="each")
    for structure in TREE.ids[:-1]:
        members = TREE.descendants(structure)
        for hemisphere, sides in SIDES.items():
            row = found.sel(structure=TREE.acronym(structure), hemisphere_id=hemisphere)
            sums, coverage, sections = directly(dataset, dim, members, sides)
            if sums[0] == 0:
                assert np.isnan([float(row[column]) for column in EXACT]).all()
                continue
            # The determinant is LAPACK's there.
            np.testing.assert_allclose([float(row[c]) for c in EXACT], sums, rtol=1e-14)
            assert float(row.coverage) == coverage
            assert int(row.n_sections) == sections
            sums = [float(row[column]) for column in EXACT]
            assert float(row.expression_density) == sums[1] / sums[0]
            assert float(row.expression_intensity) == sums[3] / sums[1]
            assert float(row.expression_energy) == sums[3] / sums[0]


@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_any_chunks_and_any_executor_give_the_same_bits(name):
    asked = {"by": "section", "hemisphere": "each"}
    expected = summary(opened(name), **asked)
    dim = opened(name).atldld.section_dim
    for chunks in (None, 40, {"y": 17, "x": -1}):
        assert summary(opened(name, chunks=chunks), **asked).identical(expected)
    merged = opened(name).chunk({dim: 5, "y": 33, "x": 50})
    assert summary(merged, **asked).identical(expected)
    assert summary(opened(name).load(), **asked).identical(expected)
    with dask.config.set(scheduler="synchronous"):
        assert summary(opened(name), **asked).identical(expected)
    turned = summary(opened(name).isel({dim: slice(None, None, -1)}), **asked)
    assert turned.isel(section=slice(None, None, -1)).identical(expected)
    backwards = opened(name).isel({dim: slice(None, None, -1)})
    assert summary(backwards).identical(summary(opened(name)))


def test_sections_are_taken_some_at_a_time_where_they_have_many_blocks(monkeypatch):
    expected = summary(opened(), by="section")
    monkeypatch.setattr("atldld_xr.analysis.stream._MOST_BLOCKS", 13)
    assert summary(opened(chunks=40), by="section").identical(expected)


def test_on_a_cluster_too(cluster):
    dataset = opened(chunks=40)
    with dask.config.set(scheduler="threads"):
        expected = summary(dataset)
    assert summary(dataset).identical(expected)


def test_parents_add_up_first_and_divide_last():
    found = summary(opened())
    for column in EXACT:
        parts = found[column].sel(structure=["front", "back"]).values
        assert float(found[column].sel(structure="dorsal")) == pytest.approx(parts.sum(), rel=1e-12)
    root = found.sel(structure="root")
    assert float(root.expression_energy) == float(root[EXACT[3]]) / float(root[EXACT[0]])
    average = float(found.expression_energy.sel(structure=["dorsal", "ventral"]).mean())
    assert abs(average / float(root.expression_energy) - 1) > 0.01


def test_sections_are_rows_that_add_up():
    dataset = opened()
    whole, each = summary(dataset), summary(dataset, by="section")
    assert each.sizes == {"structure": 6, "section": dataset.sizes["coronal"]}
    assert each.section_image_id.values.tolist() == dataset.section_image_id.values.tolist()
    assert each.coronal.values.tolist() == dataset.coronal.values.tolist()
    for column in [*EXACT, "volume_mm3", "n_sections"]:
        added = [math.fsum(row[np.isfinite(row)]) for row in each[column].values]
        ours = whole[column].fillna(0).values
        np.testing.assert_allclose(ours, added, rtol=1e-13)


def test_a_structure_without_pixels_says_why():
    dataset = opened()
    found = summary(dataset)
    row = found.sel(structure="nowhere")
    assert str(row.reason.values) == "the annotation has none of it on these sections"
    numbers = [name for name in found.data_vars if name not in ("reason", "n_sections")]
    assert all(np.isnan(float(row[name])) for name in numbers)
    assert int(row.n_sections) == 0
    labels = labels_of(dataset, "coronal")
    labels[:, :2, :2] = 30  # beyond all tissue; where the sections have pixels
    bare = dataset.assign(coverage=dataset.coverage & (labels != 30))
    row = summary(bare, labels).sel(structure="nowhere")
    assert str(row.reason.values) == "the sections have no pixel of it"
    assert (float(row.coverage), int(row.n_sections)) == (0, 0)
    quiet = summary(dataset, labels, threshold=254).sel(structure="nowhere")
    assert float(quiet.expression_density) == float(quiet.expression_energy) == 0
    assert np.isnan(float(quiet.expression_intensity))
    assert str(quiet.reason.values).startswith("no pixel expresses")


def test_resolutions_agree_within_what_is_stated():
    """Sums of grey do to 0.2 %; of a threshold of averages less can be said: see the docs."""
    found = {}
    for um in (25, 50, 100):
        found[um] = summary(opened_finely(resolution=um)).sel(structure="root")
    for um, density in ((50, 0.2), (100, 0.3)):
        for column, within in (
            ("sum_pixels", 1e-3),
            ("sum_pixel_intensity", 2e-3),
            ("volume_mm3", 1e-3),
            ("coverage", 1e-3),
            ("expression_intensity", 0.03),
            ("expression_density", density),
            ("expression_energy", density),
        ):
            finest, there = float(found[25][column]), float(found[um][column])
            assert there == pytest.approx(finest, rel=within), (um, column)


def test_it_is_what_the_formula_says():
    """On the section's true plane, of means over pixels, by 6 x 6 points in each."""
    window = {"y": slice(110, 150), "x": slice(110, 170)}
    dataset = opened_finely(resolution=25).isel(coronal=[9], **window)
    labels = labels_of(opened_finely(resolution=25), "coronal").isel(coronal=[9], **window)
    assert (labels > 0).all()
    one, ours = dataset.isel(coronal=0), summary(dataset, labels).sel(structure="root")
    within = ((np.arange(6) + 0.5) / 6 - 0.5) * 25
    y, x = ((one[axis].values[:, None] + within).ravel() for axis in "yx")
    p = float(one.coronal) + float(one.tilt_y) * (y - float(one.detection_y))[:, None]
    p = p + float(one.tilt_x) * (x - float(one.detection_x))
    weights = np.array([77, 150, 29]) / 256
    points = p, y[:, None] + 0 * p, x + 0 * p
    dark, signal = (
        field.reshape(40, 6, 60, 6).mean(axis=(1, 3))
        for field in (255 - value(*points) @ weights, expression(*points))
    )
    shows = signal > 25
    mean = float(ours.sum_pixel_intensity / ours.sum_pixels)
    assert mean == pytest.approx(dark.mean(), rel=0.01)
    assert 0.02 < shows.mean() < 0.9
    assert float(ours.expression_density) == pytest.approx(shows.mean(), rel=0.05)
    assert float(ours.expression_intensity) == pytest.approx(dark[shows].mean(), rel=0.02)
    assert float(ours.expression_energy) == pytest.approx((dark * shows).mean(), rel=0.05)


@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("name", ["phantom", "phantom-sagittal"])
def test_left_is_left_in_both_planes_and_in_the_mirror(name, space):
    dataset = opened_finely(name, resolution=100, reference_space=space)
    dim = dataset.atldld.section_dim
    plane = {"coronal": "pir", "sagittal": "rip"}[dim]
    shown = {"p": LANDMARK.p, "i": LANDMARK.i, "r": LANDMARK.r}
    own = 9 if name == "phantom" else 10
    if space != own:
        shown["r"] = 11350 - shown["r"]
    other = {**shown, "r": (11400 if space == own else 11300) - shown["r"]}
    labels = xr.zeros_like(dataset.coverage.load(), np.uint32)
    for place in (shown, other):
        axes = dict(zip((dim, "y", "x"), plane, strict=True))
        far = sum((dataset[a] - place[letter]) ** 2 for a, letter in axes.items())
        labels = labels.where((far > 300**2).transpose(dim, "y", "x"), 11)
    found = summary(dataset, labels.astype(np.uint32), hemisphere="each").sel(structure="front")
    left, right, both = (found.sel(hemisphere_id=k) for k in (1, 2, 3))
    assert float(left.expression_density) == 1
    assert float(left.expression_energy) > 100
    if name == "phantom":
        assert float(right.expression_energy) < 30
        assert float(both.sum_pixels) == float(left.sum_pixels) + float(right.sum_pixels)
    else:
        assert int(right.n_sections) == 0
    only = summary(dataset, labels.astype(np.uint32), hemisphere="left").sel(structure="front")
    assert only.drop_vars("hemisphere_id").equals(left.drop_vars("hemisphere_id"))
    assert int(only.hemisphere_id) == 1


def test_a_window_counts_what_is_in_it():
    dataset = opened()
    window = dataset.isel(coronal=slice(3, 9), y=slice(10, 50), x=slice(20, 90))
    labels = labels_of(dataset, "coronal").isel(
        coronal=slice(3, 9), y=slice(10, 50), x=slice(20, 90)
    )
    found = summary(window, labels).sel(structure="root")
    outside = labels_of(dataset, "coronal")
    outside = outside.where(outside.isin(0) & False, 0).astype(np.uint32)
    outside[3:9, 10:50, 20:90] = labels
    masked = summary(dataset, outside).sel(structure="root")
    for column in [*EXACT, "n_sections"]:
        assert float(found[column]) == float(masked[column])


def test_a_section_without_a_mask_is_not_counted_whatever_is_done_about_errors():
    dataset = opened()
    ids = dataset.section_image_id.values.tolist()
    has = np.array([k != 3 for k in range(len(ids))])
    covered = dataset.expression_coverage & xr.DataArray(has, dims="coronal")
    found = summary(
        dataset.assign(expression_coverage=covered).assign_coords(has_expression=("coronal", has))
    )
    assert found.attrs["sections_not_counted"].endswith(f"could not be read): {ids[3]}")
    others = {"coronal": np.flatnonzero(has)}
    rest = summary(dataset.isel(others), labels_of(dataset, "coronal").isel(others))
    assert found.drop_attrs().equals(rest.drop_attrs())


def test_what_cannot_work_is_refused_in_words():
    dataset = opened(resolution=400)
    labels = labels_of(dataset, "coronal")
    for arguments, words in (
        ({"threshold": 255}, "threshold is from 0 to 254"),
        ({"threshold": True}, "threshold is from 0 to 254"),
        ({"by": "gene"}, 'by is "data set" or "section"'),
        ({"hemisphere": 3}, 'hemisphere is one of "both"'),
        ({"structures": []}, "structures are ids or acronyms"),
        ({"structures": [[997]]}, "acronym or its id, not as \\[997\\]"),
        ({"structures": ["no such"]}, "no structure has the acronym 'no such'"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            summary(dataset, labels, **arguments)
    with pytest.raises(InvalidArgumentError, match="annotation is a DataArray or Dataset"):
        dataset.atldld.structure_summary(5)
    with pytest.raises(InvalidArgumentError, match='open the data set with expression="intensity"'):
        summary(opened(resolution=400, expression=False))
    with pytest.raises(InvalidArgumentError, match="image is float32, and what is counted"):
        summary(dataset.atldld.masked)
    with pytest.raises(InvalidArgumentError, match="no expression_coverage"):
        summary(dataset.drop_vars("expression_coverage"))
    with pytest.raises(InvalidArgumentError, match="labels are unsigned whole numbers"):
        summary(dataset, labels.astype(float))
    with pytest.raises(InvalidArgumentError, match="no coordinate affine any more"):
        summary(dataset.drop_vars("affine"), labels)
    bare = dataset.drop_attrs()
    assert summary(bare, labels).equals(summary(dataset, labels))
    with pytest.raises(InvalidArgumentError, match="left is told by nothing any more"):
        summary(bare, labels, hemisphere="left")


@pytest.mark.parametrize("viewed", ["projected", "oblique"])
@pytest.mark.parametrize("space", [9, 10])
@pytest.mark.parametrize("plane", list(TILTS))
def test_a_pixel_is_on_the_side_that_its_tissue_lies_on(plane, space, viewed):
    """Projected along its normal, a section shows what lies off the pixel's own r, too."""
    ds = open_tilted(plane, resolution=100, reference_space=space, plane=viewed)
    data = parse_dataset(tilted_source(plane)[0].dataset_record(tilted_source(plane)[1]))
    lines = r_lines(ds, plane)
    y, x = (some.ravel() for some in np.meshgrid(ds.y, ds.x, indexing="ij"))
    for index in range(0, ds.sizes[plane], 4):
        start, along_y, along_x = lines[index]
        true = true_places(ds, data, ds.isel({plane: index}), y, x)[:, 2]
        np.testing.assert_allclose(start + along_y * y + along_x * x, true, rtol=0, atol=0.2)


def test_labels_of_other_sections_are_no_volume():
    """Two sections are in equal steps, as a volume is."""
    ds = atldld_xr.open_dataset("phantom", expression="intensity", resolution=400)
    labels = labels_of(ds, "coronal").isel(coronal=[1, 2])
    with pytest.raises(InvalidArgumentError, match="lies at other coronal than the Dataset"):
        ds.isel(coronal=[4, 5]).atldld.structure_summary(labels, ontology=TREE)
