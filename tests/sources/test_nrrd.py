"""Label volumes from NRRD files: the header, and values in bounds; and as they are kept."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import nrrd
import numpy as np
import pytest

from atldld_xr.sources.nrrd import MOST_HEADER_BYTES, parse_nrrd_header, read_slabs
from atldld_xr.sources.packed_labels import BLOCK, pack_labels, parse_packed

SHAPE = (132, 80, 114)  # of 100 um


def some_labels(dtype=np.uint32, seed=3):
    random = np.random.default_rng(seed)
    coarse = random.choice([0, 0, 7, 120, 99], (33, 20, 29)).astype(dtype)
    out = coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2)[:, :, :114]
    out[5, 6, 7] = np.iinfo(np.int16).max
    return out


def header(**more):
    fields = {
        "type": "uint32",
        "dimension": "3",
        "sizes": "132 80 114",
        "space directions": "(100,0,0) (0,100,0) (0,0,100)",
        "endian": "little",
        "encoding": "raw",
        **{name.replace("_", " "): value for name, value in more.items()},
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return ("\n".join(["NRRD0004", "# by hand", *lines]) + "\n\n").encode()


def unpack(content):
    parsed = parse_nrrd_header(content[:MOST_HEADER_BYTES])
    slabs = read_slabs(io.BytesIO(content), parsed, BLOCK[2])
    return parse_packed(pack_labels(parsed.shape, parsed.spacing, slabs))


def whole(packed):
    return packed.read(tuple(map(range, packed.shape)))


def values(labels):
    return labels.transpose(2, 1, 0).tobytes()


@pytest.mark.parametrize("dtype", ["u2", "u4", "i4", ">u4", "i8", "u8"])
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_what_another_reader_writes(tmp_path, dtype, encoding):
    labels = some_labels(dtype)
    said = {"encoding": encoding, "space directions": np.eye(3) * 100}
    nrrd.write(str(tmp_path / "a.nrrd"), labels, said)
    packed = unpack((tmp_path / "a.nrrd").read_bytes())
    assert (packed.shape, packed.spacing) == (SHAPE, 100.0)
    np.testing.assert_array_equal(whole(packed), labels)
    assert whole(packed).dtype == np.uint32


def test_any_box_is_that_part():
    labels = some_labels()
    packed = unpack(header() + values(labels))
    for box in [(range(60, 70), range(80), range(15, 17)), (range(3, 3), range(2), range(2))]:
        part = tuple(slice(r.start, r.stop) for r in box)
        np.testing.assert_array_equal(packed.read(box), labels[part])


def test_parts_of_gzip_one_after_another_and_millimetres():
    labels = some_labels()
    content = values(labels)
    said = header(encoding="gz", space_directions="(.1,0,0) (0,.1,0) (0,0,.1)")
    packed = unpack(said + gzip.compress(content[:99_999]) + gzip.compress(content[99_999:]))
    np.testing.assert_array_equal(whole(packed), labels)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"type": "float"}, "whole numbers"),
        ({"type": None}, "whole numbers"),
        ({"dimension": "4"}, "dimensions"),
        ({"sizes": "114 80 132"}, "132 x 80 x 114"),
        ({"sizes": "132 80"}, "three numbers"),
        ({"sizes": "999999 999999 999999"}, "voxels of 100 um"),
        ({"sizes": "-132 80 114"}, "three numbers"),
        ({"space_directions": "(100,0,0) (0,100,0) (0,0,50)"}, "cubes"),
        ({"space_directions": "(0,100,0) (100,0,0) (0,0,100)"}, "along"),
        ({"space_directions": "(-100,0,0) (0,100,0) (0,0,100)"}, "cubes"),
        ({"space_directions": "none"}, "three vectors"),
        ({"space_directions": "(nan,0,0) (0,nan,0) (0,0,nan)"}, "along|cubes"),
        ({"space_directions": "(1e-9,0,0) (0,1e-9,0) (0,0,1e-9)"}, "cubes"),
        ({"space_directions": None}, "cubes"),
        ({"encoding": "bzip2"}, "encoding"),
        ({"endian": "middle"}, "endian"),
        ({"data_file": "/etc/passwd"}, "another file"),
        ({"byte_skip": "-1"}, "skips"),
    ],
)
def test_a_header_that_cannot_be_is_told(changed, told):
    with pytest.raises(ValueError, match=told) as caught:
        parse_nrrd_header(header(**changed))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("content", [b"", b"NRRD", b"<html>", b"NRRD0004\n" + b"a: b\n" * 9999])
def test_what_is_no_nrrd_is_told(content):
    with pytest.raises(ValueError, match=r"no NRRD|does not end"):
        parse_nrrd_header(content)


def test_what_is_cut_short_too_long_or_damaged_is_told():
    content = values(some_labels())
    packed = gzip.compress(content)
    raw, said = header(), header(encoding="gzip")
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 0xFF
    with pytest.raises(ValueError, match="cut short"):
        unpack(raw + content[:-1])
    with pytest.raises(ValueError, match="goes on"):
        unpack(raw + content + b"\0")
    with pytest.raises(ValueError, match=r"damaged|cut short|goes on"):
        unpack(said + bytes(spoilt))
    with pytest.raises(ValueError, match="goes on"):
        unpack(said + gzip.compress(content + b"\0"))
    for cut in (1, 8, 9, len(packed) // 2, len(packed)):
        with pytest.raises(ValueError, match="cut short"):
            unpack(said + packed[:-cut])
    with pytest.raises(ValueError, match="damaged"):
        unpack(said + packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:])
    with pytest.raises(ValueError, match="label -5"):
        unpack(header(type="int32") + values(np.full(SHAPE, -5, np.int32)))


def test_a_bomb_takes_no_more_memory_than_a_volume():
    bomb = header(encoding="gzip") + gzip.compress(bytes(300_000_000), 9)
    tracemalloc.start()
    with pytest.raises(ValueError, match="goes on"):
        unpack(bomb)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_what_is_kept_is_known_to_be_whole():
    labels = some_labels()
    slabs = (labels.transpose(2, 1, 0)[k : k + BLOCK[2]] for k in range(0, 114, BLOCK[2]))
    content = pack_labels(SHAPE, 100.0, slabs)
    np.testing.assert_array_equal(whole(parse_packed(content)), labels)
    for spoilt in (b"", content[:-1], content[:40], content[:99] + b"?" + content[100:]):
        with pytest.raises(ValueError, match="packed labels"):
            parse_packed(spoilt)
