"""The phantom: a formula, records like the service's, and pixels that are means of the formula."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atldld_xr.allen.metadata import parse_dataset, parse_image
from atldld_xr.allen.tiers import Tile
from atldld_xr.allen.transforms import affines_in_space, detect, footprint, pir_to_xy, xy_to_pir
from atldld_xr.errors import DatasetNotFoundError, SectionImageError
from atldld_xr.phantom import drawing
from atldld_xr.phantom.anatomy import is_glass, is_inside, outline, tissue_at
from atldld_xr.phantom.brain import fields
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.protocol import Source, service_tile_side
from atldld_xr.testing import (
    BEADS,
    CORONAL,
    CORONAL_ID,
    LANDMARK,
    PHANTOMS,
    SAGITTAL,
    SAGITTAL_ID,
    Phantom,
    draw,
    expression,
    expression_colour,
    find_phantom_image,
    value,
)

PAIR = pytest.mark.parametrize("phantom", [CORONAL, SAGITTAL], ids=["coronal", "sagittal"])
VIEWS = ("image", "expression", "intensity")


def middle(phantom):
    dataset = parse_dataset(phantom.record)
    return dataset, dataset.images[len(dataset.images) // 2]


def pir_of(dataset, image, x, y):
    """The brain's own coordinates of full-resolution pixels, by the package's own transforms."""
    tvr, _ = affines_in_space(dataset, dataset.reference_space_id)
    z = np.full(np.size(x), image.section_number * dataset.section_thickness)
    return xy_to_pir(np.stack([np.ravel(x), np.ravel(y), z]), image.tsv, tvr)


# The formula


def test_formula_is_glass_outside_and_tissue_inside():
    assert np.allclose(value(6600, 300, 5700), 240, atol=5)
    assert value(-1000, -1000, -1000).min() > 235
    assert expression(6600, 300, 5700) == 0
    rng = np.random.default_rng(0)
    inside = value(*(rng.uniform(c - 300, c + 300, 500) for c in (6000, 6000, 6900)))
    assert inside.mean() < 225
    assert inside.max() < 241


def test_formula_is_symmetric_but_for_the_landmark():
    rng = np.random.default_rng(1)
    p, i, x = rng.uniform((1500, 1500, 1), (12000, 7000, 4500), (3000, 3)).T
    away = np.sum((np.stack([p, i, 5700 - x], 1) - LANDMARK[:3]) ** 2, axis=1)
    p, i, x = np.stack([p, i, x])[:, away > (1.2 * LANDMARK.radius) ** 2]
    left, right = value(p, i, 5700 - x), value(p, i, 5700 + x)
    # But for cells, which are scattered: anatomy is the bulk of it.
    assert np.abs(np.median(left - right)) == 0
    assert np.mean(np.abs(left - right) > 30) < 0.2


def test_formula_keeps_shape_and_range():
    p, i, r = np.meshgrid(*(np.arange(0, 14000, 1000.0),) * 3, indexing="ij")
    assert value(p, i, r).shape == (*p.shape, 3)
    assert value(1.0, 2.0, 3.0).shape == (3,)
    assert value(6000.0, i[0], r[0]).shape == (*i[0].shape, 3)
    assert expression(p, i, r).shape == p.shape
    for field in (value(p, i, r), expression(p, i, r)):
        assert np.isfinite(field).all()
        assert field.min() >= 0
        assert field.max() <= 255


def test_points_do_not_depend_on_each_other():
    rng = np.random.default_rng(2)
    points = rng.uniform((800, 800, 600), (12600, 7400, 10800), (4000, 3)).T
    together = value(*points)
    for k in range(0, 4000, 3):
        assert np.array_equal(value(*points[:, k]), together[k])
    assert np.array_equal(value(*points[:, ::-3]), together[::-3])


def test_fine_texture_aliases_when_point_sampled():
    i, r = np.meshgrid(np.arange(1250, 1650, 2.0), np.arange(5000, 5500, 2.0), indexing="ij")
    fine = expression(7000.0, i, r)
    area = fine[:192, :240].reshape(16, 12, 20, 12).mean((1, 3))
    point = fine[6:192:12, 6:240:12]
    assert np.abs(area - point).mean() > 5


def test_false_colour():
    colours = expression_colour(np.arange(256))
    assert colours.shape == (256, 3)
    assert not colours[0].any()
    assert colours[40].argmax() == 2
    assert colours[255].argmax() == 0


def test_landmark_is_on_the_left_alone():
    rng = np.random.default_rng(4)
    way = rng.normal(size=(2000, 3))
    way *= LANDMARK.radius / np.linalg.norm(way, axis=1, keepdims=True)
    p, i, r = (np.array(LANDMARK[:3]) + 0.8 * rng.uniform(size=(2000, 1)) * way).T
    assert expression(p, i, r).min() > 200
    assert LANDMARK.r + 1.2 * LANDMARK.radius < 5700
    for mirror in (11400, 11350):
        assert expression(p, i, mirror - r).mean() < 100
    for distance, least, most in ((0.8, 0.85, 1), (1.0, 0.45, 0.75), (1.2, 0, 0.4)):
        around = expression(*(np.array(LANDMARK[:3]) + distance * way).T)
        assert least * 255 <= around.mean() <= most * 255
    assert value(*LANDMARK[:3]).mean() < value(LANDMARK.p, LANDMARK.i, 11400 - LANDMARK.r).mean()


def test_both_phantoms_cut_the_landmark_and_the_sagittal_one_is_of_the_left_half():
    for phantom in (CORONAL, SAGITTAL):
        dataset = parse_dataset(phantom.record)
        cut = 0
        for image in dataset.images:
            x, y = np.meshgrid(np.arange(0, image.width, 25), np.arange(0, image.height, 25))
            points = pir_of(dataset, image, x, y)
            if phantom is SAGITTAL:
                assert points[2].mean() < 5700
            off = np.linalg.norm(points - np.array(LANDMARK[:3])[:, None], axis=0)
            cut += off.min() < 0.75 * LANDMARK.radius
        assert cut == 2


def test_beads_are_beside_the_tissue():
    for bead in BEADS:
        angle = np.linspace(0, 2 * np.pi, 60)
        along = np.linspace(*((1300, 12200) if bead.axis == 0 else (5500, 9900)), 40)[:, None]
        down = bead.i + 5 * bead.radius * np.sin(angle)
        across = 5 * bead.radius * np.cos(angle)
        if bead.axis == 0:
            around = value(along, down, bead.r + across)
            centre = value(along, bead.i, bead.r)
        else:
            around = value(bead.p + across, down, along)
            centre = value(bead.p, bead.i, along)
        assert around.min() > 237
        assert centre.max() < 165


# The records


@PAIR
def test_record_parses_with_one_section_excluded(phantom):
    dataset = parse_dataset(phantom.record)
    assert dataset.plane.dim == phantom.plane
    assert dataset.reference_space_id == {"coronal": 9, "sagittal": 10}[phantom.plane]
    assert dataset.section_thickness == 25
    assert len(dataset.images) == phantom.count - 1
    assert [e.reason for e in dataset.excluded] == ["Allen marked it as failed"]
    numbers = sorted(r["section_number"] for r in phantom.record["section_images"])
    steps = set(np.diff(numbers))
    assert steps == {phantom.spacing, 2 * phantom.spacing}
    assert all(image.has_expression for image in dataset.images)
    json.dumps(phantom.record)


def test_coronal_sections_run_backwards_and_sagittal_ones_forwards():
    for phantom, axis, sign in ((CORONAL, 0, -1), (SAGITTAL, 2, 1)):
        dataset = parse_dataset(phantom.record)
        own = dataset.reference_space_id
        along = [detect(dataset, i, reference_space=own)[axis] for i in dataset.images]
        assert (np.sign(np.diff(along)) == sign).all()


@PAIR
def test_matrices_invert_each_other_to_their_six_digits(phantom):
    dataset = parse_dataset(phantom.record)
    worst = []
    for image in dataset.images:
        x, y = np.array([0.0, image.width, image.width / 2]), np.array([0.0, 9.0, image.height])
        pir = pir_of(dataset, image, x, y)
        _, trv = affines_in_space(dataset, dataset.reference_space_id)
        back = pir_to_xy(pir, image.tvs, trv)
        worst.append(np.abs(back[:2] - [x, y]).max() * image.resolution)
    assert max(worst) < 0.3  # um
    assert max(worst) > 1e-4  # they are rounded, each by itself
    for matrix in (dataset.tvr, dataset.trv, dataset.images[0].tsv, dataset.images[0].tvs):
        assert all(float(f"{v:.6g}") == v for row in matrix for v in row)


@PAIR
def test_sections_are_oblique_turned_and_cover_the_brain(phantom):
    dataset = parse_dataset(phantom.record)
    axis = dataset.plane.section_axis
    turns = set()
    for image in dataset.images:
        own = dataset.reference_space_id
        corners = footprint(dataset, image, reference_space=own)
        assert 100 < np.ptp(corners[:, axis]) < 520
        for bead in (b for b in BEADS if b.axis == axis):
            _, trv = affines_in_space(dataset, own)
            point = np.array(bead[1:4])
            point[axis] = corners[:, axis].mean()
            x, y, _ = pir_to_xy(point[:, None], image.tvs, trv)[:, 0]
            assert 100 < x < image.width - 100
            assert 50 < y < image.height - 50
        turns.add(round(np.degrees(np.arctan2(image.tsv[1][0], image.tsv[0][0])), 2))
    assert len(turns) == len(dataset.images)
    assert 2 < max(map(abs, turns)) < 6


@PAIR
def test_slides_hold_several_sections_apart(phantom):
    slides: dict[str, list[dict]] = {}
    for record in phantom.record["section_images"]:
        slides.setdefault(record["path"], []).append(record)
        longest = max(record["image_width"], record["image_height"])
        assert record["tier_count"] == 1 + int(np.ceil(np.log2(longest / 256)))
        coarsest = 2 ** (record["tier_count"] - 1)
        assert record["x"] % coarsest == record["y"] % coarsest == 0
        assert record["width"] % 2 == record["height"] % 2 == 1
        assert record["x"] + record["width"] <= record["image_width"]
        assert record["y"] + record["height"] <= record["image_height"]
    assert max(map(len, slides.values())) == 4
    assert any(r["x"] and r["y"] for r in phantom.record["section_images"])
    for records in slides.values():
        for a in records:
            for b in records:
                beside = any(
                    a[o] + a[s] <= b[o] or b[o] + b[s] <= a[o]
                    for o, s in (("x", "width"), ("y", "height"))
                )
                assert a is b or beside


def test_ids_are_found():
    images = [r["id"] for p in PHANTOMS.values() for r in p.record["section_images"]]
    assert len(set(images)) == len(images)
    for image_id in images:
        phantom, record = find_phantom_image(image_id)
        assert record["id"] == image_id
        assert record["data_set_id"] == phantom.id
    assert {CORONAL_ID, SAGITTAL_ID} == set(PHANTOMS)
    with pytest.raises(DatasetNotFoundError):
        find_phantom_image(1)


def test_phantoms_of_true_size():
    large = Phantom(id=900000007, resolution=1.049, count=6)
    image = parse_image(large.record["section_images"][1])
    assert image.width > 10_800
    assert image.height > 7_500
    assert image.tier_count >= 7
    whole = draw(large, image, 6, 0, 0, image.width >> 6, image.height >> 6)
    assert whole.std() > 10


def test_phantoms_stay_small_when_pickled():
    CORONAL.record  # noqa: B018 - asked for, as a task does
    assert len(pickle.dumps(CORONAL)) < 1000
    assert pickle.loads(pickle.dumps(CORONAL)) == CORONAL


# The pixels


@settings(max_examples=60, deadline=None)
@given(
    phantom=st.sampled_from([CORONAL, SAGITTAL]),
    index=st.integers(0, 7),
    tier=st.integers(0, 5),
    view=st.sampled_from(VIEWS),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    cut=st.tuples(*[st.integers(0, 30)] * 2),
)
def test_windows_are_bitwise_parts_of_larger_ones(phantom, index, tier, view, place, size, cut):
    _, image = middle(phantom)
    left, top = (
        int(f * (s >> tier)) for f, s in zip(place, (image.width, image.height), strict=True)
    )
    (width, height), (dx, dy) = size, cut
    large = draw(phantom, image, tier, left - dx, top - dy, width + 2 * dx, height + dy, view)
    small = draw(phantom, image, tier, left, top, width, height, view)
    assert np.array_equal(small, large[dy : dy + height, dx : dx + width])


@pytest.mark.parametrize("tier", [0, 1, 2, 3, 5])
@PAIR
def test_tier_pixels_are_area_means_of_the_formula(phantom, tier):
    dataset, image = middle(phantom)
    left, top = (int(f * s) >> tier for f, s in ((0.35, image.width), (0.2, image.height)))
    count, fine = 8, max(32 >> max(5 - tier, 0), 4) * 2
    width = height = count
    drawn = {v: draw(phantom, image, tier, left, top, width, height, v) for v in VIEWS}
    # Tier pixel X covers full-resolution pixels X * 2**d - 0.5 to (X + 1) * 2**d - 0.5.
    steps = (np.arange(count * fine) + 0.5) / fine * 2**tier - 0.5
    x, y = np.meshgrid(left * 2**tier + steps, top * 2**tier + steps)
    p, i, r = pir_of(dataset, image, x, y)

    def mean(values):
        blocks = values.reshape(count, fine, count, fine, -1).astype(np.float64)
        return blocks.mean((1, 3))

    intensity = expression(p, i, r)
    oracles = {
        "image": mean(value(p, i, r)),
        "expression": mean(expression_colour(intensity)),
        "intensity": mean(intensity)[..., 0],
    }
    for view, oracle in oracles.items():
        off = np.abs(drawn[view] - oracle)
        # False colours bend sharply with intensity. A quarter is the rounding to whole numbers.
        tolerance = {"image": 0.9, "intensity": 1.7, "expression": 5.0}[view]
        assert off.mean() < tolerance, (view, off.mean())
        assert abs(drawn[view].mean() - oracle.mean()) < tolerance / 2
    assert drawn["image"].std() > 3  # there was something to see


@pytest.mark.parametrize("tier", [2, 4])
@PAIR
def test_what_is_sampled_once_or_skipped_is_as_if_all_were_sampled_finely(phantom, tier):
    """A section beside the formula every 4 um, or every 8 where pixels are large."""
    dataset, image = middle(phantom)
    width, height = image.width >> tier, image.height >> tier
    fine, every = {2: (4, 4), 4: (8, 1)}[tier]
    drawn = draw(phantom, image, tier, 0, 0, width, height)
    steps = [(np.arange(n * fine) + 0.5) / fine * 2**tier - 0.5 for n in (width, height)]
    off = []
    for row in range(0, height - 16, 16 * every):
        x, y = np.meshgrid(steps[0], steps[1][row * fine : (row + 16) * fine])
        samples = value(*pir_of(dataset, image, x, y)).reshape(16, fine, width, fine, 3)
        off.append(drawn[row : row + 16] - samples.mean((1, 3), dtype=float))
    off = np.stack(off)
    assert np.abs(off).mean() < 0.2  # most of it the rounding to whole numbers
    assert abs(off.mean()) < 0.01
    assert np.quantile(np.abs(off), 0.999) < 8


def test_the_formula_is_worked_out_at_fewer_points_than_there_are_pixels(monkeypatch):
    _, image = middle(CORONAL)
    looked = []

    def counted(p, *rest):
        looked.append(p.size)
        return fields(p, *rest)

    monkeypatch.setattr(drawing, "fields", counted)
    draw(CORONAL, image, 2, 0, 0, image.width >> 2, image.height >> 2)
    assert 0.2 < sum(looked) / (image.width >> 2) / (image.height >> 2) < 1


@pytest.mark.parametrize("tier", range(5))
@PAIR
def test_tiers_are_averages_of_finer_ones(phantom, tier):
    _, image = middle(phantom)
    left, top = int(0.3 * image.width) >> tier & ~1, int(0.2 * image.height) >> tier & ~1
    side = min(240, (min(image.width, image.height) >> tier + 1) & ~1)
    for view in VIEWS:
        finer = draw(phantom, image, tier, left, top, side, side, view).astype(float)
        finer = finer.reshape(side // 2, 2, side // 2, 2, -1).mean((1, 3))
        half = (left // 2, top // 2, side // 2, side // 2)
        own = draw(phantom, image, tier + 1, *half, view)
        off = own.reshape(finer.shape) - finer
        tolerance = {"image": 0.5, "intensity": 0.8, "expression": 3.0}[view]
        assert np.abs(off).mean() < tolerance
        assert abs(off.mean()) < tolerance / 5


def test_glass_and_inside_are_what_they_say():
    rng = np.random.default_rng(5)
    points = rng.uniform((400, 500, 600), (13000, 7400, 10800), (60000, 3)).astype(np.float32).T
    place = outline(*points)
    glass, inside = is_glass(points[0], place), is_inside(points[0], place)
    assert glass.mean() > 0.3
    assert inside.mean() > 0.2
    assert not (glass & inside).any()
    centre = tissue_at(*points)
    for _ in range(6):
        way = rng.normal(size=points.shape)
        way = (12 * way / np.linalg.norm(way, axis=0)).astype(np.float32)
        tissue = tissue_at(*(points + way)).tissue
        assert not tissue[glass].any()
        # Ventricles are hollow, and soft: no edge is among them.
        assert np.quantile(np.abs(tissue - centre.tissue)[inside], 0.999) < 0.3
    assert not centre.tissue[glass].any()


def test_sections_are_not_shifted_by_a_part_of_a_pixel():
    """A bead's centroid is where the matrices say, at every tier: no half pixel is lost."""
    for phantom in (CORONAL, SAGITTAL):
        dataset, image = middle(phantom)
        axis = dataset.plane.section_axis
        _, trv = affines_in_space(dataset, dataset.reference_space_id)
        for bead in (b for b in BEADS if b.axis == axis):
            point = np.array(bead[1:4])
            # The section's plane crosses the rod at a place of its own: along it, find z.
            thickness = dataset.section_thickness
            place = trv[2, :3] @ point + trv[2, 3]
            point[axis] += (image.section_number * thickness - place) / trv[2, axis]
            x, y, _ = pir_to_xy(point[:, None], image.tvs, trv)[:, 0]
            for tier in (0, 2, 4):
                scale = 2**tier
                half = int(5 * bead.radius / image.resolution / scale) + 2
                left, top = (int(c / scale) - half for c in (x, y))
                side = 2 * half + 1
                dark = draw(phantom, image, tier, left, top, side, side, "intensity") / 255
                rows, columns = np.mgrid[:side, :side]
                found = [(dark * k).sum() / dark.sum() for k in (columns + left, rows + top)]
                expected = [(c + 0.5) / scale - 0.5 for c in (x, y)]
                assert np.abs(np.subtract(found, expected)).max() < 0.06


def test_drawing_twice_is_the_same_and_views_differ():
    _, image = middle(CORONAL)
    window = (3, 0, 0, image.width >> 3, image.height >> 3)
    views = {view: draw(CORONAL, image, *window, view) for view in VIEWS}
    assert views["image"].shape == views["expression"].shape == (*views["intensity"].shape, 3)
    for view, pixels in views.items():
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, draw(CORONAL, image, *window, view))
    assert np.median(views["image"]) > 190
    assert np.median(views["intensity"]) < 15


# The source


def test_source_serves_phantoms():
    source = PhantomSource()
    assert isinstance(source, Source)
    assert pickle.loads(pickle.dumps(source)) == source
    assert source.url == "phantom"
    dataset = parse_dataset(source.dataset_record(SAGITTAL_ID))
    image = dataset.images[2]
    assert source.image_record(image.id)["section_number"] == image.section_number
    assert source.tiers(image, "image") is None
    assert source.tile_side(image, 0, "image") == service_tile_side(image, 0)
    tile = Tile(2, 100, 80, 70, 50, whole=False)
    assert np.array_equal(
        source.read(image, tile, "image"), draw(SAGITTAL, image, 2, 100, 80, 70, 50)
    )
    assert source.read(image, tile, "intensity").shape == (50, 70)


def test_source_of_other_phantoms():
    own = Phantom(id=77, resolution=16.0, count=4)
    source = PhantomSource((own,))
    assert len(parse_dataset(source.dataset_record(77)).images) == 3
    for ask in (source.dataset_record, source.image_record):
        with pytest.raises(DatasetNotFoundError):
            ask(CORONAL_ID)
    foreign = middle(CORONAL)[1]
    with pytest.raises(SectionImageError):
        source.read(foreign, Tile(0, 0, 0, 8, 8, whole=False), "image")
