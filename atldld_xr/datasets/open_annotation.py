"""open_annotation: which structure each voxel of the reference space is in, lazily."""

from __future__ import annotations

from os import PathLike
from typing import Any, Literal

import numpy as np
import xarray as xr

from atldld_xr._version import __version__
from atldld_xr.allen.reference import CORONAL, Grid, get_space
from atldld_xr.allen.sides import sides_along_r
from atldld_xr.arrays.label_array import LabelGrid, label_array
from atldld_xr.attribution import Attribution, annotation_attribution
from atldld_xr.datasets.assemble import send_to_workers
from atldld_xr.datasets.attributes import coordinate_attributes
from atldld_xr.datasets.plan_volume import VOLUME_DIMS
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import Chunks, is_one_of, split_boxes
from atldld_xr.planes.placing import count_planes
from atldld_xr.sources.annotations import FileLabels, LabelVolume, PhantomLabels, WebLabels
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.resolve_atlas import VERSIONS, resolve_annotation
from atldld_xr.warp.majority import TIES

_SPACE = 9
_COARSEST = 1000.0  # micrometres; the brain has 13200

_ANNOTATIONS = {
    "ccf_2017": "Allen Mouse Brain Common Coordinate Framework (CCFv3), annotation of 2017",
    "mouse_2011": "Allen Reference Atlas of 2011, which Allen moved onto CCFv3 by a deformation",
}
_REGISTRATION = {
    "ccf_2017": "section images lie in this frame by affines to the P56 volume of 2011, which is "
    "another brain: axes and voxels are the same, and borders agree only about",
    "mouse_2011": "section images lie in this frame by affines to the P56 volume of 2011, on which "
    "this annotation was drawn; moved onto CCFv3 since, it agrees with them only about",
}
_PHANTOM = "structures of the phantom, by formula at each voxel's centre"


def open_annotation(
    *,
    resolution: float = 25,
    version: Literal["ccf_2017", "mouse_2011"] = "ccf_2017",
    source: str | PathLike[str] | Source | None = None,
    chunks: Chunks = "auto",
    offline: bool | None = None,
    refresh: bool = False,
) -> xr.DataArray:
    """Open Allen's annotation of the adult mouse brain as a lazy array, on the grid of volumes.

    Nothing is asked for before labels are looked at. Then all of a resolution is fetched once,
    checked, and kept by the cache in blocks: 4 MB at 25 um.

    Parameters
    ----------
    resolution : float
        Size of the voxels along all three axes, in micrometres. Labels are never interpolated. Each
        voxel has the label that most of those have whose centres lie in it: of the service, of
        Allen's at 10 or 25 um. Of labels that as many have, the lowest counts, and 0 counts like
        any other. Where all that is at hand is coarser, it has the nearest one's.
    version : {"ccf_2017", "mouse_2011"}
        Which of Allen's annotations. In a file nothing tells; there it is taken at your word.
    source : str, path or source object, optional
        As for `open_dataset`: the service, which stands for the address in the setting
        ``annotation_url``; "phantom"; or a mirror or folder that has ``annotation_25.nrrd``, there
        or in a folder of the version's name. Or such a file itself, by path or URL.
    chunks : "auto", None, int or mapping
        Dask chunks of coronal, y and x, or None for a lazy array without Dask; as for
        `open_volume`. They never change the result.
    offline : bool, optional
        Whether to take it from the cache, as for `open_dataset`.
    refresh : bool
        Whether to fetch it, or read its file, anew and at once.

    Returns
    -------
    xarray.DataArray
        "annotation" (coronal, y, x), that is (p, i, r), uint32: ids of structures, which
        `structures` explains, and 0 where there is none. Voxel k is centred at ``(k + 0.5) *
        resolution``, and left is at low r: the grid of `open_volume`.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work.
    MetadataError
        If a file is no annotation like Allen's, also as labels are read.
    ServiceError, StoreError
        If it cannot be had, also as labels are read.

    Examples
    --------
    >>> import atldld_xr
    >>> annotation = atldld_xr.open_annotation(resolution=100, source="phantom")
    >>> structures = atldld_xr.structures(source="phantom")
    >>> structures.name(int(annotation.sel(coronal=5200, y=4000, x=7950, method="nearest")))
    'caudoputamen'
    """
    if not is_one_of(version, VERSIONS):
        raise InvalidArgumentError(f"version is one of {', '.join(VERSIONS)}, not {short(version)}")
    grid = Grid(CORONAL, get_space(_SPACE), resolution)
    if grid.resolution > _COARSEST:
        raise InvalidArgumentError(
            f"resolution={resolution} is out of range: voxels of an annotation can be up to "
            f"{_COARSEST:g} micrometres, as the most frequent label of larger ones tells nothing"
        )
    planes = count_planes(grid.space.extent[CORONAL.section_axis], grid.resolution)
    shape = (planes, *grid.shape)
    split = split_boxes(chunks, dict(zip(VOLUME_DIMS, shape, strict=True)), CORONAL.dim)
    volume = resolve_annotation(source, version, grid.resolution, offline=offline, refresh=refresh)
    if refresh:
        volume.load(fresh=True)
    elif isinstance(volume, WebLabels) and volume.is_offline:
        volume.load()  # or that it is not there would be told later
    if isinstance(volume, FileLabels):
        send_to_workers(volume)
    labels = LabelGrid(volume, grid.resolution, shape)
    array = label_array(labels, None if chunks is None else split)
    encoding = {"preferred_chunks": {d: s[0] for d, s in zip(VOLUME_DIMS, split, strict=True)}}
    attributes = _attributes(volume, version, labels)
    variable = xr.Variable(VOLUME_DIMS, array, attributes, encoding, fastpath=True)
    coordinates = {}
    for name, size in zip(VOLUME_DIMS, shape, strict=True):
        centres = (np.arange(size, dtype=np.float64) + grid.offset) * grid.resolution
        coordinates[name] = (name, centres, coordinate_attributes(name, plane=CORONAL))
    return xr.DataArray(variable, coordinates, name="annotation")


def _attributes(volume: LabelVolume, version: str, labels: LabelGrid) -> dict[str, Any]:
    said: Attribution
    if isinstance(volume, PhantomLabels):
        said, which, told = volume.attribution, _PHANTOM, {}
    else:
        said, which = annotation_attribution(version), _ANNOTATIONS[version]
        told = {"annotation_version": version, "registration": _REGISTRATION[version]}
    return {
        "long_name": "id of the structure that a voxel is in",
        "title": f"{said.owner} annotation, {labels.resolution:g} um",
        "annotation": which,
        **told,
        "labels": "ids of structures, as atldld_xr.structures() lists them; 0 is in none",
        "sides": sides_along_r(mirrored=False),
        "reference_space_id": _SPACE,
        "registered_to_reference_space_id": _SPACE,
        "resolution": labels.resolution,
        "anchor": "center",
        "resampling": _resampling(labels),
        "source": volume.url,
        "history": f"atldld_xr {__version__}",
        **said.attributes,
    }


def _resampling(labels: LabelGrid) -> str:
    ratio, spacing = labels.ratio, labels.volume.spacing
    if abs(ratio - 1) < 1e-9:
        return "none"
    if ratio < 1:
        return f"the nearest voxel of {spacing:g} um: finer ones are repetition"
    return f"the label of most voxels of {spacing:g} um whose centres lie in one; {TIES}"
