"""A catalogue of thousands of data sets: their records, by formula, and no pixels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from atldld_xr.phantom.atlas import IDS

Record = dict[str, Any]

_KNOWN = (
    ("Pvalb", "parvalbumin", 19293, ("Parv", "PV", "Pva")),
    ("Pvr", "poliovirus receptor", 52118, ("CD155",)),
    ("Gad1", "glutamate decarboxylase 1", 14415, ("GAD67", "Gad-1")),
    ("Gad2", "glutamic acid decarboxylase 2", 14417, ("GAD65",)),
    ("Calb1", "calbindin 1", 12307, ("CB",)),
    ("Prox1", "prospero homeobox 1", 19130, ()),
    ("Nt5e", "5' nucleotidase, ecto", 23959, ("CD73",)),
    ("H2-D1", "histocompatibility 2, D region locus 1", 14964, ()),
    ("A930033C01Rik*", "RIKEN cDNA A930033C01 gene (non-RefSeq)", None, ()),
)
_PRODUCTS: tuple[Record, ...] = (
    {"id": 1, "name": "Mouse Brain", "abbreviation": "Mouse"},
    {"id": 3, "name": "Developing Mouse Brain", "abbreviation": "DevMouse"},
    {"id": 5, "name": "Mouse Connectivity Projection", "abbreviation": "MouseConnProj"},
)
_AGES: tuple[Record, ...] = (
    {"id": 15, "name": "P56", "days": 56.0, "embryonic": False},
    {"id": 3, "name": "E11.5", "days": 11.5, "embryonic": True},
    {"id": 7, "name": "P4", "days": 4.0, "embryonic": False},
)
_STRUCTURES: tuple[Record, ...] = (
    {"id": 382, "acronym": "CA1", "name": "Field CA1"},
    {"id": 726, "acronym": "DG", "name": "Dentate gyrus"},
)
_LINES: tuple[Record, ...] = (
    {"id": 71, "name": "Emx1-IRES-Cre", "stock_number": "005628"},
    {"id": 72, "name": "Rbp4-Cre_KL100", "stock_number": None},
)
_INJECTED = ("CTX5", "CA", "CTX", "CP")


class Catalogue:
    """Records of data sets, genes and products, as a service has them.

    Of each gene there are a sagittal and a coronal data set or more. Each 10th data set is of the
    developing mouse, each 17th failed, each 40th has neither genes nor a specimen. A gene of man
    has none.

    Parameters
    ----------
    count : int
        How many data sets of genes.
    connectivity : int
        How many of connectivity, after those: without genes, each 2nd of a transgenic line,
        injected in structures of the phantom's ontology.
    changes : mapping of int to callable, optional
        What is done to the catalogue before the so manieth query of data sets, from 0.
    """

    def __init__(
        self,
        count: int = 3000,
        *,
        connectivity: int = 0,
        changes: Mapping[int, Callable[[Catalogue], None]] | None = None,
    ) -> None:
        names = [*_KNOWN]
        names += [
            (f"Syn{k:04d}", f"synthetic gene {k}", 900_000 + k, ()) for k in range(count // 4)
        ]
        self.genes = [_gene(k, *name) for k, name in enumerate(names, start=1)]
        self.datasets = [self._dataset(k) for k in range(count)]
        self.datasets += [_connectivity(k) for k in range(count, count + connectivity)]
        self._of_man = {**_gene(len(names) + 1, "PVALB", "parvalbumin", 5816, ()), "organism_id": 1}
        self._changes = dict(changes or {})
        self._queries = 0

    def asked(self, model: str) -> Mapping[str, Sequence[Record]]:
        """Return the records, by model, for a query of one."""
        if model == "SectionDataSet":
            change = self._changes.pop(self._queries, None)
            self._queries += 1
            if change:
                change(self)
        genes = [*self.genes, self._of_man]
        aliases = [{**alias, "gene": gene} for gene in genes for alias in gene["gene_aliases"]]
        return {
            "SectionDataSet": self.datasets,
            "Gene": genes,
            "GeneAlias": aliases,
            "Product": _PRODUCTS,
        }

    def remove(self, ids: Iterable[int]) -> None:
        """Have data sets be there no more."""
        gone = set(ids)
        self.datasets = [d for d in self.datasets if d["id"] not in gone]

    def add(self, count: int) -> None:
        """Have more data sets, after the others."""
        first = (self.datasets[-1]["id"] - _FIRST) // _STEP + 1
        self.datasets = self.datasets + [self._dataset(first + k) for k in range(count)]

    def _dataset(self, k: int) -> Record:
        number = _FIRST + _STEP * k
        coronal = (k + k // len(self.genes)) % 3 == 0
        developing = k % 10 == 9
        bare = k % 40 == 39
        plane = {"id": 1, "name": "coronal"} if coronal else {"id": 2, "name": "sagittal"}
        product, age = _PRODUCTS[developing], _AGES[developing * (1 + k % 20 // 10)]
        donor = {"id": 3 * k + 1, "sex": "MF"[k % 2], "strain": "C57BL/6J", "age": age}
        specimen = {"id": 5 * k + 1, "name": f"{age['name']}-{k:05d}", "donor": donor}
        gene = self.genes[k % len(self.genes)]
        unionizes = [
            {"id": 10 * number + j, "expression_energy": float(k % (3 + j)), "structure": s}
            for j, s in enumerate(_STRUCTURES)
        ]
        return {
            "id": number,
            "name": None,
            "expression": None if k % 7 == 6 else k % 7 > 0,
            "failed": k % 17 == 16,
            "qc_date": None if bare else f"20{k % 20:02d}-05-02T22:45:57Z",
            "plane_of_section_id": plane["id"],
            "plane_of_section": plane,
            "reference_space_id": (2 if developing else 9) + (not coronal),
            "section_thickness": None if bare else 20.0 if developing else 25.0,
            "specimen_id": None if bare else specimen["id"],
            "specimen": None if bare else specimen,
            "genes": None if bare else [_plain(gene)],
            "products": [product],
            "treatments": [{"id": 1, "name": "ISH"}],
            "structure_unionizes": unionizes,
            "section_images": [_image(number, j, k) for j in range(2 + k % 4)],
        }


_FIRST, _STEP = 1001, 7


def _connectivity(k: int) -> Record:
    number = _FIRST + _STEP * k
    lines = [_LINES[k // 2 % 2]] if k % 2 else []
    first = _structure(_INJECTED[k % 4])
    injection = {
        "id": 7 * k + 1,
        "primary_injection_structure_id": first["id"],
        "primary_injection_structure": first,
        "structure_id": _structure("DG")["id"] if k % 4 == 1 else first["id"],
        "structure": _structure("DG") if k % 4 == 1 else first,
    }
    donor = {
        "id": 3 * k + 1,
        "sex": "MF"[k % 2],
        "strain": "C57BL/6J",
        "age": _AGES[0],
        "transgenic_mouse": {"id": k, "name": None, "transgenic_lines": lines} if lines else None,
    }
    specimen = {"id": 5 * k + 1, "name": f"C-{k:05d}", "donor": donor, "injections": [injection]}
    return {
        "id": number,
        "name": None,
        "expression": None,
        "failed": False,
        "qc_date": None,
        "plane_of_section_id": 1,
        "plane_of_section": {"id": 1, "name": "coronal"},
        "reference_space_id": 9,
        "section_thickness": 100.0,
        "specimen_id": specimen["id"],
        "specimen": specimen,
        "genes": [],
        "products": [_PRODUCTS[2]],
        "treatments": [],
        "structure_unionizes": [],
        "section_images": [_image(number, j, 0) for j in range(2 + k % 4)],
    }


def _structure(acronym: str) -> Record:
    return {"id": IDS[acronym], "acronym": acronym}


def _gene(
    number: int, acronym: str, name: str, entrez_id: int | None, aliases: Sequence[str]
) -> Record:
    named = [
        {"id": 100 * number + j, "gene_id": number, "acronym": alias}
        for j, alias in enumerate(aliases)
    ]
    return {
        "id": number,
        "acronym": acronym,
        "name": name,
        "entrez_id": entrez_id,
        "organism_id": 2,
        "gene_aliases": named,
    }


def _plain(gene: Record) -> Record:
    return {key: value for key, value in gene.items() if key != "gene_aliases"}


def _image(dataset: int, place: int, k: int) -> Record:
    return {
        "id": 1_000_000 + 10 * dataset + place,
        "data_set_id": dataset,
        "section_number": 8 * place + k % 8,
        "resolution": 1.07,
        "width": 9000 + k,
        "height": 7000 + place,
        "failed": (k + place) % 13 == 0,
        "expression_path": None if k % 7 == 0 else f"/{dataset}/{place}_expression.aff",
    }
