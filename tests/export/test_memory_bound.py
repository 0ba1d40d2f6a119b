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
    names = ["image", "coverage", *(("status",) if "on_error" in options else ())]
    ds[names].atldld.to_zarr(out)

out = Path(sys.argv[1])
with dask.config.set(num_workers=2):
    atldld_xr.open_dataset(DATASET_ID, source=NoiseSource())[["image"]].atldld.to_zarr(out / "0")
    before = peak()
    export(1, out / "1.zarr")
    one = peak() - before
    export(3, out / "2.zarr", on_error="fill")
    three = peak() - before
    export(2, out / "3.zarr", chunks={{"y": 2000, "x": 2280}})
    large = peak() - before
print(one, three, large)
"""

SECTION_MB = 8000 * 11400 * 3 / 1e6


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no peak memory here")
def test_memory_is_bounded_by_chunks_in_work(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parents[1] / "helpers"))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    one, three, large = map(float, done.stdout.split())
    # The bound of `make_on_threads`: two chunks in work with their tiles, and 128 tiles of 0.8 MB
    # more; what is made of a chunk on its way is three times the chunk.
    ahead, chunk, big = 128 * 0.8, 0.8, 2000 * 2280 * 3 / 1e6
    assert one < ahead + 2 * (3 * chunk + 9 * 0.8) + 20 < SECTION_MB / 1.5
    assert three < ahead + 2 * (3 * chunk + 9 * 0.8) + 20, "and not by sections, or what is told"
    assert large < ahead + 2 * (3 * big + 36 * 0.8) + 20
