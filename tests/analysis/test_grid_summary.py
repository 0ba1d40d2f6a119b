"""Numbers per structure from energy grids: Allen's own, and ones by formula."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import xarray as xr

import atldld_xr
from atldld_xr.analysis.grid_summary import labels_at
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.testing import LANDMARK
from recorded import ALLEN
from structures_of import TREE, read_annotation, read_graph

PROX1 = 69289763


def rows(name):
    with (ALLEN / name).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def recorded():
    """Give the summary of Allen's recorded grid over the recorded annotation."""
    for name in ("energy_69289763.raw", "annotation_25.nrrd", "structure_graph_1.json"):
        if not (ALLEN / name).exists():
            pytest.skip(f"recorded Allen data are not at hand: {name}")
    grid = atldld_xr.open_grid(PROX1, source=ALLEN)
    return grid.atldld.structure_summary(
        read_annotation(ALLEN / "annotation_25.nrrd"),
        method="grid",
        ontology=read_graph(ALLEN / "structure_graph_1.json"),
    )


def test_the_recorded_grid_rolls_up_to_the_oracle_to_each_digit(recorded):
    for row in rows("energy_by_structure.csv"):
        own = recorded.sel(structure=row["acronym"])
        assert int(own.structure_id) == int(row["structure_id"])
        assert int(own.n_voxels) == int(row["voxels"]), row
        assert f"{float(own.voxel_energy_mean):.5f}" == row["voxel_energy_mean"]
        assert f"{float(own.voxel_energy_cv):.4f}" == row["voxel_energy_cv"]


def test_the_dentate_gyrus_is_first(recorded):
    named = recorded.sel(structure=[row["acronym"] for row in rows("energy_by_structure.csv")])
    assert named.voxel_energy_mean.idxmax("structure").item() == "DG"
    graph = read_graph(ALLEN / "structure_graph_1.json")
    large = (recorded.n_voxels >= 20) & recorded.structure_id.isin(graph.leaves)
    highest = recorded.voxel_energy_mean.where(large).to_series().nlargest(3)
    assert set(highest.index) == {"DG-sg", "DG-po", "DG-mo"}


def test_allens_own_root_is_near(recorded):
    """Of its numbers only the whole brain is an adult structure; its mask is drawn otherwise."""
    (allen,) = (row for row in rows("unionize_69289763.csv") if row["structure_id"] == "15564")
    root = recorded.sel(structure="root")
    assert float(root.voxel_energy_mean) == pytest.approx(
        float(allen["voxel_energy_mean"]), rel=0.03
    )
    assert float(root.voxel_energy_cv) == pytest.approx(float(allen["voxel_energy_cv"]), rel=0.02)


def test_a_structure_without_voxels_is_a_row_without_numbers_that_says_why(recorded):
    absent = recorded.where(recorded.n_voxels == 0, drop=True)
    assert absent.sizes["structure"] > 100
    assert absent.voxel_energy_mean.isnull().all()
    assert set(absent.reason.values) == {
        "the annotation has none of it on these voxels",
        "Allen's grid has no data of it",
    }
    parents = recorded.sel(structure="root").n_voxels
    assert int(parents) == 22_813


@pytest.mark.parametrize("shift", [0, 12.5])
def test_a_grid_point_has_the_label_of_the_voxel_that_it_lies_in(shift):
    """Also of an annotation whose coordinates are voxels' edges, when these are its centres."""
    grid = atldld_xr.open_grid("phantom", variables="energy")
    at = [np.arange(n) * 25 + shift for n in (528, 320, 456)]
    index = np.arange(528, dtype=np.uint32)[:, None, None] + np.zeros((1, 320, 456), np.uint32)
    annotation = xr.DataArray(index, dict(zip(("coronal", "y", "x"), at, strict=True)))
    found = labels_at(grid, annotation)
    assert found[:66, 5, 5].tolist() == [8 * k for k in range(66)]
    assert found[66, 5, 5] == 0  # beyond
    assert (found[5, 40] == 0).all()
    assert (found[5, :, 57] == 0).all()


def box():
    """Return an annotation of the voxels about the landmark, and on the other side."""
    at = {"coronal": 528, "y": 320, "x": 456}
    coords = {axis: (np.arange(n) + 0.5) * 25 for axis, n in at.items()}
    labels = xr.DataArray(np.zeros((528, 320, 456), np.uint32), coords)
    for r in (LANDMARK.r, 11400 - LANDMARK.r):
        place = {"coronal": LANDMARK.p, "y": LANDMARK.i, "x": r}
        labels.loc[{axis: slice(v - 260, v + 260) for axis, v in place.items()}] = 11
    return labels


def test_left_is_left_in_both_planes():
    for name in ("phantom", "phantom-sagittal"):
        grid = atldld_xr.open_grid(name)
        found = grid.atldld.structure_summary(
            box(), method="grid", hemisphere="each", ontology=TREE, structures=["dorsal", "nowhere"]
        )
        energy = found.voxel_energy_mean.sel(structure="dorsal")
        assert float(energy.sel(hemisphere_id=1)) > 100
        if name == "phantom":
            assert float(energy.sel(hemisphere_id=2)) < 30
            both = found.sel(structure="dorsal", hemisphere_id=3)
            halves = found.sel(structure="dorsal", hemisphere_id=[1, 2])
            assert int(both.n_voxels) == int(halves.n_voxels.sum())
            mean = (halves.voxel_energy_mean * halves.n_voxels).sum() / both.n_voxels
            np.testing.assert_allclose(both.voxel_energy_mean, mean, rtol=1e-12)
        else:
            right = found.sel(structure="dorsal", hemisphere_id=2)
            assert np.isnan(float(right.voxel_energy_mean))
            assert str(right.reason.values) == "Allen's grid has no data of it"


def test_a_dataset_of_sections_has_the_grid_of_its_own_data_set():
    opened = atldld_xr.open_dataset("phantom", resolution=400)
    arguments = {"method": "grid", "ontology": TREE, "structures": "front"}
    found = opened.atldld.structure_summary(box(), **arguments)
    own = atldld_xr.open_grid("phantom").atldld.structure_summary(box(), **arguments)
    assert found.identical(own)


def test_a_part_of_a_grid_is_counted_as_that_part():
    grid = atldld_xr.open_grid("phantom", variables="energy")

    def counted(part):
        found = part.atldld.structure_summary(
            box(), method="grid", hemisphere="each", ontology=TREE, structures="dorsal"
        )
        return found[["n_voxels", "voxel_energy_mean", "volume_mm3"]].isel(
            structure=0, hemisphere_id=0
        )

    whole = counted(grid)
    planes = [counted(grid.isel(coronal=[k])) for k in range(grid.sizes["coronal"])]
    assert sum(int(plane.n_voxels) for plane in planes) == int(whole.n_voxels) > 0
    assert sum(float(p.volume_mm3.fillna(0)) for p in planes) == pytest.approx(
        int(whole.n_voxels) * 0.008
    )
    turned = {axis: slice(None, None, -1) for axis in ("coronal", "y", "x")}
    xr.testing.assert_allclose(counted(grid.isel(turned)), whole)
    with pytest.raises(InvalidArgumentError, match="energy is over y, x, and a grid over"):
        counted(grid.isel(coronal=20))
    with pytest.raises(InvalidArgumentError, match="not in equal steps along y"):
        counted(grid.isel(y=[1, 2, 5]))


def test_what_cannot_work_is_refused_in_words():
    grid = atldld_xr.open_grid("phantom")
    summary = grid.atldld.structure_summary
    with pytest.raises(InvalidArgumentError, match='method is "sections" or "grid", not'):
        summary(box(), method="mean")
    with pytest.raises(InvalidArgumentError, match='by="section" needs method="sections"'):
        summary(box(), method="grid", by="section")
    with pytest.raises(InvalidArgumentError, match="a volume of labels over coronal, y, x"):
        summary(box().astype(float), method="grid", ontology=TREE)
    with pytest.raises(InvalidArgumentError, match="not in equal steps"):
        summary(box().isel(y=[0, 1, 5]), method="grid", ontology=TREE)
    with pytest.raises(InvalidArgumentError, match="ontology is what structures"):
        summary(box(), method="grid", ontology={"root": 997})
    bare = grid.drop_attrs()
    with pytest.raises(InvalidArgumentError, match="left is told by nothing any more"):
        bare.atldld.structure_summary(box(), method="grid", hemisphere="left", ontology=TREE)
