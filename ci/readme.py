"""Print the one command of a README section: the first line of its first code block."""

import re
import sys
from pathlib import Path

readme = (Path(__file__).parent.parent / "README.md").read_text()
section = re.search(rf"^## {re.escape(sys.argv[1])}\n(.*?)(?=^## |\Z)", readme, re.M | re.S)
blocks = re.findall(r"^```bash\n(.*?)^```", section[1], re.M | re.S) if section else []
if not blocks or len(blocks[0].strip().splitlines()) != 1:
    sys.exit(f"README.md has no single command under {sys.argv[1]!r}")
print(blocks[0].strip())
