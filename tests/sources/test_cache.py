"""The cache: shared, bounded, never half a file, and never a deletion of what it did not write."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import signal
import time
from pathlib import Path

import pytest

from atldld_xr.errors import CacheError, InvalidArgumentError
from atldld_xr.settings import config
from atldld_xr.sources import cache as cache_module
from atldld_xr.sources.cache import Cache, default_cache
from commandline import facts, run

KEY = "api.brain-map.org/section_image/69177654/4.jpg"


def key(number: int) -> str:
    return f"host/section_image/{number}/2_512_0_512x376_expression.jpg"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"), 1_000_000)


def files(cache: Cache) -> list[str]:
    root = Path(cache.directory)
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_what_is_put_is_had(cache: Cache) -> None:
    assert cache.get(KEY) is None
    cache.put(KEY, b"old")
    cache.put(KEY, b"new!")
    assert cache.get(KEY) == b"new!"
    assert files(cache) == ["CACHEDIR.TAG", KEY]
    assert [(e.key, e.size) for e in cache.entries()] == [(KEY, 4)]
    assert cache.size() == 4
    cache.discard(KEY)
    cache.discard(KEY)
    assert cache.get(KEY) is None


def test_it_crosses_process_borders(cache: Cache) -> None:
    assert pickle.loads(pickle.dumps(cache)) == cache


@pytest.mark.parametrize(
    "bad",
    [
        "../x.jpg",
        "a/../../x.jpg",
        "/etc/x.jpg",
        "a//x.jpg",
        "a/./x.jpg",
        "a/.x.jpg",
        "a\\x.jpg",
        "a/x",
        "a/x.txt",
        "x.jpg",
        "a/x\n.jpg",
        "a/x\0.jpg",
        "",
    ],
)
def test_keys_stay_inside(cache: Cache, bad: str) -> None:
    for act in (cache.get, cache.discard, lambda k: cache.put(k, b"x")):
        with pytest.raises(InvalidArgumentError):
            act(bad)


def test_the_least_recently_used_goes_first(cache: Cache) -> None:
    for number in range(4):
        cache.put(key(number), b"x" * 100)
        os.utime(Path(cache.directory, key(number)), (1000 + number,) * 2)
    cache.get(key(0))
    assert cache.trim(250) == (2, 200)
    assert {e.key for e in cache.entries()} == {key(0), key(3)}


def test_the_limit_holds_at_every_moment(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"), 100_000)
    for number in range(250):
        cache.put(key(number), b"x" * 1000)
        assert cache.size() <= cache.limit
    assert cache.size() > 0.8 * cache.limit
    assert cache.get(key(249)) is not None


def test_the_directory_is_not_scanned_at_each_put(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = []
    monkeypatch.setattr(Cache, "size", lambda self: scans.append(1) or 0)
    for number in range(200):
        cache.put(key(number), b"x" * 1000)
    assert 8 <= len(scans) <= 11  # 200 kB written, in steps of 2 % of 1 MB


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"), 10)
    cache.put(KEY, b"x" * 11)
    assert cache.get(KEY) is None


def test_clear_removes_what_it_wrote_and_nothing_else(cache: Cache) -> None:
    cache.put(KEY, b"xyz")
    cache.put(key(1), b"x")
    mine = Path(cache.directory, "host", "notes.txt")
    mine.write_text("mine")
    beside = Path(cache.directory, "photo.jpg")
    beside.write_text("mine")
    assert cache.clear() == (2, 4)
    assert files(cache) == ["CACHEDIR.TAG", "host/notes.txt", "photo.jpg"]
    assert not Path(cache.directory, "api.brain-map.org").exists()
    cache.put(KEY, b"xyz")
    assert cache.get(KEY) == b"xyz"


def test_clear_of_a_cache_that_never_was(cache: Cache) -> None:
    assert cache.clear() == (0, 0)
    assert not Path(cache.directory).exists()


@pytest.mark.parametrize("tag", [None, "Signature: 8a477f597d28d172789f06886806bc55\n# of pip\n"])
def test_other_peoples_directories_are_left_alone(tmp_path: Path, tag: str | None) -> None:
    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / "holiday.jpg"
    photo.write_bytes(b"dear")
    if tag:
        (tmp_path / "CACHEDIR.TAG").write_text(tag)
    before = sorted(tmp_path.rglob("*"))
    cache = Cache(str(tmp_path), 1)
    with pytest.raises(CacheError, match="not atldld_xr's"):
        cache.put(KEY, b"x")
    with pytest.raises(CacheError, match="nothing in it was removed"):
        cache.clear()
    assert cache.trim() == (0, 0)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_deleted_directory_is_made_again(cache: Cache) -> None:
    import shutil

    cache.put(KEY, b"x")
    shutil.rmtree(cache.directory)
    assert cache.get(KEY) is None
    cache.put(KEY, b"y")
    assert files(cache) == ["CACHEDIR.TAG", KEY]


@pytest.mark.parametrize("place", ["file", "file/sub/sub", "/proc/nothing/here"])
def test_a_directory_that_cannot_be_used_is_named_with_advice(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    directory = str(tmp_path / place)
    with config.set({"cache.directory": directory, "cache.enabled": True}):
        with pytest.raises(CacheError) as caught:
            default_cache()
        with config.set({"cache.enabled": False}):
            assert default_cache() is None
    for part in (directory, "cache.directory", "ATLDLD_XR_CACHE__DIRECTORY", "cache.enabled=False"):
        assert part in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_settings_say_where_and_how_much(tmp_path: Path) -> None:
    settings = {"cache.directory": str(tmp_path / "here"), "cache.limit": 5, "cache.enabled": True}
    with config.set(settings):
        assert default_cache() == Cache(str(tmp_path / "here"), 5)


def test_what_cannot_be_read_is_absent(cache: Cache) -> None:
    cache.put(KEY, b"x")
    path = Path(cache.directory, KEY)
    path.unlink()
    path.mkdir()
    assert cache.get(KEY) is None
    cache.put(KEY, b"y")
    assert cache.get(KEY) == b"y"


def test_a_directory_in_the_way_is_removed_only_if_empty(cache: Cache) -> None:
    mine = Path(cache.directory, KEY, "mine.txt")
    cache.ensure()
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert cache.get(KEY) is None
    with pytest.raises(CacheError, match="cannot be written"):
        cache.put(KEY, b"y")
    assert mine.read_text() == "mine"


def test_a_file_in_the_way_of_a_folder_is_told_and_kept(cache: Cache) -> None:
    cache.ensure()
    mine = Path(cache.directory, KEY.split("/")[0])
    mine.write_text("mine")
    with pytest.raises(CacheError, match="cannot be written: Not a directory"):
        cache.put(KEY, b"y")
    assert files(cache) == ["CACHEDIR.TAG", mine.name]
    assert mine.read_text() == "mine"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with config.set({"cache.directory": str(tmp_path / "new")}):
        assert facts("cache", "info")["files"] == 0
        assert facts("cache", "list") == []
        assert facts("cache", "clear")["removed_files"] == 0
        assert facts("cache", "trim")["removed_files"] == 0
    assert not list(tmp_path.iterdir())


def test_looking_at_what_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"dear")
    with config.set({"cache.directory": str(tmp_path)}):
        for command in ("info", "list", "trim", "clear"):
            assert "not atldld_xr's" in run("cache", command, code=1).stderr
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("off", [False, "false", "0", "no"])
def test_a_cache_that_is_off_can_be_cleared(tmp_path: Path, off: object) -> None:
    with config.set({"cache.directory": str(tmp_path / "here")}):
        cache = default_cache()
        assert cache is not None
        cache.put(KEY, b"xyz")
        with config.set({"cache.enabled": off}):
            assert default_cache() is None
            assert "is off" in run("cache", "info", code=1).stderr
            assert facts("cache", "clear") == {"removed_files": 1, "removed_bytes": 3}
    assert files(cache) == ["CACHEDIR.TAG"]


@pytest.fixture
def small_files() -> object:
    """The kernel refuses files beyond 4 kB: a real error amid a write, as a full disk gives."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_fails_leaves_nothing(cache: Cache, small_files: object) -> None:
    cache.put(KEY, b"x" * 4000)
    with pytest.raises(CacheError, match=r"cannot be written: File too large; .*cache\.directory"):
        cache.put(KEY, b"y" * 5000)
    assert cache.get(KEY) == b"x" * 4000
    assert files(cache) == ["CACHEDIR.TAG", KEY]


def test_a_full_disk_is_told_with_advice(tmp_path: Path) -> None:
    # A file system of 64 kB where one may be mounted; elsewhere there is no honest full disk.
    import subprocess

    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here, so none can be filled")
    try:
        cache = Cache(str(tmp_path / "cache"), 1_000_000)

        def fill() -> None:
            for number in range(100):
                cache.put(key(number), bytes([number]) * 10_000)

        with pytest.raises(CacheError, match=r"No space left on device; .*cache\.limit"):
            fill()
        assert all(cache.get(e.key) == bytes([n]) * 10_000 for n, e in _numbered(cache))
        assert not [name for name in files(cache) if name.endswith(".tmp")]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def _numbered(cache: Cache) -> list[tuple[int, cache_module.Entry]]:
    return [(int(e.key.split("/")[2]), e) for e in cache.entries()]


def _body(number: int) -> bytes:
    return bytes([number % 251]) * (500 + number)


def _hammer(cache: Cache, worker: int, bad: object) -> None:
    for step in range(300):
        number = (step * 7 + worker * 13) % 60
        kept = cache.get(key(number))
        if kept is not None and kept != _body(number):
            bad.value += 1
        cache.put(key(number), _body(number))
        if step % 50 == 49:
            cache.clear() if worker == 0 else cache.trim()


def test_many_processes_share_one_cache(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "new" / "cache"), 20_000)
    context = multiprocessing.get_context("spawn")
    bad = context.Value("i", 0)
    workers = [context.Process(target=_hammer, args=(cache, n, bad)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
        worker.close()
    assert bad.value == 0
    assert cache.size() <= cache.limit
    assert all(cache.get(e.key) == _body(n) for n, e in _numbered(cache))
    assert not [name for name in files(cache) if name.endswith(".tmp")]


def _write_forever(cache: Cache) -> None:
    while True:
        cache.put(KEY, os.urandom(1) * 3_000_000)


def test_a_killed_writer_leaves_no_bad_entry(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path), 10**9)
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        writer = context.Process(target=_write_forever, args=(cache,))
        writer.start()
        while cache.get(KEY) is None:
            time.sleep(0.01)
        time.sleep(0.05)
        writer.kill()
        writer.join()
        writer.close()
        kept = cache.get(KEY)
        assert kept is not None
        assert kept == kept[:1] * 3_000_000


def test_what_the_dead_left_is_removed_after_an_hour(cache: Cache) -> None:
    cache.put(KEY, b"x")
    folder = Path(cache.directory, KEY).parent
    for name, age in ((".atldld-1-a.tmp", 4000), (".atldld-2-b.tmp", 100), (".theirs.tmp", 9999)):
        (folder / name).write_bytes(b"part")
        os.utime(folder / name, (time.time() - age,) * 2)
    cache.trim()
    left = {p.name for p in folder.iterdir()}
    assert left == {".atldld-2-b.tmp", ".theirs.tmp", "4.jpg"}
