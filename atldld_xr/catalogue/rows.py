"""What the service's records say, as rows of tables. Pure.

Its schema allows of nearly every field that it is null: what is missing, or is no value of its
kind, is None in a row. Without its data set's id there is no row; pages are checked for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from atldld_xr.catalogue.planes import PLANE_NAMES


@dataclass(frozen=True, slots=True)
class GeneRow:
    """A gene.

    Attributes
    ----------
    acronym, name : str, optional
        Its symbol and name.
    entrez_id : int, optional
        NCBI's id of it.
    aliases : tuple of str
        Other symbols of it, where these were asked for.
    """

    acronym: str | None
    name: str | None
    entrez_id: int | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A section image.

    Attributes
    ----------
    id, dataset : int
        Its id, and its data set's.
    section_number, width, height : int, optional
        Its place in the series, and its size in pixels.
    resolution : float, optional
        Micrometres of a pixel.
    failed : bool, optional
        Whether Allen marked it as failed.
    expression : bool
        Whether it has an expression mask.
    """

    id: int
    dataset: int
    section_number: int | None
    resolution: float | None
    width: int | None
    height: int | None
    failed: bool | None
    expression: bool


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A section data set.

    Attributes
    ----------
    id : int
        Its id.
    genes : tuple of GeneRow
        What was stained for; nothing in most data sets but those of in situ hybridization.
    plane : str, optional
        How it was cut.
    sections, failed_sections : int, optional
        Its section images, and how many of these Allen marked as failed.
    section_thickness : float, optional
        In micrometres.
    reference_space : int, optional
        What it is registered to.
    products, treatments : tuple of str
        The atlases that it is in, and what was done to the tissue.
    age, specimen, strain, sex : str, optional
        Of the animal.
    failed : bool, optional
        Whether Allen marked it as failed.
    qc_date : str, optional
        When Allen looked at its quality, as its record has it: in ISO 8601.
    expression : bool, optional
        Whether there are expression masks.
    injection_structures, transgenic_lines : tuple of str
        Acronyms of where a tracer was injected, that which has the most of it first, and names of
        the animal's lines; nothing in most data sets but those of connectivity.
    """

    id: int
    genes: tuple[GeneRow, ...]
    plane: str | None
    sections: int | None
    failed_sections: int | None
    section_thickness: float | None
    reference_space: int | None
    products: tuple[str, ...]
    treatments: tuple[str, ...]
    age: str | None
    specimen: str | None
    strain: str | None
    sex: str | None
    failed: bool | None
    qc_date: str | None
    expression: bool | None
    injection_structures: tuple[str, ...] = ()
    transgenic_lines: tuple[str, ...] = ()


def gene_row(record: Mapping[str, Any]) -> GeneRow:
    """Return a `Gene` record's row."""
    aliases = _texts(_list(record, "gene_aliases"), "acronym")
    return GeneRow(
        _text(record, "acronym"), _text(record, "name"), _whole(record, "entrez_id"), aliases
    )


def dataset_row(record: Mapping[str, Any]) -> DatasetRow:
    """Return a ``SectionDataSet`` record's row."""
    specimen = _mapping(record, "specimen")
    donor = _mapping(specimen, "donor")
    images = _list(record, "section_images")
    has_images = isinstance(record.get("section_images"), list)
    plane = _text(_mapping(record, "plane_of_section"), "name")
    masks = any(image.get("expression_path") for image in images)
    return DatasetRow(
        id=record["id"],
        genes=tuple(map(gene_row, _list(record, "genes"))),
        plane=plane or PLANE_NAMES.get(_whole(record, "plane_of_section_id") or 0),
        sections=len(images) if has_images else None,
        failed_sections=sum(i.get("failed") is True for i in images) if has_images else None,
        section_thickness=_number(record, "section_thickness"),
        reference_space=_whole(record, "reference_space_id"),
        products=_texts(_list(record, "products"), "name"),
        treatments=_texts(_list(record, "treatments"), "name"),
        age=_text(_mapping(donor, "age"), "name"),
        specimen=_text(specimen, "name"),
        strain=_text(donor, "strain"),
        sex=_text(donor, "sex"),
        failed=_flag(record, "failed"),
        qc_date=_text(record, "qc_date"),
        expression=masks if has_images else _flag(record, "expression"),
        injection_structures=_injected(specimen),
        transgenic_lines=_texts(
            _list(_mapping(donor, "transgenic_mouse"), "transgenic_lines"), "name"
        ),
    )


def image_rows(record: Mapping[str, Any]) -> list[ImageRow]:
    """Return rows of the section images of a ``SectionDataSet`` record, by section number."""
    rows = [
        ImageRow(
            id=number,
            dataset=record["id"],
            section_number=_whole(image, "section_number"),
            resolution=_number(image, "resolution"),
            width=_whole(image, "width"),
            height=_whole(image, "height"),
            failed=_flag(image, "failed"),
            expression=bool(image.get("expression_path")),
        )
        for image in _list(record, "section_images")
        if (number := _whole(image, "id")) is not None
    ]
    return sorted(rows, key=lambda row: (row.section_number or 0, row.id))


def _injected(specimen: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the acronyms of what was injected: what has the most of it, then what is named too."""
    injections = _list(specimen, "injections")
    keys = ("primary_injection_structure", "structure")
    return _texts([_mapping(i, key) for key in keys for i in injections], "acronym")


def _list(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = record.get(key)
    if not isinstance(found, list):
        return []
    return [part for part in found if isinstance(part, Mapping)]


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}


def _texts(records: Iterable[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    found = [_text(record, key) for record in records]
    return tuple(dict.fromkeys(text for text in found if text))


def _text(record: Mapping[str, Any], key: str) -> str | None:
    found = record.get(key)
    if not isinstance(found, str) or not found:
        return None
    # JSON can have halves of characters, which no table and no terminal takes.
    return found.encode("utf-8", "replace").decode()


def _flag(record: Mapping[str, Any], key: str) -> bool | None:
    found = record.get(key)
    return found if isinstance(found, bool) else None


def _number(record: Mapping[str, Any], key: str) -> float | None:
    found = record.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(record: Mapping[str, Any], key: str) -> int | None:
    number = _number(record, key)
    if number is None or not number.is_integer() or abs(number) >= 2**63:
        return None
    return int(record[key])
