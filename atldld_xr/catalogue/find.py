"""Finding data sets, section images and genes in a catalogue: rows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from atldld_xr.allen import rma
from atldld_xr.catalogue.ask import Catalogue
from atldld_xr.catalogue.genes import (
    GENE_INCLUDE,
    GENE_ROWS,
    MOUSE,
    gene_criteria,
    matcher,
    may_find_others,
    parse_genes,
)
from atldld_xr.catalogue.injections import injection_ids, parse_injection
from atldld_xr.catalogue.products import parse_product, product_ids
from atldld_xr.catalogue.queries import DatasetQuery, dataset_query
from atldld_xr.catalogue.rows import (
    DatasetRow,
    GeneRow,
    ImageRow,
    dataset_row,
    gene_row,
    image_rows,
)
from atldld_xr.catalogue.unknown import unknown_genes
from atldld_xr.errors import InvalidArgumentError

Row = TypeVar("Row")

DATASET_ROWS = 100
"""Data sets of a page: with their section images some 1 to 3 MB, of connectivity 10. A page of some
250 sections each would be as much as is read of an answer."""


@dataclass(frozen=True)
class Found(Generic[Row]):
    """What was found.

    Attributes
    ----------
    rows : list
        In the order of ids.
    oldest : float, optional
        When the oldest of it came from the service, in seconds since the epoch.
    unknown : dict
        Of genes that there are none of: what may be meant, by the name that was given.
    """

    rows: list[Row]
    oldest: float | None
    unknown: dict[str, list[str]] = field(default_factory=dict)


def find_datasets(
    catalogue: Catalogue, *, limit: int | None = None, **wanted: Any
) -> Found[DatasetRow]:
    """Return the data sets that answer to all of what is wanted, see `atldld_xr.search`.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or a product or a structure that there is none of.
    DatasetNotFoundError
        If there is none of the genes that are named, or no ontology that has the structure.
    MetadataError
        If the ontology is none.
    ServiceError
        If the catalogue cannot be had.
    """
    return _find(catalogue, lambda row, _: row, limit, **wanted)


def find_images(
    catalogue: Catalogue, *, limit: int | None = None, **wanted: Any
) -> Found[ImageRow]:
    """Return the section images of the data sets that `find_datasets` returns."""
    found = _find(catalogue, lambda _, record: image_rows(record), limit, **wanted)
    return Found([row for rows in found.rows for row in rows], found.oldest, found.unknown)


def find_genes(catalogue: Catalogue, pattern: object, limit: int | None = None) -> Found[GeneRow]:
    """Return the genes of the mouse that are meant, by acronym, see `atldld_xr.genes`.

    Raises as `find_datasets` does.
    """
    genes = parse_genes(pattern)
    if genes is None:
        raise InvalidArgumentError('no gene is named; "*" are all')
    is_meant = matcher(genes)
    found: dict[int, GeneRow] = {}
    for filters in gene_criteria(genes):
        criteria = f"{rma.equals('organism_id', [MOUSE])}{filters}"
        for record in catalogue.records(
            "Gene",
            "genes",
            criteria=criteria,
            include=GENE_INCLUDE,
            rows=GENE_ROWS,
            limit=None if may_find_others(genes) else limit,
        ):
            row = gene_row(record)
            if is_meant(row.acronym, row.entrez_id):
                found[record["id"]] = row
    first = [found[number] for number in sorted(found)[:limit]]
    rows = sorted(first, key=lambda row: (row.acronym or "").casefold())
    is_all = limit is None or len(found) <= limit
    unknown = unknown_genes(catalogue, genes, rows) if is_all else {}
    return Found(rows, catalogue.oldest, unknown)


def _find(
    catalogue: Catalogue,
    make: Callable[[DatasetRow, Mapping[str, Any]], Row],
    limit: int | None,
    *,
    product: object = None,
    injection_structure: object = None,
    **wanted: Any,
) -> Found[Row]:
    # All that was given is looked at before anything is asked.
    dataset_query(**wanted)
    in_product = None if product is None else parse_product(product)
    injected = None if injection_structure is None else parse_injection(injection_structure)
    if in_product is not None:
        wanted["product_ids"] = product_ids(catalogue, in_product)
    if injected is not None:
        wanted["injection_ids"] = injection_ids(catalogue.structures(), injected)
    query = dataset_query(**wanted)
    found: dict[int, Row] = {}
    genes: set[GeneRow] = set()
    for record in _datasets(catalogue, query, limit):
        row = dataset_row(record)
        if query.accepts(row):
            genes.update(row.genes)
            found[row.id] = make(row, record)
    rows = [found[number] for number in sorted(found)[:limit]]
    is_all = limit is None or len(found) <= limit
    unknown = unknown_genes(catalogue, query.genes, genes) if query.genes and is_all else {}
    return Found(rows, catalogue.oldest, unknown)


def _datasets(
    catalogue: Catalogue, query: DatasetQuery, limit: int | None
) -> Iterator[Mapping[str, Any]]:
    queries = query.all_criteria
    for number, criteria in enumerate(queries, start=1):
        yield from catalogue.records(
            "SectionDataSet",
            "data sets" + (f", query {number} of {len(queries)}" if len(queries) > 1 else ""),
            criteria=criteria,
            include=rma.SEARCH_INCLUDE,
            rows=DATASET_ROWS,
            limit=None if query.may_find_others else limit,
        )
