"""SectionPose beside the two affines that it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from atldld_xr.allen import transforms
from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import allen_pose
from atldld_xr.phantom.phantom import Phantom


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
@pytest.mark.parametrize("space", [None, 9, 10])
def test_a_pose_is_both_affines(plane, space):
    data = parse_dataset(Phantom(plane=plane).record)
    points = np.random.default_rng(3).uniform(0, 8000, (3, 50))
    _, trv = transforms.affines_in_space(data, space)
    for image in data.images[::5]:
        pose = allen_pose(data, image, reference_space=space)
        x, y, z = transforms.pir_to_xy(points, image.tvs, trv)
        found = pose.to_image[:, :3] @ points + pose.to_image[:, 3:]
        np.testing.assert_allclose(found, [x, y], rtol=0, atol=1e-7)
        away = (z - image.section_number * data.section_thickness) / np.linalg.norm(trv[2, :3])
        across = pose.across[:3] @ points + pose.across[3]
        np.testing.assert_allclose(across, away, rtol=0, atol=1e-8)


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_forward_then_back_returns(plane):
    data = parse_dataset(Phantom(plane=plane).record)
    for image in data.images[::5]:
        pose = allen_pose(data, image)
        pixels = np.random.default_rng(5).uniform(0, image.width, (2, 50))
        points = pose.to_reference[:, :2] @ pixels + pose.to_reference[:, 2:]
        back = np.asarray(pose.matrix)[:, :3] @ points + np.asarray(pose.matrix)[:, 3:]
        np.testing.assert_allclose(back[:2], pixels, rtol=0, atol=1e-7)
        np.testing.assert_allclose(back[2], 0, rtol=0, atol=1e-7)
        tvr, _ = transforms.affines_in_space(data, None)
        z = np.full((1, 50), image.section_number * data.section_thickness)
        by_allen = transforms.xy_to_pir(np.vstack([pixels, z]), image.tsv, tvr)
        assert 0 < np.abs(by_allen - points).max() < 0.5  # each direction is rounded by itself
