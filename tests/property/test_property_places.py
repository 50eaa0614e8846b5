"""The same input on a machine with another time zone, locale, hash seed and number of tasks gives the same tables (H6)."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drawing import events
from scripted import line

PIPELINE = """\
version: 1
pipeline: places
sources:
  events:
    files: {path: "inbox/*.jsonl", complete: true}
    format: json
    columns:
      t: timestamp!
      k: string!
      v: int64!
      seq: int64!
      x: double!
      wall: {type: timestamp, zone: Europe/Berlin}
    time: {column: t, lateness: 10s}
tables:
  names: {files: {path: names.csv}, format: csv, key: [k], columns: {k: string!, name: string!}}
steps:
  good:
    from: events
    check: [{name: v_high, that: v > -45}, {name: text_order, that: "k >= 'K'", else: flag}]
  fresh:
    from: good
    dedupe: {by: [k, v], within: 30s}
  named:
    from: fresh
    sql: |
      SELECT e.t, e.k, e.v, e.x, e.wall, n.name, strftime(e.t, '%A %d %B %H:%M') AS told, date_trunc('day', e.t) AS day,
             hour(e.wall) AS hour, upper(n.name) AS loud, e._flags AS flags
      FROM fresh e LEFT JOIN names n ON e.k = n.k
  minutes:
    from: named
    window: {size: 1m, by: [k], late: quarantine}
    select: |
      count(*) AS n, avg(x) AS mean, stddev(x) AS spread, list(v) AS all_v, first(told) AS told, max(name) AS name,
      quantile_cont(x, 0.95) AS p95
  days:
    from: named
    window: {size: 1d, zone: Australia/Lord_Howe, late: quarantine}
    select: sum(x) AS x, count(DISTINCT name) AS names
  visits:
    from: named
    session: {gap: 15s, by: [name]}
    select: count(*) AS n, min(loud) AS loud
outputs:
  named: {from: named, delta: {table: named}}
  minutes: {from: minutes, delta: {table: minutes}}
  days: {from: days, delta: {table: days}}
  visits: {from: visits, delta: {table: visits}}
"""
RUN = """\
import json, locale, sys, time
from mainstem import project
if len(sys.argv) > 3 and sys.argv[3]:
    locale.setlocale(locale.LC_ALL, sys.argv[3])
pipeline = project.open(sys.argv[1], flags=json.loads(sys.argv[2]))
result = pipeline.run()
skip = {"epoch", "incarnation", "release", "clock"}
found = {}
for name in ("named", "minutes", "days", "visits", "quarantine"):
    rows = pipeline.read(name)
    found[name] = [{k: v for k, v in row.items() if k not in skip} for row in rows.to_pylist()]
found["account"] = result.account
said = {"tz": time.tzname, "seed": hash("x"), "found": found}
print(json.dumps(said, default=lambda value: value.isoformat() if hasattr(value, "isoformat") else value.hex()))
"""
PLACES: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "here": ({"TZ": "UTC", "PYTHONHASHSEED": "0", "LC_ALL": "C"}, {"tasks": 2}, ""),
    "auckland": (
        {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8"},
        {"tasks": 1, "epoch": {"rows": 50}},
        "C.UTF-8",
    ),
    "kathmandu": (
        {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4242", "LC_ALL": "POSIX", "LANG": "tr_TR.UTF-8"},
        {"tasks": 5, "epoch": {"rows": 70}},
        "",
    ),
}


def make(folder: Path) -> Path:
    rng = random.Random(6)
    (folder / "inbox").mkdir(parents=True)
    number = 0
    for part, rows in events(rng, 2, 120, keys=5).items():
        for row in rows:
            row |= {
                "k": rng.choice(["i", "I", "ı", "Straße", "Äpfel"]) + str(part),
                "x": rng.uniform(-1e6, 1e6),
                "wall": "2026-07-01T12:00:00",
            }  # type: ignore[operator]
        lines = [line(row) for row in rows]
        lines[3::17] = [b"{broken\n" for _ in lines[3::17]]
        (folder / "inbox" / f"{part}.jsonl").write_bytes(b"".join(lines))
        number += len(rows)
    assert number > 100
    (folder / "names.csv").write_text("k,name\ni0,iota\nI0,Iota\nı0,ırmak\nStraße1,strasse\nÄpfel1,zwei\n")
    (folder / "places.yaml").write_text(PIPELINE)
    return folder / "places.yaml"


def same(one: Any, other: Any) -> bool:
    """Equal; floating numbers within 1e-12 of their size (times the few hundred values that were added up)."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12 * 1e6 * 300) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        rows,
        key=lambda row: (
            json.dumps({key: value for key, value in row.items() if not isinstance(value, float)}, sort_keys=True)
            + json.dumps({key: round(value, 3) for key, value in row.items() if isinstance(value, float)}, sort_keys=True)
        ),
    )


def test_the_place_does_not_change_the_tables(tmp_path: Path) -> None:
    answers = {}
    running = []
    for name, (environment, flags, locale) in PLACES.items():
        file = make(tmp_path / name)
        running.append(
            (
                name,
                subprocess.Popen(
                    [sys.executable, "-c", RUN, str(file), json.dumps(flags), locale],
                    stdout=subprocess.PIPE,
                    env=os.environ | environment,
                    stderr=subprocess.PIPE,
                ),
            )
        )
    for name, process in running:
        out, error = process.communicate(timeout=100)
        assert process.returncode == 0, error.decode()
        answers[name] = json.loads(out)
    assert len({tuple(answer["tz"]) for answer in answers.values()}) == 3, "the zones did not take"
    assert len({answer["seed"] for answer in answers.values()}) == 3, "the hash seeds did not take"
    here = answers["here"]["found"]
    assert len(here["minutes"]) > 20
    assert len(here["quarantine"]) > 5
    assert {row["hour"] for row in here["named"]} == {10}, "noon in Berlin is ten in UTC, whatever the machine's zone"
    for name, answer in answers.items():
        for table in ("named", "minutes", "days", "visits", "quarantine"):
            mine, wanted = order(answer["found"][table]), order(here[table])
            assert len(mine) == len(wanted), f"{name}: {table}"
            for a, b in zip(mine, wanted):
                assert same(a, b), f"{name}: {table}: {a} is not {b}"
        assert [
            {k: v for k, v in leg.items() if k != "held_before"}
            for leg in sorted(answer["found"]["account"], key=lambda leg: leg["leg"])
        ] == [
            {k: v for k, v in leg.items() if k != "held_before"} for leg in sorted(here["account"], key=lambda leg: leg["leg"])
        ], name


@pytest.mark.parametrize("seed", ["3", "77"])
def test_a_release_has_the_same_name_in_every_process(seed: str, tmp_path: Path) -> None:
    """The plan is data: its bytes do not depend on the order of sets."""
    file = make(tmp_path / "p")
    code = "import sys; from mainstem import project; print(project.open(sys.argv[1]).build()['release'])"
    names = {
        subprocess.run(
            [sys.executable, "-c", code, str(file)],
            env=os.environ | {"PYTHONHASHSEED": other, "TZ": "Asia/Tokyo"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for other in ("0", seed)
    }
    assert len(names) == 1
