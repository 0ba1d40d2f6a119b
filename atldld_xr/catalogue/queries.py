"""What is asked for, in the service's query language. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from atldld_xr.allen import rma
from atldld_xr.catalogue.genes import Gene, gene_criteria, matcher, may_find_others, parse_genes
from atldld_xr.catalogue.patterns import Pattern, parse_pattern
from atldld_xr.catalogue.planes import plane_id
from atldld_xr.catalogue.rows import DatasetRow
from atldld_xr.catalogue.values import days_of, id_of, number_of
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}

# An injection has the structure that has the most of it, and the one that it was assigned to.
_INJECTED = ("primary_injection_structure_id", "structure_id")


@dataclass(frozen=True)
class DatasetQuery:
    """Which data sets are asked for.

    Attributes
    ----------
    genes : tuple of Pattern or int, optional
        Of these genes, by acronym or Entrez id; None is any, or none.
    criteria : tuple of str
        All else, in RMA; what any of them finds is meant.
    names : dict
        What of these a row has to have, by its field, as the service may find others too.
    """

    genes: tuple[Gene, ...] | None
    criteria: tuple[str, ...]
    names: dict[str, Pattern] = field(default_factory=dict)

    @property
    def all_criteria(self) -> list[str]:
        """The criteria of each query that it takes; what any of them finds is meant."""
        if self.genes is None:
            return list(self.criteria)
        return [
            ",".join(filter(None, (criteria, f"genes{found}")))
            for criteria in self.criteria
            for found in gene_criteria(self.genes)
        ]

    @property
    def may_find_others(self) -> bool:
        """Whether the service may find data sets that are not meant."""
        return bool(self.names) or may_find_others(self.genes or ())

    def accepts(self, row: DatasetRow) -> bool:
        """Tell whether a data set is one that was meant."""
        for name, pattern in self.names.items():
            found = getattr(row, name)
            texts = found if isinstance(found, tuple) else (found,)
            if not any(text is not None and pattern.matches(text) for text in texts):
                return False
        return self.genes is None or any(
            self._is_meant(gene.acronym, gene.entrez_id) for gene in row.genes
        )

    @cached_property
    def _is_meant(self) -> Callable[[str | None, int | None], bool]:
        return matcher(self.genes or ())


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
    reference_space: object = None,
    injection_ids: Sequence[int] = (),
    transgenic_line: object = None,
    failed: object = False,
) -> DatasetQuery:
    """Return the query of data sets; arguments as of `atldld_xr.search`.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, or that RMA cannot say.
    """
    names: dict[str, Pattern] = {}

    def named(value: object, what: str, name: str = "name", *, row: str, ids: bool = True) -> str:
        """Return the filter of what is given by name, with wildcards, or by id."""
        number = number_of(value) if ids else None
        if number is not None:
            return rma.equals("id", [id_of(number, f"{what}: an id")])
        pattern = parse_pattern(value, what)
        if row and pattern.may_find_others:
            names[row] = pattern
        return pattern.criterion(name)

    own = ""
    if failed is not None:
        if not isinstance(failed, bool | np.bool_):
            raise InvalidArgumentError(f"failed must be True, False or None, not {short(failed)}")
        own += f"[failed$eq{str(bool(failed)).lower()}]"
    if plane is not None:
        own += rma.equals("plane_of_section_id", [plane_id(plane)])
    if reference_space is not None:
        own += _by_id("reference_space_id", reference_space, "reference_space")
    donor = "" if sex is None else _sex(sex)
    if strain is not None:
        donor += named(strain, "strain", "strain", row="strain", ids=False)
    of_donor = []
    if age is not None:
        days = number_of(age)
        if days is None:
            of_donor.append(f"age{named(age, 'age', row='age', ids=False)}")
        else:
            of_donor.append(f"age{rma.equals('days', [days_of(days, 'age')])}")
    if transgenic_line is not None:
        line = named(transgenic_line, "transgenic_line", row="transgenic_lines")
        of_donor.append(f"transgenic_mouse(transgenic_lines{line})")
    of_specimen = [f"donor{donor}{_within(of_donor)}"] if donor or of_donor else []
    animal = "" if specimen is None else named(specimen, "specimen", row="specimen")
    parts = [own]
    if product_ids:
        parts.append(f"products{rma.equals('id', product_ids)}")
    if treatment is not None:
        parts.append(f"treatments{named(treatment, 'treatment', row='treatments')}")
    if structure is not None:
        found = named(structure, "structure", "acronym", row="")
        parts.append(f"structure_unionizes[expression_energy$gt0](structure{found})")
    injections = [
        [f"injections{rma.equals(injected, batch)}"]
        for injected in _INJECTED
        for batch in rma.batches(injection_ids)
    ]
    criteria = []
    for injection in injections or [[]]:
        inside = _within([*of_specimen, *injection])
        some = [*parts, f"specimen{animal}{inside}"] if animal or inside else parts
        criteria.append(",".join(filter(None, some)))
    return DatasetQuery(parse_genes(gene), tuple(criteria), names)


def _within(parts: Sequence[str]) -> str:
    return f"({','.join(parts)})" if parts else ""


def _by_id(name: str, value: object, what: str) -> str:
    number = number_of(value)
    if number is None:
        raise InvalidArgumentError(f"{what} is an id, not {short(value)}")
    return rma.equals(name, [id_of(number, what)])


def _sex(sex: object) -> str:
    found = _SEXES.get(sex.strip().lower()) if isinstance(sex, str) else None
    if not found:
        raise InvalidArgumentError(f"sex must be M or F, not {short(sex)}")
    return rma.equals("sex", [found])
