"""A volume of recorded sections beside Allen's own annotation: one header, one brain."""

from __future__ import annotations

import numpy as np
import pytest

import atldld_xr
from atldld_xr.volumes import save_volume
from recorded import ALLEN, find_tissue

pytestmark = pytest.mark.skipif(
    not (ALLEN / "annotation_25.nrrd").exists(), reason="Allen's recorded data are not here"
)


def test_tissue_lies_on_the_annotated_brain(tmp_path):
    voxcell = pytest.importorskip("voxcell")
    nrrd = pytest.importorskip("nrrd")
    ds = atldld_xr.open_dataset(69289763, source=ALLEN, on_error="fill")
    report = save_volume(ds, tmp_path / "a.nrrd")
    assert len(report.failures) == 17
    (plane,) = report.valid_planes
    ours, theirs = (
        nrrd.read_header(str(path)) for path in (tmp_path / "a.nrrd", ALLEN / "annotation_25.nrrd")
    )
    assert ours["sizes"][1:].tolist() == theirs["sizes"].tolist()
    assert ours["space directions"][1:].tolist() == theirs["space directions"].tolist()
    for field in ("space dimension", "space origin", "encoding", "endian"):
        assert np.array_equal(ours[field], theirs[field]), field
    volume = voxcell.VoxelData.load_nrrd(tmp_path / "a.nrrd")
    brain = voxcell.VoxelData.load_nrrd(ALLEN / "annotation_25.nrrd").raw[:, :, plane] > 0
    section = volume.raw[:, :, plane]
    tissue = find_tissue(section, (section < 255).any(-1))
    dice = 2 * (tissue & brain).sum() / (tissue.sum() + brain.sum())
    assert dice >= 0.88
    others = np.delete(np.arange(456), plane)
    assert (volume.raw[:, :, others[::50]] == 255).all()
