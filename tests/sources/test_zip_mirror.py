"""Mirrors in a zip: the same bits as the folder, by ranges alone, and nothing of a bomb."""

from __future__ import annotations

import functools
import pickle
import shutil
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atldld_xr
from atldld_xr.errors import DatasetNotFoundError, SectionImageError, StoreError
from atldld_xr.files.storage_options import StorageOptionsRef
from atldld_xr.files.zip_files import ZipFiles
from atldld_xr.phantom.phantom import Phantom
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.phantom import PhantomSource
from slides import logged_s3

SMALL = Phantom(id=900_000_008, resolution=16.0, count=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("folder") / "mirror"
    source = PhantomSource((SMALL,))
    atldld_xr.mirror(SMALL.id, path=path, source=source, tiers=[1, 2], views=["image", "intensity"])
    return path


def zipped(folder: Path, to: Path, method: int = zipfile.ZIP_STORED, top: str = "") -> Path:
    with zipfile.ZipFile(to, "w", method) as out:
        for file in sorted(folder.iterdir()):
            out.write(file, f"{top}{file.name}")
    return to


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    return zipped(folder, tmp_path / "mirror.zip")


def opened(source: Any, **options: Any) -> Any:
    return atldld_xr.open_dataset(
        SMALL.id, source=source, resolution=50, expression="intensity", **options
    ).drop_attrs(deep=False)


@pytest.mark.parametrize("top", ["", "mirror/", "a/b/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_it_opens_to_the_same_bits(folder: Path, tmp_path: Path, method: int, top: str) -> None:
    archive = zipped(folder, tmp_path / "mirror.ZIP", method, top)
    assert opened(str(archive)).load().equals(opened(folder).load())
    assert opened(archive, chunks=None).load().equals(opened(folder).load())


@pytest.mark.parametrize("others", [["__MACOSX/mirror/._mirror.json", "__MACOSX/._mirror"], []])
def test_however_it_was_packed(folder: Path, tmp_path: Path, others: list[str]) -> None:
    """As a Mac packs a folder; and with names as absolute as they are relative."""
    archive = tmp_path / "mirror.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for name in others:
            out.writestr(name, b"of the file's colour")
        for k, file in enumerate(sorted(folder.iterdir())):
            top = "mirror/" if others else ("/mirror/", "mirror/", "./mirror//")[k % 3]
            info = zipfile.ZipInfo(f"{top}{file.name}")
            out.writestr(info, file.read_bytes())
    assert opened(archive).load().equals(opened(folder).load())


def test_it_opens_on_processes(folder: Path, archive: Path, cluster: Any) -> None:
    assert opened(archive).load().equals(opened(folder).load())


def test_it_is_read_by_ranges(folder: Path, archive: Path) -> None:
    with logged_s3() as bucket:
        fsspec.filesystem("s3", **bucket.options).put(str(archive), f"{bucket.url}/mirror.zip")
        source = MirrorSource(f"{bucket.url}/mirror.zip", bucket.options)
        bucket.asked.clear()
        ds = opened(source)
        ds.image[0].load()
        gets = [span for method, _, span in bucket.asked if method == "GET"]
        assert all(gets)
        image = next(folder.glob(f"*{int(ds.section_image_id[0])}_downsample_1.jpg"))
        record = folder / f"section_data_set_{SMALL.id}.json"
        blocks = 3 << 16
        assert bucket.sent(".zip") < image.stat().st_size + record.stat().st_size + blocks
        assert bucket.sent(".zip") < archive.stat().st_size / 2
        assert opened(pickle.loads(pickle.dumps(source))).load().equals(opened(folder).load())


def test_a_web_server_of_whole_files_alone_is_told(archive: Path) -> None:
    plain = functools.partial(SimpleHTTPRequestHandler, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), plain) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        try:
            with pytest.raises(StoreError, match=r"whole files alone, and no parts of them"):
                opened(url)
        finally:
            server.shutdown()


def test_it_is_not_written(archive: Path) -> None:
    before = archive.read_bytes()
    with pytest.raises(StoreError, match=r"can only be read: copy to a folder, and zip that"):
        atldld_xr.mirror(SMALL.id, path=archive, source=PhantomSource((SMALL,)), tiers=[3])
    with pytest.raises(StoreError, match="can only be read"):
        ZipFiles(str(archive), StorageOptionsRef()).put("a", b"")
    assert archive.read_bytes() == before


def test_another_zip_in_its_place_is_seen(folder: Path, archive: Path, tmp_path: Path) -> None:
    opened(archive).image[0].load()
    empty = tmp_path / "empty"
    empty.mkdir()
    zipped(empty, archive)
    with pytest.raises(DatasetNotFoundError, match=f"no section data set {SMALL.id}"):
        opened(archive)
    zipped(folder, archive, zipfile.ZIP_DEFLATED)
    assert opened(archive).load().equals(opened(folder).load())
    archive.unlink()
    with pytest.raises(DatasetNotFoundError):
        opened(MirrorSource(str(archive)))


def test_a_folder_of_such_a_name_is_a_folder(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "folder.zip")
    assert opened(tmp_path / "folder.zip").load().equals(opened(folder).load())


def test_what_is_no_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip at all" * 100)
    with pytest.raises(StoreError, match="is no zip, or a damaged one"):
        opened(tmp_path / "a.zip")


def test_a_bomb_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    """Of 4 GB of zeros no more than a section can have is unpacked, however small they pack."""
    archive = tmp_path / "bomb.zip"
    image = next(folder.glob("*_downsample_1.jpg"))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.iterdir()):
            if file == image:
                with out.open(file.name, "w", force_zip64=True) as member:
                    for _ in range(64):
                        member.write(bytes(1 << 22))
            else:
                out.write(file, file.name)
    ds = opened(archive)
    number = int(image.name.split("_")[2])
    at = ds.section_image_id.values.tolist().index(number)
    with pytest.raises(SectionImageError, match="has more than"):
        ds.image[at].load()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_zip_is_told_or_changes_nothing(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    archive = tmp_path_factory.mktemp("damaged") / "mirror.zip"
    content = bytearray(zipped(folder, archive, zipfile.ZIP_DEFLATED).read_bytes())
    at = data.draw(
        st.integers(0, len(content) - 1) | st.integers(len(content) - 900, len(content) - 1)
    )
    content[at] ^= data.draw(st.integers(1, 255))
    archive.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    files = ZipFiles(str(archive), StorageOptionsRef())
    try:
        for name in files.names():
            found = files.get(name)
            original = folder / name
            assert not original.exists() or found == original.read_bytes()
    except StoreError:
        pass
