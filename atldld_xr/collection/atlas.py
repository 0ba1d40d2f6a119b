"""The annotation and its structures that rows are counted in: told by what they say, held once."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache

import xarray as xr

from atldld_xr.allen.structures import Structures
from atldld_xr.collection.held_labels import hold_labels
from atldld_xr.datasets.open_annotation import open_annotation
from atldld_xr.datasets.open_structures import structures as open_structures
from atldld_xr.forks import PerProcess
from atldld_xr.sources.annotations import FileLabels
from atldld_xr.sources.resolve_atlas import VERSIONS, resolve_annotation

_LABELS = 25  # um, of the annotation: as of one data set


@dataclass(frozen=True)
class Atlas:
    """Where an annotation and its structures are: sent to workers.

    Attributes
    ----------
    place : str, optional
        As the `source` of `open_annotation`.
    digest : str
        What tells files from others that were, or will be, at that place; empty for what is not
        in files.
    """

    place: str | None
    digest: str = ""


def find_atlas(place: str | None) -> tuple[Atlas, Structures]:
    """Return what is at a place now, and its structures; labels are read of no service.

    Raises
    ------
    InvalidArgumentError, MetadataError, ServiceError, StoreError
        If there is none, or it cannot be had.
    """
    ontology = open_structures(source=place)
    if place is None:
        return Atlas(None), ontology
    labels = resolve_annotation(place, VERSIONS[0], _LABELS, offline=None, refresh=False)
    if not isinstance(labels, FileLabels):
        return Atlas(place), ontology
    told = repr((labels.digest(), ontology.rows)).encode()
    return Atlas(place, hashlib.sha256(told).hexdigest()[:16]), ontology


def keep_labels(atlas: Atlas) -> None:
    """Have the annotation in the cache, for all processes; or each row would say that it is not.

    Raises as `find_atlas` does.
    """
    labels = open_annotation(resolution=_LABELS, source=atlas.place, chunks=None)
    labels[:1, :1, :1].load()


_reading = PerProcess(threading.Lock)


def atlas_at(atlas: Atlas) -> tuple[xr.DataArray, Structures]:
    """Return the annotation and its structures; a process has both once.

    Raises as `find_atlas` does.
    """
    with _reading():  # of several threads that want it first, one reads it
        return _read(atlas)


@lru_cache(maxsize=1)
def _read(atlas: Atlas) -> tuple[xr.DataArray, Structures]:
    labels = open_annotation(resolution=_LABELS, source=atlas.place, chunks=None)
    return hold_labels(labels), open_structures(source=atlas.place)
