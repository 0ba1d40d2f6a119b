"""save_volume: from a lazy Dataset to a file, plane by plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import xarray as xr
from numpy.typing import NDArray

from atldld_xr.allen.excluded import count_excluded
from atldld_xr.arrays.failures import failures_table
from atldld_xr.arrays.made_of import made_of
from atldld_xr.arrays.variables import MEANINGS, NO_MASK, STATUSES, UNREADABLE
from atldld_xr.compute.progress import Callback, check_callback, progress_bar
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.html import AsHtml
from atldld_xr.messages.repeating import short
from atldld_xr.messages.words import one_line
from atldld_xr.plan.arguments import is_one_of
from atldld_xr.planes.sides import find_sides
from atldld_xr.planes.volume_grid import PlacedSection, VolumeGrid, place_sections
from atldld_xr.volumes import nifti, nrrd, tiff
from atldld_xr.volumes.formats import (
    Format,
    FormatName,
    Volume,
    choose_compression,
    choose_format,
    count_bytes,
)
from atldld_xr.volumes.listing import (
    OUTSIDE,
    file_text,
    header_text,
    list_planes,
    section_facts,
)
from atldld_xr.volumes.pixels import Channel, choose_pixels
from atldld_xr.volumes.sections import read_sections
from atldld_xr.volumes.spool import Spool
from atldld_xr.volumes.target import (
    Mode,
    beside,
    check_free,
    check_space,
    resolve_path,
    sidecar,
    storing,
)
from atldld_xr.volumes.there import is_same, listing_there

Header = Literal["allen", "anatomical"]

# Deflate does not get below a 1032nd of what it is given.
_BEST_COMPRESSION = 1032


@dataclass(frozen=True)
class VolumeReport(AsHtml):
    """What was written.

    Attributes
    ----------
    path, sidecar : str
        The volume, and the list of its planes.
    format : str
        "nrrd", "nifti" or "tiff".
    shape : tuple of int
        Voxels along (posterior, inferior, right).
    valid_planes : tuple of int
        The planes that hold a section, along the axis across the sections.
    nbytes : int
        Size of the voxels in memory, in bytes.
    failures : tuple of dict
        The sections that are not in it: ``variable``, ``section_image_id`` and ``reason``.
    absent : tuple of dict
        Those that the service has nothing of, in the same words: masks that there are none of.
    excluded : mapping of int
        How many sections of the data set cannot be registered, and so are left out, by reason.
    """

    path: str
    sidecar: str
    format: str
    shape: tuple[int, int, int]
    valid_planes: tuple[int, ...]
    nbytes: int
    failures: tuple[Mapping[str, Any], ...] = ()
    absent: tuple[Mapping[str, Any], ...] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)


def save_volume(
    dataset: xr.Dataset,
    path: str | PathLike[str],
    *,
    format: FormatName | None = None,
    variable: str = "image",
    channel: Channel | None = None,
    step: float | None = None,
    header: Header | None = None,
    compress: bool | None = None,
    mode: Mode = "w-",
    progress: bool = False,
    callback: Callback | None = None,
    skip_written: bool = False,
) -> VolumeReport:
    """Write the sections of a Dataset as a volume of the whole reference space.

    Every section is put, as it is, into its nearest plane; nothing is interpolated between
    sections, and planes without one hold the variable's ``fill_value``. Which planes hold which
    section, where that truly is and how it is tilted is in the file's header and in a JSON file
    beside it, ``PATH.json``.

    The axes are posterior, inferior and right, for coronal and sagittal data sets, in every format;
    voxel k is centred at ``(k + 0.5)`` times its size. Header and list say which side of the brain
    is at low and which at high r. At 25 um the shape is that of Allen's own
    volumes, 528 x 320 x 456. Sections are computed a few at a time, and kept in a temporary file
    until the volume is written, so memory is needed for two planes, not for the volume.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `atldld_xr.open_dataset` returns it, or as read back from a store; sliced or not.
    path : str or path
        The file: ``.nrrd``; ``.nii`` or ``.nii.gz``; ``.tif`` or ``.tiff``.
    format : {"nrrd", "nifti", "tiff"}, optional
        Default: by the suffix. "nifti" and "tiff" are extras of the same names.
    variable : str
        Which variable: (coronal or sagittal, y, x), with three channels or without.
    channel : {"grey", "red", "green", "blue"}, optional
        What to make of three channels: their luminosity (0.299, 0.587, 0.114), or one of them.
        Default: voxels in colour. Allen's volumes, and tools that compute with them, have one
        number a voxel.
    step : float, optional
        From plane to plane, in micrometres. Default: the resolution.
    header : {"allen", "anatomical"}, optional
        Of NRRD. "allen" (default) is what Allen's volumes say, and voxcell and atlas-densities
        read: micrometres along the array's axes, origin 0, no anatomical space. "anatomical" is for
        viewers such as 3D Slicer: left-posterior-superior, in millimetres, with true directions,
        and the origin at the first voxel's centre. World zero is the corner of the reference space.
    compress : bool, optional
        Default: yes, and in NIfTI as the suffix says.
    mode : {"w-", "w"}
        "w-" refuses to write where something exists; "w" replaces a file.
    progress : bool
        Whether to show a progress bar on standard error.
    callback : callable, optional
        Told how many sections are read and planes written.
    skip_written : bool
        Whether a volume that is there, and by the list beside it is what this would be, is left as
        it is, whatever of it could be read. Its header and compression are not looked at.

    Returns
    -------
    VolumeReport
        What was written, and which sections could not be.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, among them a step at which two sections would lie in one
        plane.
    MissingExtraError
        If the format needs a package that is not installed.
    StoreError
        If something exists there, it cannot be written, or the disk has no room.
    SectionImageError
        If a section cannot be read and the Dataset was opened with ``on_error="raise"``. Then, as
        after any other error or an interrupt, nothing is left, and what was there is as it was.

    Notes
    -----
    NIfTI's affine and the anatomical header lead to where a voxel's tissue is in the brain, so
    those of a mirrored Dataset lead from right to left along r. They are refused where nothing
    tells the side, neither the attributes of the Dataset nor of its coordinate along r; the other
    formats then say "not known".

    NRRD: gzip or raw. In colour the channel is the first, fastest axis, of kind "RGB-color". The
    list is the key ``section_planes``.

    NIfTI: the affine leads to right-anterior-superior in millimetres, with the same zero as the
    anatomical header's. In colour the datatype is RGB24. The list is a header extension, a comment.
    Version 2 of the format is used where an axis is longer than 32 767.

    TIFF: OME-TIFF, whose pages are coronal planes, also of sagittal data sets; BigTIFF from 4 GB.
    Deflate or raw. The list is the image's Description.
    """
    check_callback(callback)
    target = resolve_path(path)
    form = choose_format(target, format)
    compress = choose_compression(target, form, compress)
    write = _choose_writer(form, header, compress)
    files = (target, sidecar(target))
    there = listing_there(target) if skip_written else None
    if there is None:
        check_free(files, mode)

    pixels = choose_pixels(dataset, variable, channel)
    fill = pixels.fill
    dim = pixels.grid.plane.dim
    grid = VolumeGrid(
        pixels.grid,
        pixels.grid.resolution if step is None else step,
        find_sides(dataset, dim),
    )
    if form.name == "nifti" or header == "anatomical":
        _ = grid.affine  # refused before anything is computed
    sections = place_sections(grid, dataset[dim].values.tolist(), section_facts(dataset, dim))
    inside = [section for section in sections if section.plane is not None]
    nbytes = count_bytes(grid, pixels.dtype, pixels.colour)
    if there is not None:
        listing = list_planes(dataset.attrs, pixels, grid, sections, {})
        if is_same(there, file_text(listing, dataset.attrs, target.name)):
            return _report_of(there, target, form.name, grid, nbytes, dataset, sections)
        check_free(files, mode)
    kept = nbytes // grid.planes * len(inside)
    check_space(target, kept + nbytes // (_BEST_COMPRESSION if compress else 1))

    crossed = form.slowest != grid.section_axis
    steps = len(inside) + grid.shape[form.slowest]
    with (
        beside(files, mode) as (new, new_list),
        Spool(target, pixels.plane_shape, pixels.dtype, crossed=crossed) as spool,
        progress_bar(
            f"writing {target.name}", steps, enabled=progress, what="plane", callback=callback
        ) as advance,
    ):
        reasons: dict[int, dict[str, str]] = {}
        for section, voxels, missing in read_sections(dataset, pixels, inside):
            if missing:
                reasons[section.index] = missing
            elif section.plane is not None:
                spool.add(section.plane, voxels)
            advance(1)
        listing = list_planes(dataset.attrs, pixels, grid, sections, reasons)
        lost = _lost_anywhere(dataset, dim, made_of(dataset, variable))
        if lost:
            listing["failures"] = list(lost)
        title = one_line(str(dataset.attrs.get("title", variable)))
        volume = Volume(grid, pixels.dtype, pixels.colour, title, header_text(listing))
        with storing(str(target)):
            with open(new, "xb") as file:
                write(file, volume, _counted(spool.slabs(grid.planes, fill), advance))
            new_list.write_text(file_text(listing, dataset.attrs, target.name), encoding="ascii")
    failures, absent = _missing(sections, reasons, made_of(dataset, variable))
    return VolumeReport(
        path=str(target),
        sidecar=str(sidecar(target)),
        format=form.name,
        shape=grid.shape,
        valid_planes=tuple(listing["valid_planes"]),
        nbytes=nbytes,
        failures=failures + lost,
        absent=absent,
        excluded=count_excluded(dataset.attrs),
    )


def _report_of(
    there: Mapping[str, Any],
    target: Path,
    form: str,
    grid: VolumeGrid,
    nbytes: int,
    dataset: xr.Dataset,
    sections: Sequence[PlacedSection],
) -> VolumeReport:
    """Return the report of a volume that was written before, by the list beside it."""
    bases = made_of(dataset, str(there["variable"]))
    reasons = {
        section.index: dict.fromkeys(bases, str(plane.get("reason", "")))
        for section, plane in zip(sections, there["planes"], strict=True)
        if plane.get("reason") and section.plane is not None
    }
    failures, absent = _missing(sections, reasons, bases)
    return VolumeReport(
        path=str(target),
        sidecar=str(sidecar(target)),
        format=form,
        shape=grid.shape,
        valid_planes=tuple(there.get("valid_planes", ())),
        nbytes=nbytes,
        failures=failures + tuple(there.get("failures", ())),
        absent=absent,
        excluded=count_excluded(dataset.attrs),
    )


def _lost_anywhere(
    dataset: xr.Dataset, dim: str, bases: Sequence[str]
) -> tuple[dict[str, Any], ...]:
    """Return what could not be read of sections that have no plane of their own, as of a volume."""
    statuses = [dataset.variables.get(name) for name, of in STATUSES.items() if of in bases]
    if not any(status is not None and dim not in status.dims for status in statuses):
        return ()
    table = failures_table(dataset)
    table = table[table["variable"].isin(bases) & (table["status"] == MEANINGS[UNREADABLE])]
    rows = zip(table["variable"], table["section_image_id"], table["reason"], strict=True)
    return tuple(
        {"variable": variable, "section_image_id": int(image_id), "reason": reason}
        for variable, image_id, reason in rows
    )


def _missing(
    sections: Iterable[PlacedSection],
    reasons: Mapping[int, Mapping[str, str]],
    bases: Sequence[str],
) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    """Return what could not be read or has no plane, and what the service has nothing of."""
    out: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for section in sections:
        outside = dict.fromkeys(bases, OUTSIDE) if section.plane is None else {}
        for base, reason in (outside or reasons.get(section.index, {})).items():
            image_id = section.facts.get("section_image_id")
            entry = {"variable": base, "section_image_id": image_id, "reason": reason}
            out[reason == NO_MASK].append(entry)
    return tuple(out[False]), tuple(out[True])


def _choose_writer(form: Format, header: str | None, compress: bool) -> Callable[..., None]:
    if form.name != "nrrd":
        if header is not None:
            raise InvalidArgumentError(
                f"header={short(header)} is a choice of NRRD, not of {form.name}"
            )
        return partial({"nifti": nifti.write, "tiff": tiff.write}[form.name], compress=compress)
    if header is not None and not is_one_of(header, ("allen", "anatomical")):
        raise InvalidArgumentError(f'header must be "allen" or "anatomical", not {short(header)}')
    return partial(nrrd.write, compress=compress, anatomical=header == "anatomical")


def _counted(
    slabs: Iterable[NDArray[Any]], advance: Callable[[int], None]
) -> Iterator[NDArray[Any]]:
    for slab in slabs:
        yield slab
        advance(1)
