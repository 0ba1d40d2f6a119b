"""structure_summary: numbers per structure, from sections or from Allen's grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from atldld_xr.allen.reference import check_adult
from atldld_xr.allen.structures import Structures
from atldld_xr.analysis.grid_summary import AXES, grid_columns, labels_at
from atldld_xr.analysis.ontology import choose
from atldld_xr.analysis.places import r_lines, step_of
from atldld_xr.analysis.structure_summary import (
    KEPT,
    By,
    Hemisphere,
    check_hemisphere,
    check_threshold,
    summarize,
    table,
)
from atldld_xr.datasets.cut_annotation import atlas_of
from atldld_xr.datasets.open_annotation import open_annotation
from atldld_xr.datasets.open_grid import open_grid
from atldld_xr.datasets.open_structures import structures as open_structures
from atldld_xr.datasets.sections import section_dim
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of


def structure_summary(
    dataset: xr.Dataset,
    annotation: xr.Dataset | xr.DataArray | None,
    *,
    structures: object,
    threshold: int,
    by: By,
    method: str,
    hemisphere: Hemisphere,
    ontology: Structures | None,
) -> xr.Dataset:
    """Return numbers by structure; see ``Dataset.atldld.structure_summary``."""
    if not is_one_of(method, ("sections", "grid")):
        raise InvalidArgumentError(f'method is "sections" or "grid", not {short(method)}')
    check_threshold(threshold), check_hemisphere(hemisphere)
    if annotation is not None and not isinstance(annotation, xr.Dataset | xr.DataArray):
        raise InvalidArgumentError(
            f"annotation is a DataArray or Dataset of labels, not {short(annotation)}"
        )
    if ontology is not None and not isinstance(ontology, Structures):
        raise InvalidArgumentError(f"ontology is what structures() gives, not {short(ontology)}")
    if method == "grid":
        if by != "data set":
            raise InvalidArgumentError(
                'a grid has no sections: by="section" needs method="sections"'
            )
        return _of_grid(dataset, annotation, structures, hemisphere, ontology)
    labels = _labels(dataset, annotation)
    return summarize(
        dataset,
        labels,
        _ontology(dataset, ontology),
        structures=structures,
        threshold=threshold,
        by=by,
        hemisphere=hemisphere,
    )


def _of_grid(
    dataset: xr.Dataset,
    annotation: xr.Dataset | xr.DataArray | None,
    structures: object,
    hemisphere: Hemisphere,
    ontology: Structures | None,
) -> xr.Dataset:
    grid = grid_of(dataset)
    volume = _volume(dataset, annotation)
    hemispheres = check_hemisphere(hemisphere)
    chosen = choose(_ontology(dataset, ontology), structures)
    at = np.asarray(grid["x"].values, np.float64)
    if hemispheres != [3]:
        start, _, slope = r_lines(grid.isel(coronal=[0]), "coronal")[0]
        at = start + slope * at
    energy = grid["energy"].transpose(*AXES)
    steps = [step_of(grid, axis) for axis in AXES]
    columns = grid_columns(
        energy.values,
        labels_at(grid, volume),
        at,
        chosen.members,
        hemispheres,
        float(np.prod(steps)) * 1e-9,
    )
    out = table(chosen, columns, hemispheres)
    return out.assign_attrs(
        title="numbers of structures, of Allen's energy grid",
        **{name: grid.attrs[name] for name in KEPT if name in grid.attrs},
        comment="of voxels with data and a label: of the annotation's voxel that a grid point lies "
        "in; standard deviation of all (not of a sample); left is r < 5700 um",
    )


def grid_of(dataset: xr.Dataset) -> xr.Dataset:
    """Return the energy grid that a Dataset is, or that of its data set.

    Raises
    ------
    InvalidArgumentError
        If the Dataset does not say any more which data set it is of.
    DatasetNotFoundError, MetadataError, ServiceError
        As of `open_grid`.
    """
    if "energy" in dataset:
        if set(dataset["energy"].dims) == set(AXES):
            return dataset
        raise InvalidArgumentError(  # and not of the whole grid, of which this is a part
            f"energy is over {', '.join(map(str, dataset['energy'].dims)) or 'nothing'}, and a "
            f"grid over {', '.join(AXES)}: slice it by lists or slices, which keep dimensions"
        )
    dataset_id, source = map(dataset.attrs.get, ("section_data_set_id", "source"))
    if dataset_id is None or source is None:
        raise InvalidArgumentError(
            "the Dataset does not say any more of which data set and source it is: take the grid "
            "itself, as open_grid() gives it"
        )
    return open_grid(int(dataset_id), source=source, variables="energy")


def _labels(dataset: xr.Dataset, annotation: xr.Dataset | xr.DataArray | None) -> xr.DataArray:
    """Return the label of each of a Dataset's pixels."""
    dim = section_dim(dataset)
    if isinstance(annotation, xr.DataArray) and set(annotation.dims) == {dim, "y", "x"}:
        cut = all(np.array_equal(annotation[a].values, dataset[a].values) for a in (dim, "y", "x"))
        # Labels of sections, if they are not of these, are no volume to be cut either.
        if cut or "section_image_id" in annotation.coords:
            return annotation
    accessor: Any = dataset.atldld
    found: xr.DataArray = accessor.annotation(annotation)
    return found


def _volume(dataset: xr.Dataset, annotation: xr.Dataset | xr.DataArray | None) -> xr.DataArray:
    if annotation is None:
        check_adult(dataset.attrs, "Allen's annotation")
        annotation = open_annotation(source=atlas_of(dataset))
    if isinstance(annotation, xr.Dataset):
        if "annotation" not in annotation:
            raise InvalidArgumentError("the annotation's Dataset has no variable annotation")
        return annotation["annotation"]
    return annotation


def _ontology(dataset: xr.Dataset, ontology: Structures | None) -> Structures:
    if ontology is not None:
        return ontology
    check_adult(dataset.attrs, "Allen's ontology")
    return open_structures(source=atlas_of(dataset))
