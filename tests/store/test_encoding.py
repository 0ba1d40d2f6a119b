"""The bytes of chunks, beside those that Zarr writes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr import codecs

from atldld_xr.files.checksum import checksum
from atldld_xr.store.chunk_encoding import ArraySpec

CODECS = {
    "none": None,
    "zstd": codecs.ZstdCodec(level=1),
    "zstd with a checksum": codecs.ZstdCodec(level=3, checksum=True),
    "blosc": codecs.BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle", typesize=1),
    "blosc of four": codecs.BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=4),
    "blosc of eight": codecs.BloscCodec(cname="lz4", clevel=2, shuffle="noshuffle", typesize=8),
    "two": (codecs.ZstdCodec(level=1), codecs.Crc32cCodec()),
}


def written_by_zarr(values, chunks, **options):
    """Return the metadata and the chunks that Zarr writes, by key."""
    files = {}
    array = zarr.create_array(
        zarr.storage.MemoryStore(files),
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype,
        **options,
    )
    array[...] = values
    found = {key: value.to_bytes() for key, value in files.items()}
    return found.pop("zarr.json").decode(), found


def check(values, chunks, **options):
    metadata, expected = written_by_zarr(values, chunks, **options)
    spec = pickle.loads(pickle.dumps(ArraySpec("image", metadata)))
    made = {}
    for place in np.ndindex(*spec.numblocks):
        region = tuple(
            slice(at * n, (at + 1) * n) for at, n in zip(place, spec.chunks, strict=True)
        )
        content = spec.encode(place, values[region])
        if content is not None:
            made[spec.key(place).removeprefix("image/")] = content
    assert made == expected
    return expected


def noise(shape, dtype="u1", seed=0):
    return np.random.default_rng(seed).integers(0, 2, shape).astype(dtype)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["u1", "?", "f4", ">f4", "i8", "c8"])
def test_the_bytes_are_zarrs_own(codec, dtype):
    values = noise((2, 11, 7, 3), dtype)
    values[1, :5, :4] = 0  # a chunk of fill alone
    found = check(values, (1, 5, 4, 3), compressors=CODECS[codec])
    assert len(found) == 2 * 3 * 2 - 1


@pytest.mark.parametrize("codec", ["none", "zstd", "blosc"])
def test_shards_too(codec):
    values = noise((2, 11, 9, 3))
    values[0, :4, :4] = 255
    check(values, (1, 4, 3, 3), shards=(1, 8, 9, 3), compressors=CODECS[codec], fill_value=255)


def test_a_chunk_of_fill_alone_is_no_file():
    values = np.full((1, 8, 8), 255, dtype="u1")
    assert check(values, (1, 4, 4), fill_value=255, compressors=CODECS["zstd"]) == {}
    values[0, 7, 7] = 254
    assert len(check(values, (1, 4, 4), fill_value=255, compressors=CODECS["zstd"])) == 1


def test_fills_that_are_not_equal_to_themselves():
    values = np.full((1, 4, 4), np.nan, dtype="f4")
    check(values, (1, 4, 4), fill_value=np.nan, compressors=CODECS["zstd"])
    check(-np.zeros((1, 4, 4), dtype="f4"), (1, 4, 4), fill_value=0.0, compressors=CODECS["zstd"])


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    chunks=st.tuples(st.integers(1, 2), st.integers(1, 10), st.integers(1, 10)),
    fill=st.sampled_from([0, 1, 255]),
    seed=st.integers(0, 9),
)
def test_any_shape_and_chunks(shape, chunks, fill, seed):
    check(noise(shape, seed=seed), chunks, fill_value=fill, compressors=CODECS["zstd"])


def test_blocks_that_are_views():
    values = np.asfortranarray(noise((1, 6, 6, 4)))[..., ::-1][..., :3]
    check(values, (1, 4, 4, 3), compressors=CODECS["zstd"])


def test_the_checksum_is_the_one_of_that_name():
    assert checksum(b"123456789") == 0xE3069283  # the check value of CRC-32C (Castagnoli)
