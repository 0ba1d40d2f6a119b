"""What the accessor of a Dataset says of where its tissue truly lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike


class Anatomy:
    """What needs the poses of sections: of Datasets, whole or sliced, lazy or read from stores."""

    _data: xr.Dataset

    def true_coordinate(self) -> xr.DataArray:
        """Return the coordinate across sections at which what each pixel shows truly lies.

        Sections are cut obliquely: `coronal`, or `sagittal`, is where one point of a section lies,
        and this where each does, on the plane that it is read on. Read with ``plane="oblique"``,
        what is shown at (y, x) lies at (this, y, x); by projection this is as true, but y and x
        are not those of the tissue: see `to_reference`.

        Returns
        -------
        xarray.DataArray
            float64 over (section, y, x), in micrometres of the Dataset's own reference space; lazy,
            in the Dataset's own chunks if it has any.

        Raises
        ------
        InvalidArgumentError
            If the Dataset does not say how its sections lie, as one that an earlier version wrote.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", plane="oblique")
        >>> ds = ds.assign_coords(true_coronal=ds.atldld.true_coordinate())
        """
        from atldld_xr.datasets.true_coordinate import true_coordinate

        return true_coordinate(self._data)

    def annotation(self, annotation: xr.DataArray | xr.Dataset | None = None) -> xr.DataArray:
        """Return the structure of what each pixel shows: labels cut along each section's own plane.

        Outlines of these fit the sections, and numbers per structure are of them: a section is
        oblique, and a plane of the annotation at its coordinate is not.

        Parameters
        ----------
        annotation : xarray.DataArray or Dataset, optional
            Labels over (coronal, y, x), in the space in which left lies at low r, as
            `open_annotation` gives them; only what the sections cut of it is read. Default: Allen's
            at 25 um, or of a phantom its own.

        Returns
        -------
        xarray.DataArray
            uint32 over (section, y, x): the id of the structure whose voxel is nearest to where the
            pixel's tissue truly lies, 0 outside of the brain; lazy, in the Dataset's own chunks.

        Raises
        ------
        InvalidArgumentError
            If the Dataset does not say how its sections lie, or the annotation is none.
        ServiceError
            If it cannot be had.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> labels = ds.atldld.annotation()
        >>> label = int(labels.sel(coronal=5200, y=4000, x=7950, method="nearest"))
        >>> atldld_xr.structures(source="phantom").acronym(label)
        'CP'
        """
        from atldld_xr.datasets.cut_annotation import cut_annotation

        return cut_annotation(self._data, annotation)

    def to_reference(self, points: ArrayLike | xr.DataArray) -> xr.DataArray:
        """Take pixels of the section images to the reference space: (x, y) to (p, i, r).

        Parameters
        ----------
        points : array_like, shape (..., 2), or xarray.DataArray
            x and y in full-resolution pixels of a section image, whose pixel 0 is centred at 0:
            along the last dimension, or one named `component`. They are points of each section, or
            if there is the dimension across sections among theirs, of each its own.

        Returns
        -------
        xarray.DataArray
            float64 over (section, point, component), without the first of one section: p, i and r,
            in micrometres of the Dataset's own reference space.

        Raises
        ------
        InvalidArgumentError
            If the points are none, or the Dataset does not say how its sections lie.

        Notes
        -----
        This is the inverse of `to_image`, by which pixels are read. Allen stores either direction,
        each rounded to six digits: the service's own ``image_to_reference`` differs by up to 0.1 um
        on Prox1 (69289763). Markers and displacement fields of a registration are left out, as by
        `to_image`: the attribute ``comment`` of the result says so.

        Examples
        --------
        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom", resolution=100)
        >>> ds.atldld.to_reference([1425, 1000]).isel(coronal=0).round().values.tolist()
        [1982.0, 3980.0, 5446.0]
        """
        from atldld_xr.datasets.points import to_reference

        return to_reference(self._data, points)

    def to_image(self, points: ArrayLike | xr.DataArray) -> xr.DataArray:
        """Take points of the reference space to the section images: (p, i, r) to (x, y).

        Each point is projected on each section along its normal, as the service's own
        ``reference_to_image`` does; the coordinate `distance` says how far it is from the section.
        By how much a registration's markers or displacement fields bend sections is left out.

        Parameters
        ----------
        points : array_like, shape (..., 3), or xarray.DataArray
            p, i and r in micrometres of the Dataset's own reference space: along the last
            dimension, or one named `component`. They are projected on all sections, or if there is
            the dimension across sections among theirs, each on its own.

        Returns
        -------
        xarray.DataArray
            float64 over (section, point, component), without the first of one section: x and y, in
            full-resolution pixels of the section image, whose pixel 0 is centred at 0. Its
            coordinate `distance`, over (section, point), is in micrometres from the section's
            plane, of either sign.

        Raises
        ------
        InvalidArgumentError
            If the points are none, or the Dataset does not say how its sections lie.

        Examples
        --------
        The section nearest to a point, and the pixel there:

        >>> import atldld_xr
        >>> ds = atldld_xr.open_dataset("phantom")
        >>> pixels = ds.atldld.to_image([6600, 4000, 3000])
        >>> nearest = pixels.isel(coronal=abs(pixels.distance).argmin("coronal"))
        >>> int(nearest.section_number)
        201
        """
        from atldld_xr.datasets.points import to_image

        return to_image(self._data, points)
