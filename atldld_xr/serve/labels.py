"""The annotation as OME labels of an image: which structure each pixel shows, in its colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from atldld_xr.datasets.cut_annotation import atlas_of, cut_annotation
from atldld_xr.datasets.open_annotation import open_annotation
from atldld_xr.datasets.open_structures import structures
from atldld_xr.export.ome.metadata import VERSIONS, multiscale
from atldld_xr.export.ome.pyramid import Pyramid
from atldld_xr.serve.image import Image, make_image

if TYPE_CHECKING:
    from atldld_xr.allen.structures import Structures

VERSION = VERSIONS[0]
GROUP = "labels"
NAME = "annotation"

_HOW = "the label of the voxel of the annotation in which each pixel's centre lies"


def annotation_labels(levels: Sequence[xr.Dataset], pyramid: Pyramid, compressor: Any) -> Image:
    """Return the annotation, cut along each section's plane, in the levels of an image.

    Parameters
    ----------
    levels : sequence of xarray.Dataset
        The data set, at the resolution of each level.
    pyramid : Pyramid
        Of the image.
    compressor : codec of zarr.codecs, "auto" or None
        Of the chunks.

    Raises
    ------
    InvalidArgumentError
        If the data set lies in another space than the annotation.
    ServiceError, StoreError
        If the names and colours of structures cannot be had; labels are asked for when looked at.
    """
    atlas = atlas_of(levels[0])
    volume = open_annotation(source=atlas, chunks=None)
    own = replace(pyramid, variable=NAME, channels=1, dtype=np.dtype(np.uint32), fill_value=0)
    cut = [cut_annotation(dataset, volume).variable for dataset in levels]
    attributes = _attributes(levels[0], own, structures(source=atlas))
    return make_image(own, cut, attributes, compressor)


def labels_group() -> dict[str, Any]:
    """Return the attributes of the group that says which labels an image has."""
    return {"ome": {"version": VERSION, "labels": [NAME]}}


def _attributes(dataset: xr.Dataset, pyramid: Pyramid, ontology: Structures) -> dict[str, Any]:
    told = multiscale(dataset, pyramid) | {"name": NAME, "type": "nearest"}
    told["metadata"]["description"] = _HOW
    rows = [row for row in ontology.rows if row.id <= np.iinfo(pyramid.dtype).max]
    image_label = {
        "colors": [{"label-value": row.id, "rgba": _rgba(row.colour)} for row in rows],
        "properties": [
            {"label-value": row.id, "acronym": row.acronym, "name": row.name} for row in rows
        ],
        "source": {"image": "../../"},
    }
    return {"ome": {"version": VERSION, "multiscales": [told], "image-label": image_label}}


def _rgba(colour: str) -> list[int]:
    return [*bytes.fromhex(colour.removeprefix("#")), 255]
