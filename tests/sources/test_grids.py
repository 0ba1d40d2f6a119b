"""Grids as they come over a socket or from files: what is taken, and what is refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import atldld_xr
from answering import Server, running
from atldld_xr.errors import MetadataError, ServiceError
from atldld_xr.phantom.phantom import CORONAL
from atldld_xr.sources import metaimage
from atldld_xr.sources.grids import file_grids, service_grids
from atldld_xr.sources.phantom import PhantomSource
from atldld_xr.testing import AllenServer, Faults
from atldld_xr.testing.grids import grid_zip, header

SHAPE = (3, 4, 5)
VALUES = np.arange(60, dtype=np.float32).reshape(SHAPE) - 1


def packed(head=None, raw=None, method=zipfile.ZIP_DEFLATED, **more):
    """Return a zip of an energy grid that is good but for what is given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("energy.mhd", header("energy", SHAPE) if head is None else head)
        if raw is not False:
            good = VALUES.transpose(2, 1, 0).tobytes()
            archive.writestr("energy.raw", good if raw is None else raw)
        for name, content in more.items():
            archive.writestr(name, content)
    return out.getvalue()


def changed(name, value):
    """Return the header with another value of a field."""
    lines = [line for line in header("energy", SHAPE).splitlines() if not line.startswith(name)]
    return "\n".join([*lines, f"{name} = {value}"]) + "\n"


def many_entries():
    """Return a zip that announces 300 000 files, and has none."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 16)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(entry) * 300_000, 0, 0)
    return entry * 300_000 + end


HOSTILE = {
    "nothing": b"",
    "a page": b"<html>an error has occurred</html>",
    "no end": packed()[:-30],
    "no header": grid_zip({"density": VALUES}),
    "no values": packed(raw=False),
    "half of the values": packed(raw=VALUES.tobytes()[:100]),
    "a value more": packed(raw=VALUES.tobytes() + b"\0\0\0\0"),
    "a bomb": packed(raw=bytes(400_000_000)),
    "a bomb of a header": packed(head="a" * 100_000_000),
    "packed otherwise": packed(method=zipfile.ZIP_BZIP2),
    "damaged": packed(method=zipfile.ZIP_STORED).replace(b"\x80?\0\0", b"\x81?\0\0", 1),
    "many files": many_entries(),
    "too long": bytes(metaimage.MOST_ZIP_BYTES + 1),
    "endless": packed(head=changed("DimSize", "100000 100000 100000")),
    "overflowing": packed(head=changed("DimSize", "1e300 1e300 1e300")),
    "negative": packed(head=changed("DimSize", "-3 -4 5")),
    "no numbers": packed(head=changed("DimSize", "nan inf 5")),
    "fractions": packed(head=changed("DimSize", "3.5 4 5")),
    "two axes": packed(head=changed("NDims", "2")),
    "of doubles": packed(head=changed("ElementType", "MET_DOUBLE")),
    "compressed": packed(head=changed("CompressedData", "True")),
    "turned": packed(head=changed("TransformMatrix", "0 1 0 1 0 0 0 0 1")),
    "no steps": packed(head=changed("ElementSpacing", "0 200 200")),
    "elsewhere": packed(head=changed("ElementDataFile", "../../etc/passwd")),
    "local": packed(head=changed("ElementDataFile", "LOCAL")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_grid_is_refused_in_words_and_in_little_memory(name):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"\w") as caught:
            metaimage.read_zip(HOSTILE[name], ["energy"])
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a bomb", "its values have more bytes, and its header says 240"),
        ("many files", "it is a zip of more than 64 files"),
        ("too long", "announces 16000001 bytes"),
        ("endless", "at most 1,000,000 voxels"),
        ("elsewhere", "names no file beside it"),
    ],
)
def test_over_a_socket_and_from_a_file_it_is_an_error_of_ours(tmp_path, name, reason):
    body = HOSTILE[name]
    server = Server()
    server.answers = [lambda handler: handler.reply(200, body)]
    with (
        running(server),
        atldld_xr.config.set({"http.retries": 1}),
        pytest.raises(ServiceError, match=f"the grid of section data set 5: .*{reason}"),
    ):
        service_grids(server.url, 5, ["energy"], fresh=False, offline=False)
    assert atldld_xr.open_cache().entries() == []
    (tmp_path / "5.zip").write_bytes(body)
    with pytest.raises(MetadataError, match="no grid like Allen's"):
        file_grids({"energy": tmp_path / "5.zip"})


def test_values_lie_along_p_i_r_whatever_their_bytes_order():
    little = metaimage.read_zip(packed())["energy"]
    assert (little.values == VALUES).all()
    assert little.spacing == (200, 200, 200)
    swapped = VALUES.transpose(2, 1, 0).astype(">f4").tobytes()
    big = metaimage.read_zip(packed(changed("BinaryDataByteOrderMSB", "True"), swapped))
    assert (big["energy"].values == VALUES).all()
    assert big["energy"].values.dtype == np.float32


def test_a_grid_comes_whole_by_one_request_that_the_cache_keeps(server_of_grids):
    own = PhantomSource().grids(CORONAL.id, metaimage.VARIABLES)
    opened = atldld_xr.open_grid(CORONAL.id, source=server_of_grids.url)
    assert list(opened) == list(metaimage.VARIABLES)
    for name, grid in own.items():
        assert (opened[name].fillna(-1).values == grid.values).all()
    asked = [request.path for request in server_of_grids.log]
    assert len(asked) == 2
    assert asked[1] == f"/grid_data/download/{CORONAL.id}"
    again = atldld_xr.open_grid(CORONAL.id, source=server_of_grids.url, offline=True)
    assert again.identical(opened)
    assert len(server_of_grids.log) == 2
    atldld_xr.open_grid(CORONAL.id, source=server_of_grids.url, refresh=True)
    assert len(server_of_grids.log) == 4


@pytest.mark.parametrize("kind", ["503", "reset", "truncated", "html", "corrupt", "short"])
def test_a_third_of_requests_failing_changes_nothing(server_of_grids, kind):
    expected = atldld_xr.open_grid("phantom")
    server_of_grids.faults = Faults(first=2, kinds=(kind,), metadata=True)
    opened = atldld_xr.open_grid(CORONAL.id, source=server_of_grids.url)
    assert {request.fault for request in server_of_grids.log} == {kind, None}
    assert opened.drop_attrs().identical(expected.drop_attrs())


@pytest.fixture
def server_of_grids():
    with AllenServer() as server:
        yield server
