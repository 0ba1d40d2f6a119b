"""Whose data something is, and how it is to be cited: by product, or as its source says. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Attribution:
    """Whose data something is. What is None is not said.

    Attributes
    ----------
    owner : str
        In a word, for titles.
    institution : str or None
        Who made the data.
    references : str or None
        What to cite.
    license : str or None
        What may be done with them.
    comment : str or None
        What else nobody should miss.
    """

    owner: str
    institution: str | None = None
    references: str | None = None
    license: str | None = None
    comment: str | None = None

    @property
    def attributes(self) -> dict[str, str]:
        """What is said of it in the attributes of Datasets."""
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "owner"}
        return {name: text for name, text in said.items() if text is not None}


PHANTOM_PRODUCT = 910_000_000
"""The product that the phantom's records name: none of Allen's has such an id."""

PHANTOM = Attribution("Phantom", comment="drawn by a formula; no data of the Allen Institute")
"""Of what is ours: not to be taken for, or cited as, data."""

_INSTITUTE = "Allen Institute for Brain Science"
_LICENSE = "Allen Institute Terms of Use, https://alleninstitute.org/terms-of-use/"

_CONNECTIVITY = (
    f"{_INSTITUTE}, Allen Mouse Brain Connectivity Atlas, https://connectivity.brain-map.org. "
    "Oh, S.W. et al. (2014), A mesoscale connectome of the mouse brain, Nature 508, 207-214, "
    "doi:10.1038/nature13186."
)
# By the ids of Allen's products.
_REFERENCES = {
    1: f"{_INSTITUTE}, Allen Mouse Brain Atlas, https://mouse.brain-map.org. "
    "Lein, E.S. et al. (2007), Genome-wide atlas of gene expression in the adult mouse brain, "
    "Nature 445, 168-176, doi:10.1038/nature05453.",
    3: f"{_INSTITUTE}, Allen Developing Mouse Brain Atlas, https://developingmouse.brain-map.org. "
    "Thompson, C.L. et al. (2014), A high-resolution spatiotemporal atlas of gene expression of "
    "the developing mouse brain, Neuron 83, 309-323, doi:10.1016/j.neuron.2014.05.033.",
    5: _CONNECTIVITY,
    31: _CONNECTIVITY,
}
# By Allen's names of annotations.
_ANNOTATIONS = {
    "ccf_2017": f"{_INSTITUTE}, Allen Mouse Brain Common Coordinate Framework (CCFv3), "
    "https://atlas.brain-map.org. Wang, Q. et al. (2020), The Allen Mouse Brain Common Coordinate "
    "Framework: a 3D reference atlas, Cell 181, 936-953, doi:10.1016/j.cell.2020.04.007.",
    "mouse_2011": f"{_INSTITUTE}, Allen Reference Atlas, https://mouse.brain-map.org/static/atlas. "
    "Dong, H.W. (2008), The Allen reference atlas: a digital color brain atlas of the C57BL/6J "
    "male mouse, Wiley.",
}
# Of what is in no product that has a paper we know.
_GENERIC = f"{_INSTITUTE}, Allen Brain Map, https://portal.brain-map.org."


def annotation_attribution(version: str) -> Attribution:
    """Return whose one of Allen's annotations is, by Allen's name of it."""
    return Attribution("Allen", _INSTITUTE, _ANNOTATIONS[version], _LICENSE)


def attribution_of(source: object, products: Iterable[int]) -> Attribution:
    """Return whose data something is: as its source says, or as its products do.

    Parameters
    ----------
    source : Source
        Its `attribution` counts, if it has one that is not None.
    products : iterable of int
        Ids of the products that the data are in, by their record. Records of some mirrors name
        none.
    """
    said: Attribution | None = getattr(source, "attribution", None)
    if said is not None:
        return said
    known = sorted(set(products))
    if known == [PHANTOM_PRODUCT]:
        return PHANTOM
    # Each paper once, though it be of two products.
    references = dict.fromkeys(_REFERENCES[p] for p in known if p in _REFERENCES)
    return Attribution("Allen", _INSTITUTE, " ".join(references) or _GENERIC, _LICENSE)
