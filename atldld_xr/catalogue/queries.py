"""What is asked for, in the service's query language. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from atldld_xr.allen import rma
from atldld_xr.catalogue.patterns import Pattern, parse_pattern
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

DATASET_INCLUDE = (
    *("genes", "products", "treatments", "plane_of_section", "specimen(donor(age))"),
    "section_images",
)
"""What comes with each data set: its images too, of which the sections are counted."""

GENE_INCLUDE = ("gene_aliases",)
ALIAS_INCLUDE = ("gene",)

MOUSE = 2
"""Allen's ``organism_id``. The same table has the genes of man, in capital letters."""

PLANE_NAMES = {
    1: "coronal",
    2: "sagittal",
    4: "variable",
    5: "n/a",
    6: "transverse",
    7: "lateral to medial",
    8: "medial to lateral",
    9: "ventral to dorsal",
    10: "dorsal to ventral",
    11: "coronal, caudal to rostral",
    531107579: "coronal, rostral to caudal",
    1082279372: "tangential",
}
"""By Allen's ``plane_of_section_id``."""

_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}

# Names in one query: addresses of more than some 8000 characters are refused by web servers.
_MOST_NAMES, _MOST_CHARACTERS = 50, 1500
_LARGEST_ID = 2**63 - 1

Gene = Pattern | int


def parse_genes(gene: object) -> tuple[Gene, ...] | None:
    """Return the genes that are meant: by acronym, with wildcards, or by Entrez id.

    Raises
    ------
    InvalidArgumentError
        For what is neither, or none at all.
    """
    if gene is None:
        return None
    several: list[Any] = [gene]
    if isinstance(gene, Iterable) and not isinstance(gene, str | bytes):
        with suppress(TypeError):  # an array of no dimension is a number
            several = list(gene)
    if not several:
        raise InvalidArgumentError("no gene is named")
    return tuple(dict.fromkeys(_gene(one) for one in several))


def _gene(value: object) -> Gene:
    number = _number(value)
    if number is not None:
        return _id(number, "gene: an Entrez id")
    return parse_pattern(value, "gene")


def gene_criteria(genes: Sequence[Gene], acronym: str = "acronym") -> list[str]:
    """Return filters of `Gene` records, each in bounds of what an address can hold.

    What is found by any of them is meant: RMA has no "or".
    """
    names = [g.pieces[0] for g in genes if isinstance(g, Pattern) and g.is_name]
    numbers = [g for g in genes if isinstance(g, int)]
    filters = [rma.equals(acronym, batch) for batch in _batches(names)]
    filters += [rma.equals("entrez_id", batch) for batch in _batches(numbers)]
    return filters + [
        g.criterion(acronym) for g in genes if isinstance(g, Pattern) and not g.is_name
    ]


def _batches(values: Sequence[Any]) -> list[list[Any]]:
    out: list[list[Any]] = []
    length = 0
    for value in values:
        added = len(str(value).encode()) + 3
        if not out or len(out[-1]) == _MOST_NAMES or length + added > _MOST_CHARACTERS:
            out.append([])
            length = 0
        out[-1].append(value)
        length += added
    return out


@dataclass(frozen=True)
class DatasetQuery:
    """Which data sets are asked for.

    Attributes
    ----------
    genes : tuple of Pattern or int, optional
        Of these genes, by acronym or Entrez id; None is any, or none.
    criteria : str
        All else, in RMA.
    """

    genes: tuple[Gene, ...] | None
    criteria: str

    @property
    def all_criteria(self) -> list[str]:
        """The criteria of each query that it takes; what any of them finds is meant."""
        if self.genes is None:
            return [self.criteria]
        return [
            ",".join(filter(None, (self.criteria, f"genes{found}")))
            for found in gene_criteria(self.genes)
        ]

    def accepts(self, genes: Iterable[tuple[str | None, int | None]]) -> bool:
        """Tell whether a data set of genes, by acronym and Entrez id, is one that was meant."""
        if self.genes is None:
            return True
        return any(is_gene(wanted, *gene) for gene in genes for wanted in self.genes)


def may_find_others(genes: Iterable[Gene]) -> bool:
    """Tell whether the service may find genes that are not meant, by wildcards of its database."""
    return any(
        isinstance(gene, Pattern) and not gene.is_name and set("".join(gene.pieces)) & {"_", "%"}
        for gene in genes
    )


def is_gene(wanted: Gene, acronym: str | None, entrez_id: int | None) -> bool:
    """Tell whether a gene is one that was asked for."""
    if isinstance(wanted, int):
        return wanted == entrez_id
    return acronym is not None and wanted.matches(acronym)


def dataset_query(
    *,
    gene: object = None,
    plane: object = None,
    product_ids: Sequence[int] = (),
    structure: object = None,
    specimen: object = None,
    treatment: object = None,
    age: object = None,
    strain: object = None,
    sex: object = None,
    failed: object = False,
) -> DatasetQuery:
    """Return the query of data sets; arguments as of `atldld_xr.search`.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or that RMA cannot say.
    """
    own = ""
    if failed is not None:
        if not isinstance(failed, bool):
            raise InvalidArgumentError(f"failed must be True, False or None, not {short(failed)}")
        own += f"[failed$eq{str(failed).lower()}]"
    if plane is not None:
        own += rma.equals("plane_of_section_id", [_plane(plane)])
    donor = "" if sex is None else _sex(sex)
    if strain is not None:
        donor += parse_pattern(strain, "strain").criterion("strain")
    if age is not None:
        donor += f"(age{_named(age, 'age', 'days')})"
    of_specimen = "" if specimen is None else _named(specimen, "specimen", "id")
    if donor:
        of_specimen += f"(donor{donor})"
    parts = [own]
    if product_ids:
        parts.append(f"products{rma.equals('id', product_ids)}")
    if treatment is not None:
        parts.append(f"treatments{_named(treatment, 'treatment', 'id')}")
    if of_specimen:
        parts.append(f"specimen{of_specimen}")
    if structure is not None:
        found = _named(structure, "structure", "id", name="acronym")
        parts.append(f"structure_unionizes[expression_energy$gt0](structure{found})")
    return DatasetQuery(parse_genes(gene), ",".join(filter(None, parts)))


def _named(value: object, what: str, number_field: str, name: str = "name") -> str:
    """Return the filter of what is given by name, with wildcards, or by a number."""
    number = _number(value)
    if number is None:
        return parse_pattern(value, what).criterion(name)
    if number_field == "id":
        number = _id(number, f"{what}: an id")
    return rma.equals(number_field, [number])


def _plane(plane: object) -> int:
    number = _number(plane)
    by_name = {name: key for key, name in PLANE_NAMES.items()}
    if isinstance(plane, str):
        number = by_name.get(plane.strip().lower())
    if number not in PLANE_NAMES:
        raise InvalidArgumentError(
            f"plane {short(plane)} is none that there is: {', '.join(by_name)}"
        )
    return int(number)


def _sex(sex: object) -> str:
    found = _SEXES.get(sex.strip().lower()) if isinstance(sex, str) else None
    if not found:
        raise InvalidArgumentError(f"sex must be M or F, not {short(sex)}")
    return rma.equals("sex", [found])


def _id(number: float, what: str) -> int:
    if number != int(number) or not 0 < number <= _LARGEST_ID:
        raise InvalidArgumentError(f"{what} is a positive whole number, not {short(number)}")
    return int(number)


def _number(value: object) -> Any:
    """Return a finite number, also one of NumPy's; None of what is none."""
    if isinstance(value, bool | str | bytes):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
