"""open_grid: Allen's expression grids of a data set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from atldld_xr._version import __version__
from atldld_xr.allen.metadata import SectionDataset, parse_dataset
from atldld_xr.allen.reference import (
    CORONAL,
    REFERENCE_SPACES,
    ReferenceSpace,
    extent_attribute,
)
from atldld_xr.allen.sides import find_hemisphere, sides_along_r, space_in_words
from atldld_xr.attribution import attribution_of
from atldld_xr.datasets.attributes import coordinate_attributes
from atldld_xr.errors import AtldldError, InvalidArgumentError, MetadataError
from atldld_xr.files.paths import is_path, without_scheme
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_one_of, is_some_of, is_whole
from atldld_xr.sources.grids import GridSource, file_grids, find_files
from atldld_xr.sources.metaimage import VARIABLES, MetaImage
from atldld_xr.sources.projection_grids import (
    KINDS,
    RESOLUTIONS,
    ProjectionGridSource,
    read_projection_file,
)
from atldld_xr.sources.protocol import Source, asked_anew, kept_alone
from atldld_xr.sources.resolve import parse_dataset_name, resolve

GridVariable = Literal["energy", "density", "intensity"]
GridKind = Literal[
    "projection_density",
    "projection_energy",
    "injection_fraction",
    "injection_density",
    "injection_energy",
    "data_mask",
]

_LONG_NAMES = {
    "energy": "expression energy: the sum of expressing pixels' intensity over all pixels",
    "density": "expression density: expressing pixels over all pixels",
    "intensity": "expression intensity: the mean intensity of expressing pixels",
    "projection_density": "projection density: pixels of axons over all pixels",
    "projection_energy": "projection energy: the intensity of pixels of axons over all pixels",
    "injection_fraction": "the share of pixels that are of the injection site",
    "injection_density": "projection density within the injection site",
    "injection_energy": "projection energy within the injection site",
    "data_mask": "the share of the voxel that there are data of",
}
_NO_DATA = "not a number where Allen has no data (-1 in the file)"


def open_grid(
    dataset: int | str,
    *,
    variables: GridVariable | Sequence[GridVariable] | None = None,
    kind: GridKind | None = None,
    resolution: int = 100,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
) -> xr.Dataset:
    """Open Allen's own grids of a data set: of expression, of 200 um, or of a projection.

    Read at once, as they are small: one request, which the cache keeps, and one for the metadata.

    Parameters
    ----------
    dataset : int or str
        The data set, in any of the ways in which `open_dataset` takes it.
    variables : str or sequence of str, optional
        Of "energy", "density" and "intensity". Default: all; from files those that are there.
    kind : str, optional
        Of a data set of connectivity, in place of these: "projection_density" or
        "projection_energy", "injection_fraction", "injection_density" or "injection_energy", or
        "data_mask".
    resolution : {10, 25, 50, 100}
        Of a grid of that kind, in micrometres. Of 10 um it has 1.2 billion voxels: 4.8 GB, in a
        temporary file.
    source : str, path or source object, optional
        As for `open_dataset`; or files on this machine: a header (``energy.mhd``, with its values
        beside it), a zip as the service sends it, or a folder with ``energy_ID.mhd``,
        ``energy.mhd`` or ``ID.zip``. What space files are in is known where the folder has the
        data set's metadata (``section_data_set_ID.json``), and else not said.
    refresh : bool
        Whether to ask for both anew.
    offline : bool, optional
        Whether to take both from the cache, as for `open_dataset`.

    Returns
    -------
    xarray.Dataset
        Each variable over (coronal, y, x), that is (p, i, r), float32: not a number where Allen has
        no data, so that ``ds.energy.notnull()`` says which voxels are valid. Voxel k has its centre
        at k * 200 um, in the space that the data set is registered to: 10 for sagittal ones, in
        which left lies left. Of a `kind` the one variable of that name, over the whole reference
        space; voxel k has its centre at (k + 0.5) * `resolution`.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work.
    DatasetNotFoundError
        If the source has no such data set, or no grid of it.
    MetadataError
        If files are no grids like Allen's.
    ServiceError
        If they cannot be had.

    Examples
    --------
    >>> import atldld_xr
    >>> atldld_xr.open_grid("phantom", variables="energy").energy.shape
    (67, 41, 58)
    """
    names = _check_variables(variables)
    if kind is not None:
        _check_kind(kind, resolution, names)
        return _open_kind(dataset, kind, int(resolution), source, refresh, offline)
    dataset_id = parse_dataset_name(dataset)
    path = _local(source)
    files = find_files(path, dataset_id) if path else None
    if path and files:
        if names and (lacking := [name for name in names if name not in files]):
            raise InvalidArgumentError(
                f"{path} has no {', '.join(lacking)}; it has {', '.join(files)}"
            )
        grids: Mapping[str, MetaImage] = file_grids(
            {name: file for name, file in files.items() if names is None or name in names}
        )
        data, attributes = _beside(path, dataset_id), {"source": str(path)}
    else:
        files_of = 'of them (source="energy.mhd", a zip, a folder)'
        service, data, attributes = _service(
            GridSource, "grids", files_of, dataset, source, refresh, offline
        )
        grids = service.grids(dataset_id, names or VARIABLES)
    if names and (lacking := [name for name in names if name not in grids]):
        raise MetadataError(f"{short(attributes['source'])} has no {', '.join(lacking)}")
    return _assemble(dataset_id, grids, data).assign_attrs(attributes)


def _open_kind(
    dataset: int | str,
    kind: str,
    resolution: int,
    source: str | PathLike[str] | Source | None,
    refresh: bool,
    offline: bool | None,
) -> xr.Dataset:
    dataset_id = parse_dataset_name(dataset)
    path = _local(source)
    if path is not None and path.suffix.lower() == ".nrrd":
        data, attributes = _beside(path, dataset_id), {"source": str(path)}
        grid = read_projection_file(path, resolution)
    else:
        what, files_of = "grids of projections", "(source=PATH.nrrd)"
        service, data, attributes = _service(
            ProjectionGridSource, what, files_of, dataset, source, refresh, offline
        )
        grid = service.projection_grid(dataset_id, kind, resolution)
    out = _assemble(dataset_id, {kind: grid}, data)
    about = {"title": f"{kind} of section data set {dataset_id}", "anchor": "center"}
    return out.assign_attrs(about | attributes)


def _service(
    kind: type[Any],
    what: str,
    files: str,
    dataset: int | str,
    source: str | PathLike[str] | Source | None,
    refresh: bool,
    offline: bool | None,
) -> tuple[Any, SectionDataset, dict[str, str]]:
    """Return a source of a kind, the data set there, and attributes that say where that is."""
    opened = kept_alone(resolve(source, dataset), offline)
    anew = asked_anew(opened, refresh)
    if not isinstance(anew, kind):
        raise InvalidArgumentError(
            f"{short(opened.url)} has no {what}: name the service, or a file {files}"
        )
    data = parse_dataset(anew.dataset_record(parse_dataset_name(dataset)))
    return anew, data, {"source": opened.url, **attribution_of(opened, data.products).attributes}


def _assemble(
    dataset_id: int, grids: Mapping[str, MetaImage], data: SectionDataset | None
) -> xr.Dataset:
    first = next(iter(grids.values()))
    for name, grid in grids.items():
        same = (grid.values.shape, grid.spacing, grid.origin)
        if same != (first.values.shape, first.spacing, first.origin):
            raise MetadataError(f"{name} has another size or place than {next(iter(grids))}")
    out: dict[str, Any] = {}
    for name, grid in grids.items():
        attributes = {"long_name": _LONG_NAMES[name], "comment": _NO_DATA}
        values = _without_invalid(grid.values)
        out[name] = (("coronal", "y", "x"), values, attributes)
    coords = {}
    for axis, name in enumerate(("coronal", "y", "x")):
        at = first.origin[axis] + np.arange(first.values.shape[axis]) * first.spacing[axis]
        described = coordinate_attributes(name, plane=CORONAL)
        if data is None:
            described.pop("comment", None)  # which side is where is not known
        coords[name] = (name, at, described)
    return xr.Dataset(out, coords).assign_attrs(_attributes(dataset_id, first, data))


def _without_invalid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values without those that are none; of a file, changed in it, a plane at a time."""
    out = values if values.flags.writeable else values.copy()
    for plane in out.transpose(2, 1, 0):  # as they lie in memory
        plane[~((plane >= 0) & (plane < np.inf))] = np.nan
    return out


def _attributes(dataset_id: int, grid: MetaImage, data: SectionDataset | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "title": f"expression grids of section data set {dataset_id}",
        "section_data_set_id": dataset_id,
        "resolution": grid.spacing[0],
        "anchor": "edge",
        "history": f"atldld_xr {__version__}",
    }
    if data is not None:
        own = data.reference_space_id
        p, i, r = (
            max(n - 1, 1) * step for n, step in zip(grid.values.shape, grid.spacing, strict=True)
        )
        space = REFERENCE_SPACES.get(own) or ReferenceSpace(own, "", (p, i, r))
        out |= {
            "genes": list(data.genes),
            "hemisphere": find_hemisphere(data),
            "sides": sides_along_r(mirrored=False),
            "reference_space_id": own,
            "reference_space": space_in_words(space, mirrored=False),
            **extent_attribute(space),
            "registered_to_reference_space_id": own,
        }
    return out


def _check_kind(kind: object, resolution: object, names: list[str] | None) -> None:
    if not is_one_of(kind, KINDS):
        raise InvalidArgumentError(f"kind is one of {', '.join(KINDS)}, not {short(kind)}")
    if not is_whole(resolution) or resolution not in RESOLUTIONS:
        known = ", ".join(map(str, RESOLUTIONS))
        raise InvalidArgumentError(f"resolution is one of {known} um, not {short(resolution)}")
    if names is not None:
        raise InvalidArgumentError("kind and variables: one or the other is asked for")


def _check_variables(variables: object) -> list[str] | None:
    if variables is None:
        return None
    chosen = [variables] if isinstance(variables, str) else variables
    if not is_some_of(chosen, VARIABLES):
        raise InvalidArgumentError(
            f"variables are some of {', '.join(VARIABLES)}, not {short(variables)}"
        )
    return list(dict.fromkeys(chosen))  # type: ignore[call-overload]  # checked


def _local(source: object) -> Path | None:
    """Return the path that a source may be one of a file by."""
    if not isinstance(source, str | os.PathLike):
        return None
    text = without_scheme(os.fsdecode(source))
    if not is_path(text) or "\0" in text:
        return None
    return Path(os.path.expanduser(text))


def _beside(path: Path, dataset_id: int) -> SectionDataset | None:
    """Return the data set whose metadata are beside files of grids, None if they are not there."""
    from atldld_xr.sources.mirror import MirrorSource

    folder = path if path.is_dir() else path.parent
    try:
        return parse_dataset(MirrorSource(str(folder)).dataset_record(dataset_id))
    except AtldldError:
        return None
