"""Reading volumes back with the libraries that others use, all as arrays (p, i, r[, channel])."""

from __future__ import annotations

import json

import nibabel
import nrrd
import numpy as np
import tifffile
import xarray as xr

from atldld_xr.allen.reference import CORONAL, PLANES, Grid, get_space

AFFINE_TO_PIR = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 0.001]])
"""From (right, anterior, superior, 1) in millimetres to (p, i, r, 1), in millimetres too."""


def read_nrrd(path):
    values, header = nrrd.read(str(path))
    if values.ndim == 4:
        values = values.transpose(1, 2, 3, 0)
    return values, json.loads(header["section_planes"])


def read_nifti(path):
    image = nibabel.load(path)
    values = np.asarray(image.dataobj)
    if values.dtype.names:
        values = np.stack([values[name] for name in "RGB"], axis=-1)
    (extension,) = image.header.extensions
    return values, json.loads(extension.get_content())


def read_tiff(path):
    with tifffile.TiffFile(path) as file:
        values = file.asarray()
        text = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"]
    # A volume of one plane is a page.
    return values, text if isinstance(text, dict) else json.loads(text)


READERS = {".nrrd": read_nrrd, ".nii": read_nifti, ".nii.gz": read_nifti, ".tif": read_tiff}


def made_up(rng, *, dim="coronal", coordinates, resolution=1000.0, dtype=np.uint8, channels=0):
    """Return a Dataset of noise in memory, shaped like those of `open_dataset`."""
    plane = next(p for p in PLANES.values() if p.dim == dim)
    grid = Grid(plane, get_space(9), resolution)
    shape = (len(coordinates), *grid.shape) + ((channels,) if channels else ())
    dims = (dim, "y", "x") + (("channel",) if channels else ())
    boolean = np.dtype(dtype).kind == "b"
    values = rng.integers(0, 2 if boolean else 100, shape).astype(dtype)
    return xr.Dataset(
        {"image": (dims, values, {"fill_value": 0 if boolean else 7})},
        {
            dim: np.asarray(coordinates, dtype=float),
            "y": grid.y,
            "x": grid.x,
            "section_image_id": (dim, 100 + np.arange(len(coordinates))),
        },
        {
            "section_data_set_id": 5,
            "title": "made up",
            "resolution": resolution,
            "reference_space_id": 9,
            "registered_to_reference_space_id": 9,
        },
    )


def build(ds, step, variable="image"):
    """Return the volume that a Dataset is, made in memory by a plain loop."""
    image = ds[variable].values
    dim = str(ds[variable].dims[0])
    axis = 0 if dim == CORONAL.dim else 2
    extent = (13200, 8000, 11400)[axis]
    centres = (np.arange(int(extent / step + 1e-6)) + 0.5) * step
    rest = image.shape[1:] if axis == 0 else (image.shape[2], image.shape[1], *image.shape[3:])
    shape = (len(centres), rest[0], rest[1], *rest[2:])
    if axis == 2:
        shape = (rest[0], rest[1], len(centres), *rest[2:])
    fill = ds[variable].attrs.get("fill_value", 0)
    out = np.full(shape, fill, dtype=np.uint8 if image.dtype == bool else image.dtype)
    planes = []
    for section, at in zip(image, ds[dim].values, strict=True):
        plane = int(np.argmin(np.abs(centres - at)))
        planes.append(plane)
        if axis == 0:
            out[plane] = section
        else:
            out[:, :, plane] = section.swapaxes(0, 1)
    return out, planes
