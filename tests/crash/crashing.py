"""What the crash tests share: a small dirty pipeline, its content after a run, and ways to fail it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from mainstem import project

ROWS = 1500
PIPELINE = """\
version: 1
pipeline: crashing
sources:
  readings:
    files: {path: readings.jsonl}
    format: json
    columns:
      sensor_id: string!
      observed_at: timestamp!
      temperature: double!
      seq: int64!
    time: {column: observed_at, lateness: 20s}
steps:
  checked:
    from: readings
    check:
      - that: temperature BETWEEN -40 AND 60
  fresh:
    from: checked
    dedupe: {by: [sensor_id, seq], within: 2m}
%(python)s
  minutes:
    from: %(before)s
    window: {size: 1m, by: [sensor_id], late: quarantine}
    select: count(*) AS n, sum(seq) AS seqs, max(temperature) AS hottest
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
%(second)s
"""
SECOND = {"delta": "  fresh: {from: %s, delta: {table: fresh, mode: append}}",
          "files": "  fresh: {from: %s, files: {path: out/fresh}, format: csv}"}
PYTHON = """\
  noisy:
    from: fresh
    python: {call: "noise:add", rows: same, columns: {sensor_id: string, observed_at: timestamp, temperature: double, seq: int64,
             luck: int64}, deterministic: false}
"""
NOISE = """\
import random
import pyarrow as pa


def add(rows):
    return rows.append_column("luck", pa.array([random.randrange(10**12) for _ in range(rows.num_rows)], pa.int64()))
"""
FLAGS = {"epoch": {"rows": 150}, "tasks": 2}


def make(folder: Path, outputs: int = 2, noisy: bool = False, rows: int = ROWS, seed: int = 3, second: str = "delta") -> Path:
    """A project folder with its pipeline and its dirty input; the pipeline file."""
    folder.mkdir(parents=True, exist_ok=True)
    last = "noisy" if noisy else "fresh"
    text = PIPELINE % {"python": PYTHON if noisy else "", "before": last, "second": SECOND[second] % last if outputs == 2 else ""}
    (folder / "pipeline.yaml").write_text(text)
    (folder / "noise.py").write_text(NOISE)
    rng, moment, lines = random.Random(seed), 1_767_247_200.0, []
    for number in range(rows):
        moment += rng.random()
        late = 300 if rng.random() < 0.02 else 0
        whole = int(moment) - late
        record: dict[str, Any] = {"sensor_id": f"s{rng.randrange(6)}", "temperature": round(rng.uniform(-5, 65), 2), "seq": number,
                                  "observed_at": f"2026-01-01T{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}Z"}
        line = json.dumps(record)
        lines.append(line[:25] if rng.random() < 0.02 else line)
        if rng.random() < 0.03:
            lines.append(line)
    (folder / "readings.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "pipeline.yaml"


def run(file: Path, **wishes: Any) -> Any:
    """One run, small epochs."""
    return project.open(file, flags=FLAGS).run(**wishes)


def content(file: Path, luck: bool = True) -> dict[str, Any]:
    """Everything that a finished pipeline says, comparable: outputs, quarantine, and the account that the tables give."""
    pipeline = project.open(file, flags=FLAGS)
    found: dict[str, Any] = {}
    for name in ("minutes", "fresh"):
        try:
            rows = pipeline.read(name)
        except Exception as error:
            if getattr(error, "code", "") != "read.unknown":
                raise
            continue
        names = [column for column in rows.column_names if luck or column != "luck"]
        found[name] = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows.select(names).to_pylist())
    rows = pipeline.read("quarantine").select(["id", "fate", "reason", "raw", "row", "event_time"])
    found["quarantine"] = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows.to_pylist())
    return found


_KILLED = """
import json, sys
from mainstem import project
from mainstem.testing import kill_from_environment
kill_from_environment()
project.open(sys.argv[1], flags=json.loads(sys.argv[2])).run(**json.loads(sys.argv[3]))
"""


def killed(file: Path, point: str, times: int, **wishes: Any) -> bool:
    """Run in a process of its own that kills itself with -9 at the `times`-th such signal; whether it came so far."""
    done = subprocess.run([sys.executable, "-c", _KILLED, str(file), json.dumps(FLAGS), json.dumps(wishes)], cwd=file.parent,
                          env=os.environ | {"MAINSTEM_KILL_AT": f"{point}:{times}"}, capture_output=True, text=True, timeout=100)
    if done.returncode == -signal.SIGKILL:
        return True
    assert done.returncode == 0, done.stderr[-2000:]
    return False
