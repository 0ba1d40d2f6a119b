"""Section data sets and section images: Allen's records, parsed and checked. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from atldld_xr.errors import DatasetNotFoundError, MetadataError
from atldld_xr.reference import PLANES, Plane

Affine2D = tuple[tuple[float, float, float], tuple[float, float, float]]
Affine3D = tuple[
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
]

# How the service lays its t.._NN numbers out as matrices.
_LAYOUT_2D = ((0, 1, 4), (2, 3, 5))
_LAYOUT_3D = ((0, 1, 2, 9), (3, 4, 5, 10), (6, 7, 8, 11))

# Connectivity sections reach 65 000 px a side, whole slides 40 000; beyond this it is no image.
_LARGEST_SIDE = 200_000
_MOST_TIERS = 16


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
        number are in its `excluded`, with the reason.

    Raises
    ------
    MetadataError
        If the data set as a whole cannot be registered: its plane, its ``alignment3d``, its
        thickness or all of its sections are missing or unusable.
    """
    if not isinstance(record, Mapping):
        raise MetadataError(f"expected a data set's record, got {type(record).__name__}")
    dataset_id = _integer(record, "id", "section data set")
    name = f"section data set {dataset_id}"
    plane = record.get("plane_of_section_id")
    if plane not in PLANES:
        raise MetadataError(
            f"{name}: plane of section {plane!r} is not supported; "
            "coronal (1) and sagittal (2) sections are"
        )
    alignment = record.get("alignment3d")
    if not isinstance(alignment, Mapping):
        raise MetadataError(f"{name} has no alignment3d: Allen has not registered it")
    tvr, trv = (_affine(alignment, key, _LAYOUT_3D, name) for key in ("tvr", "trv"))
    thickness = _number(record, "section_thickness", name)
    if thickness <= 0:
        raise MetadataError(f"{name}: section_thickness is {thickness}")

    images, excluded = _parse_images(record.get("section_images") or (), dataset_id)
    if not images:
        reasons = "; ".join(f"{e.id}: {e.reason}" for e in excluded[:3]) or "it lists none"
        raise MetadataError(f"{name} has no section image that can be registered ({reasons})")
    return SectionDataset(
        id=dataset_id,
        plane=PLANES[plane],
        reference_space_id=_integer(record, "reference_space_id", name),
        section_thickness=thickness,
        tvr=tvr,
        trv=trv,
        images=images,
        excluded=excluded,
        genes=tuple(
            str(g["acronym"])
            for g in record.get("genes") or ()
            if isinstance(g, Mapping) and g.get("acronym")
        ),
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
    name = f"section image {_integer(record, 'id', 'section image')}"
    sides = {key: _integer(record, key, name) for key in ("width", "height", "x", "y")}
    if not all(1 <= sides[key] <= _LARGEST_SIDE for key in ("width", "height")):
        raise MetadataError(f"{name}: its size is {sides['width']} x {sides['height']} px")
    if not all(0 <= sides[key] <= 10 * _LARGEST_SIDE for key in ("x", "y")):
        raise MetadataError(f"{name}: it starts at ({sides['x']}, {sides['y']}) px of its slide")
    resolution = _number(record, "resolution", name)
    if not 1e-3 <= resolution <= 1e3:
        raise MetadataError(f"{name}: its resolution is {resolution} um")
    tier_count = _integer(record, "tier_count", name)
    if not 1 <= tier_count <= _MOST_TIERS:
        raise MetadataError(f"{name}: its tier_count is {tier_count}")
    return SectionImage(
        id=int(record["id"]),
        data_set_id=_integer(record, "data_set_id", name),
        section_number=_integer(record, "section_number", name),
        resolution=resolution,
        tier_count=tier_count,
        has_expression=bool(record.get("expression_path")),
        width=sides["width"],
        height=sides["height"],
        x=sides["x"],
        y=sides["y"],
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


def _parse_images(
    records: Sequence[Any], dataset_id: int
) -> tuple[tuple[SectionImage, ...], tuple[ExcludedSection, ...]]:
    taken: dict[int, SectionImage] = {}
    excluded = []
    by_id = sorted(
        (r for r in records if isinstance(r, Mapping)), key=lambda r: str(r.get("id")).zfill(20)
    )
    for record in by_id:
        try:
            image = _parse_registered(record)
            if image.data_set_id != dataset_id:
                raise MetadataError(f"it belongs to data set {image.data_set_id}")
            if image.section_number in taken:
                other = taken[image.section_number].id
                raise MetadataError(f"section number {image.section_number} is image {other}'s too")
        except MetadataError as error:
            image_id, number = record.get("id"), record.get("section_number")
            excluded.append(
                ExcludedSection(
                    image_id if isinstance(image_id, int) else -1,
                    number if isinstance(number, int) else None,
                    str(error).removeprefix(f"section image {image_id}: "),
                )
            )
        else:
            taken[image.section_number] = image
    return tuple(taken[n] for n in sorted(taken)), tuple(excluded)


def _parse_registered(record: Mapping[str, Any]) -> SectionImage:
    if record.get("failed"):
        raise MetadataError("Allen marked it as failed")
    alignment = record.get("alignment2d")
    if not isinstance(alignment, Mapping):
        raise MetadataError("it has no alignment2d")
    image = parse_image(record)
    name = f"section image {image.id}"
    tsv, tvs = (_affine(alignment, key, _LAYOUT_2D, name) for key in ("tsv", "tvs"))
    return replace(image, tsv=tsv, tvs=tvs)


def _affine(
    alignment: Mapping[str, Any], key: str, layout: tuple[tuple[int, ...], ...], name: str
) -> Any:
    """Return one affine as nested tuples, checked to be finite and invertible."""
    rows = tuple(tuple(_number(alignment, f"{key}_{n:02d}", name) for n in row) for row in layout)
    determinant = _determinant([row[:-1] for row in rows])
    scale = max(abs(v) for row in rows for v in row[:-1])
    if not abs(determinant) > 1e-9 * scale ** len(rows):
        raise MetadataError(f"{name}: its {key} matrix is singular")
    return rows


def _determinant(m: Sequence[Sequence[float]]) -> float:
    if len(m) == 2:
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]
    return sum(
        m[0][k] * (m[1][(k + 1) % 3] * m[2][(k + 2) % 3] - m[1][(k + 2) % 3] * m[2][(k + 1) % 3])
        for k in range(3)
    )


def _number(record: Mapping[str, Any], key: str, name: str) -> float:
    value = record.get(key)
    try:
        number = float(value) if not isinstance(value, bool) else math.nan  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise MetadataError(f"{name}: {key} is {value!r}, not a finite number")
    return number


def _integer(record: Mapping[str, Any], key: str, name: str) -> int:
    number = _number(record, key, name)
    if number != int(number):
        raise MetadataError(f"{name}: {key} is {record.get(key)!r}, not a whole number")
    return int(number)
