"""What is written stays what it was: digests of every format, recorded before the code moved.

They are of pixels as they are in the files: chunks and volumes that are not compressed, as
compressors have versions. The sections are noise, which is the same on every processor, and a
recorded one; the phantom's sines may differ by a grey level where NumPy takes other instructions.

``python tests/test_recorded_digests.py`` prints what `DIGESTS` is now. A change that is meant needs
its reason in the commit, and in the change notes.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import pytest

import atldld_xr

sys.path.append(str(Path(__file__).parent / "helpers"))
from noise import DATASET_ID, NoiseSource
from recorded import ALLEN
from volumes import read_nifti, read_nrrd, read_tiff

SOURCES = {
    "coronal": lambda: atldld_xr.open_dataset(
        DATASET_ID, source=NoiseSource(), resolution=200, expression="intensity", on_error="fill"
    ),
    "sagittal": lambda: atldld_xr.open_dataset(
        DATASET_ID, source=NoiseSource(plane=2), resolution=40, chunks={"y": 64, "x": 96}
    ),
    "recorded": lambda: atldld_xr.open_dataset(
        69289763, source=ALLEN, resolution=50, on_error="fill"
    ),
}
FORMATS = ("zarr", "ome.zarr", "ome4.zarr", "nrrd", "nii", "tif")
READERS = {"nrrd": read_nrrd, "nii": read_nifti, "tif": read_tiff}
DIGESTS = json.loads(Path(__file__).with_name("data").joinpath("digests.json").read_text())


def write(ds, path, name):
    """Write a Dataset in a format, and return what has pixels of it: files by name."""
    if name == "zarr":
        every = [name for name in ds.data_vars if ds[name].ndim > 1]
        ds.atldld.to_zarr(path, compressor=None, variables=every)
    elif name.endswith(".zarr"):
        version = "0.4" if name == "ome4.zarr" else "0.5"
        ds.atldld.to_ome_zarr(path, compressor=None, ome_version=version, step=25)
    else:
        ds.atldld.to_volume(path, compress=False)
    if path.is_file():  # headers have versions and times
        return {"pixels": READERS[name](path)[0].tobytes()}
    files = {str(file.relative_to(path)): file for file in path.rglob("*") if file.is_file()}
    chunks = {key: file for key, file in files.items() if key.rpartition("/")[2].isdigit()}
    # A coordinate that there was none of when digests were recorded.
    chunks = {key: file for key, file in chunks.items() if not key.startswith("pose/")}
    return {key: file.read_bytes() for key, file in sorted(chunks.items())}


def digest(files):
    """Return one digest of files and their names."""
    told = hashlib.sha256()
    for key, content in files.items():
        told.update(f"{key} {len(content)}\n".encode() + content)
    return told.hexdigest()[:16]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_pixels_are_what_they_were(source, name, tmp_path):
    if source == "recorded" and not (ALLEN / "section_data_set_69289763.json").exists():
        pytest.skip("Allen's recorded data are not here")
    files = write(SOURCES[source](), tmp_path / f"a.{name}", name)
    assert files
    assert digest(files) == DIGESTS[source][name]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = {
            source: {
                name: digest(write(open_it(), Path(folder) / f"{source}.{name}", name))
                for name in FORMATS
            }
            for source, open_it in SOURCES.items()
        }
    print(json.dumps(made, indent=1))
