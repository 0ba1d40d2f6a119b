"""How many processors this process may use."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def processors(root: Path = Path("/")) -> int:
    """Return how many processors this process may use, at least 1.

    That is fewer than the machine has where it is bound to some of them (by ``taskset``, SLURM),
    or where its control group, or one above it, has a quota (containers): half a processor counts
    as one.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.
    """
    quotas = [math.ceil(quota) for quota in _quotas(root)]
    return max(min([_may_use(), *quotas]), 1)


def _may_use() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota of each control group that this process is in, and that has one."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    groups = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = (line + "::").split(":")[:3]
        if not controllers:
            names, tops = ["cpu.max"], [groups, groups / "unified"]
        elif "cpu" in controllers.split(","):
            names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
            tops = [groups / controllers, groups / "cpu"]
        else:
            continue
        for top in tops:
            # In a container, what is told as the path may be one of the host's.
            own = top / path.lstrip("/")
            for group in (own, *own.parents):
                yield from _quota([group / name for name in names])
                if group == top:
                    break


def _quota(files: list[Path]) -> Iterator[float]:
    """Yield the quota that files tell, in processors; none is "max 100000", or -1 and 100000."""
    try:
        quota, period = (int(word) for file in files for word in file.read_text().split())
    except (OSError, ValueError):
        return
    if quota > 0 and period > 0:
        yield quota / period
