"""What is refused is told of in a few words, however much of it was given."""

from __future__ import annotations

import pytest

import atldld_xr
from atldld_xr.errors import AtldldError
from noise import DATASET_ID, NoiseSource

LONG = "long" * 1_000_000
PATH = "/".join(["long"] * 1_000)
MOST = 1_000


def opened(**options):
    options = {"resolution": 200} | options
    return atldld_xr.open_dataset(DATASET_ID, source=NoiseSource(), **options)


def write(name, folder, **options):
    return getattr(opened().atldld, name)(folder / options.pop("to", "a.zarr"), **options)


CALLS = {
    **{
        name: lambda _, name=name: opened(**{name: LONG})
        for name in (
            "resolution", "tier", "expression", "chunks", "anchor", "interpolation", "on_error",
            "fill_value", "reference_space", "detection_xy",
        )
    },
    "data set": lambda _: atldld_xr.open_dataset(LONG),
    "image": lambda _: atldld_xr.open_image(LONG),
    "source": lambda _: atldld_xr.open_dataset(1, source=LONG),
    "source's folder": lambda _: atldld_xr.open_dataset(1, source=PATH),
    "tolerance": lambda _: opened().atldld.section(0, tolerance=LONG),
    "variables": lambda folder: write("to_zarr", folder, variables=[LONG]),
    "mode": lambda folder: write("to_zarr", folder, mode=LONG),
    "compressor": lambda folder: write("to_zarr", folder, compressor=LONG),
    "inner chunks": lambda folder: write("to_zarr", folder, inner_chunks={LONG: 1}),
    "store": lambda folder: write("to_zarr", folder, to=LONG),
    "store's folder": lambda folder: write("to_zarr", folder, to=PATH),
    "OME-Zarr's variable": lambda folder: write("to_ome_zarr", folder, variable=LONG),
    "OME-Zarr's variables": lambda folder: write("to_ome_zarr", folder, variable=[LONG]),
    "names of chunks": lambda _: opened(chunks={f"{n}{LONG}": 1 for n in range(20)}),
    "OME-Zarr's version": lambda folder: write("to_ome_zarr", folder, ome_version=LONG),
    "volume": lambda folder: write("to_volume", folder, to=LONG),
    "volume's folder": lambda folder: write("to_volume", folder, to=f"{PATH}/a.nrrd"),
    "volume's ending": lambda folder: write("to_volume", folder, to=f"a.{LONG}"),
    "volume's format": lambda folder: write("to_volume", folder, format=LONG),
    "volume's variable": lambda folder: write("to_volume", folder, to="a.nrrd", variable=LONG),
    "volume's channel": lambda folder: write("to_volume", folder, to="a.nrrd", channel=LONG),
    "volume's header": lambda folder: write("to_volume", folder, to="a.nrrd", header=LONG),
    "status": lambda _: atldld_xr.status(LONG),
    "status's folder": lambda _: atldld_xr.status(PATH),
    "verify": lambda _: atldld_xr.verify(LONG),
    "mirror": lambda folder: atldld_xr.mirror(1, path=folder / LONG, source="phantom"),
    "mirror's folder": lambda folder: atldld_xr.mirror(1, path=folder / PATH, source="phantom"),
    "field": lambda folder: atldld_xr.DisplacementField.from_file(folder / LONG),
    "field's folder": lambda folder: atldld_xr.DisplacementField.from_file(folder / PATH),
}  # fmt: skip


@pytest.mark.parametrize("what", CALLS)
def test_what_is_refused_is_told_of_in_a_few_words(what, tmp_path):
    with pytest.raises(AtldldError) as caught:
        CALLS[what](tmp_path)
    assert len(str(caught.value)) < MOST
    assert not list(tmp_path.iterdir())
