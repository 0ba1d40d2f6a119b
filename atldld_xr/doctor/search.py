"""Whether a service can be searched as `atldld_xr.search` does: by a wildcard, and by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.allen.metadata import SectionDataset
from atldld_xr.doctor.findings import Finding
from atldld_xr.messages.repeating import short

_NAME = "search"
_ROWS = 5
_NO_GENE = '])[id$ne",(&+%):*'
"""What names no gene, of all that has a meaning outside of quotes."""

Envelope = Mapping[str, Any]


def search(ask: Callable[..., Envelope], data: SectionDataset) -> Finding:
    """Ask for a gene's data sets in two ways, and judge the answers.

    Parameters
    ----------
    ask : callable
        ``ask(path, criteria=...)`` returns the envelope of an answer; raises ValueError if it is
        a failure.
    data : SectionDataset
        The data set whose gene it is.
    """
    acronym = next(iter(data.genes), "")
    if len(acronym) < 3 or set(acronym) & set("'\\*_%"):
        return Finding(_NAME, "not asked", "it has no gene whose name is plain")
    start = acronym[:-1].swapcase()
    alike = ask("data/query.json", criteria=_stages(f"genes{rma.is_like('acronym', [start, ''])}"))
    named = f"[id$eq{data.id}],genes{rma.equals('acronym', [_NO_GENE, acronym])}"
    finding = judge_alike(alike, start)
    return finding or judge_named(ask("data/query.json", criteria=_stages(named)), data.id, acronym)


def judge_alike(envelope: Envelope, start: str) -> Finding | None:
    """Judge the page of the data sets of genes that begin so; None if all is as expected."""
    try:
        records = rma.records(envelope)
    except ValueError as error:
        return _differs(str(error), "searches fail")
    if not records:
        return _differs(f"no gene is like {start}*", "searches with * find nothing")
    ids = [record["id"] for record in records]
    if ids != sorted(set(ids)):
        return _differs(f"ids are {short(ids)}", "pages are put together by ids, or an error")
    wanted = {re.split(r"\W", path)[0] for path in rma.SEARCH_INCLUDE}
    missing = sorted({name for name in wanted for record in records if name not in record})
    if missing:
        found = f"records came without {', '.join(missing)}"
        return _differs(found, "what is said of these is missing in tables")
    others = [r["id"] for r in records if not _has_gene(r, start)]
    if others:
        return _differs(
            f"{others[0]} is of no gene like {start}*", "what is found is looked at again"
        )
    if rma.count(envelope, "num_rows") > len(records):
        found = f"{envelope['num_rows']} rows are {len(records)} records"
        return _differs(found, "pages are of more rows, and records put together")
    return None


def judge_named(envelope: Envelope, dataset_id: int, acronym: str) -> Finding:
    """Judge the answer that should hold one data set, though a name of brackets was asked for."""
    ids = [r.get("id") for r in envelope.get("msg", []) if isinstance(r, Mapping)]
    if ids == [dataset_id]:
        return Finding(_NAME, "as expected", f"{acronym}, also by * and beside {short(_NO_GENE)}")
    found = f"{acronym} beside {short(_NO_GENE)} finds {short(ids)}"
    return _differs(found, "such names find something else; lists of genes find what they find")


def _has_gene(record: Mapping[str, Any], start: str) -> bool:
    genes: Sequence[Any] = record.get("genes") or []
    names = (str(gene.get("acronym")) for gene in genes if isinstance(gene, Mapping))
    return any(name.casefold().startswith(start.casefold()) for name in names)


def _differs(found: str, then: str) -> Finding:
    return Finding(_NAME, "differs", found, then)


def _stages(criteria: str) -> str:
    return rma.stages(
        "SectionDataSet",
        criteria=criteria,
        include=rma.SEARCH_INCLUDE,
        order="id",
        start=0,
        rows=_ROWS,
    )
