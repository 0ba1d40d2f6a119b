"""Stores on web servers, looked at: whatever these say of folders, and of what is not there."""

from __future__ import annotations

import shutil
import ssl
import tracemalloc

import pytest

import atldld_xr
from atldld_xr.errors import SectionImageError
from atldld_xr.export import status, verify
from damage import LARGE, one_line, refused
from loopback import unused_port, web_server, write_certificate
from noise import DATASET_ID, FIRST_IMAGE_ID, NoiseSource

pytest.importorskip("aiohttp")
BAD = ((FIRST_IMAGE_ID + 1, 0, 0),)
PLAN = "atldld_xr_export/plan.json"


def noise(**options):
    options = {"source": NoiseSource(bad=BAD), "on_error": "fill", "resolution": 50} | options
    return atldld_xr.open_dataset(DATASET_ID, chunks={"y": 100, "x": 120}, **options)


def unfinished(path):
    with pytest.raises(SectionImageError):
        noise(on_error="raise").atldld.to_zarr(path)


KINDS = {
    "zarr": lambda path: noise().atldld.to_zarr(path),
    "0.5": lambda path: noise().atldld.to_ome_zarr(path, ome_version="0.5"),
    "0.4": lambda path: noise().atldld.to_ome_zarr(path, ome_version="0.4"),
    "unfinished": unfinished,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    with atldld_xr.config.set({"cache.enabled": False}):
        for name, make in KINDS.items():
            make(folder / name)
    return folder


def is_folder(path):
    return path.endswith("/")


class Only:
    """Answers for files that there are, and says of all others that they are forbidden."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, path):
        return None if (self.folder / path.lstrip("/")).is_file() else 403


SERVERS = {
    "lists": lambda folder: {"lists": True},
    "forbids folders": lambda folder: {},
    "knows no folders": lambda folder: {"answers": lambda p: 404 if is_folder(p) else None},
    "has a page for all": lambda folder: {
        "answers": lambda p: b'<a href="news">all is well</a>' if is_folder(p) else None
    },
    "forbids what is not there": lambda folder: {"answers": Only(folder)},
}


def keys(found):
    """Return the files that a verification names."""
    return sorted(problem.split(" ")[0] for problem in found.problems)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["zarr", "0.5", "0.4"])
def test_the_same_as_on_a_disk(made, kind, server):
    here, whole = status(made / kind), verify(made / kind)
    assert (here.state, whole.problems) == ("complete", ())
    with web_server(made, **SERVERS[server](made)) as (address, _):
        there, found = status(f"{address}/{kind}"), verify(f"{address}/{kind}")
    assert (there.state, there.written, there.failures) == (here.state, here.written, here.failures)
    assert (found.chunks, found.nbytes, found.problems) == (whole.chunks, whole.nbytes, ())


def test_over_tls(made, tmp_path):
    certificate = tmp_path / "certificate.pem"
    write_certificate(certificate)
    options = {"ssl": ssl.create_default_context(cafile=str(certificate))}
    with web_server(made, certificate, lists=True) as (address, _):
        assert status(f"{address}/zarr", storage_options=options).state == "complete"
        assert verify(f"{address}/zarr", storage_options=options).problems == ()
        assert "certificate" in refused(lambda: status(f"{address}/zarr"))


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damaged(folder):
    """Damage a store in many places, and return the files that are to be named, and the strays."""
    chunks = sorted(p for p in (folder / "image").rglob("*") if p.is_file() and "/c/" in str(p))
    flipped(chunks[0])
    chunks[1].unlink()
    with open(chunks[2], "ab") as file:
        file.write(b"more")
    chunks[3].write_bytes(b"")
    flipped(folder / "section_image_id" / "c" / "0")
    (folder / "mine.txt").write_text("a note")
    (folder / "image" / "c" / "9").mkdir()
    (folder / "image" / "c" / "9" / "a b?#%41").write_text("another")
    named = [str(p.relative_to(folder)) for p in chunks[:4]] + ["section_image_id/c/0"]
    return named, ["image/c/9/a", "mine.txt"]


@pytest.mark.parametrize("server", SERVERS)
def test_damage_is_found(made, tmp_path, server):
    shutil.copytree(made / "zarr", tmp_path / "a.zarr")
    named, strays = damaged(tmp_path / "a.zarr")
    assert keys(verify(tmp_path / "a.zarr")) == sorted(named + strays)
    if server == "forbids what is not there":
        (tmp_path / "a.zarr" / named[1]).write_text("")  # else it cannot be told from a refusal
    with web_server(tmp_path, **SERVERS[server](tmp_path)) as (address, _):
        found = verify(f"{address}/a.zarr")
    assert keys(found) == sorted(named)  # what nobody wrote is not found there


def test_what_is_unfinished(made):
    assert status(made / "unfinished").state == "interrupted"
    with web_server(made, lists=True) as (address, _):
        for look in (status, verify):
            said = refused(lambda look=look: look(f"{address}/unfinished"))
            assert "is unfinished and on a web server" in said


@pytest.mark.parametrize("answer", [401, 403, 429, 500, 503])
@pytest.mark.parametrize("what", [PLAN, "zarr.json", "atldld_xr_export/ledger.jsonl", "image/c/0"])
def test_a_server_that_refuses_is_not_one_that_has_nothing(made, what, answer):
    with web_server(made, answers=lambda p: answer if what in p else None) as (address, _):
        said = refused(lambda: verify(f"{address}/zarr"))
    assert said.startswith(f"{address}/zarr cannot be read: {answer}")


def test_a_server_that_has_nothing_or_is_down(made):
    with web_server(made) as (address, _):
        assert "holds no export" in refused(lambda: status(f"{address}/elsewhere"))
    with unused_port() as port:
        said = refused(lambda: status(f"http://127.0.0.1:{port}/a.zarr"))
    assert f"cannot be read: Connect call failed ('127.0.0.1', {port})" in said


@pytest.mark.parametrize(
    "key", [PLAN, "zarr.json", "atldld_xr_export/ledger.jsonl", "image/c/0/0/0/0"]
)
def test_what_is_large_is_not_taken_in(made, tmp_path, key):
    store = tmp_path / "a.zarr"
    shutil.copytree(made / "zarr", store)
    (store / key).write_bytes(LARGE)
    with web_server(tmp_path, lists=True) as (address, _):
        tracemalloc.start()
        try:
            for look in (status, verify):
                one_line(lambda look=look: look(f"{address}/a.zarr"))
            assert tracemalloc.get_traced_memory()[1] < 45_000_000
        finally:
            tracemalloc.stop()


def test_names_that_mean_something_in_addresses(tmp_path):
    ds = noise()[["image"]].rename({"image": "a b?c#d%41&e"})
    ds.atldld.to_zarr(tmp_path / "a.zarr")
    with web_server(tmp_path, lists=True) as (address, _):
        assert verify(f"{address}/a.zarr").problems == ()
        assert verify(f"{address}/a.zarr").chunks == verify(tmp_path / "a.zarr").chunks > 0
