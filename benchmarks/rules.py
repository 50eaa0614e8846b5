"""50 rules on 10 M rows x 20 columns of Parquet: each counted (violated, NULL), the bad rows set aside with what they violate.

Beside it one DuckDB query that only counts how often each rule is violated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import made
import measure

ROWS = 10_000_000
_DOUBLES = [f"d{n}" for n in range(10)]
_INTS = [f"n{n}" for n in range(5)]
_TEXTS = ["house", "code", "state"]
RULES = [
    *(f"{name} BETWEEN 0 AND 100" for name in _DOUBLES),
    *(f"{name} <> 50.5" for name in _DOUBLES),
    *(f"{a} + {b} < 250" for a, b in pairwise(_DOUBLES)),
    *(f"{name} >= 0" for name in _INTS),
    *(f"{name} <= 1000000" for name in _INTS),
    "house IN ('north', 'south', 'east', 'west')", "code LIKE 'C-%'", "length(code) = 8", "state IN ('on', 'off')",
    "state <> 'off' OR d0 >= 0", "began <= ended", "began >= TIMESTAMPTZ '2020-01-01 00:00:00Z'",
    "ended < TIMESTAMPTZ '2030-01-01 00:00:00Z'", "n0 IS NOT NULL", "house IS NOT NULL", "regexp_matches(code, '^C-[0-9]{6}$')",
]


def _columns() -> str:
    """The select list: values in bounds, now and then NULL, and of every 10,000 rows about 13 with one wrong value."""
    bad = made.luck(0, 10_000)
    doubles = [f"CASE WHEN {bad} = {n} THEN 170.0 WHEN hash(i, {n}) % 100 = 99 THEN NULL ELSE (hash(i, {100 + n}) % 10000) / 100.5 END"
               f" AS {name}" for n, name in enumerate(_DOUBLES)]
    ints = [f"(CASE WHEN {bad} = {20 + n} THEN -1 ELSE hash(i, {200 + n}) % 1000000 END)::BIGINT AS {name}"
            for n, name in enumerate(_INTS)]
    return ", ".join([
        *doubles, *ints,
        f"CASE WHEN {bad} = 40 THEN 'attic' ELSE ['north', 'south', 'east', 'west'][(i % 4 + 1)::INT] END AS house",
        f"CASE WHEN {bad} = 41 THEN 'C-12' ELSE 'C-' || lpad((hash(i, 7) % 1000000)::VARCHAR, 6, '0') END AS code",
        "CASE WHEN i % 3 = 0 THEN 'on' ELSE 'off' END AS state",
        "(TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_seconds(i // 100)) AS began",
        f"(TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_seconds(i // 100 + CASE WHEN {bad} = 42 THEN -60 ELSE 60 END)) AS ended",
    ])


def pipeline(source: Path) -> str:
    """A pipeline that asks the rules of every row and delivers only a few of the good ones."""
    types = {**dict.fromkeys(_DOUBLES, "double"), **dict.fromkeys(_INTS, "int64"), **dict.fromkeys(_TEXTS, "string"),
             "began": "timestamp", "ended": "timestamp"}
    lines = ["version: 1", "pipeline: bench", "sources:", "  rows_in:", f"    files: {{path: {source}}}", "    format: parquet",
             "    columns:", *(f"      {name}: {kind}" for name, kind in types.items()), "steps:", "  checked:", "    from: rows_in",
             "    check:", *(f"      - {{name: r{n}, that: {json.dumps(rule)}}}" for n, rule in enumerate(RULES)),
             "  highest:", "    from: checked", "    sql: |", "      SELECT * FROM checked WHERE d9 >= 99.49 AND d8 >= 99.4",
             "outputs:", "  highest: {from: highest, delta: {table: highest, mode: append}}"]
    return "\n".join(lines) + "\n"


DUCKDB = """
import duckdb, json, sys
rules = json.load(open("rules.json"))
con = duckdb.connect()
con.execute("SET timezone='UTC'; SET threads=2")
counts = ", ".join(f"count(*) FILTER (NOT ({rule}))" for rule in rules)
json.dump(con.execute(f"SELECT {counts} FROM read_parquet('{sys.argv[1]}')").fetchone(), open("counts.json", "w"))
"""


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:
    """Ours against the query; they must agree on every rule."""
    rows = rows or ROWS
    source, folder = cache / f"rules-{rows}.parquet", cache / "rules"
    made.parquet(source, _columns(), rows)

    def ours(place: Path) -> Sequence[str | Path]:
        (place / "bench.yaml").write_text(pipeline(source))
        return ["sh", "-c", f"'{measure.BIN}/mainstem' run --quiet --output json bench.yaml > result.json"]

    def theirs(place: Path) -> Sequence[str | Path]:
        (place / "rules.json").write_text(json.dumps(RULES))
        (place / "script.py").write_text(DUCKDB)
        return [measure.BIN / "python", "script.py", source]

    found = measure.pairs(folder, ours, theirs, times)
    notes = json.loads((folder / "ours" / "result.json").read_text())["data"]["notes"]["checked"]
    counts = [[notes[f"rule.r{n}.failed"] for n in range(len(RULES))], json.loads((folder / "theirs" / "counts.json").read_text())]
    every = " AND ".join(f"coalesce({rule}, true)" for rule in RULES)
    bad = (measure.asked(measure.delta_files(folder / "ours" / "lake" / "bench_quarantine"), "count(*)"),
           measure.asked(f"'{source}'", f"count(*) FILTER (NOT ({every}))"))
    answers = {"violations of each rule": (counts[0], counts[1]), "bad rows": bad}
    return [measure.compared("rules", found, answers, rows, floor=0.5, goal=1 / 1.5, peak=600)]
