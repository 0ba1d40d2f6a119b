"""Genes that are near to a name of none: by other capitals, an alias, or a typing error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.catalogue.ask import Catalogue
from atldld_xr.catalogue.genes import ALIAS_INCLUDE, MOUSE
from atldld_xr.catalogue.patterns import Pattern
from atldld_xr.errors import AtldldError

_MOST = 6
_PREFIX = 3  # letters that are taken as right
_ROWS = 500
_LIKENESS = 0.6


def near_genes(name: str, catalogue: Catalogue) -> list[str]:
    """Return acronyms of genes of the mouse that may be meant by a name, the likeliest first.

    Three requests at most. What cannot be asked is left out: nobody waits for a suggestion.
    """
    found: list[str] = []
    with suppress(AtldldError):
        alike = rma.is_like("acronym", [name])
        found += [a for a in _acronyms(_genes(catalogue, alike)) if _is_same(a, name)]
        aliases = catalogue.records(
            "GeneAlias", "aliases", criteria=alike, include=ALIAS_INCLUDE, rows=_ROWS, limit=_ROWS
        )
        genes = (alias.get("gene") for alias in aliases if _is_same(alias.get("acronym"), name))
        found += _acronyms(g for g in genes if isinstance(g, Mapping) and _is_mouse(g))
        if not found:
            begins = Pattern((name[:_PREFIX], ""))
            known = _acronyms(_genes(catalogue, begins.criterion("acronym")))
            found += _likest(name, known)
    return list(dict.fromkeys(found))[:_MOST]


def _genes(catalogue: Catalogue, filters: str) -> Iterable[Mapping[str, Any]]:
    criteria = f"{rma.equals('organism_id', [MOUSE])}{filters}"
    return catalogue.records("Gene", "genes", criteria=criteria, rows=_ROWS, limit=_ROWS)


def _is_same(acronym: object, name: str) -> bool:
    """Tell whether it is the name but for capitals: the database may have found others by it."""
    return isinstance(acronym, str) and acronym.casefold() == name.casefold()


def _is_mouse(gene: Mapping[str, Any]) -> bool:
    return gene.get("organism_id") in (MOUSE, None)


def _acronyms(genes: Iterable[Mapping[str, Any]]) -> list[str]:
    return [a for gene in genes if isinstance(a := gene.get("acronym"), str) and a]


def _likest(name: str, known: Iterable[str]) -> list[str]:
    by_key = {acronym.casefold(): acronym for acronym in known}
    likest = difflib.get_close_matches(name.casefold(), by_key, _MOST, _LIKENESS)
    return [by_key[key] for key in likest]
