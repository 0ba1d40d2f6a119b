"""Expression grids as the service sends them: a zip of MetaImage headers and raw values."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NAMES = ("energy", "density", "intensity")


def header(name: str, shape: Sequence[int], spacing: float = 200.0) -> str:
    """Return the header of a grid of values over (p, i, r)."""
    step = f"{spacing:g}"
    return (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nCenterOfRotation = 0 0 0\n"
        "AnatomicalOrientation = RAI\n"
        f"ElementSpacing = {step} {step} {step}\nDimSize = {' '.join(map(str, shape))}\n"
        f"ElementType = MET_FLOAT\nElementDataFile = {name}.raw\n"
    )


def grid_zip(grids: Mapping[str, NDArray[np.float32]], spacing: float = 200.0) -> bytes:
    """Return a zip of grids over (p, i, r), by name: as the service's, p runs fastest."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in grids.items():
            archive.writestr(f"{name}.mhd", header(name, values.shape, spacing))
            archive.writestr(f"{name}.raw", values.transpose(2, 1, 0).astype("<f4").tobytes())
    return out.getvalue()


def folder_zip(folder: Path, dataset_id: int, names: Sequence[str]) -> bytes | None:
    """Return a zip of ``NAME_ID.mhd`` and ``.raw`` of a folder; None if one is not there."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            file = folder / f"{name}_{dataset_id}.mhd"
            if not file.is_file() or not file.with_suffix(".raw").is_file():
                return None
            text = file.read_text().replace(f"{name}_{dataset_id}.raw", f"{name}.raw")
            archive.writestr(f"{name}.mhd", text)
            archive.writestr(f"{name}.raw", file.with_suffix(".raw").read_bytes())
    return out.getvalue()
