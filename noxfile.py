#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.10.14", "uv"]
# ///
"""Tasks: ``nox`` lints and runs the quick tests, ``nox --list`` shows what else there is."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.stop_on_first_error = True

ROOT = Path(__file__).parent
PYTHONS = [f"3.{minor}" for minor in (11, 12, 13)]
LOWEST = PYTHONS[0]
# The peer, beside what it needs: its own requirement of opencv-python would overwrite the headless.
PEER = (["--no-deps", "atldld", "appdirs"], ["scikit-image"])
# What rests on each requirement, in about a minute: parsing, planning, warping, Dask's graph and
# xarray's lazy arrays, JPEG, each format, exports on each runner and into a bucket, and plots.
QUICK = [
    "tests/allen/test_metadata.py",
    "tests/allen/test_transforms.py",
    "tests/arrays/test_executors.py",
    "tests/cli/test_cli_help.py",
    "tests/datasets/test_dataset.py",
    "tests/export/test_export.py",
    "tests/planes/test_placing.py",
    "tests/plots/test_plot.py",
    "tests/plots/test_plot_sections.py",
    "tests/sources/test_jpeg.py",
    "tests/store/test_earlier_stores.py",
    "tests/store/test_encoding.py",
    "tests/volumes/test_volumes.py",
    "tests/warp/test_averages.py",
]


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run tests against this checkout, on two processes."""
    session.run("python", "-m", "pytest", "-n", "2", *arguments, env={"PYTHONPATH": None})


@nox.session(python=PYTHONS, default=False)
def tests(session: nox.Session) -> None:
    """Run all tests; arguments after ``--`` go to pytest."""
    session.install("-e", ".[test]")
    for packages in PEER:
        session.install(*packages)
    pytest(session, *session.posargs)


@nox.session(python=PYTHONS, default=False)
def newest(session: nox.Session) -> None:
    """Run all tests with the newest releases, and those that are announced."""
    session.install("--pre", "-e", ".[test]")
    pytest(session, *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """Run a part of the tests that touches every requirement."""
    session.install("-e", ".[test]")
    pytest(session, *(session.posargs or QUICK))


@nox.session(python=LOWEST, default=False)
def lowest(session: nox.Session) -> None:
    """Run the quick tests with the lowest versions that pyproject.toml allows."""
    pins = Path(session.create_tmp()) / "lowest.txt"
    command = ["uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct"]
    command += ["--extra", "test", "pyproject.toml"]
    session.run(*command, "--output-file", str(pins), external=True, silent=True)
    session.install("packaging", "--requirement", str(pins))
    session.run("python", "ci/bounds.py", str(pins))
    session.install("--no-deps", "-e", ".")
    pytest(session, *(session.posargs or QUICK))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, spelling, documents, workflows and what a project should have."""
    session.install("-e", ".", "--group", "lint", "--group", "test")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", env={"PYTHONPATH": None})
    session.run("codespell")
    session.run("rumdl", "check", ".")
    session.run("zizmor", "--offline", "--quiet", ".github")
    session.run("repo-review", ".")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site in docs/_build/html; a warning fails it."""
    session.install("-e", ".", "--group", "docs")
    options = ["-W", "--keep-going", "--fresh-env", "--quiet"]
    session.run("sphinx-build", *options, "docs", "docs/_build/html", env={"PYTHONPATH": None})


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build sdist and wheel, look into them, and run the wheel in an environment of its own."""
    session.install("build[uv]", "twine")
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder) / "dist"
        # The wheel is made from the sdist, so that this has what it takes.
        session.run("python", "-m", "build", "--installer", "uv", "--outdir", str(dist), str(ROOT))
        files = sorted(map(str, dist.iterdir()))
        session.run("twine", "check", "--strict", *files)
        session.run("python", str(ROOT / "ci/contents.py"), *files)
        if session.posargs:  # where they are kept
            kept = Path(session.posargs[0]).absolute()
            kept.mkdir(parents=True, exist_ok=True)
            for file in dist.iterdir():
                kept.joinpath(file.name).write_bytes(file.read_bytes())
        installed(session, next(dist.glob("*.whl")), Path(folder))


def installed(session: nox.Session, wheel: Path, folder: Path) -> None:
    """Use a wheel without extras, from outside of the checkout."""
    clean = folder / "clean"
    session.run("uv", "venv", "--quiet", "--python", sys.executable, str(clean), external=True)
    python = str(clean / "bin/python")
    session.run("uv", "pip", "install", "--quiet", "--python", python, str(wheel), external=True)
    session.chdir(folder)
    outside = {"PYTHONPATH": None}
    session.run(python, str(ROOT / "ci/installed.py"), str(ROOT), external=True, env=outside)
    session.run(str(clean / "bin/atldld-xr"), "--help", external=True, env=outside, silent=True)
    session.chdir(ROOT)


@nox.session(default=False)
def readme(session: nox.Session) -> None:
    """Run the README's quick start to the letter, and what it, docs and notebook show."""
    session.install("-e", ".", "--group", "test")
    pytest(session, "tests/test_readme.py", "tests/test_documents.py", "tests/test_notebooks.py")
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^## Quick start\n.*?^```bash\n(.*?)\n```", text, re.M | re.S)
    if found is None:
        session.error("README.md has no quick start")
    with tempfile.TemporaryDirectory() as folder:
        session.run("git", "clone", "--quiet", str(ROOT), folder, external=True)
        session.chdir(folder)
        session.run("bash", "-euc", found[1], external=True, env={"PYTHONPATH": None})
        session.chdir(ROOT)


if __name__ == "__main__":
    nox.main()
