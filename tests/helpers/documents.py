"""The code that the README and the docs show: block by block, each to be run or with a reason."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {path.name: path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
LANGUAGES = ("python", "bash", "sh", "console")

_BLOCK = re.compile(
    rf"^(?:<!-- not run: (?P<reason>.+?) -->\n+)?```(?P<language>{'|'.join(LANGUAGES)})\n"
    r"(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code; the reason is that of not running it, or None."""

    page: str
    language: str
    code: str
    reason: str | None

    @property
    def commands(self) -> list[list[str]]:
        """What a shell would run, a list of words each."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page: str) -> list[Block]:
    """Return all code of a page, in order."""
    found = _BLOCK.finditer(PAGES[page].read_text())
    return [Block(page, m["language"], m["code"], m["reason"]) for m in found]


def table_rows() -> list[list[str]]:
    """Return the cells of the table of names in Python beside the commands."""
    text = PAGES["names.md"].read_text()
    table = text.partition("| in Python | on the command line |")[2].partition("\n\n")[0]
    return [re.findall(r"`([^`]+)`", line) for line in table.splitlines()[2:]]
