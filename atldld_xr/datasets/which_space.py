"""The reference space that a data set is shown in, and how large it is.

Of the adult mouse's two spaces that is known. Allen's records of others, as those of the developing
mouse, do not say how large they are; the grid of a data set's expression reaches over all of it.
"""

from __future__ import annotations

from atldld_xr.allen.metadata import SectionDataset
from atldld_xr.allen.reference import (
    REFERENCE_SPACES,
    ReferenceSpace,
    change_space,
    check_extent,
    get_space,
    known_spaces,
)
from atldld_xr.datasets.answered import Answered
from atldld_xr.errors import AtldldError, InvalidArgumentError, MetadataError
from atldld_xr.messages.repeating import short
from atldld_xr.plan.arguments import is_whole
from atldld_xr.sources.grids import GridSource
from atldld_xr.sources.protocol import Source

SpaceLike = int | ReferenceSpace
Extent = tuple[float, float, float]

_GRID = "density"  # which all data sets with grids have


def check_space(reference_space: object, extent: object) -> ReferenceSpace:
    """Check what is asked for before anything is fetched.

    Returns
    -------
    ReferenceSpace
        What a resolution can be checked against; where the size is not known yet, the adult's.

    Raises
    ------
    InvalidArgumentError
        If it cannot be a space, or its size is given in two ways.
    """
    size = None if extent is None else check_extent(extent)
    if isinstance(reference_space, ReferenceSpace):
        if size is not None and size != reference_space.extent:
            raise InvalidArgumentError(
                f"extent={short(size)} is another than that of {short(reference_space)}: give one"
            )
        _check_known(reference_space.id, reference_space.extent)
        return reference_space
    if reference_space is not None and (
        not is_whole(reference_space) or not 0 < reference_space < 2**63
    ):
        raise InvalidArgumentError(
            "reference_space is the id of a reference space, or a ReferenceSpace, not "
            f"{short(reference_space)}"
        )
    if reference_space is None:
        return get_space(9) if size is None else ReferenceSpace(9, "", size)
    number = int(reference_space)
    if size is not None:
        _check_known(number, size)
    return REFERENCE_SPACES.get(number) or ReferenceSpace(number, "", size or get_space(9).extent)


def space_of(
    data: SectionDataset,
    reference_space: SpaceLike | None,
    extent: Extent | None,
    source: Source,
) -> ReferenceSpace:
    """Return the space that a data set is shown in.

    Parameters
    ----------
    data : SectionDataset
        The data set.
    reference_space, extent
        As `check_space` lets them pass.
    source : Source
        Of another space than the adult's it is asked for a grid, if the size is not given.

    Raises
    ------
    InvalidArgumentError
        If the data set cannot be shown in that space, or it has another size.
    MetadataError
        If its size is not given, and cannot be read.
    """
    own = data.reference_space_id
    given = wanted = None
    if isinstance(reference_space, ReferenceSpace):
        given, wanted = reference_space, reference_space.id
    else:
        wanted = own if reference_space is None else int(reference_space)
    change_space(own, wanted)
    size = given.extent if given else None if extent is None else check_extent(extent)
    if size is not None:
        _check_known(wanted, size)
    if wanted in REFERENCE_SPACES:
        return REFERENCE_SPACES[wanted]
    if given:
        return given
    return ReferenceSpace(wanted, "", size or _read_extent(source, data))


def _check_known(space_id: int, extent: Extent) -> None:
    known = REFERENCE_SPACES.get(space_id)
    if known and known.extent != extent:
        raise InvalidArgumentError(
            f"reference space {known.id} ({known.name}) reaches over {short(known.extent)} um, not "
            f"{short(extent)}; extent is for others than {known_spaces()}: leave it out"
        )


def _read_extent(source: Source, data: SectionDataset) -> Extent:
    """Return from the first to the last voxel's centre of the grid of a data set's expression.

    Of the adult mouse's grids, 67 x 41 x 58 voxels of 200 um, that is the reference space's size.
    """
    source = source.source if isinstance(source, Answered) else source
    reason = "the source has no grid of its expression to tell it"
    if isinstance(source, GridSource):
        try:
            grid = source.grids(data.id, (_GRID,))[_GRID]
            p, i, r = (
                (n - 1) * step for n, step in zip(grid.values.shape, grid.spacing, strict=True)
            )
            return check_extent((p, i, r))
        except (AtldldError, KeyError) as error:
            reason = f"the grid of its expression does not tell it ({error})"
    raise MetadataError(
        f"section data set {data.id} is registered to reference space {data.reference_space_id}"
        f", of which the size is not known: {reason}. Give it as "
        "extent=(p, i, r), in micrometres"
    )
