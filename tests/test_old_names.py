"""Names that were told to users lead where they did, whichever file they are in by now."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

import atldld_xr

ROOT = Path(__file__).parents[1]

STATEMENTS = [
    "import atldld_xr.sync",
    "import atldld_xr.utils",
    "import atldld_xr.testing",
    "import atldld_xr.cluster",
    "import atldld_xr.export",
    "import atldld_xr.errors",
    "from atldld_xr.attribution import Attribution",
    "from atldld_xr.cluster import ship",
    "from atldld_xr.export import ExportReport, StoreStatus, Verification, status, verify",
    "from atldld_xr.sources.mirror import MirrorSource",
    "from atldld_xr.sync import DatasetDownloader, get_parallel_transform, pir_to_xy, xy_to_pir",
    "from atldld_xr.testing import AllenServer, Faults, Phantom",
    "from atldld_xr.utils import get_image",
    "from atldld_xr.volumes import VolumeReport, save_volume",
    "import atldld_xr; atldld_xr.cluster.ship",
    "import atldld_xr; atldld_xr.export.status",
    "import atldld_xr; atldld_xr.export.verify",
    "import atldld_xr; atldld_xr.sources.mirror.MirrorSource",
    "import atldld_xr; atldld_xr.attribution.Attribution",
]


@pytest.fixture(scope="module")
def fresh():
    """Run each statement in a process of its own, in which nothing of ours was imported."""
    script = (
        "import os, sys, xarray\n"  # which takes all the time; the children start from here
        "assert not any(name.startswith('atldld_xr') for name in sys.modules)\n"
        "for statement in sys.argv[1:]:\n"
        "    if os.fork() == 0:\n"
        "        try:\n"
        "            exec(statement)\n"
        "            outcome = 'done'\n"
        "        except Exception as error:\n"
        "            outcome = f'{type(error).__name__}: {error}'\n"
        "        print(statement, outcome, sep='\\t', flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *STATEMENTS], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_name_of_before_can_be_imported(fresh, statement):
    if "cluster" in statement:
        pytest.importorskip("distributed")
    assert fresh[statement] == "done"


def test_they_are_the_ones_that_are_used():
    from atldld_xr.export import status, verify
    from atldld_xr.store.status import status as the_status
    from atldld_xr.store.verify import verify as the_verify

    assert (status, verify) == (the_status, the_verify)
    assert (atldld_xr.status, atldld_xr.verify) == (status, verify)
    if pytest.importorskip("distributed"):
        from atldld_xr.compute import cluster

        assert atldld_xr.cluster.ship is cluster.ship


def texts():
    """Return what users read: the README, the docs, the notebooks, and the package's docstrings."""
    files = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.ipynb")]
    return [*files, *sorted(Path(atldld_xr.__file__).parent.rglob("*.py"))]


def test_each_name_in_the_texts_leads_somewhere():
    found = {}
    for file in texts():
        quoted = r"`+" if file.suffix == ".py" else r"\b"
        for name in re.findall(rf"{quoted}(atldld_xr(?:\.[A-Za-z]\w*)+)", file.read_text()):
            found.setdefault(name, file.name)
    assert {"atldld_xr.open_dataset", "atldld_xr.cluster.ship"} <= set(found)
    lost = {}
    for name, file in found.items():
        try:
            resolve_name(name)
        except (AttributeError, ImportError) as error:
            lost[name] = f"{file}: {error}"
    assert lost == {}
