"""What an export needs of memory: chunks in work and the tiles that they share, not sections."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import re, sys
from pathlib import Path
import dask, numpy as np
sys.path.insert(0, {tests!r})
import atldld_xr
from noise import DATASET_ID, NoiseSource

class Plain(NoiseSource):
    "Sections of true size, whose tiles take no time."
    def read(self, image, tile, view):
        place = tile.left * 7 + tile.top * 13 + image.id
        return np.full((tile.height, tile.width, 3), place % 251, np.uint8)

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1e3

def export(sections, out, **options):
    source = Plain(width=12000, height=7500, resolution=1.0, tile=512, sections=sections)
    ds = atldld_xr.open_dataset(DATASET_ID, source=source, resolution=1, tier=0, **options)
    names = ["image", "coverage", *(("status", "reason") if "on_error" in options else ())]
    ds[names].atldld.to_zarr(out)

out = Path(sys.argv[1])
with dask.config.set(num_workers=2):
    atldld_xr.open_dataset(DATASET_ID, source=NoiseSource())[["image"]].atldld.to_zarr(out / "0")
    before = peak()
    export(1, out / "1.zarr")
    one = peak() - before
    export(3, out / "2.zarr", on_error="fill")
    three = peak() - before
print(one, three)
"""

SECTION_MB = 8000 * 11400 * 3 / 1e6


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no peak memory here")
def test_memory_is_bounded_by_chunks_in_work(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    one, three = map(float, done.stdout.split())
    # The bound of `make_parts`: at most 2 * (2 + 8) chunks in work (each at most a few new tiles),
    # and the tiles of a row of chunks; here about 20 * 0.8 + 3 * 24 * 0.8 MB, and what is encoded.
    assert one < 130 < SECTION_MB / 2
    assert three < 130, "and not by sections, or by what is told of them"
