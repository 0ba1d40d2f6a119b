"""What the accessors of Datasets and of arrays have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal

import xarray as xr

from atldld_xr.datasets.sections import Stack, nearest_section, section_dim
from atldld_xr.errors import InvalidArgumentError
from atldld_xr.messages.repeating import short

if TYPE_CHECKING:
    from atldld_xr.datasets.explain import Explanation


class OfSections(Generic[Stack]):
    """What both have."""

    def __init__(self, data: Stack) -> None:
        self._data: Stack = data

    @property
    def section_dim(self) -> str:
        """The dimension across sections: "coronal" or "sagittal".

        Raises
        ------
        InvalidArgumentError
            If there is none, as of one section or of a mean along it.

        Examples
        --------
        >>> import atldld_xr
        >>> atldld_xr.open_dataset("phantom-sagittal").atldld.section_dim
        'sagittal'
        """
        return section_dim(self._data)

    def section(self, coordinate: float, *, tolerance: float | None = None) -> Stack:
        """Return the section nearest to a coordinate, whichever way the brain was cut.

        Parameters
        ----------
        coordinate : float
            Along `section_dim`, in micrometres.
        tolerance : float, optional
            How far the section may be, in micrometres. Default: at any distance.

        Returns
        -------
        xarray.Dataset or xarray.DataArray
            Lazy, without the dimension across sections.

        Raises
        ------
        InvalidArgumentError
            If there is no dimension across sections, no section so near, or a number cannot work.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom")
        >>> ds.image.atldld.section(6600).section_number.item()
        201
        """
        return nearest_section(self._data, coordinate, tolerance)

    def explain(
        self,
        *,
        by: Literal["to_zarr", "compute"] | None = None,
        seconds_per_request: float = 0.2,
        bytes_per_second: float = 4e6,
    ) -> Explanation:
        """Say what making this takes, before anything is fetched: requests, bytes, time.

        Requests are those that are made where no cache and no store has anything yet: what is kept
        already needs fewer. Slices, windows and selections are counted as they are read; of what
        more is done, what the graph still fetches.

        Parameters
        ----------
        by : {"to_zarr", "compute"}, optional
            What is done with it. Default: "to_zarr" of a Dataset, "compute" of an array. An export
            plans the requests of a section for all that it writes of it, and reads no more than is
            selected, if sections are a dimension of it. Computing takes as many for whole Datasets
            and small windows; of larger parts it reads whole blocks, of windows on several blocks
            each asks for its own tiles, and with `status`, which is of all tiles of a section,
            windows are read beside these. Without Dask each variable is loaded by itself, and finds
            what the one before has left in memory.

            Where blocks that overlap are read at a time and ask for what is not there yet (exports
            of a Dataset without Dask, and what xarray has made chunks of; windows on several
            blocks that need more than 8 tiles each), their number depends on which is first: it is
            told for one after the other. On a cluster with more threads than sections, these are
            cut, and tiles where they are asked for more than once.
        seconds_per_request : float
            What a request is assumed to take: two ways to the service and back.
        bytes_per_second : float
            And what a connection carries. Connections, and requests begun in a second, are as the
            settings ``http.connections`` and ``http.requests_per_second`` say.

        Returns
        -------
        Explanation
            Printed, rows of text; ``to_dataframe()`` has a row for each section.

        Raises
        ------
        InvalidArgumentError
            If an argument is none of these, or the Dataset cannot be exported.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom")
        >>> ds.isel(coronal=3).atldld.explain().requests
        1
        """
        data: Any = self._data
        assumed = {"seconds_per_request": seconds_per_request, "bytes_per_second": bytes_per_second}
        is_dataset = isinstance(data, xr.Dataset)
        known = {None, "compute", "to_zarr"} if is_dataset else {None, "compute"}
        if by not in known:
            names = " or ".join(f'"{name}"' for name in sorted(filter(None, known)))
            raise InvalidArgumentError(f"by is {names}, not {short(by)}")
        if is_dataset and by != "compute":
            from atldld_xr.export.explain import explain_export

            return explain_export(data, **assumed)
        from atldld_xr.datasets.explain_loading import explain_loading

        return explain_loading(data, **assumed)
