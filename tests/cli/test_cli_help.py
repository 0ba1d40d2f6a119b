"""The command line as one meets it first: help, examples, completion, and words for numbers."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import click
import pytest

import atldld_xr
from atldld_xr.cli import cli
from atldld_xr.cli.export import tell_written
from atldld_xr.export import ExportReport
from atldld_xr.messages.text import format_bytes, format_count
from commandline import run
from kills import SMALL


def commands(group=cli, path="atldld-xr"):
    """Yield every command under its full name, groups too."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{path} {name}")


EVERY = dict(commands())
PLAIN = {name: c for name, c in EVERY.items() if not isinstance(c, click.Group)}


def help_of(name):
    return run(*name.split()[1:], "--help").stdout


@pytest.mark.parametrize("line", ["", "--debug", "cache"])
def test_a_group_alone_prints_its_help(line):
    words = line.split()
    asked = [word for word in words if not word.startswith("-")]
    assert run(*words).stdout == run(*asked, "--help").stdout


def examples_of(name):
    shown = help_of(name).rpartition("Examples:\n")[2]
    return [line.strip() for line in shown.splitlines() if line.strip().startswith("atldld-xr ")]


@pytest.mark.parametrize("name", PLAIN)
def test_every_command_has_examples_that_are_lines_of_it(name):
    found = examples_of(name)
    assert any(line.startswith(name) for line in found)
    for line in found:
        context = cli.make_context("atldld-xr", shlex.split(line)[1:])
        command, rest = cli, [*context._protected_args, *context.args]
        while isinstance(command, click.Group):
            _, command, rest = command.resolve_command(context, rest)
            context = command.make_context(command.name, rest, parent=context)
        assert not isinstance(command, click.Group), line


@pytest.mark.parametrize("name", [name for name, c in EVERY.items() if isinstance(c, click.Group)])
def test_what_commands_do_is_told_whole_in_their_list(name):
    listed = help_of(name).partition("Commands:\n")[2].partition("\n\n")[0]
    assert len(listed.splitlines()) == len(EVERY[name].commands)
    assert "..." not in listed
    assert all(line.endswith(".") for line in listed.splitlines())


@pytest.mark.parametrize("name", EVERY)
def test_help_is_in_plain_words(name):
    text = help_of(name)
    assert all(line == line.rstrip() or not line.strip() for line in text.splitlines())
    assert not re.search(r"\('|None|Sentinel|``", text)


def test_a_question_of_what_was_meant_ends_as_one():
    said = run("inf", code=2).stderr
    assert said.endswith("No such command 'inf'. Did you mean 'info'? See atldld-xr --help\n")
    said = run("preview", "phantom", "a.gif", code=2).stderr
    assert "has to end with .png, .svg or .pdf; see" in said


def complete(instruction, **environment):
    script = "import sys; from atldld_xr.cli import main\nsys.argv[1:] = []\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"_ATLDLD_XR_COMPLETE": instruction} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_script(shell):
    text = complete(f"{shell}_source")
    assert "atldld-xr" in text
    assert f"_ATLDLD_XR_COMPLETE={shell}_complete" in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("atldld-xr st", ["plain,status", "plain,structures"]),
        ("atldld-xr cache t", ["plain,trim"]),
        ("atldld-xr info --interp", ["plain,--interpolation"]),
        ("atldld-xr export 5 --on-error f", ["plain,fill"]),
        ("atldld-xr status out", ["file,out"]),
        ("atldld-xr info 5 --source mir", ["file,mir"]),
    ],
)
def test_what_is_completed(line, expected):
    # As bash asks, but in this process.
    from click.shell_completion import BashComplete

    class Asked(BashComplete):
        def get_completion_args(self):
            *before, incomplete = line.split()[1:]
            return before, incomplete

    assert Asked(cli, {}, "atldld-xr", "_ATLDLD_XR_COMPLETE").complete().splitlines() == expected


# Numbers in words


def test_counts_and_sizes():
    assert format_count(1, "file") == "1 file"
    assert [format_count(n, "file") for n in (0, 2, 1200)] == ["0 files", "2 files", "1,200 files"]
    assert format_count(2, "axis", "axes") == "2 axes"
    assert [format_bytes(n) for n in (0, 1, 2)] == ["0 bytes", "1 byte", "2 bytes"]
    assert format_bytes(1_500_000_000_000) == "1.5 TB"


def test_one_of_a_kind_is_told_as_one(server, tmp_path, capsys):
    options = {"source": server.url, "resolution": 400}
    atldld_xr.open_dataset(SMALL.id, **options)
    assert run("cache", "clear").stdout.startswith("1 file removed, ")
    one = atldld_xr.open_dataset(SMALL.id, **options)[["coverage"]].isel(coronal=[0])
    one.atldld.to_zarr(tmp_path / "a.zarr")
    assert "1 of 1 chunk\n" in run("status", tmp_path / "a.zarr").stdout
    assert ": 1 chunk of " in run("verify", tmp_path / "a.zarr").stdout
    assert "is as it was written" in run("verify", tmp_path / "a.zarr").stdout
    (chunk,) = (path for path in (tmp_path / "a.zarr").glob("coverage/c/**/*") if path.is_file())
    chunk.unlink()
    with pytest.raises(SystemExit):
        cli.main(["verify", str(tmp_path / "a.zarr")], prog_name="atldld-xr")
    assert "error: 1 file of " in (said := capsys.readouterr().err)
    assert " is not as it should be; " in said


def test_reports_of_one(capsys):
    tell_written(ExportReport(url="a", blocks=1, skipped=1, nbytes=1, failures=()))
    assert capsys.readouterr().out == "a: 1 chunk written (1 more was there), 1 byte in all\n"


@pytest.mark.parametrize(("limit", "kept"), [("2GB", 1), ("0", 0), (10, 0)])
def test_trim_takes_sizes_as_the_setting_does(server, limit, kept):
    atldld_xr.open_dataset(SMALL.id, source=server.url)
    run("cache", "trim", "--limit", limit)
    assert len(atldld_xr.open_cache().entries()) == kept
    for wrong in ("10 apples", "-5", ""):
        said = run("cache", "trim", f"--limit={wrong}", code=2).stderr
        assert "is no number of bytes such as 500MB or 10GB" in said
