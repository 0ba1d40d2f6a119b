"""Check that an sdist and a wheel hold what the repository does, and nothing else.

``python ci/contents.py dist/*``
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "atldld_xr/"
# What the sdist has besides: what its tests, tasks and papers need.
FOLDERS = (PACKAGE, "benchmarks/", "ci/", "docs/", "notebooks/", "tests/")
FILES = {
    ".gitignore",  # hatchling's own habit: a build from the sdist leaves out the same
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "noxfile.py",
    "pyproject.toml",
}
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def kept() -> set[str]:
    """Return the files that the repository keeps."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def without_first(names: list[str]) -> set[str]:
    """Return paths without the folder that all of an archive is in."""
    return {name.partition("/")[2] for name in names}


def compare(file: str, found: set[str], expected: set[str]) -> bool:
    """Print how what is in an archive differs from what should be; return whether it does."""
    for name in sorted(expected - found):
        print(f"{file}: without {name}")
    for name in sorted(found - expected):
        print(f"{file}: with {name}")
    return found != expected


def main(sdist: str, wheel: str) -> bool:
    """Return whether something is wrong with either."""
    files = kept()
    with tarfile.open(sdist) as archive:
        found = without_first([entry.name for entry in archive if entry.isfile()])
    listed = {name for name in files if name.startswith(FOLDERS)} | FILES | {"PKG-INFO"}
    wrong = compare(sdist, found, listed)

    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if name.startswith(PACKAGE)}
    wrong |= compare(wheel, package, {name for name in files if name.startswith(PACKAGE)})
    others = [name for name in names if name not in package]
    wrong |= compare(wheel, without_first(others), METADATA)
    return wrong


if __name__ == "__main__":
    first, second = sorted(sys.argv[1:], key=lambda name: name.endswith(".whl"))
    if main(first, second):
        sys.exit(1)
    print(f"{Path(first).name} and {Path(second).name} hold what they should")
