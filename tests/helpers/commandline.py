"""Running the command line in tests, against a service of a small data set."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.cli import cli
from atldld_xr.testing import Phantom

SMALL = Phantom(id=900000003, count=4, resolution=20.0)
OTHER = Phantom(id=900000004, count=4, resolution=20.0)
IMAGES = parse_dataset(SMALL.record).images
IMAGE = IMAGES[0]
COARSE = ["--resolution", "100"]


def run(*args, code=0):
    """Run a command and return its result; whatever it fails of, it says in one line."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert result.exit_code == code, (result.output, result.exception)
    if code in (0, 4):
        assert result.stderr == ""
    else:
        assert re.fullmatch(r"atldld-xr: error: .+\n", result.stderr)
        assert "Traceback" not in result.output
        assert result.stdout == ""
    return result


def facts(*args, code=0):
    return json.loads(run(*args, "--json", code=code).stdout)


def tree(path):
    """Return everything under a path but the cache, with its content."""
    found = (p for p in sorted(path.rglob("*")) if "cache" not in p.relative_to(path).parts)
    return {str(p): p.read_bytes() if p.is_file() else None for p in found}
