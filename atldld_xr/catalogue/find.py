"""Finding data sets, section images and genes in a catalogue: rows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from atldld_xr.allen import rma
from atldld_xr.catalogue.ask import Catalogue
from atldld_xr.catalogue.near import near_genes
from atldld_xr.catalogue.patterns import Pattern
from atldld_xr.catalogue.queries import (
    DATASET_INCLUDE,
    GENE_INCLUDE,
    MOUSE,
    DatasetQuery,
    Gene,
    dataset_query,
    gene_criteria,
    is_gene,
    may_find_others,
    parse_genes,
)
from atldld_xr.catalogue.rows import (
    DatasetRow,
    GeneRow,
    ImageRow,
    dataset_row,
    gene_row,
    genes_of,
    image_rows,
)
from atldld_xr.errors import DatasetNotFoundError, InvalidArgumentError
from atldld_xr.messages.repeating import short

Row = TypeVar("Row")

DATASET_ROWS = 100
"""Data sets of a page: with their section images some 1 to 3 MB, of connectivity 10. A page of some
250 sections each would be as much as is read of an answer."""

_GENE_ROWS = 500
_MOST_SUGGESTED = 5  # unknown names of a list that others are looked for


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
    catalogue: Catalogue, *, product: object = None, limit: int | None = None, **wanted: Any
) -> Found[DatasetRow]:
    """Return the data sets that answer to all of what is wanted, see `atldld_xr.search`.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or a product that there is none of.
    DatasetNotFoundError
        If there is none of the genes that are named.
    ServiceError
        If the catalogue cannot be had.
    """
    return _find(catalogue, dataset_row, product=product, limit=limit, **wanted)


def find_images(
    catalogue: Catalogue, *, product: object = None, limit: int | None = None, **wanted: Any
) -> Found[ImageRow]:
    """Return the section images of the data sets that `find_datasets` returns."""
    found = _find(catalogue, image_rows, product=product, limit=limit, **wanted)
    return Found([row for rows in found.rows for row in rows], found.oldest, found.unknown)


def find_genes(catalogue: Catalogue, pattern: object, limit: int | None = None) -> Found[GeneRow]:
    """Return the genes of the mouse that are meant, by acronym, see `atldld_xr.genes`.

    Raises as `find_datasets` does.
    """
    genes = parse_genes(pattern)
    if genes is None:
        raise InvalidArgumentError('no gene is named; "*" are all')
    found: dict[int, GeneRow] = {}
    for filters in gene_criteria(genes):
        criteria = f"{rma.equals('organism_id', [MOUSE])}{filters}"
        for record in catalogue.records(
            "Gene",
            "genes",
            criteria=criteria,
            include=GENE_INCLUDE,
            rows=_GENE_ROWS,
            limit=None if may_find_others(genes) else limit,
        ):
            row = gene_row(record)
            if any(is_gene(gene, row.acronym, row.entrez_id) for gene in genes):
                found[record["id"]] = row
    rows = sorted(found.values(), key=lambda row: (row.acronym or "").casefold())[:limit]
    unknown = {} if limit is not None and len(found) > limit else _unknown(catalogue, genes, rows)
    return Found(rows, catalogue.oldest, unknown)


def _find(
    catalogue: Catalogue,
    make: Callable[[Mapping[str, Any]], Row],
    *,
    product: object,
    limit: int | None,
    **wanted: Any,
) -> Found[Row]:
    query = dataset_query(**wanted)  # before anything is asked
    if product is not None:
        query = dataset_query(**wanted, product_ids=_products(catalogue, product))
    found: dict[int, Row] = {}
    genes: list[GeneRow] = []
    for record in _datasets(catalogue, query, limit):
        own = genes_of(record)
        if query.accepts((gene.acronym, gene.entrez_id) for gene in own):
            genes += own
            found[record["id"]] = make(record)
    rows = [found[number] for number in sorted(found)][:limit]
    is_all = limit is None or len(found) <= limit
    unknown = _unknown(catalogue, query.genes, genes) if query.genes and is_all else {}
    return Found(rows, catalogue.oldest, unknown)


def _datasets(
    catalogue: Catalogue, query: DatasetQuery, limit: int | None
) -> Iterator[Mapping[str, Any]]:
    if query.genes and may_find_others(query.genes):
        limit = None
    for criteria in query.all_criteria:
        yield from catalogue.records(
            "SectionDataSet",
            "data sets",
            criteria=criteria,
            include=DATASET_INCLUDE,
            rows=DATASET_ROWS,
            limit=limit,
        )


def _products(catalogue: Catalogue, product: object) -> list[int]:
    """Return the ids of a product that is given by id, name or abbreviation."""
    if isinstance(product, int) and not isinstance(product, bool) and product > 0:
        return [product]
    if not isinstance(product, str):
        raise InvalidArgumentError(f"product is an id or a name, not {short(product)}")
    wanted = product.strip().casefold()
    known: list[str] = []
    found: list[int] = []
    for record in catalogue.records("Product", "products", criteria="", rows=_GENE_ROWS):
        names = [record.get(key) for key in ("abbreviation", "name")]
        texts = [name for name in names if isinstance(name, str) and name]
        known += texts[:1]
        if wanted in map(str.casefold, texts):
            found.append(record["id"])
    if not found:
        raise InvalidArgumentError(
            f"there is no product {short(product)} at {catalogue.source.url}; there are: "
            f"{', '.join(known)}"
        )
    return found


def _unknown(
    catalogue: Catalogue, wanted: Iterable[Gene], found: Iterable[GeneRow]
) -> dict[str, list[str]]:
    """Return the names of no gene, with what is near to each.

    Raises
    ------
    DatasetNotFoundError
        If those are all that is wanted.
    """
    wanted = tuple(wanted)
    found = list(found)
    missing = [g for g in wanted if _is_certain(g) and not _is_among(g, found)]
    for criteria in gene_criteria(missing):
        records = catalogue.records("Gene", "genes", criteria=criteria, rows=_GENE_ROWS)
        found += map(gene_row, records)
    unknown = [g for g in missing if not _is_among(g, found)]
    near = {
        _told(gene): near_genes(gene.pieces[0], catalogue)
        if isinstance(gene, Pattern) and k < _MOST_SUGGESTED
        else []
        for k, gene in enumerate(unknown)
    }
    if unknown and len(unknown) == len(wanted):
        raise DatasetNotFoundError(_no_gene(near, catalogue.source.url))
    return near


def _is_certain(gene: Gene) -> bool:
    """Tell whether it is one gene; of what is like a name there may be none."""
    return isinstance(gene, int) or gene.is_name


def _is_among(gene: Gene, rows: Iterable[GeneRow]) -> bool:
    return any(is_gene(gene, row.acronym, row.entrez_id) for row in rows)


def _told(gene: Gene) -> str:
    return f"Entrez id {gene}" if isinstance(gene, int) else gene.pieces[0]


def _no_gene(near: Mapping[str, list[str]], url: str) -> str:
    told = []
    for name, others in list(near.items())[:_MOST_SUGGESTED]:
        told.append(short(name) + (f" (near it: {', '.join(others)})" if others else ""))
    more = f" and {len(near) - len(told)} more" if len(near) > len(told) else ""
    return f"there is no gene {', '.join(told)}{more} at {url}"
