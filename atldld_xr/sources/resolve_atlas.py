"""What a `source` argument means of an annotation, and of the ontology."""

from __future__ import annotations

import os
import re
from typing import Protocol, runtime_checkable

from atldld_xr.allen.structures import Structures, parse_structures
from atldld_xr.errors import InvalidArgumentError, MetadataError
from atldld_xr.files.file_store import FileStore
from atldld_xr.files.paths import absolute, is_path, without_scheme
from atldld_xr.files.zip_files import ZipFiles
from atldld_xr.foreign_json import MOST_BYTES, InvalidJsonError, parse_json
from atldld_xr.messages.repeating import short
from atldld_xr.settings import as_text, setting, told_origin
from atldld_xr.sources import http
from atldld_xr.sources.annotations import (
    LabelVolume,
    PhantomLabels,
    WebLabels,
    find_labels,
)
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.sources.protocol import Source, asked_anew, kept_alone
from atldld_xr.sources.resolve import resolve

VERSIONS = ("ccf_2017", "mouse_2011")
"""Of Allen's annotations, those that can be asked for."""

STRUCTURES_FILE = "structure_graph_1.json"
"""The ontology in a mirror: the service's answer."""

_OWN = (10, 25)  # um: Allen's coarser files are not used where a majority of these can be
_ALL = (10, 25, 50, 100)
_ENDING = re.compile(r"\.(nrrd|json)", re.IGNORECASE)


@runtime_checkable
class OntologySource(Source, Protocol):
    """A source that has an ontology."""

    def structures(self) -> Structures:
        """Return it."""


def resolve_annotation(
    source: object, version: str, resolution: float, *, offline: bool | None, refresh: bool
) -> LabelVolume:
    """Return the annotation that a source has for a resolution; nothing but a header is read.

    Raises
    ------
    InvalidArgumentError
        If the source has none.
    MetadataError
        If its file is none.
    StoreError
        If it cannot be told what is there.
    """
    if (file := _file(source)) and file.lower().endswith(".nrrd"):
        asked_anew(kept_alone(PhantomSource(), offline), refresh)  # what is wrong for any source
        return _labels_of_file(file, offline)
    found = asked_anew(kept_alone(resolve(source), offline), refresh)
    if isinstance(found, PhantomSource):
        return PhantomLabels(resolution)
    if isinstance(found, MirrorSource):
        return _labels_in(found, version, resolution)
    if isinstance(found, OntologySource):
        spacing = _preferred(resolution, _OWN)[0]
        return WebLabels(f"{_annotation_url()}/{version}/{_name(spacing)}", spacing, offline)
    raise InvalidArgumentError(
        f"{short(found.url)} has no annotation: name the service, an .nrrd file, or a folder of one"
    )


def resolve_structures(source: object, *, offline: bool | None, refresh: bool) -> Structures:
    """Return the ontology of a source.

    Raises
    ------
    InvalidArgumentError
        If the source has none.
    MetadataError
        If its file is none.
    ServiceError, StoreError
        If it cannot be had.
    """
    if file := _file(source):
        folder, name = _split(file)
        if name.lower().endswith(".nrrd"):
            name = STRUCTURES_FILE  # beside it
        return _structures_in(folder, name)
    found = asked_anew(kept_alone(resolve(source), offline), refresh)
    if isinstance(found, MirrorSource):
        return _structures_in(found.files(), STRUCTURES_FILE)
    if isinstance(found, OntologySource):
        return found.structures()
    raise InvalidArgumentError(
        f"{short(found.url)} has no ontology: name the service, a .json file of it, or a folder "
        f"with {STRUCTURES_FILE}"
    )


def _file(source: object) -> str | None:
    """Return the address of a file, if a source names one."""
    if not isinstance(source, str | os.PathLike):
        return None
    text = without_scheme(os.fsdecode(source))
    return text if "\0" not in text and _ENDING.fullmatch(os.path.splitext(text)[1]) else None


def _split(file: str) -> tuple[FileStore, str]:
    if is_path(file):
        file = absolute(file)
    folder, _, name = file.rpartition("/")
    return FileStore(folder or "/", kind="folder"), name


def _labels_of_file(file: str, offline: bool | None) -> LabelVolume:
    if file.startswith(("http://", "https://")):
        http.check_address(file)
        told = re.search(r"_(\d{1,3})\.nrrd$", file, re.IGNORECASE)
        if not told or int(told[1]) not in _ALL:
            raise InvalidArgumentError(
                f"{short(file)} does not tell its resolution: files on web servers are named as "
                "Allen's are, annotation_25.nrrd"
            )
        return WebLabels(file, float(told[1]), offline)
    folder, name = _split(file)
    found = find_labels(folder, [name])
    if found is None:
        raise InvalidArgumentError(f"there is no file {short(file)}")
    return found


def _labels_in(mirror: MirrorSource, version: str, resolution: float) -> LabelVolume:
    names = [
        f"{folder}{_name(spacing)}"
        for spacing in _preferred(resolution, _ALL)
        for folder in (f"{version}/", f"annotation/{version}/", "")
    ]
    found = find_labels(mirror.files(), names)
    if found is None:
        raise InvalidArgumentError(
            f"{mirror.path} has no annotation: a file {_name(25)}, of 10, 25, 50 or 100 um, there "
            f"or in a folder {version}"
        )
    return found


def _structures_in(folder: FileStore | ZipFiles, name: str) -> Structures:
    url = f"{folder.url}/{name}"
    content = folder.get(name, MOST_BYTES + 1)
    if content is None:
        raise InvalidArgumentError(f"there is no ontology at {url}")
    try:
        return parse_structures(parse_json(content))
    except (InvalidJsonError, MetadataError) as error:
        raise MetadataError(f"{url} is no ontology like Allen's: {error}") from None


def _preferred(resolution: float, sizes: tuple[int, ...]) -> list[int]:
    """Return the sizes of voxels that files have, the best to make a resolution of first.

    Those that divide it, of Allen's own coarser ones only where there is no other, and the coarsest
    of them; what is coarser than asked for comes last.
    """

    def order(spacing: int) -> tuple[object, ...]:
        ratio = resolution / spacing
        if ratio < 1 - 1e-9:
            return True, False, False, spacing
        return False, abs(ratio - round(ratio)) > 1e-9, spacing not in _OWN, -spacing

    return sorted(sizes, key=order)


def _name(spacing: float) -> str:
    return f"annotation_{spacing:g}.nrrd"


def _annotation_url() -> str:
    url = setting("annotation_url", as_text)
    try:
        return http.check_address(url)
    except InvalidArgumentError as error:
        told = told_origin("annotation_url")
        raise InvalidArgumentError(f"the setting annotation_url ({told}): {error}") from None
