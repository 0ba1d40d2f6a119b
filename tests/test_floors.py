"""The floors of the house: nothing imports what is above it, and no rooms form a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import atldld_xr

ROOT = Path(atldld_xr.__file__).parent

FLOORS = (
    {"attribution", "forks", "known_as", "messages", "names", "_version"},
    {"errors"},
    {"configuration", "foreign_json"},
    {"settings"},
    {"allen", "files"},
    {"compute", "plan"},
    {"phantom", "planes", "warp"},
    {"registration", "sources"},
    {"arrays", "catalogue", "doctor", "testing"},
    {"datasets", "store"},
    {"analysis", "volumes"},
    {"export"},
    {"collection", "plots", "serve", "sync", "utils"},
    {"accessor", "cluster"},
    {"cli"},
)
"""From the ground. Rooms of one floor do not import each other."""

PUBLIC = "atldld_xr"
"""The package itself: it is above all, and may be imported where a user's name is meant."""


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Return every file of the package, by the dotted name of its module."""
    found = {}
    for file in root.rglob("*.py"):
        parts = [root.name, *file.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def room(module: str) -> str:
    """Return the room that a module is in: what follows the package's name."""
    return module.split(".")[1] if "." in module else PUBLIC


def imports(source: str, module: str, known: set[str]) -> set[str]:
    """Return the modules of the package that a source imports, wherever in it, also for types."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in known else node.module
                for a in node.names
            ]
        else:
            continue
        found |= {name for name in names if name.split(".")[0] == PUBLIC}
    return found - {module}


def arrows(files: dict[str, Path]) -> set[tuple[str, str]]:
    """Return which room imports from which."""
    found = set()
    for module, file in files.items():
        if room(module) in (PUBLIC, "__main__"):
            continue
        for other in imports(file.read_text(), module, set(files)):
            if room(other) not in (room(module), PUBLIC):
                found.add((room(module), room(other)))
    return found


def upwards(
    found: set[tuple[str, str]], floors: tuple[set[str], ...] = FLOORS
) -> list[tuple[str, str]]:
    """Return the arrows that do not lead down."""
    floor = {name: number for number, names in enumerate(floors) for name in names}
    return sorted((a, b) for a, b in found if floor[a] <= floor[b])


def test_every_room_has_a_floor():
    rooms = {room(module) for module in modules()} - {PUBLIC, "__main__"}
    assert rooms == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(rooms)


def test_nothing_imports_what_is_above_it():
    """And so there is no circle: each arrow leads down."""
    assert upwards(arrows(modules())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import atldld_xr.cli",
        "from atldld_xr.export import to_zarr",
        "from atldld_xr import accessor",
        "def f():\n    from atldld_xr.export.to_zarr import export",
        "if TYPE_CHECKING:\n    from atldld_xr.datasets import open_dataset",
        "from atldld_xr.files.file_store import FileStore",  # beside it
    ],
)
def test_an_arrow_upwards_or_along_a_floor_is_seen(tmp_path, source):
    root = tmp_path / PUBLIC
    for folder in ("allen", "files", "export", "cli", "datasets"):
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").touch()
    for file in ("__init__.py", "accessor.py", "files/file_store.py", "export/to_zarr.py"):
        (root / file).touch()
    (root / "allen" / "tiers.py").write_text("from atldld_xr.errors import AtldldError")
    assert upwards(arrows(modules(root))) == []
    (root / "allen" / "tiers.py").write_text(source)
    ((here, _),) = upwards(arrows(modules(root)))
    assert here == "allen"
