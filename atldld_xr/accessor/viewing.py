"""What the accessor of a Dataset shows in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


class Viewing:
    """What is looked at in a browser: of Datasets, whole or sliced, written nowhere."""

    _data: xr.Dataset

    def view(
        self,
        at: float | None = None,
        *,
        variable: str = "image",
        annotation: bool = False,
        step: float | None = None,
        viewer: str | None = None,
        open_browser: bool = True,
    ) -> str:
        """Open a variable in neuroglancer, unexported: pixels are made as they are looked at.

        They are served on this machine's loopback, from a thread of this process, and each level of
        detail is read from the tier that it needs. Data that something was done to has one level.
        Needs the extra "serve".

        Parameters
        ----------
        at : float, optional
            The section that is shown first: the nearest to this coordinate, in micrometres.
            Default: the one in the middle.
        variable : str
            Which data variable, as for `to_ome_zarr`.
        annotation : bool
            Whether Allen's annotation is over it, in the ontology's colours.
        step : float, optional
            From one plane to the next, in micrometres. Default: as for `to_ome_zarr`.
        viewer : str, optional
            Where neuroglancer is. Default: https://neuroglancer-demo.appspot.com/, whose pages
            read from this machine alone.
        open_browser : bool
            Whether to open the link.

        Returns
        -------
        str
            The link. It can be followed for as long as this process lives.

        Raises
        ------
        InvalidArgumentError
            If a viewer cannot show it, as for `to_ome_zarr`.
        MissingExtraError
            Without the extra "serve".

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", chunks=None)
        >>> link = ds.atldld.view(at=6600, open_browser=False)
        """
        from atldld_xr.export.ome.neuroglancer import VIEWER
        from atldld_xr.plan.arguments import is_whole
        from atldld_xr.serve import DatasetStore
        from atldld_xr.serve.view import view

        store = DatasetStore(self._data, variable=variable, annotation=annotation, step=step)
        number = self._data.attrs.get("section_data_set_id")
        name = str(number) if is_whole(number) else "dataset"  # others' words are in no address
        where = VIEWER if viewer is None else viewer
        return view(store, name, at=at, viewer=where, open_browser=open_browser)
