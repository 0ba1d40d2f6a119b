"""structures: Allen's ontology of the adult mouse brain."""

from __future__ import annotations

from os import PathLike

from atldld_xr.allen.structures import Structures
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.resolve_atlas import resolve_structures


def structures(
    *,
    source: str | PathLike[str] | Source | None = None,
    offline: bool | None = None,
    refresh: bool = False,
) -> Structures:
    """Return the structures of the adult mouse brain, and which is part of which.

    One request, which the cache keeps as it keeps metadata.

    Parameters
    ----------
    source : str, path or source object, optional
        As for `open_dataset`: the service; "phantom"; or a mirror or folder that has
        ``structure_graph_1.json``. Or such a file itself, by path or URL, or an annotation beside
        it.
    offline : bool, optional
        Whether to take it from the cache, as for `open_dataset`.
    refresh : bool
        Whether to ask for it anew.

    Returns
    -------
    Structures
        By acronym or by id: names, colours, parents, paths, `descendants` and `ancestors`; as a
        ``table()``; and ``is_in(labels, "DG")``, which labels are of a structure or its parts.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work.
    MetadataError
        If it is no ontology.
    ServiceError, StoreError
        If it cannot be had.

    Examples
    --------
    >>> import atldld_xr
    >>> structures = atldld_xr.structures(source="phantom")
    >>> [structures.acronym(part) for part in structures.descendants("HPF")]
    ['HPF', 'CA', 'DG']
    """
    return resolve_structures(source, offline=offline, refresh=refresh)
