"""search, search_images and genes: what the service has, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from atldld_xr.catalogue.ask import Catalogue, check_limit, open_catalogue
from atldld_xr.catalogue.find import Found, find_datasets, find_genes, find_images
from atldld_xr.catalogue.tables import (
    DATASET_COLUMNS,
    GENE_COLUMNS,
    IMAGE_COLUMNS,
    table,
    utc,
)
from atldld_xr.sources.protocol import Source

if TYPE_CHECKING:
    import pandas as pd


def search(
    *,
    gene: str | int | Iterable[str | int] | None = None,
    plane: str | int | None = None,
    product: str | int | None = None,
    structure: str | int | None = None,
    specimen: str | int | None = None,
    treatment: str | int | None = None,
    age: str | float | None = None,
    strain: str | None = None,
    sex: str | None = None,
    reference_space: int | None = None,
    injection_structure: str | int | None = None,
    transgenic_line: str | int | None = None,
    failed: bool | None = False,
    limit: int | None = None,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    r"""Return a table of the data sets that answer to all that is asked for.

    In texts, ``*`` is anything, and capital letters and small ones are the same beside it;
    without one a name has to be met exactly. ``\*`` is an asterisk.

    Parameters
    ----------
    gene : str, int or iterable of these, optional
        Acronyms as "Pvalb" or "Pva*", or Entrez ids; of several, any. Also a table of `genes`.
    plane : str or int, optional
        "coronal", "sagittal" or another, or Allen's id of it.
    product : str or int, optional
        The atlas: its name, its abbreviation as "Mouse" and "DevMouse", or its id. Of a name that
        no atlas has, those that have it in theirs, as "connectivity".
    structure : str or int, optional
        Acronym or id of a structure in which Allen counted expression in the data set.
    specimen : str or int, optional
        The specimen's name or id.
    treatment : str or int, optional
        As "ISH" or "NISSL".
    age : str or float, optional
        As "P56" or "E*", or in days.
    strain : str, optional
        As "C57BL/6J".
    sex : str, optional
        "M" or "F".
    reference_space : int, optional
        Id of the space that the data set is registered to: 9 coronal and 10 sagittal ones of the
        adult mouse.
    injection_structure : str or int, optional
        Acronym, name or id of a structure, by Allen's ontology of the adult mouse: a tracer was
        injected there, or in a part of it. One request more, for the ontology.
    transgenic_line : str or int, optional
        Name or id of a line of the animal, as "Emx1-IRES-Cre" or "*Cre*".
    failed : bool, optional
        Whether to return the data sets that Allen marked as failed alone; False returns the
        others, and None both.
    limit : int, optional
        The most data sets to return, in the order of their ids.
    source : str, path or source object, optional
        The service, as for `atldld_xr.open_dataset`.
    refresh : bool
        Whether to ask anew, though the cache may have the answer.
    offline : bool, optional
        Whether the cache alone is looked into. Default: as the setting ``offline``.
    progress : bool, optional
        Whether to show a progress bar on standard error. Default: on a terminal, where there are
        several pages.

    Returns
    -------
    pandas.DataFrame
        A row for each, in the order of ids, with the columns ``id``, ``genes`` (acronyms; where
        there are several they are joined by "; "), ``gene_names``, ``entrez_ids``, ``plane``,
        ``sections``, ``failed_sections``, ``section_thickness`` (um), ``reference_space``,
        ``products``, ``treatments``, ``age``, ``specimen``, ``strain``, ``sex``, ``failed``,
        ``qc_date`` (when Allen looked at its quality), ``expression`` (whether there are masks),
        ``injection_structures`` (acronyms) and ``transgenic_lines``. It has no rows where nothing
        answers. In its ``attrs`` are the ``source``, when its oldest answer came from there
        (``fetched``), and those of several genes that there are none of (``unknown_genes``), with
        what is near to them.

    Raises
    ------
    InvalidArgumentError
        For an argument that cannot work, a name that the query language cannot say, or a product
        or a structure that there is none of.
    DatasetNotFoundError
        If there is no gene of that name; names the genes that are near.
    MetadataError
        If the ontology is none.
    ServiceError
        If the service cannot be reached or reports a failure.

    Examples
    --------
    >>> import atldld_xr
    >>> found = atldld_xr.search(gene="Pvalb", plane="coronal")
    >>> found.plane.unique().tolist()
    ['coronal']
    """
    catalogue = open_catalogue(source, refresh=refresh, offline=offline, progress=progress)
    found = find_datasets(
        catalogue,
        gene=gene,
        plane=plane,
        product=product,
        structure=structure,
        specimen=specimen,
        treatment=treatment,
        age=age,
        strain=strain,
        sex=sex,
        reference_space=reference_space,
        injection_structure=injection_structure,
        transgenic_line=transgenic_line,
        failed=failed,
        limit=check_limit(limit),
    )
    return table(found.rows, DATASET_COLUMNS, _attributes(catalogue, found))


def search_images(
    *,
    gene: str | int | Iterable[str | int] | None = None,
    plane: str | int | None = None,
    product: str | int | None = None,
    structure: str | int | None = None,
    specimen: str | int | None = None,
    treatment: str | int | None = None,
    age: str | float | None = None,
    strain: str | None = None,
    sex: str | None = None,
    reference_space: int | None = None,
    injection_structure: str | int | None = None,
    transgenic_line: str | int | None = None,
    failed: bool | None = False,
    limit: int | None = None,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Return a table of the section images of data sets; asks for what `search` asks for.

    Parameters
    ----------
    gene, plane, product, structure, specimen, treatment, age, strain, sex : optional
        Which data sets, as for `search`.
    reference_space, injection_structure, transgenic_line, failed : optional
        The same. Of those, failed images are returned too.
    limit : int, optional
        The most data sets.
    source, refresh, offline, progress : optional
        As for `search`.

    Returns
    -------
    pandas.DataFrame
        A row for each image, by data set and section number, with the columns ``id``,
        ``dataset``, ``section_number``, ``resolution`` (um), ``width``, ``height``, ``failed``
        and ``expression`` (whether it has a mask); ``attrs`` as of `search`.

    Raises
    ------
    InvalidArgumentError, DatasetNotFoundError, MetadataError, ServiceError
        As `search`.

    Examples
    --------
    >>> import atldld_xr
    >>> images = atldld_xr.search_images(gene="Pvalb", plane="coronal")
    >>> pixels = atldld_xr.open_image(images.id[0], tier=3)
    """
    catalogue = open_catalogue(source, refresh=refresh, offline=offline, progress=progress)
    found = find_images(
        catalogue,
        gene=gene,
        plane=plane,
        product=product,
        structure=structure,
        specimen=specimen,
        treatment=treatment,
        age=age,
        strain=strain,
        sex=sex,
        reference_space=reference_space,
        injection_structure=injection_structure,
        transgenic_line=transgenic_line,
        failed=failed,
        limit=check_limit(limit),
    )
    return table(found.rows, IMAGE_COLUMNS, _attributes(catalogue, found))


def genes(
    pattern: str | int | Iterable[str | int],
    *,
    limit: int | None = None,
    source: str | PathLike[str] | Source | None = None,
    refresh: bool = False,
    offline: bool | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Return a table of genes of the mouse.

    Parameters
    ----------
    pattern : str, int or iterable of these
        Acronyms as "Pvalb" or "Pva*", or Entrez ids, as for `search`.
    limit : int, optional
        The most genes.
    source, refresh, offline, progress : optional
        As for `search`.

    Returns
    -------
    pandas.DataFrame
        A row for each, in the order of acronyms, with the columns ``acronym``, ``name``,
        ``entrez_id`` and ``aliases`` (joined by "; "); ``attrs`` as of `search`.

    Raises
    ------
    InvalidArgumentError, DatasetNotFoundError, ServiceError
        As `search`.

    Examples
    --------
    >>> import atldld_xr
    >>> "Pvalb" in atldld_xr.genes("Pva*").acronym.tolist()
    True
    """
    catalogue = open_catalogue(source, refresh=refresh, offline=offline, progress=progress)
    found = find_genes(catalogue, pattern, check_limit(limit))
    return table(found.rows, GENE_COLUMNS, _attributes(catalogue, found))


def _attributes(catalogue: Catalogue, found: Found[Any]) -> dict[str, Any]:
    return {
        "source": catalogue.source.url,
        "fetched": utc(found.oldest),
        "unknown_genes": found.unknown,
    }
