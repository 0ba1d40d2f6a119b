"""Check that what is tested as the lowest versions are those that pyproject.toml names.

``python ci/bounds.py PINS``, with what ``uv pip compile --resolution lowest-direct`` gives.
"""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

text = Path(sys.argv[1]).read_text()
pins = dict(re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^\s;]+)", text, re.MULTILINE))
project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"].values()
wrong = []
for line in (*project["dependencies"], *(line for extra in extras for line in extra)):
    requirement = Requirement(line)
    if requirement.name == project["name"]:
        continue
    bounds = [Version(s.version) for s in requirement.specifier if s.operator in (">=", "==")]
    if bounds != [Version(pins[requirement.name])]:
        wrong.append(f"{line}: tested is {pins[requirement.name]}")
if wrong:
    sys.exit("\n".join(["lower bounds that are not what is tested:", *wrong]))
