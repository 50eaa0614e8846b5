"""Whole processes, timed in pairs: wall time, CPU and peak memory of a command, from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figures:
    """Seconds of wall and CPU time, peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def run(command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Figures:
    """Run a command to its end; raises if it fails."""
    code = ("import os, resource, subprocess, sys, time\n"
            "t = time.perf_counter(); r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); w = time.perf_counter() - t\n"
            "u = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(r.returncode, w, u.ru_utime + u.ru_stime, u.ru_maxrss / 1024)")
    found = subprocess.run([sys.executable, "-c", code, *command], cwd=cwd, env={**os.environ, **(env or {})},
                           stdout=subprocess.PIPE, text=True, check=True)
    status, wall, cpu, peak = found.stdout.split()[-4:]
    if status != "0":
        raise SystemExit(f"{' '.join(command)} failed with {status}")
    return Figures(float(wall), float(cpu), float(peak))


def pairs(ours: Sequence[str], theirs: Sequence[str], fresh: object, times: int = 3) -> list[tuple[Figures, Figures]]:
    """Ours and theirs in turn, `times` times; `fresh()` gives each run a new empty folder."""
    found = []
    for _ in range(times):
        found.append((run(ours, fresh()), run(theirs, fresh())))  # type: ignore[operator]
    return found


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


