"""Shared parts of all benchmarks: alternating timings, the machine and the versions, results as JSON lines.

Contenders are timed in turns, so that a machine that slows down slows all of them; each row has every time measured.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("wordsight", "numpy", "pillow", "openvino", "torch", "transformers", "onnxruntime", "nncf")


def alternate(contenders: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Call every contender once per round, in turns, and return the seconds of each call by name.

    Every second round runs backwards, so that no contender always follows the same neighbour.
    """
    for call in contenders.values():
        for _ in range(warm_up):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for i in range(rounds):
        for name in list(contenders)[:: -1 if i % 2 else 1]:
            start = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def rates(seconds: Mapping[str, list[float]], items: int) -> dict[str, float]:
    """Items per second at the median time, by name."""
    return {name: items / median(times) for name, times in seconds.items()}


def spread(times: list[float]) -> float:
    """(slowest - fastest) / median of the times: how much to trust them."""
    return (max(times) - min(times)) / median(times)


def processor() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Machine and the versions that a result depends on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cores": cores,
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": versions,
    }


def write_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write `results/name.jsonl`, replacing it: one line with the machine and the time, then one line for each row."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.jsonl"
    head = {"kind": "machine", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **machine()}
    with path.open("w", encoding="utf-8") as out:
        for row in (head, *rows):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


FRESH = """
import json, sys, time
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
try:  # Linux: the high-water mark of this program alone; getrusage may count its parent's
    with open("/proc/self/status") as status:
        peak = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({{"seconds": seconds, "peak_mib": peak / 2**20, "modules": len(sys.modules)}}))
"""


def fresh_process(body: str, *arguments: str) -> dict[str, float]:
    """Run Python code in a process of its own and return its cost.

    Returns: "seconds" of the code, "wall_seconds" with the interpreter's start, "peak_mib" of memory, "modules" loaded.
    Raises: RuntimeError with the process's last words if the code fails.
    """
    start = time.perf_counter()
    command = [sys.executable, "-c", FRESH.format(body=body), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measured process failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**result, "wall_seconds": time.perf_counter() - start}


def table(rows: list[Mapping[str, Any]]) -> str:
    """Rows as a plain text table with the keys of the first row as its head; numbers to the right."""
    head = list(rows[0])
    cells = [[_cell(row.get(key, "")) for key in head] for row in rows]
    widths = [max(len(key), *(len(row[i]) for row in cells)) for i, key in enumerate(head)]
    number = [isinstance(rows[0][key], int | float) for key in head]

    def line(row: list[str]) -> str:
        return "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, number, strict=True)).rstrip()

    return "\n".join([line(head), line(["-" * w for w in widths]), *map(line, cells)])


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
