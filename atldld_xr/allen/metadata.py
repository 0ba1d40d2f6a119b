"""Section data sets and section images: Allen's records, parsed and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from atldld_xr.allen.fluorescence import Channels, parse_channels
from atldld_xr.allen.products import has_projections, product_ids
from atldld_xr.allen.reference import PLANES, REFERENCE_SPACES, Plane
from atldld_xr.allen.values import (
    Affine2D,
    Affine3D,
    affine,
    integer,
    items,
    number,
    returns,
    stretches,
)
from atldld_xr.errors import DatasetNotFoundError, MetadataError
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line

# Connectivity sections reach 65 000 px a side, whole slides 40 000; beyond this it is no image.
_LARGEST_SIDE = 200_000
_MOST_TIERS = 16
_LARGEST_ID = 2**63 - 1
_LARGEST_SECTION_NUMBER = 10**6
_LONGEST_NAME = 100  # characters, of a gene's acronym

# Registration turns and shears, but about keeps sizes: of what is recorded, within 1.4.
_MOST_STRETCH = 10.0

# By how much the two directions of an affine may disagree; Allen's are rounded to six digits, and
# differ by 0.1 px and 0.1 um.
_MISS_2D = 0.02  # of the longer side, and 2 px
_MISS_3D = 100.0  # um


# Why most of the sections that are left out are.
FAILED = "Allen marked it as failed"
UNALIGNED = "it has no alignment2d"


@dataclass(frozen=True)
class SectionImage:
    """One section, cropped from the image of its slide.

    Attributes
    ----------
    id, data_set_id, section_number : int
        Allen's ids; the section's place in the cutting sequence.
    resolution : float
        Pixel size at full resolution, in micrometres.
    width, height : int
        Size of the section, in full-resolution pixels.
    x, y : int
        Where it starts on its slide, in full-resolution pixels.
    tier_count : int
        Tiers 0 to ``tier_count - 1`` can be had.
    has_expression : bool
        Whether the service has an expression mask of it.
    tsv, tvs : tuple
        The (2, 3) affines pixels -> volume (um) and back. Identity where the image is unregistered.
    """

    id: int
    data_set_id: int
    section_number: int
    resolution: float
    width: int
    height: int
    x: int
    y: int
    tier_count: int
    has_expression: bool
    tsv: Affine2D = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    tvs: Affine2D = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True)
class ExcludedSection:
    """A section image that cannot be placed in the reference space, and why."""

    id: int
    section_number: int | None
    reason: str


@dataclass(frozen=True)
class SectionDataset:
    """A section data set, of which every section image in `images` can be registered.

    Attributes
    ----------
    id : int
        Allen's ``SectionDataSet.id``.
    plane : Plane
        Coronal or sagittal.
    reference_space_id : int
        What `tvr` leads to.
    section_thickness : float
        In micrometres.
    tvr, trv : tuple
        The (3, 4) affines volume (um) -> reference space (um) and back.
    images : tuple of SectionImage
        In the order of their section numbers.
    excluded : tuple of ExcludedSection
        Those left out, with the reason.
    genes : tuple of str
        Acronyms.
    failed : bool
        Whether Allen marked the data set as failed.
    products : tuple of int
        Ids of Allen's products that it is in; none where the record does not tell.
    channels : Channels, optional
        What its channels show in fluorescence; None of bright field.
    has_projections : bool
        Whether its images have projection masks.
    """

    id: int
    plane: Plane
    reference_space_id: int
    section_thickness: float
    tvr: Affine3D
    trv: Affine3D
    images: tuple[SectionImage, ...]
    excluded: tuple[ExcludedSection, ...] = ()
    genes: tuple[str, ...] = ()
    failed: bool = False
    products: tuple[int, ...] = ()
    channels: Channels | None = None
    has_projections: bool = False

    @property
    def fluorescence(self) -> bool:
        """Whether its images are of light on black."""
        return self.channels is not None


def parse_dataset(record: Mapping[str, Any]) -> SectionDataset:
    """Check a ``SectionDataSet`` record with ``alignment3d`` and ``section_images(alignment2d)``.

    Parameters
    ----------
    record : mapping
        One element of the service's ``msg``.

    Returns
    -------
    SectionDataset
        Sections that Allen failed, that have no usable alignment or that repeat another's section
        number are in its `excluded`, with the reason. A failed data set is one like any other: it
        was asked for by its id.

    Raises
    ------
    MetadataError
        If the data set as a whole cannot be registered: its plane, its reference space, its
        ``alignment3d``, its thickness or all of its sections are missing or unusable.
    """
    if not isinstance(record, Mapping):
        raise MetadataError(f"expected a data set's record, got {type(record).__name__}")
    dataset_id = integer(record, "id", "section data set", 1, _LARGEST_ID)
    name = f"section data set {dataset_id}"
    plane = record.get("plane_of_section_id")
    if plane is None:
        raise MetadataError(f"{name} is not registered: its record names no plane of section")
    if not isinstance(plane, int) or isinstance(plane, bool) or plane not in PLANES:
        raise MetadataError(
            f"{name}: plane of section {short(plane)} is not supported; "
            "coronal (1) and sagittal (2) sections are"
        )
    if record.get("reference_space_id") is None:
        raise MetadataError(
            f"{name} is not registered: its record names no reference space, as those of human "
            "data sets do not; its images open one by one with open_image"
        )
    space = integer(record, "reference_space_id", name, 1, _LARGEST_ID)
    thickness = number(record, "section_thickness", name, 0.001, 10_000)
    # How large another space is is not known here: its affine is checked over one like the adult's.
    extent = REFERENCE_SPACES.get(space, REFERENCE_SPACES[9]).extent
    tvr, trv = _parse_alignment3d(record.get("alignment3d"), name, extent)

    images, excluded = _parse_images(items(record, "section_images", name), dataset_id)
    if not images:
        reasons = "; ".join(f"{e.id}: {e.reason}" for e in excluded[:3]) or "it lists none"
        raise MetadataError(f"{name} has no section image that can be registered ({reasons})")
    return SectionDataset(
        id=dataset_id,
        plane=PLANES[plane],
        reference_space_id=space,
        section_thickness=thickness,
        tvr=tvr,
        trv=trv,
        images=images,
        excluded=excluded,
        genes=tuple(
            one_line(str(g["acronym"]), _LONGEST_NAME)
            for g in items(record, "genes", name)
            if isinstance(g, Mapping) and g.get("acronym")
        ),
        failed=bool(record.get("failed")),
        products=product_ids(record),
        channels=parse_channels(record),
        has_projections=has_projections(record, product_ids(record)),
    )


def parse_image(record: Mapping[str, Any]) -> SectionImage:
    """Check a ``SectionImage`` record, without its alignment.

    Raises
    ------
    MetadataError
        If its size, resolution or tiers are missing or absurd.
    """
    if not isinstance(record, Mapping):
        raise MetadataError(f"expected a section image's record, got {type(record).__name__}")
    image_id = integer(record, "id", "section image", 1, _LARGEST_ID)
    name = f"section image {image_id}"
    return SectionImage(
        id=image_id,
        data_set_id=integer(record, "data_set_id", name, 1, _LARGEST_ID),
        section_number=_section_number(record, name),
        resolution=number(record, "resolution", name, 0.05, 1000),
        width=integer(record, "width", name, 1, _LARGEST_SIDE),
        height=integer(record, "height", name, 1, _LARGEST_SIDE),
        x=integer(record, "x", name, 0, 10 * _LARGEST_SIDE),
        y=integer(record, "y", name, 0, 10 * _LARGEST_SIDE),
        tier_count=integer(record, "tier_count", name, 1, _MOST_TIERS),
        has_expression=bool(record.get("expression_path")),
    )


def single_record(msg: Any, what: str) -> Mapping[str, Any]:
    """Return the one record of a service answer's ``msg``.

    Raises
    ------
    DatasetNotFoundError
        If there is none: the service answers an unknown id with an empty list, not an error.
    MetadataError
        If `msg` is no list of records.
    """
    if isinstance(msg, Mapping):
        return msg
    if not isinstance(msg, Sequence) or isinstance(msg, str | bytes):
        raise MetadataError(f"{what}: the answer holds no records")
    if not msg:
        raise DatasetNotFoundError(f"there is no {what}")
    if not isinstance(msg[0], Mapping):
        raise MetadataError(f"{what}: the answer holds no records")
    return msg[0]


def _section_number(record: Mapping[str, Any], name: str) -> int:
    largest = _LARGEST_SECTION_NUMBER
    return integer(record, "section_number", name, -largest, largest)


def _parse_alignment3d(
    alignment: Any, name: str, extent: tuple[float, float, float]
) -> tuple[Affine3D, Affine3D]:
    """Return tvr and trv, checked against each other over the extent of the reference space."""
    if not isinstance(alignment, Mapping):
        raise MetadataError(f"{name} has no alignment3d: Allen has not registered it")
    tvr, trv = (affine(alignment, key, name, 3) for key in ("tvr", "trv"))
    for key, matrix in (("tvr", tvr), ("trv", trv)):
        if stretches(matrix, 1.0, _MOST_STRETCH):
            raise MetadataError(
                f"{name}: its {key} matrix stretches by more than a factor of {_MOST_STRETCH:g}"
            )
    corners = product(*((0.0, side) for side in extent))
    if not returns(trv, tvr, corners, _MISS_3D):
        raise MetadataError(
            f"{name}: its tvr and trv matrices are no inverses, by more than {_MISS_3D:g} um"
        )
    return tvr, trv


def _parse_images(
    records: Sequence[Any], dataset_id: int
) -> tuple[tuple[SectionImage, ...], tuple[ExcludedSection, ...]]:
    taken: dict[int, SectionImage] = {}
    excluded = []
    for record in sorted(records, key=_order):
        try:
            image = _parse_registered(record)
            if image.data_set_id != dataset_id:
                raise MetadataError(f"it belongs to data set {image.data_set_id}")
            if image.section_number in taken:
                other = taken[image.section_number].id
                raise MetadataError(f"section number {image.section_number} is image {other}'s too")
        except MetadataError as error:
            excluded.append(_exclude(record, str(error)))
        else:
            taken[image.section_number] = image
    return tuple(taken[n] for n in sorted(taken)), tuple(excluded)


def _order(record: Any) -> str:
    """Return what records are sorted by: their ids, whatever these are."""
    return str(record.get("id") if isinstance(record, Mapping) else record).zfill(20)


def _exclude(record: Any, reason: str) -> ExcludedSection:
    """Record a section under what of its numbers can be read."""
    image_id, section_number = -1, None
    if isinstance(record, Mapping):
        with suppress(MetadataError):
            image_id = integer(record, "id", "", 1, _LARGEST_ID)
        with suppress(MetadataError):
            section_number = _section_number(record, "")
    return ExcludedSection(
        image_id, section_number, reason.removeprefix(f"section image {image_id}: ")
    )


def _parse_registered(record: Any) -> SectionImage:
    if isinstance(record, Mapping) and record.get("failed"):
        raise MetadataError(FAILED)
    image = parse_image(record)
    alignment = record.get("alignment2d")
    if not isinstance(alignment, Mapping):
        raise MetadataError(UNALIGNED)
    name = f"section image {image.id}"
    tsv, tvs = (affine(alignment, key, name, 2) for key in ("tsv", "tvs"))
    for key, matrix, unit in (("tsv", tsv, image.resolution), ("tvs", tvs, 1 / image.resolution)):
        if stretches(matrix, unit, _MOST_STRETCH):
            raise MetadataError(
                f"its {key} matrix is off the resolution of {image.resolution:g} um by more than a "
                f"factor of {_MOST_STRETCH:g}"
            )
    tolerance = _MISS_2D * max(image.width, image.height) + 2
    corners = product((0.0, float(image.width)), (0.0, float(image.height)))
    if not returns(tsv, tvs, corners, tolerance):
        raise MetadataError(
            f"its tsv and tvs matrices are no inverses, by more than {tolerance:.0f} px"
        )
    return replace(image, tsv=tsv, tvs=tvs)
