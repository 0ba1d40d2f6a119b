"""Signals: each ends the command line in one line, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from atldld_xr import cli
from atldld_xr.cli.signals import ENDING, Interrupted, heeded, held
from atldld_xr.files import ending
from atldld_xr.testing import AllenServer, Faults
from commandline import COARSE, IMAGE, OTHER, SMALL, tree

GOES_ON = "; the same command goes on where it ended"
SAYS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "ended by SIGTERM",
    signal.SIGHUP: "ended by SIGHUP",
}
_LONG = 120  # seconds, on a machine that has more to do


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + _LONG
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Program:
    """The command line, as the leader of a process group of its own."""

    def __init__(self, folder: Path, *args: Any, prefix: tuple[str, ...] = ()) -> None:
        (folder / "tmp").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "atldld_xr", *map(str, args)],
            env=os.environ | {"ATLDLD_XR_CACHE__ENABLED": "False", "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def send(self, number: int, *, to_all: bool = False) -> None:
        """Send a signal to it, or also to all that it has begun, as terminals do."""
        (os.killpg if to_all else os.kill)(self.process.pid, number)

    def end(self) -> tuple[int, str, str]:
        """Return its exit code and what it said, when nothing that it has begun is left."""
        try:
            told, said = self.process.communicate(timeout=_LONG)
            wait_until(lambda: not is_alive(self.process.pid))
        finally:
            if is_alive(self.process.pid):
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.returncode, told, said


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def slow() -> Iterator[AllenServer]:
    """Serve two small data sets, their images only after a time longer than tests may take."""
    with AllenServer(phantoms=[SMALL, OTHER]) as server:
        server.faults = Faults(rate=1, kinds=("slow",), delay=600)
        yield server


@contextmanager
def silent() -> Iterator[tuple[str, Callable[[], None]]]:
    """Give an address that takes connections and says nothing, and what waits for the first."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.settimeout(_LONG)

        def wait() -> None:
            stack.enter_context(listening.accept()[0])

        yield f"http://127.0.0.1:{listening.getsockname()[1]}", wait


EXPORTS = {
    "one": ([SMALL.id], "a.zarr", []),
    "several": ([SMALL.id, OTHER.id], "{id}.ome.zarr", []),
    "one on workers": ([SMALL.id], "a.zarr", ["--workers", 2]),
    "several on workers": ([SMALL.id, OTHER.id], "{id}.zarr", ["--workers", 2]),
}


@pytest.mark.parametrize(
    ("ids", "number", "to_all"),
    [
        ("one", signal.SIGTERM, False),
        ("several", signal.SIGINT, True),
        ("one on workers", signal.SIGTERM, False),
        ("several on workers", signal.SIGHUP, True),
    ],
)
def test_an_export_leaves_nothing(
    slow: AllenServer, tmp_path: Path, ids: str, number: signal.Signals, to_all: bool
) -> None:
    datasets, name, flags = EXPORTS[ids]
    out = tmp_path / "out"
    program = Program(
        tmp_path, "export", *datasets, out / name, "--source", slow.url, *COARSE, *flags
    )
    of_each = len(datasets) if flags else 1
    wait_until(lambda: slow.most_at_once >= of_each)
    program.send(number, to_all=to_all)
    says = SAYS[number] + GOES_ON
    assert program.end() == (128 + number, "", f"atldld-xr: error: {says}\n")
    left = [path for path in tree(out) if "lease" in path or "part" in path or "new" in path]
    assert left == []
    assert tree(tmp_path / "tmp") == {}


@pytest.mark.parametrize(
    ("command", "number", "goes_on"),
    [
        (["preview", 5, "OUT/a.png", "--source", "{}/api/v2"], signal.SIGTERM, ""),
        (["image", IMAGE.id, "OUT/a.png", "--source", "{}/api/v2"], signal.SIGHUP, ""),
        (["mirror", 5, "OUT/m", "--source", "{}/api/v2"], signal.SIGHUP, GOES_ON),
        (["verify", "{}/a.zarr"], signal.SIGTERM, ""),
    ],
    ids=lambda v: v[0] if isinstance(v, list) else "",
)
def test_every_command(
    tmp_path: Path, command: list[Any], number: signal.Signals, goes_on: str
) -> None:
    with silent() as (url, wait):
        line = (str(arg).replace("OUT", str(tmp_path)).replace("{}", url) for arg in command)
        program = Program(tmp_path, *line)
        wait()
        program.send(number)
        code, told, said = program.end()
    assert (code, told, said) == (128 + number, "", f"atldld-xr: error: {SAYS[number]}{goes_on}\n")
    assert tree(tmp_path) == {str(tmp_path / "tmp"): None}


def test_what_nohup_ignores_stays_ignored_and_a_signal_that_comes_twice_at_once_is_one(
    tmp_path: Path,
) -> None:
    """`timeout` and wrappers send it so: to the process and to its group."""
    with silent() as (url, wait):
        line = ("export", 5, tmp_path / "a.nrrd", "--source", f"{url}/api/v2")
        program = Program(tmp_path, *line, prefix=("nohup",))
        wait()
        program.send(signal.SIGHUP)
        program.send(signal.SIGTERM)
        program.send(signal.SIGTERM, to_all=True)
        code, _, said = program.end()
    assert code == 143
    assert said.endswith("atldld-xr: error: ended by SIGTERM\n")


def test_a_second_signal_ends_it_at_once() -> None:
    code = (
        "import time\n"
        "from atldld_xr.cli.signals import heeded\n"
        "with heeded():\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(600)\n"
        "    finally:\n"
        "        print('clearing up', flush=True)\n"
        "        time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"clearing up\n"
        while process.poll() is None:  # those that come too soon are taken for the first
            process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        assert (process.returncode, process.stdout.read()) == (129, b"")


def test_handlers_are_the_programs_own_and_for_as_long_as_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def handlers() -> list[Any]:
        return [signal.getsignal(number) for number in ENDING]

    before = handlers()
    seen = []
    callback = cli.cli.callback
    monkeypatch.setattr(cli.cli, "callback", lambda **given: seen.append(handlers()))
    monkeypatch.setattr(sys, "argv", ["atldld-xr", "info", "no such"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert callback is not None
    assert handlers() == before != seen[0]

    def elsewhere() -> None:
        with pytest.raises(SystemExit, match="2"):
            cli.main()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen[1] == before == handlers()
    assert "names no section data set" in capsys.readouterr().err


def test_a_signal_raises_once_and_is_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, heeded():
        signal.raise_signal(signal.SIGTERM)
    assert isinstance(caught.value, Interrupted)
    assert caught.value.number == signal.SIGTERM


def test_signals_wait_until_they_are_no_longer_held() -> None:
    begun = []

    def begin() -> None:
        with held():
            signal.raise_signal(signal.SIGHUP)
            script = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
            begun.append(subprocess.check_output([sys.executable, "-c", script], text=True))

    with pytest.raises(Interrupted), heeded():
        begin()
    for number in ENDING:
        assert number.name in begun[0]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(ENDING)


def test_help_tells_the_exit_codes() -> None:
    told = cli.cli.epilog or ""
    for number in ENDING:
        assert str(128 + number) in told


# What is under way in threads


@pytest.fixture
def anew() -> Iterator[None]:
    """Undo that this process has finished."""
    yield
    ending._start_anew()


@pytest.mark.usefixtures("anew")
def test_what_is_being_written_is_finished_and_no_more_is_begun() -> None:
    going, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    @ending.whole_write()
    def write(name: str) -> None:
        going.set()
        go_on.wait(_LONG)
        done.append(name)

    writer = threading.Thread(target=write, args=("first",))
    writer.start()
    going.wait(_LONG)
    finishing = threading.Thread(target=ending.finish)
    finishing.start()
    wait_until(lambda: ending._writes.closed)
    late = threading.Thread(target=write, args=("late",), daemon=True)
    late.start()
    assert finishing.is_alive()
    go_on.set()
    finishing.join()
    writer.join()
    assert done == ["first"]
    assert late.is_alive()


@pytest.mark.usefixtures("anew")
def test_what_is_held_is_given_back_by_its_work_or_all() -> None:
    back: list[str] = []

    def fail() -> None:
        raise OSError("the disk is gone")

    with (
        ending.given_back(fail),
        ending.work_named("mine"),
        ending.given_back(lambda: back.append("mine")),
        ending.work_named("theirs"),
        ending.given_back(lambda: back.append("theirs")),
    ):
        with ending.given_back(lambda: back.append("what has ended")):
            pass
        ending.give_back("nobody's")
        assert back == []
        ending.give_back("mine")
        assert back == ["mine"]
        ending.finish()
        assert back == ["mine", "theirs"]
    ending.give_back()
    assert back == ["mine", "theirs"]
