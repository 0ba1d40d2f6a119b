"""A real section where it belongs: recorded data of the Allen Institute, where they are at hand."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.testing import AllenServer
from recorded import ALLEN, IMAGE_ID, find_tissue

pytestmark = pytest.mark.skipif(
    not (ALLEN / "annotation_25.nrrd").exists(), reason="Allen's recorded data are not here"
)


def read_annotation():
    """Return the annotation, uint32 (p, i, r), of a gzipped NRRD in Fortran order."""
    _, data = (ALLEN / "annotation_25.nrrd").read_bytes().split(b"\n\n", 1)
    return np.frombuffer(gzip.decompress(data), np.uint32).reshape((528, 320, 456), order="F")


@pytest.mark.parametrize("served", [False, True])
def test_tissue_lies_on_the_brain(served):
    with AllenServer(mirror=ALLEN) as server, atldld_xr.config.set({"http.retries": 1}):
        source = server.url if served else ALLEN
        ds = atldld_xr.open_dataset(69289763, source=source, on_error="fill")
        found = ds.status.values == 0
        assert ds.section_image_id.values[found].tolist() == [IMAGE_ID]
        reasons = ds.atldld.failures().reason
        assert len(reasons) == 17
        assert all(("404" if served else "no image") in reason for reason in reasons)
        section = ds[["image", "coverage"]].isel(sagittal=int(np.flatnonzero(found)[0])).load()
    assert (ds.sizes["sagittal"], int(section.tier)) == (18, 4 if served else 2)
    # At its own r: in the mirror one voxel of the brain in five has another label.
    assert ds.attrs["hemisphere"] == "left"
    assert section.sagittal < 5700
    brain = read_annotation()[:, :, int(section.sagittal // 25)].T > 0
    tissue = find_tissue(section.image.values, section.coverage.values)
    dice = 2 * (tissue & brain).sum() / (tissue.sum() + brain.sum())
    assert dice >= 0.88


def test_tissue_lies_on_the_brain_in_a_volume():
    """A plane of the volume is of one oblique section as far as that is the nearest."""
    volume = atldld_xr.open_volume(69289763, source=ALLEN, on_error="fill", chunks={"x": 8})
    assert volume.image.shape == (528, 320, 456, 3)
    slab = volume[["image", "coverage", "section", "distance"]].isel(x=slice(128, 140)).load()
    assert set(np.unique(slab.section)) == {0, IMAGE_ID}
    assert 80 < float(slab.distance.max()) <= volume.attrs["max_distance"]
    brain = read_annotation()[:, :, 128:140] > 0
    where = slab.coverage.values
    plane = int(where.sum((0, 1)).argmax())
    tissue = find_tissue(slab.image.values[:, :, plane], where[:, :, plane])
    both = brain[:, :, plane] & where[:, :, plane]
    assert 2 * (tissue & both).sum() / (tissue.sum() + both.sum()) >= 0.93


@pytest.mark.parametrize("plane", ["projected", "oblique"])
def test_labels_fit_the_section(plane):
    """Prox1 stains the granule cells of the dentate gyrus: its darkest pixels have their labels."""
    labels = read_annotation()
    centres = {
        dim: (np.arange(n) + 0.5) * 25
        for dim, n in zip(("coronal", "y", "x"), labels.shape, strict=True)
    }
    annotation = xr.DataArray(labels, centres, ["coronal", "y", "x"])
    made = []
    for space in (10, 9):
        ds = atldld_xr.open_dataset(
            69289763, source=ALLEN, on_error="fill", plane=plane, reference_space=space
        )
        (found,) = np.flatnonzero(ds.section_image_id == IMAGE_ID)
        labelled = ds.assign(labels=ds.atldld.annotation(annotation)).isel(sagittal=found)
        section = labelled[["image", "coverage", "labels"]].load()
        made.append(section.labels.values)
    # In the mirror image of the space too, labels are of the side that was cut.
    np.testing.assert_array_equal(*made)
    brain = made[0] > 0
    tissue = find_tissue(section.image.values, section.coverage.values)
    dice = 2 * (tissue & brain).sum() / (tissue.sum() + brain.sum())
    assert dice >= 0.94
    dentate = np.isin(made[0], (632, 10703, 10704))  # granule, molecular, polymorph layer
    darkest = (section.image.mean("channel").values < 90) & tissue
    darkest[:, 352:] = False  # behind: the cerebellum, whose granule cells express it less
    assert darkest.sum() > 100
    assert (dentate & darkest).sum() / darkest.sum() > 0.6
    assert dentate.sum() / brain.sum() < 0.05
