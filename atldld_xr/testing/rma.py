"""A useful part of RMA, the service's query language, over records in memory. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

DEFAULT_ROWS = 50

_PLANES = {1: "coronal", 2: "sagittal"}
_ASSOCIATIONS = {
    *("age", "alignment2d", "alignment3d", "data_set", "donor", "equalization", "gene"),
    *("gene_aliases", "genes", "injections", "organism", "plane_of_section"),
    *("primary_injection_structure", "probes", "products", "reference_space"),
    *("section_data_set", "section_images"),
    *("specimen", "structure", "structure_unionizes", "transgenic_lines", "transgenic_mouse"),
    *("treatments", "well_known_files"),
}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: bool(a > b),
    "lt": lambda a, b: bool(a < b),
    "ge": lambda a, b: bool(a >= b),
    "le": lambda a, b: bool(a <= b),
}
_FILTER = re.compile(r"(\w+)\$(eq|ne|li|il|gt|lt|ge|le|in)(.*)", re.DOTALL)
_INSIDE = r"(?:'[^']*'|[^\]'])*"  # of brackets: in quotes, a bracket is a character
_BRACKETS = rf"\[({_INSIDE})\]"
_PATH = re.compile(rf"(\w*)((?:\[{_INSIDE}\])*)(?:\((.*)\))?", re.DOTALL)


class RmaError(ValueError):
    """A query that the service would refuse."""


@dataclass(frozen=True)
class Query:
    """A parsed query.

    Attributes
    ----------
    model : str
        The kind of record.
    criteria, include : sequence of Path
        What to filter by, and what to return with each record.
    options : mapping
        Paging and order, as written.
    """

    model: str
    criteria: Sequence[Path] = ()
    include: Sequence[Path] = ()
    options: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Path:
    """An association (or, without a name, the model itself), filters on it, and more within it."""

    name: str
    filters: tuple[tuple[str, str, str], ...]
    inner: tuple[Path, ...]


def parse_query(text: str) -> Query:
    """Parse the comma-joined stages of a ``criteria`` parameter.

    Raises
    ------
    RmaError
        If it is not in the part of the language that is known here.
    """
    model, stage = "", ""
    parts: dict[str, list[str]] = {"criteria": [], "include": []}
    options: dict[str, str] = {}
    for token in _split(text):
        if token.startswith("model::"):
            model = token.removeprefix("model::")
        elif token in ("rma::criteria", "rma::include"):
            stage = token.removeprefix("rma::")
        elif token.startswith("rma::options"):
            options |= {k: v for k, _, v in _filters(token.removeprefix("rma::options"))}
        elif stage and "::" not in token:
            parts[stage].append(token)
        else:
            raise RmaError(f"cannot parse the stage {token!r}")
    if not model:
        raise RmaError("no model was given")
    criteria, include = (parse_paths(",".join(parts[k])) for k in ("criteria", "include"))
    return Query(model, criteria, include, options)


def parse_paths(text: str) -> tuple[Path, ...]:
    """Parse associations with filters, for instance ``[id$eq1],genes[acronym$eq'A'](b,c)``."""
    paths = []
    for token in _split(text):
        match = _PATH.fullmatch(token)
        if not match:
            raise RmaError(f"cannot parse {token!r}")
        name, filters, inner = match.groups()
        if name and name not in _ASSOCIATIONS:
            raise RmaError(f"there is no association {name!r}")
        paths.append(Path(name, _filters(filters), parse_paths(inner or "")))
    return tuple(paths)


def tables(datasets: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the records that can be asked for, by model."""
    data_sets: list[Record] = []
    images: list[Record] = []
    for dataset in datasets:
        plane = dataset.get("plane_of_section_id")
        named = {"id": plane, "name": _PLANES.get(plane)} if plane is not None else None
        data_sets.append({"plane_of_section": named, **dataset})
        plain = _scalars(dataset)
        included = ("products", "equalization")
        in_products = {**plain, **{key: dataset.get(key) for key in included}}
        images += [
            {"data_set": plain, "section_data_set": in_products, **image}
            for image in dataset.get("section_images") or ()
        ]
    flip = {f"t_{k:02d}": 0.0 for k in range(12)} | {"t_00": 1.0, "t_04": 1.0}
    flip |= {"t_08": -1.0, "t_11": 11350.0}
    spaces = ((10, 9), (9, 10))
    transforms: list[Record] = [
        {"id": k, "from_reference_space_id": a, "to_reference_space_id": b, **flip}
        for k, (a, b) in enumerate(spaces, start=1)
    ]
    return {
        "SectionDataSet": data_sets,
        "SectionImage": images,
        "ReferenceToReferenceTransform": transforms,
        "Gene": [{"gene_aliases": [], **gene} for gene in _parts(data_sets, "genes")],
        "GeneAlias": [],
        "Product": _parts(data_sets, "products"),
        "ReferenceSpace": [d["reference_space"] for d in data_sets if d.get("reference_space")],
    }


def _parts(records: Sequence[Record], name: str) -> list[Record]:
    """Return what records have of a kind, each once."""
    return list({part["id"]: part for r in records for part in r.get(name) or ()}.values())


def answer(
    query: Query,
    records: Mapping[str, Sequence[Record]],
    max_rows: int,
    *,
    joined_rows: bool = False,
) -> dict[str, Any]:
    """Return the envelope of a query's answer.

    Parameters
    ----------
    query : Query
        The query.
    records : mapping
        As `tables` returns them.
    max_rows : int
        The longest page, whatever is asked for.
    joined_rows : bool
        Whether pages are cut by the rows of a join with section images.

    Raises
    ------
    RmaError
        If it names an unknown model, field or association.
    """
    if query.model not in records:
        raise RmaError(f"there is no model {query.model!r}")
    options = dict(query.options or {})
    found = list(records[query.model])
    for path in query.criteria:
        found = [r for r in found if _matches(r, path)]
    for key in reversed(_split(options.pop("order", ""))):
        field, _, direction = key.rpartition(".")[2].partition("$")
        _check_field(found, field)
        found.sort(key=lambda r: _sortable(r[field]), reverse=direction == "desc")
    start = _whole(options.pop("start_row", "0"), "start_row")
    wanted = options.pop("num_rows", str(DEFAULT_ROWS))
    rows = len(found) if wanted == "all" else _whole(wanted, "num_rows")
    unknown = options.keys() - {"count", "debug", "tabular"}
    if unknown:
        raise RmaError(f"unknown options: {', '.join(sorted(unknown))}")
    is_joined = joined_rows and any(path.name == _JOINED for path in query.include)
    if is_joined:
        found = [row for record in found for row in _rows(record)]
    page = found[start : start + min(rows, max_rows)]
    num_rows = len(page)
    if is_joined:
        page = _records(page)
    return {
        "success": True,
        "id": 0,
        "start_row": start,
        "num_rows": num_rows,
        "total_rows": len(found),
        "msg": [_with_included(record, query.include) for record in page],
    }


_JOINED = "section_images"


def _rows(record: Record) -> list[Record]:
    """Return the rows of a record's join with its section images."""
    return [{**record, _JOINED: [image]} for image in record.get(_JOINED) or ()] or [record]


def _records(rows: Sequence[Record]) -> list[Record]:
    """Return the records of a join's rows."""
    out: dict[Any, dict[str, Any]] = {}
    for row in rows:
        record = out.setdefault(row["id"], {**row, _JOINED: []})
        record[_JOINED] += row.get(_JOINED) or []
    return list(out.values())


def failure(message: str) -> dict[str, Any]:
    """Return the envelope of a failure: the message takes the place of the records."""
    counts = {"start_row": 0, "num_rows": 0, "total_rows": 0}
    return {"success": False, "id": 0, **counts, "msg": message}


def _with_included(record: Record, paths: Sequence[Path]) -> dict[str, Any]:
    out = _scalars(record)
    for path in paths:
        inner = record.get(path.name)
        if isinstance(inner, Mapping):
            out[path.name] = _with_included(inner, path.inner)
        elif isinstance(inner, Sequence):
            bare = Path("", path.filters, ())
            out[path.name] = [_with_included(r, path.inner) for r in inner if _matches(r, bare)]
        else:
            out[path.name] = None
    return out


def _matches(record: Record, path: Path) -> bool:
    if path.name:
        inner = record.get(path.name)
        inside = Path("", path.filters, path.inner)
        several = [inner] if isinstance(inner, Mapping) else inner or ()
        return any(_matches(r, inside) for r in several)
    return all(_passes(record, *f) for f in path.filters) and all(
        _matches(record, p) for p in path.inner
    )


def _passes(record: Record, field: str, operator: str, text: str) -> bool:
    _check_field([record], field)
    actual = record[field]
    if operator == "in":
        return any(_passes(record, field, "eq", t) for t in _split(text))
    if operator in ("li", "il"):
        return _is_like(str(actual), _unquoted(text), re.IGNORECASE if operator == "il" else 0)
    try:
        return _OPERATORS[operator](*_comparable(actual, _unquoted(text)))
    except TypeError:
        return False  # as null compares in a database


def _is_like(actual: str, pattern: str, flags: int) -> bool:
    """Tell whether a text is like a pattern, in which a database's wildcards are some too."""
    parts = {"*": ".*", "%": ".*", "_": "."}
    written = "".join(parts.get(c) or re.escape(c) for c in pattern)
    return bool(re.fullmatch(written, actual, flags | re.DOTALL))


def _comparable(actual: Any, text: str) -> tuple[Any, Any]:
    if isinstance(actual, bool):
        return actual, text == "true"
    if isinstance(actual, int | float):
        try:
            return actual, float(text)
        except ValueError:
            raise RmaError(f"{text!r} is not a number") from None
    return (None, None if text == "null" else text) if actual is None else (str(actual), text)


def _check_field(records: Sequence[Record], field: str) -> None:
    if records and field not in records[0]:
        raise RmaError(f"there is no attribute {field!r}")


def _scalars(record: Record) -> dict[str, Any]:
    return {
        k: v
        for k, v in record.items()
        if not isinstance(v, Mapping | list) and k not in _ASSOCIATIONS
    }


def _sortable(value: Any) -> tuple[bool, Any]:
    return value is not None, value if value is not None else -math.inf


def _whole(text: str, name: str) -> int:
    if not text.isdecimal():
        raise RmaError(f"{name} must be a whole number, not {text!r}")
    return int(text)


def _filters(text: str) -> tuple[tuple[str, str, str], ...]:
    out = []
    for inside in re.findall(_BRACKETS, text):
        match = _FILTER.fullmatch(inside)
        if not match:
            raise RmaError(f"cannot parse the criterion [{inside}]")
        field, operator, value = match.groups()
        out.append((field, operator, value if operator == "in" else _unquoted(value)))
    if re.sub(_BRACKETS, "", text):
        raise RmaError(f"cannot parse the criteria {text!r}")
    return tuple(out)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text


def _split(text: str) -> list[str]:
    """Split at the commas that are outside brackets and quotes."""
    out, depth, quoted = [""], 0, False
    for character in text:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0 and not quoted:
            out.append("")
        else:
            out[-1] += character
    if depth or quoted:
        raise RmaError(f"a bracket or a quote is not closed in {text!r}")
    return [part for part in out if part]
