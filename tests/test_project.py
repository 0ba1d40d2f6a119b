"""What the project says of itself, in files that nobody imports, agrees with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import atldld_xr
from atldld_xr.attribution import attribution_of

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)["project"]
CITATION = (ROOT / "CITATION.cff").read_text()


def test_the_version_is_one():
    assert PROJECT["version"] == atldld_xr.__version__
    assert f"\nversion: {atldld_xr.__version__}\n" in CITATION


def test_every_lower_bound_has_its_reason():
    block = PYPROJECT.partition("\ndependencies = [\n")[2].partition("\n]\n")[0]
    lines = block.splitlines()
    assert len(lines) == len(PROJECT["dependencies"])
    for line in lines:
        assert re.fullmatch(r' +"\S+>=\S+",  # .+', line), line


@pytest.mark.parametrize("product", [1, 3, 5])
def test_the_atlases_that_data_sets_cite_are_in_the_citation(product):
    references = attribution_of(None, [product]).references
    (doi,) = re.findall(r"doi:(\S+)\.$", references)
    assert f"\n    doi: {doi}\n" in CITATION


def test_addresses_are_of_one_repository():
    home = PROJECT["urls"]["Homepage"]
    assert all(address.startswith(home) for address in PROJECT["urls"].values())
    assert f"\nrepository-code: {home}\n" in CITATION
    for name in ("Documentation", "Changelog"):
        path = re.sub(r"^/(tree|blob)/main/", "", PROJECT["urls"][name].removeprefix(home))
        assert (ROOT / path).exists()
