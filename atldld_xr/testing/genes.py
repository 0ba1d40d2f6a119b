"""Phantoms of genes: small data sets with pixels, that a search by gene finds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from atldld_xr.phantom.phantom import Phantom

_FIRST = 900_001_001


@dataclass(frozen=True)
class GenePhantom(Phantom):
    """A phantom of a gene.

    Parameters
    ----------
    gene : str
        Its acronym.
    """

    gene: str = "Phan"

    def _record(self) -> dict[str, Any]:
        known = {"acronym": self.gene, "name": f"gene {self.gene}", "id": crc32(self.gene.encode())}
        record = super()._record()
        (gene,) = record["genes"]
        return record | {"genes": [{**gene, **known}]}


def gene_phantoms(
    genes: int | Sequence[str], *, count: int = 4, resolution: float = 40.0
) -> list[GenePhantom]:
    """Return a phantom of each gene, every third of them sagittal.

    Parameters
    ----------
    genes : int or sequence of str
        Acronyms; or how many, which then are Gene0, Gene1 and so on. 8900 at most.
    count : int
        Sections of each.
    resolution : float
        Of their images, in micrometres.
    """
    names = [f"Gene{k}" for k in range(genes)] if isinstance(genes, int) else genes
    return [
        GenePhantom(
            id=_FIRST + k,
            plane="sagittal" if k % 3 == 2 else "coronal",
            count=count,
            resolution=resolution,
            gene=gene,
        )
        for k, gene in enumerate(names)
    ]
