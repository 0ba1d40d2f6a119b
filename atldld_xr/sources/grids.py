"""Allen's expression grids: from the service, or from files of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from atldld_xr.errors import (
    DatasetNotFoundError,
    InvalidArgumentError,
    MetadataError,
    ServiceError,
)
from atldld_xr.messages.repeating import short
from atldld_xr.sources import http
from atldld_xr.sources.cache import default_cache
from atldld_xr.sources.metaimage import (
    MOST_HEADER_BYTES,
    MOST_ZIP_BYTES,
    VARIABLES,
    MetaImage,
    parse_header,
    read_values,
    read_zip,
)
from atldld_xr.sources.protocol import Source
from atldld_xr.sources.service_images import cache_folder

API = "/api/v2"

T = TypeVar("T")


@runtime_checkable
class GridSource(Source, Protocol):
    """A source that has Allen's grids of its data sets."""

    def grids(self, dataset_id: int, variables: Sequence[str]) -> Mapping[str, MetaImage]:
        """Return grids of a data set, by the names of `VARIABLES`.

        Raises
        ------
        DatasetNotFoundError
            If there are none.
        ServiceError
            If they cannot be had.
        """


def service_grids(
    url: str, dataset_id: int, variables: Sequence[str], *, fresh: bool, offline: bool
) -> Mapping[str, MetaImage]:
    """Return grids of a data set from the service at an address: one request, kept as images are.

    Raises as `GridSource.grids` does.
    """
    names = [name for name in VARIABLES if name in variables]
    return kept_grid(
        url,
        f"download/{dataset_id}",
        {"include": ",".join(names)},
        f"{dataset_id}-{'_'.join(names)}.zip",
        f"grid of section data set {dataset_id}",
        lambda content: read_zip(content, names),
        limit=MOST_ZIP_BYTES,
        fresh=fresh,
        offline=offline,
    )


def kept_grid(
    url: str,
    path: str,
    params: Mapping[str, str],
    file: str,
    what: str,
    read: Callable[[bytes], T],
    *,
    limit: int,
    fresh: bool,
    offline: bool,
) -> T:
    """Return what is read in a file of grids, from the cache or by one request.

    Parameters
    ----------
    url : str
        The interface's address, beside which the grids are.
    path, params
        What is asked for there.
    file : str
        Its name in the cache.
    what : str
        What it is, for messages.
    read : callable
        Reads its content; raises ValueError, in words, if that is not what was asked for.
    limit : int
        The most bytes that it can have.
    fresh, offline : bool
        Whether the cache is passed over, or alone looked into.

    Raises
    ------
    DatasetNotFoundError
        If there is none.
    ServiceError
        If it cannot be had.
    """
    cache = default_cache()
    key = f"{cache_folder(url)}/grid_data/{file}"
    if cache and not fresh and (kept := cache.get(key)) is not None:
        with contextlib.suppress(ValueError):
            return read(kept)
        cache.discard(key)  # the disk's fault, or another's hand
    try:
        content, grid = http.get(
            f"{url.removesuffix(API)}/grid_data/{path}",
            params=params,
            check=lambda content: (content, read(content)),
            limit=limit,
            offline=offline,
        )
    except http.TransportError as error:
        if error.status == 404:
            raise DatasetNotFoundError(f"there is no {what} at {url}") from None
        raise ServiceError(f"the {what}: {error}") from error
    if cache:
        cache.put(key, content)
    return grid


def find_files(path: Path, dataset_id: int) -> dict[str, Path] | None:
    """Return the files of grids that a path stands for, by variable; None if it stands for none.

    Parameters
    ----------
    path : Path
        A header (``energy.mhd``, ``energy_ID.mhd``), a zip as the service sends it (then all are
        that file), or a folder of either (``ID.zip``).
    dataset_id : int
        The data set.

    Raises
    ------
    InvalidArgumentError
        If a header's name does not say of what it is, or a name is that of another data set's.
    """
    if path.suffix.lower() == ".mhd":
        variable = re.split(r"[_.]", path.name)[0]
        if variable not in VARIABLES:
            raise InvalidArgumentError(
                f"what {short(path.name)} is a grid of is told by the start of its name, "
                f"{', '.join(VARIABLES)}: rename it, and leave the file of values as it is"
            )
        _check_id(path, dataset_id)
        return {variable: path}
    if path.suffix.lower() == ".zip":
        _check_id(path, dataset_id)
        return dict.fromkeys(VARIABLES, path)
    if not path.is_dir():
        return None
    found = {}
    for variable in VARIABLES:
        for name in (f"{variable}_{dataset_id}.mhd", f"{dataset_id}.zip", f"{variable}.mhd"):
            if (path / name).is_file():
                found[variable] = path / name
                break
    return found or None


def _check_id(path: Path, dataset_id: int) -> None:
    """Refuse a file that is named after another data set, as the service and mirrors name them."""
    named = re.fullmatch(r"(?:(?:energy|density|intensity)_)?([0-9]{5,18})", path.stem)
    if named and int(named[1]) != dataset_id:
        raise InvalidArgumentError(
            f"{short(path.name)} is of section data set {int(named[1])} by its name, and not of "
            f"{dataset_id}"
        )


def file_grids(files: Mapping[str, Path]) -> dict[str, MetaImage]:
    """Return the grids in files, by variable; those that a zip has not are left out.

    Raises
    ------
    MetadataError
        If they cannot be read, or are no grids.
    """
    out: dict[str, MetaImage] = {}
    for variable, path in files.items():
        if variable in out:
            continue
        try:
            if path.suffix.lower() == ".zip":
                found = read_zip(_content(path, MOST_ZIP_BYTES))
                out |= {name: grid for name, grid in found.items() if name in files}
            else:
                header = parse_header(_content(path, MOST_HEADER_BYTES))
                out[variable] = read_values(
                    header, _content(path.with_name(header.file), header.nbytes)
                )
        except OSError as error:
            missing = short(error.filename or str(path))
            reason = error.strerror or type(error).__name__
            raise MetadataError(f"{missing} cannot be read: {reason}") from None
        except ValueError as error:
            raise MetadataError(f"{path} is no grid like Allen's: {error}") from None
    return out


def _content(path: Path, most: int) -> bytes:
    """Return a file's content; of one that is longer than it can be, a byte more than that."""
    if not path.is_file():  # a pipe would be waited for
        raise FileNotFoundError(2, "No such file", str(path))
    with path.open("rb") as file:
        return file.read(most + 1)
