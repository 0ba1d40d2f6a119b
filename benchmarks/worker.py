"""One measured run, in a fresh process: ``python -m benchmarks.worker``, its order on the input.

A contestant is a generator in one of this package's modules: it gets ready, yields, does the work,
yields, and may then yield facts about it. The clock runs between the first two yields.
"""

from __future__ import annotations

import gc
import importlib
import json
import re
import resource
import sys
import time
from pathlib import Path

_MB = 1e6


def peak_memory() -> float:
    """Return the most memory that this process has had, in MB."""
    try:
        # Unlike ru_maxrss, not inherited from the process that started this one.
        kilobytes = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        kilobytes = None
    if kilobytes:
        return int(kilobytes[1]) * 1024 / _MB
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024) / _MB


def main() -> None:
    """Run what the input asks for, and print its figures as JSON."""
    order = json.loads(sys.stdin.read())
    module = importlib.import_module(f"benchmarks.{order['module']}")
    run = getattr(module, order["function"])(**order["options"])
    next(run)
    gc.collect()
    baseline = peak_memory()
    cpu, start = time.process_time(), time.perf_counter()
    next(run)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = peak_memory()
    facts = next(run, None) or {}
    run.close()
    figures = {
        "seconds": seconds,
        "cpu": cpu + facts.pop("workers_cpu", 0.0),
        "peak": peak,
        "grown": peak - baseline,
        "facts": facts,
    }
    print("\n" + json.dumps(figures))


if __name__ == "__main__":
    main()
