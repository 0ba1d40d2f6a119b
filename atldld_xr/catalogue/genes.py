"""Genes as users name them: by acronym, with wildcards, or by Entrez id. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.catalogue.patterns import Pattern, escape, parse_pattern
from atldld_xr.catalogue.values import id_of, number_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

GENE_INCLUDE = ("gene_aliases",)
ALIAS_INCLUDE = ("gene",)

MOUSE = 2
"""Allen's ``organism_id``. The same table has the genes of man, in capital letters."""

GENE_ROWS = 500
"""Genes of a page."""

MOST_GENES = 100_000
"""In one search: more than there are."""

Gene = Pattern | int


def parse_genes(gene: object) -> tuple[Gene, ...] | None:
    """Return the genes that are meant.

    Raises
    ------
    InvalidArgumentError
        For what is neither a name nor a number, none at all, or more than there are.
    """
    if gene is None:
        return None
    several: list[Any] = [gene]
    if isinstance(gene, Mapping):
        raise InvalidArgumentError(f"{short(gene)} is no list of genes")
    if hasattr(gene, "columns"):
        several = _of_table(gene)
    elif isinstance(gene, Iterable) and not isinstance(gene, str | bytes | bytearray):
        with suppress(TypeError):  # an array of no dimension is a number
            several = list(islice(gene, MOST_GENES + 1))
    if not several:
        raise InvalidArgumentError("no gene is named")
    if len(several) > MOST_GENES:
        raise InvalidArgumentError(f"more than {MOST_GENES:,} genes are named")
    return tuple(dict.fromkeys(_gene(one) for one in several))


def _of_table(table: Any) -> list[str]:
    """Return the acronyms in a table of genes, each as what means itself."""
    if "acronym" not in table.columns:
        raise InvalidArgumentError("gene: a table without a column 'acronym' names no genes")
    return [escape(acronym) for acronym in table["acronym"].dropna()[: MOST_GENES + 1]]


def _gene(value: object) -> Gene:
    number = number_of(value)
    if number is not None:
        return id_of(number, "gene: an Entrez id")
    return parse_pattern(value, "gene")


def gene_criteria(genes: Sequence[Gene], acronym: str = "acronym") -> list[str]:
    """Return filters of `Gene` records, each in bounds of what an address can hold.

    What is found by any of them is meant: RMA has no "or".
    """
    names = [g.pieces[0] for g in genes if isinstance(g, Pattern) and g.is_name]
    numbers = [g for g in genes if isinstance(g, int)]
    filters = [rma.equals(acronym, batch) for batch in rma.batches(names)]
    filters += [rma.equals("entrez_id", batch) for batch in rma.batches(numbers)]
    return filters + [
        g.criterion(acronym) for g in genes if isinstance(g, Pattern) and not g.is_name
    ]


def may_find_others(genes: Iterable[Gene]) -> bool:
    """Tell whether the service may find genes that are not meant, by wildcards of its database."""
    return any(isinstance(gene, Pattern) and gene.may_find_others for gene in genes)


def matcher(genes: Iterable[Gene]) -> Callable[[str | None, int | None], bool]:
    """Return what tells whether a gene, by acronym and Entrez id, is one that was asked for."""
    genes = tuple(genes)
    numbers = {gene for gene in genes if isinstance(gene, int)}
    names = {g.pieces[0] for g in genes if isinstance(g, Pattern) and g.is_name}
    patterns = [g for g in genes if isinstance(g, Pattern) and not g.is_name]

    def is_meant(acronym: str | None, entrez_id: int | None) -> bool:
        if entrez_id in numbers or acronym in names:
            return True
        return acronym is not None and any(pattern.matches(acronym) for pattern in patterns)

    return is_meant
