"""Genes that are named and that there are none of, with what is near to each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from atldld_xr.allen import rma
from atldld_xr.catalogue.ask import Catalogue
from atldld_xr.catalogue.genes import GENE_ROWS, MOUSE, Gene, gene_criteria
from atldld_xr.catalogue.near import near_genes
from atldld_xr.catalogue.patterns import Pattern
from atldld_xr.catalogue.rows import GeneRow, gene_row
from atldld_xr.errors import DatasetNotFoundError
from atldld_xr.messages.repeating import short

_MOST_SUGGESTED = 5  # unknown names of a list that others are looked for


def unknown_genes(
    catalogue: Catalogue, wanted: Iterable[Gene], found: Iterable[GeneRow]
) -> dict[str, list[str]]:
    """Return the names of no gene of the mouse, with what is near to each.

    Parameters
    ----------
    catalogue : Catalogue
        What is asked of those that nothing was found of.
    wanted : iterable of Pattern or int
        What was asked for; of what is like a name there may be none.
    found : iterable of GeneRow
        What was found.

    Raises
    ------
    DatasetNotFoundError
        If those are all that is wanted.
    """
    wanted = tuple(wanted)
    certain = [gene for gene in wanted if isinstance(gene, int) or gene.is_name]
    missing = _without(certain, found)
    for filters in gene_criteria(missing):
        # Man's too have names in capital letters: who writes so may mean the mouse's.
        criteria = f"{rma.equals('organism_id', [MOUSE])}{filters}"
        records = catalogue.records("Gene", "genes", criteria=criteria, rows=GENE_ROWS)
        missing = _without(missing, map(gene_row, records))
    near = {
        _told(gene): near_genes(gene.pieces[0], catalogue)
        if isinstance(gene, Pattern) and k < _MOST_SUGGESTED
        else []
        for k, gene in enumerate(missing)
    }
    if missing and len(missing) == len(wanted):
        raise DatasetNotFoundError(_no_gene(near, catalogue.source.url))
    return near


def _without(genes: Iterable[Gene], found: Iterable[GeneRow]) -> list[Gene]:
    known = {key for row in found for key in (row.acronym, row.entrez_id)}
    return [g for g in genes if (g if isinstance(g, int) else g.pieces[0]) not in known]


def _told(gene: Gene) -> str:
    return f"Entrez id {gene}" if isinstance(gene, int) else gene.pieces[0]


def _no_gene(near: Mapping[str, list[str]], url: str) -> str:
    told = []
    for name, others in list(near.items())[:_MOST_SUGGESTED]:
        told.append(short(name) + (f" (near it: {', '.join(others)})" if others else ""))
    more = f" and {len(near) - len(told)} more" if len(near) > len(told) else ""
    return f"there is no gene {', '.join(told)}{more} of the mouse at {url}"
