"""Whole processes, timed in pairs from outside, and what a benchmark found out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
_WATCH = """
import json, os, resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


Made = Callable[[Path], Sequence["str | Path"]]      # prepares a folder; the command to run in it


@dataclass(frozen=True)
class Figures:
    """Seconds of wall and CPU time, and peak memory in MB, of one process."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is our speed as a share of theirs (1 is equal), None where there is none.

    `value`, `floor` and `goal` are in `unit`; "x" is the ratio, of which more is better. Of everything else less is better.
    """

    name: str
    value: float | None
    unit: str
    floor: float | None = None
    goal: float | None = None
    ours: Figures | None = None
    theirs: Figures | None = None
    peak_limit: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """goal, ok (the floor is held), MISSED, or - where nothing is asked."""
        if self.value is None:
            return "NO ANSWER"
        if self.ours and self.peak_limit and self.ours.peak > self.peak_limit:
            return "MISSED (memory)"
        for word, limit in (("goal", self.goal), ("ok", self.floor)):
            if limit is not None and (self.value >= limit if self.unit == "x" else self.value <= limit):
                return word
        return "-" if self.floor is None and self.goal is None else "MISSED"

    def facts(self) -> dict[str, Any]:
        """Everything, for --json."""
        return asdict(self) | {"verdict": self.verdict}


def run(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None) -> Figures:
    """Run a command to its end; SystemExit with its errors if it fails."""
    import json

    found = subprocess.run([sys.executable, "-c", _WATCH, *map(str, command)], cwd=cwd, env={**os.environ, **(env or {})},
                           capture_output=True, text=True, check=True)
    status, wall, cpu, peak = json.loads(found.stdout.splitlines()[-1])
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed with {status}:\n{found.stderr[-3000:]}")
    return Figures(wall, cpu, peak)


def pairs(folder: Path, ours: Made, theirs: Made, times: int) -> list[tuple[Figures, Figures]]:
    """Ours and theirs in turn, `times` times, the order swapped every time; each in a new empty folder of its own.

    The callables prepare that folder and return the command. The folders of the last pair stay, to be looked at.
    """
    found = []
    for number in range(times):
        done = {}
        for name, make in (("ours", ours), ("theirs", theirs))[:: 1 if number % 2 else -1]:
            place = folder / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            done[name] = run(make(place), place)
        found.append((done["ours"], done["theirs"]))
    return found


def median(values: Sequence[float]) -> float:
    """The middle one, the lower of two."""
    return sorted(values)[(len(values) - 1) // 2]


def compared(name: str, found: Sequence[tuple[Figures, Figures]], answers: Mapping[str, tuple[Any, Any]], rows: int, *,
             floor: float, goal: float, peak: float) -> Row:
    """The row of a paired benchmark: the median of the ratios, or none where one answer differs."""
    ours, theirs = (Figures(*(median([getattr(pair[side], field) for pair in found]) for field in ("wall", "cpu", "peak")))
                    for side in (0, 1))
    wrong = [f"{what}: {mine} and {other}" for what, (mine, other) in answers.items() if not _equal(mine, other)]
    if wrong:
        return Row(name, None, "x", floor, goal, ours, theirs, peak, "the answers differ: " + "; ".join(wrong))
    ratio = median([b.wall / a.wall for a, b in found])
    cpu = median([b.cpu / a.cpu for a, b in found])
    note = f"{rows:,} rows; of CPU time {cpu:.2f}; equal in " + ", ".join(answers)
    return Row(name, ratio, "x", floor, goal, ours, theirs, peak, note)


def _equal(mine: Any, other: Any) -> bool:
    if isinstance(mine, float) and isinstance(other, float):
        return abs(mine - other) <= 1e-9 * max(abs(mine), abs(other))
    return bool(mine == other)


def asked(source: str, sql: str) -> list[Any]:
    """One row of answers about Parquet files: `sql` is what to select, `source` a glob or list of files."""
    import duckdb

    found = duckdb.connect().execute(f"SELECT {sql} FROM read_parquet({source})").fetchone()
    return list(found or ())


def delta_files(table: Path) -> str:
    """The files of a Delta table's newest version, as an SQL list."""
    from deltalake import DeltaTable

    return "[" + ", ".join(f"'{uri}'" for uri in DeltaTable(str(table)).file_uris()) + "]"
