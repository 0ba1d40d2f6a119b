"""Rows of the catalogue as columns: of pandas, of CSV and of JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from atldld_xr.catalogue.rows import DatasetRow, GeneRow, ImageRow

if TYPE_CHECKING:
    import pandas as pd

_BETWEEN = "; "  # names have commas in them

DATASET_COLUMNS = {
    "id": "int64",
    "genes": "string",
    "gene_names": "string",
    "entrez_ids": "string",
    "plane": "string",
    "sections": "Int64",
    "failed_sections": "Int64",
    "section_thickness": "Float64",
    "reference_space": "Int64",
    "products": "string",
    "treatments": "string",
    "age": "string",
    "specimen": "string",
    "strain": "string",
    "sex": "string",
    "failed": "boolean",
    "qc_date": "string",
    "expression": "boolean",
    "injection_structures": "string",
    "transgenic_lines": "string",
}
IMAGE_COLUMNS = {
    "id": "int64",
    "dataset": "int64",
    "section_number": "Int64",
    "resolution": "Float64",
    "width": "Int64",
    "height": "Int64",
    "failed": "boolean",
    "expression": "bool",
}
GENE_COLUMNS = {"acronym": "string", "name": "string", "entrez_id": "Int64", "aliases": "string"}


def as_facts(row: DatasetRow | ImageRow | GeneRow) -> dict[str, Any]:
    """Return a row for programs: several names are a list."""
    if isinstance(row, DatasetRow):
        genes = row.genes
        of_genes = {
            "genes": [gene.acronym for gene in genes],
            "gene_names": [gene.name for gene in genes],
            "entrez_ids": [gene.entrez_id for gene in genes],
        }
        facts = {
            name: of_genes[name] if name in of_genes else getattr(row, name)
            for name in DATASET_COLUMNS
        }
    else:
        facts = {field.name: getattr(row, field.name) for field in fields(row)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in facts.items()}


def as_cells(row: DatasetRow | ImageRow | GeneRow) -> dict[str, Any]:
    """Return a row for tables: several names are one text, none of them None."""
    return {name: _cell(value) for name, value in as_facts(row).items()}


def _cell(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    known = [str(part) for part in value if part is not None]
    return _BETWEEN.join(known) or None


def table(
    rows: Sequence[DatasetRow | ImageRow | GeneRow],
    columns: Mapping[str, str],
    attributes: Mapping[str, Any],
) -> pd.DataFrame:
    """Return rows as a table.

    Parameters
    ----------
    rows : sequence
        All of a kind.
    columns : mapping
        The type of each column, by name.
    attributes : mapping
        What is in the table's ``attrs``.
    """
    import pandas as pd

    cells = [as_cells(row) for row in rows]
    frame = pd.DataFrame(
        {name: pd.array([c[name] for c in cells], dtype=kind) for name, kind in columns.items()}
    )
    frame.attrs = dict(attributes)
    return frame


def utc(seconds: float | None) -> str | None:
    """Return a time in words that can be sorted."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
