"""How many processors there are for us: bound to some, and with quotas of control groups."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from atldld_xr.compute.processors import processors


def machine(root, groups, files):
    """Write what Linux tells of a process's control groups."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


QUOTAS = {
    "v2": ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "100000 100000\n"}, 1),
    "v2, of the group above": (
        "0::/a/b\n",
        {"sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/cpu.max": "50000 100000"},
        1,
    ),
    "v2, in a container": ("0::/\n", {"sys/fs/cgroup/cpu.max": "90000 100000\n"}, 1),
    "v2, none": ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "v2, more than there are": ("0::/\n", {"sys/fs/cgroup/cpu.max": "99900000 100000\n"}, None),
    "v1": (
        "12:memory:/x\n4:cpu,cpuacct:/x\n",
        {
            "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
        },
        1,
    ),
    "v1, in a container that is told the host's path": (
        "4:cpu,cpuacct:/docker/1234\n",
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "20000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
        1,
    ),
    "v1, none": (
        "4:cpu,cpuacct:/\n",
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        None,
    ),
    "nothing known": ("", {}, None),
    "nonsense": ("what is this\n", {"sys/fs/cgroup/cpu.max": "\n"}, None),
}


@pytest.mark.parametrize("kind", QUOTAS)
def test_a_quota_counts(kind, tmp_path):
    groups, files, expected = QUOTAS[kind]
    mine = processors(tmp_path / "nothing is told here")
    assert processors(machine(tmp_path, groups, files)) == (expected or mine)


BOUND = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from atldld_xr.sources import jpeg; from atldld_xr.compute import threads
from atldld_xr.export.run.run import _own_limits
from atldld_xr.settings import config
assert _own_limits()[0] == 1
with config.set({"http.connections": 1}), threads.own_threads() as given:
    assert given["scheduler"]._max_workers == 1
decoding = jpeg._DECODING() if callable(jpeg._DECODING) else jpeg._DECODING
assert decoding.acquire(blocking=False) and not decoding.acquire(blocking=False)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="nothing is bound here")
def test_what_is_bound_to_one_processor_takes_one():
    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
