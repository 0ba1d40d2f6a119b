"""The built-in phantom: data sets of sections through `brain`, in records shaped like Allen's.

The sections of the coronal phantom, registered to space 9, go through both halves. Those of the
sagittal one, registered to space 10, are of the left half, r from 1900 to 5500, from its side to
its middle. So both cut `LANDMARK`, which is on the left, where their own registration says left
is; in space 9 the sagittal phantom is in the right half, mirrored, and its landmark with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from atldld_xr.attribution import PHANTOM_PRODUCT
from atldld_xr.errors import DatasetNotFoundError
from atldld_xr.known_as import known_as
from atldld_xr.phantom.alignment import THICKNESS, alignment2d, alignment3d

CORONAL_ID = 900000001
SAGITTAL_ID = 900000002

_LARGEST_TILE = 256


@known_as("atldld_xr.testing.phantom")
@dataclass(frozen=True)
class Phantom:
    """A section data set through the phantom brain.

    Parameters
    ----------
    id : int
        The data set's id. Image ids follow from its last four digits.
    plane : {"coronal", "sagittal"}
        Coronal data sets are in reference space 9, sagittal ones in 10, like Allen's.
    resolution : float
        Pixel size, in micrometres. 1.049 gives sections as large as Allen's, about 11000 x 7600 px.
    count : int
        Section images listed, of which one is marked as failed.
    spacing : int
        From one section number to the next. After the second third of them, one is left out.
    first : int
        The first section number.
    span : tuple of float
        Size of a section image, in micrometres.
    """

    id: int = CORONAL_ID
    plane: Literal["coronal", "sagittal"] = "coronal"
    resolution: float = 4.0
    count: int = 18
    spacing: int = 20
    first: int = 21
    span: tuple[float, float] = (11400.0, 8000.0)

    @property
    def record(self) -> dict[str, Any]:
        """Allen's ``SectionDataSet`` record, with all that can be included. Not to be changed."""
        return _record(self)

    def _record(self) -> dict[str, Any]:
        coronal = self.plane == "coronal"
        gene = {"acronym": "Phan" + self.plane[0], "id": self.id % 10_000, "organism_id": 2}
        ends = self.section_number(0), self.section_number(self.count - 1)
        gene |= {"name": f"{self.plane} phantom", "entrez_id": None, "chromosome_id": None}
        return {
            "blue_channel": None,
            "delegate": True,
            "expression": True,
            "failed": False,
            "failed_facet": 734881840,
            "green_channel": None,
            "id": self.id,
            "name": None,
            "qc_date": "2009-05-02T22:45:57Z",
            "red_channel": None,
            "reference_space_id": self.reference_space_id,
            "rnaseq_design_id": None,
            "section_thickness": THICKNESS,
            "specimen_id": self._base + 90,
            "sphinx_id": self._base + 91,
            "storage_directory": f"/phantom/image_series_{self.id}/",
            "weight": 5470,
            "plane_of_section_id": 1 if coronal else 2,
            "alignment3d": {"aligned_id": self.id, "aligned_type": "DataSet"}
            | {"id": self._base + 93}
            | alignment3d(self.plane, ends),
            "equalization": None,
            # None of Allen's: also in a mirror, or from a service, it is not cited as theirs.
            "products": [{"abbreviation": "Phantom", "id": PHANTOM_PRODUCT, "name": "Phantom"}],
            "genes": [gene],
            "specimen": {
                "id": self._base + 90,
                "name": "phantom",
                "hemisphere": "(none)",
                "donor": {"id": self._base + 92, "sex": "M", "strain": "C57BL/6J"}
                | {"organism_id": 2, "age": {"id": 15, "name": "P56", "days": 56.0}},
            },
            "section_images": [self._image_record(k) for k in range(self.count)],
        }

    @property
    def reference_space_id(self) -> int:
        """Where its ``tvr`` leads: 9 for coronal, 10 for sagittal data sets."""
        return 9 if self.plane == "coronal" else 10

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Voxels of its grid of 200 um along (p, i, r): as of the adult mouse's."""
        return 67, 41, 58

    def image_record(self, image_id: int) -> dict[str, Any]:
        """Return the ``SectionImage`` record of one of its images.

        Raises
        ------
        DatasetNotFoundError
            If it has no such image.
        """
        for record in self.record["section_images"]:
            if record["id"] == image_id:
                found: dict[str, Any] = record
                return found
        raise DatasetNotFoundError(f"there is no section image {image_id}")

    @property
    def _base(self) -> int:
        return 910_000_000 + self.id % 10_000 * 100 - 100

    def section_number(self, index: int) -> int:
        """Return the section number of an image, by its place in the record."""
        gap = index >= self.count * 2 // 3
        return self.first + (index + gap) * self.spacing

    def _size(self, index: int) -> tuple[int, int]:
        # Odd, so that every tier drops a column or a row somewhere.
        width, height = (round(s / self.resolution) // 2 * 2 + 1 for s in self.span)
        return width + 2 * (index * 7 % 11), height + 2 * (index * 5 % 9)

    def _image_record(self, index: int) -> dict[str, Any]:
        width, height = self._size(index)
        # Four to a slide, in two rows. Every offset is a whole pixel of the coarsest tier, also
        # where the slides of a series begin elsewhere.
        slide, slot = divmod(index, 4)
        unit = 256
        pitch = [-(-(s + 24) // unit) * unit for s in self._size(0)]
        start = (unit * (slide % 2), 2 * unit * (slide % 2))
        x, y = start[0] + slot % 2 * pitch[0], start[1] + slot // 2 * pitch[1]
        image_width, image_height = (2 * p + s + 3 for p, s in zip(pitch, start, strict=True))
        tier_count = 1 + math.ceil(math.log2(max(image_width, image_height) / _LARGEST_TILE))
        path = f"/phantom/{self.id}/slide_{slide}"
        image_id = self._base + index + 1
        return {
            "annotated": False,
            "axes": None,
            "bits_per_component": 8,
            "data_set_id": self.id,
            "expression": None,
            "expression_path": f"{path}_{self.section_number(index)}_expression.aff",
            "failed": index == self.count // 3,
            "height": height,
            "id": image_id,
            "image_height": image_height,
            "image_type": "Primary",
            "image_width": image_width,
            "isi_experiment_id": None,
            "lims1_id": image_id,
            "number_of_components": 3,
            "ophys_experiment_id": None,
            "path": f"{path}.aff",
            "projection_function": None,
            "resolution": self.resolution,
            "section_number": self.section_number(index),
            "specimen_id": None,
            "structure_id": None,
            "tier_count": tier_count,
            "width": width,
            "x": x,
            "y": y,
            "alignment2d": {"id": image_id + 50, "section_image_id": image_id}
            | alignment2d(index, width, height, self.resolution),
        }


# Outside the phantom: it is sent along with every task, and stays small.
@lru_cache(maxsize=64)
def _record(phantom: Phantom) -> dict[str, Any]:
    return phantom._record()


CORONAL = Phantom()
SAGITTAL = Phantom(
    id=SAGITTAL_ID, plane="sagittal", count=8, spacing=18, first=14, span=(13000.0, 8000.0)
)
PHANTOMS: dict[int, Phantom] = {p.id: p for p in (CORONAL, SAGITTAL)}
"""The built-in data sets, by id."""


def find_phantom_image(
    image_id: int, phantoms: Mapping[int, Phantom] = PHANTOMS
) -> tuple[Phantom, dict[str, Any]]:
    """Return the phantom that a section image is of, and the image's record.

    Raises
    ------
    DatasetNotFoundError
        If there is none.
    """
    for phantom in phantoms.values():
        try:
            return phantom, phantom.image_record(image_id)
        except DatasetNotFoundError:
            continue
    raise DatasetNotFoundError(f"there is no section image {image_id}")
