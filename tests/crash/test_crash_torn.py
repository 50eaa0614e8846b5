"""Killed after output A, then everything that a second run could do differently is different: A and B are of one run (2-S 4, F8)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from crashing import NOISE, killed, run

from mainstem import project

PIPELINE = """\
version: 1
pipeline: crashing
sources:
  readings:
    files: {path: readings.jsonl}
    format: json
    columns: {sensor: string!, at: timestamp!, seq: int64!}
    time: {column: at, lateness: 20s}
tables:
  rates: {files: {path: rates.csv}, format: csv, key: [sensor], columns: {sensor: string!, rate: int64!}}
steps:
  noisy:
    from: readings
    python: {call: "noise:add", rows: same, deterministic: false,
             columns: {sensor: string, at: timestamp, seq: int64, luck: int64}}
  rated: {from: noisy, lookup: {table: rates, on: [sensor], take: [rate], unmatched: quarantine}}
  minutes:
    from: rated
    window: {size: 1m, by: [sensor], late: quarantine}
    select: count(*) AS n, sum(luck) AS luck, sum(rate) AS rate
outputs:
  every: {from: rated, delta: {table: every, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""
SENSORS, ROWS = ("a", "b", "c"), 1200


def make(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "noise.py").write_text(NOISE)
    rates(folder, 1)
    (folder / "readings.jsonl").write_text("".join(
        f'{{"sensor": "{SENSORS[n % 3]}", "at": "2026-01-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z", "seq": {n}}}\n'
        for n in range(ROWS)))
    return folder / "pipeline.yaml"


def rates(folder: Path, rate: int) -> None:
    (folder / "rates.csv").write_text("sensor,rate\n" + "".join(f"{sensor},{rate}\n" for sensor in SENSORS))


@pytest.mark.parametrize("each", [False, True], ids=["bounded", "following"])
@pytest.mark.parametrize("point", ["epoch.planned", "epoch.ran", "epoch.prepared", "epoch.committing", "epoch.committed"])
def test_a_refreshed_table_and_a_random_step_cannot_tear_two_outputs_apart(point: str, each: bool, tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    assert killed(file, point, 4 if each or point not in ("epoch.committing", "epoch.committed") else 2, each=each)
    rates(file.parent, 1000)
    run(file, each=each)
    pipeline = project.open(file)
    rows = pipeline.read("every").to_pylist()
    assert sorted(row["seq"] for row in rows) == list(range(ROWS))
    wanted: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        minute = row["at"].replace(second=0)
        for what, value in (("n", 1), ("luck", row["luck"]), ("rate", row["rate"])):
            wanted[row["sensor"], minute, what] += value
    found = {(row["sensor"], row["window_start"], what): row[what] for row in pipeline.read("minutes").to_pylist()
             for what in ("n", "luck", "rate")}
    assert found == dict(wanted)
    assert pipeline.read("quarantine").num_rows == 0
    decided_before = {row["rate"] for row in rows}
    assert decided_before == ({1} if point.startswith("epoch.comm") and not each else {1, 1000})     # a bounded run had read all
