"""Parity with the atldld package, run as it is against a service on loopback."""

from __future__ import annotations

import inspect
import types

import numpy as np
import pytest
import requests

import atldld_xr
from atldld_xr.allen.reference import PLANES
from atldld_xr.phantom.phantom import CORONAL_ID, SAGITTAL_ID, Phantom
from atldld_xr.sync import DatasetDownloader, get_parallel_transform, pir_to_xy, xy_to_pir
from atldld_xr.testing.catalogue import Catalogue
from atldld_xr.testing.server import AllenServer
from atldld_xr.utils import get_experiment_list_from_gene, get_image
from atldld_xr.warp.displacement_field import DisplacementField

pytest.importorskip("atldld", reason="the atldld package is not installed")
peer_base = pytest.importorskip("atldld.base")
peer_requests = pytest.importorskip("atldld.requests")
peer_sync = pytest.importorskip("atldld.sync")
peer_utils = pytest.importorskip("atldld.utils")

# It computes in float32: coordinates up to 20 000 um lose some thousandths.
FIELD_TOLERANCE = 1e-2  # px
GREY_TOLERANCE = 1

PHANTOMS = {
    "coronal": Phantom(resolution=16.0, count=5, spacing=70),
    "sagittal": Phantom(
        SAGITTAL_ID, "sagittal", 16.0, count=4, spacing=40, first=14, span=(13000.0, 8000.0)
    ),
}
IDS = {"coronal": CORONAL_ID, "sagittal": SAGITTAL_ID}


@pytest.fixture(scope="module")
def server():
    with AllenServer(PHANTOMS.values(), catalogue=Catalogue(400)) as running:
        yield running


@pytest.fixture
def peer(server, monkeypatch, tmp_path):
    """Send the peer's requests to the server in place of Allen's, and its files to the test's."""

    def get(url, *args, **kwargs):
        place, api, path = url.partition("://api.brain-map.org/api/v2")
        assert place in ("http", "https"), url
        assert api
        return requests.get(server.url + path, *args, **kwargs)

    for module in (peer_requests, peer_utils):
        monkeypatch.setattr(module, "requests", types.SimpleNamespace(get=get))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "peer"))


def both(server, plane, **options):
    """Return both packages' downloaders with their metadata, the peer's without failed sections.

    The peer takes those that Allen marked as failed like any other.
    """
    theirs = peer_sync.DatasetDownloader(IDS[plane], **options)
    ours = DatasetDownloader(IDS[plane], **options, source=server.url)
    for downloader in (theirs, ours):
        downloader.fetch_metadata()
    failed = {section.id for section in ours.excluded}
    assert len(failed) == 1
    assert len(theirs) == len(ours) + 1
    theirs.metadata["images"] = [m for m in theirs.metadata["images"] if m["id"] not in failed]
    return theirs, ours


def assert_fields_agree(found, expected, tolerance=FIELD_TOLERANCE):
    assert found.shape == expected.shape
    for name in ("delta_x", "delta_y"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def assert_pixels_agree(found, expected):
    assert found.dtype == expected.dtype == np.uint8
    assert found.shape == expected.shape
    assert abs(found.astype(int) - expected).max() <= GREY_TOLERANCE


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("plane", IDS)
def test_metadata(server, plane):
    theirs, ours = both(server, plane)
    assert ours.metadata.keys() == theirs.metadata.keys()
    pairs = [(ours.metadata["dataset"], theirs.metadata["dataset"])]
    pairs += zip(ours.metadata["images"], theirs.metadata["images"], strict=True)
    for found, expected in pairs:
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(
    ("downsample_ref", "downsample_img", "detection_xy"),
    [(25, 0, (0, 0)), (25, 2, (300, 200)), (40, 1, (0, 0)), (33, 3, (0, 0))],
)
@pytest.mark.parametrize("plane", IDS)
def test_downloader(server, plane, downsample_ref, downsample_img, detection_xy):
    theirs, ours = both(
        server,
        plane,
        downsample_ref=downsample_ref,
        downsample_img=downsample_img,
        detection_xy=detection_xy,
        include_expression=True,
    )
    count = 0
    for found, expected in zip(ours.run(), theirs.run(), strict=True):
        assert found[0] == expected[0]
        assert found[1] == pytest.approx(expected[1], abs=FIELD_TOLERANCE)
        assert_pixels_agree(found[2], expected[2])
        assert_pixels_agree(found[3], expected[3])
        assert_fields_agree(found[4], expected[4])
        for image in (2, 3):
            registered = found[4].warp(found[image])
            assert_pixels_agree(registered, expected[4].warp(expected[image]))
            assert registered.any()
        count += 1
    assert count == len(ours)


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("options", [{}, {"downsample": 2}, {"expression": True, "downsample": 1}])
@pytest.mark.parametrize("plane", IDS)
def test_get_image(server, plane, options):
    image_id = PHANTOMS[plane].record["section_images"][0]["id"]
    found = get_image(image_id, source=server.url, **options)
    assert_pixels_agree(found, peer_utils.get_image(image_id, **options))


@pytest.mark.parametrize("axis", ["coronal", "sagittal", "transverse"])
@pytest.mark.parametrize(("downsample_ref", "downsample_img"), [(25, 0), (30, 4), (190, 1)])
def test_parallel_transform(axis, downsample_ref, downsample_img):
    tvs = np.array([[0.61, 0.02, -3000.0], [-0.03, 0.6, -2000.0]])
    trv = np.array([[0.05, 0.02, 0.9, 300.0], [-0.01, 1.0, 0.03, 200.0], [1.0, 0.1, -0.1, 10.0]])
    arguments = (5250.0, tvs, trv, axis, downsample_ref, downsample_img)
    assert_fields_agree(
        get_parallel_transform(*arguments), peer_sync.get_parallel_transform(*arguments)
    )


def test_points():
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 12_000, (3, 50))
    affine_2d, affine_3d = rng.uniform(-1, 1, (2, 3)), rng.uniform(-1, 1, (3, 4))
    for ours, theirs in [(xy_to_pir, peer_sync.xy_to_pir), (pir_to_xy, peer_sync.pir_to_xy)]:
        found = ours(points, affine_2d, affine_3d)
        np.testing.assert_allclose(
            found, theirs(points, affine_2d, affine_3d), atol=FIELD_TOLERANCE
        )


def fields():
    """Return the same field of both packages, reaching beyond a (40, 50) image on every side."""
    y, x = np.mgrid[:45, :60]
    deltas = 0.2 * (x - 30) + 0.1 * y, 0.3 * (y - 20) - 0.05 * x
    return DisplacementField(*deltas), peer_base.DisplacementField(*deltas)


@pytest.mark.parametrize("border_mode", ["constant", "replicate", "reflect", "wrap", "reflect_101"])
@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area", "lanczos"])
def test_warp_options(interpolation, border_mode):
    image = np.random.default_rng(5).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    ours, theirs = fields()
    found = ours.warp(image, interpolation, border_mode, c=(9, 99, 199))
    assert_pixels_agree(found, theirs.warp(image, interpolation, border_mode, c=(9, 99, 199)))


def test_one_fill_value_is_for_all_channels_where_the_peer_fills_the_first():
    image = np.zeros((40, 50, 3), dtype=np.uint8)
    ours, theirs = (field.warp(image, c=255) for field in fields())
    assert ours[0, 0].tolist() == [255, 255, 255]
    assert theirs[0, 0].tolist() == [255, 0, 0]


def test_field_attributes_and_files(tmp_path):
    ours, theirs = fields()
    np.testing.assert_allclose(ours.norm, theirs.norm, rtol=1e-6)
    for found, expected in zip(ours.transformation, theirs.transformation, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert_fields_agree(0.5 * ours, 0.5 * theirs, 0)
    assert_fields_agree(
        type(ours).from_transform(*ours.transformation),
        type(theirs).from_transform(*theirs.transformation),
        1e-5,
    )
    # Each reads what the other writes.
    ours.save(tmp_path / "ours.npy")
    theirs.save(tmp_path / "theirs.npy")
    assert_fields_agree(ours.from_file(tmp_path / "theirs.npy"), theirs, 0)
    assert_fields_agree(ours, theirs.from_file(tmp_path / "ours.npy"), 0)


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("tier", [0, 1, 3])
@pytest.mark.parametrize("plane", IDS)
def test_open_dataset_gives_the_peers_fields_at_pixel_centres(server, plane, tier):
    theirs, _ = both(server, plane, downsample_ref=50, downsample_img=tier)
    dataset = atldld_xr.open_dataset(
        IDS[plane],
        resolution=50,
        tier=tier,
        anchor="edge",
        detection_xy=(0, 0),
        reference_space={"coronal": 9, "sagittal": 10}[plane],
        interpolation="linear",
        source=server.url,
        chunks=None,
    )
    # The peer divides positions by 2**tier. The centres of merged pixels are elsewhere:
    # (x + 0.5) / 2**tier - 0.5, which is less by this. Nothing at tier 0, near half a pixel later.
    less = 0.5 - 0.5 / 2**tier
    shown = dataset.swap_dims({plane: "section_image_id"})
    count = 0
    for image_id, coordinate, _, _, expected in theirs.run():
        section = shown.sel(section_image_id=image_id)
        assert float(section[plane]) == pytest.approx(coordinate, abs=FIELD_TOLERANCE)
        # Where each pixel comes from: columns and rows of the image.
        rows, columns = section.displacement.shape[:2]
        x = section.displacement.values[..., 0] + np.arange(columns)
        y = section.displacement.values[..., 1] + np.arange(rows)[:, None]
        if plane == "sagittal":  # ours are (i, p), the peer's (p, i)
            x, y = x.T, y.T
        expected_x, expected_y = expected.transformation
        np.testing.assert_allclose(x, expected_x - less, rtol=0, atol=FIELD_TOLERANCE)
        np.testing.assert_allclose(y, expected_y - less, rtol=0, atol=FIELD_TOLERANCE)
        count += 1
    assert count == dataset.sizes[plane]


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("plane", IDS)
def test_open_dataset_shows_the_peers_pixels(server, plane):
    # Output pixels no larger than the image's: nothing is averaged.
    resolution = 15
    theirs, _ = both(server, plane, downsample_ref=resolution)
    dataset = atldld_xr.open_dataset(
        IDS[plane],
        resolution=resolution,
        tier=0,
        anchor="edge",
        detection_xy=(0, 0),
        reference_space={"coronal": 9, "sagittal": 10}[plane],
        fill_value=0,
        source=server.url,
    )
    image_id, _, img, _, field = next(iter(theirs.run()))
    section = dataset.swap_dims({plane: "section_image_id"}).sel(section_image_id=image_id)
    found, expected = section.image.values, field.warp(img)
    # Nearer to the image's edge, the peer blends it with the fill value.
    x, y = field.transformation
    inside = (x > 0) & (x < img.shape[1] - 1) & (y > 0) & (y < img.shape[0] - 1)
    if plane == "sagittal":  # ours are (i, p), the peer's (p, i)
        expected, inside = expected.swapaxes(0, 1), inside.T
    assert inside.mean() > 0.6
    assert section.coverage.values[inside].all()
    # Positions may be rounded to another of OpenCV's steps of 1/32 px.
    difference = abs(found.astype(int) - expected)[inside]
    assert difference.max() <= 8
    assert difference.mean() < 0.1


def test_planes_are_numbered_as_the_peer_numbers_them():
    assert {number: plane.dim for number, plane in PLANES.items()} == {1: "coronal", 2: "sagittal"}


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("axis", ["coronal", "sagittal"])
@pytest.mark.parametrize("gene", ["Pvalb", "H2-D1", "Syn0007", "pvalb", "None"])
def test_the_experiments_of_a_gene(server, gene, axis):
    theirs = inspect.signature(peer_utils.get_experiment_list_from_gene).parameters.values()
    ours = inspect.signature(get_experiment_list_from_gene).parameters.values()
    positional = [(p.name, p.default) for p in ours if p.kind is not p.KEYWORD_ONLY]
    assert positional == [(p.name, p.default) for p in theirs]
    found = get_experiment_list_from_gene(gene, axis, source=server.url)
    assert found == sorted(peer_utils.get_experiment_list_from_gene(gene, axis))
    assert isinstance(found, list)
