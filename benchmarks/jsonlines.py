"""5 M JSON lines -> rules, quarantine with raw text and reason, dedupe, 1-minute windows with p95, three Delta tables.

Beside it a one-shot DuckDB script of the same work: no increments, no state, no guarantees. That is the limit.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import measure

ROWS = 5_000_000
SENSORS = 1000
PIPELINE = """\
version: 1
pipeline: bench
sources:
  readings:
    files: {path: %(input)s}
    format: json
    columns:
      sensor_id: string!
      observed_at: timestamp!
      temperature: double!
      humidity: double
      seq: int64!
    time: {column: observed_at, lateness: 2m}
steps:
  checked:
    from: readings
    check:
      - that: temperature BETWEEN -40 AND 60
      - that: humidity BETWEEN 0 AND 100
  fresh:
    from: checked
    dedupe: {by: [sensor_id, seq], within: 5m}
  minutes:
    from: fresh
    window: {size: 1m, by: [sensor_id], late: quarantine}
    select: |
      count(*) AS n, avg(temperature) AS mean, min(temperature) AS least, max(temperature) AS most,
      quantile_cont(temperature, 0.95) AS p95
outputs:
  good: {from: fresh, delta: {table: good, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""

DUCKDB = """
import duckdb, sys
source, folder = sys.argv[1:3]
con = duckdb.connect()
con.execute("SET timezone='UTC'; SET threads=2; SET preserve_insertion_order=false")
con.execute(f\"\"\"CREATE TEMP VIEW lines AS SELECT column0 AS line FROM read_csv('{source}', columns={{'column0': 'VARCHAR'}},
  delim=chr(1), quote='', escape='', header=false, auto_detect=false)\"\"\")
con.execute(\"\"\"CREATE TEMP TABLE decoded AS SELECT line, s.sensor_id AS sensor_id, try_cast(s.observed_at AS TIMESTAMPTZ) AS observed_at,
  try_cast(s.temperature::VARCHAR AS DOUBLE) AS temperature, try_cast(s.humidity::VARCHAR AS DOUBLE) AS humidity,
  CASE WHEN NOT contains(s.seq::VARCHAR, '.') THEN try_cast(s.seq::VARCHAR AS BIGINT) END AS seq
  FROM (SELECT line, json_transform(try_cast(line AS JSON), '{"sensor_id":"VARCHAR","observed_at":"VARCHAR","temperature":"JSON",
  "humidity":"JSON","seq":"JSON"}') AS s FROM lines)\"\"\")
ok = "sensor_id IS NOT NULL AND observed_at IS NOT NULL AND temperature IS NOT NULL AND seq IS NOT NULL"
rules = "temperature BETWEEN -40 AND 60 AND coalesce(humidity BETWEEN 0 AND 100, true)"
con.execute(f\"\"\"COPY (SELECT line, CASE WHEN NOT ({ok}) THEN 'decode' ELSE 'rule' END AS reason FROM decoded
  WHERE NOT ({ok}) OR NOT ({rules})) TO '{folder}/quarantine.parquet'\"\"\")
con.execute(f\"\"\"CREATE TEMP TABLE good AS SELECT * EXCLUDE (line) FROM decoded WHERE {ok} AND {rules}
  QUALIFY row_number() OVER (PARTITION BY sensor_id, seq ORDER BY observed_at) = 1\"\"\")
con.execute(f"COPY good TO '{folder}/good.parquet'")
con.execute(f\"\"\"COPY (SELECT sensor_id, time_bucket(INTERVAL 1 MINUTE, observed_at) AS window_start, count(*) AS n, avg(temperature) AS mean,
  min(temperature) AS least, max(temperature) AS most, quantile_cont(temperature, 0.95) AS p95 FROM good GROUP BY ALL)
  TO '{folder}/minutes.parquet'\"\"\")
"""

def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:
    """Ours against the script; they must agree on the rows of each table and on the sums of their columns."""
    rows = rows or ROWS
    source = made(cache, rows)
    folder = cache / "jsonlines"

    def ours(place: Path) -> Sequence[str | Path]:
        (place / "bench.yaml").write_text(PIPELINE % {"input": source})
        return [measure.BIN / "mainstem", "run", "--quiet", "bench.yaml"]

    def theirs(place: Path) -> Sequence[str | Path]:
        (place / "script.py").write_text(DUCKDB)
        return [measure.BIN / "python", "script.py", source, place]

    found = measure.pairs(folder, ours, theirs, times)
    return [measure.compared("jsonlines", found, _answers(folder), rows, floor=0.5, goal=0.65, peak=1024)]


def _answers(folder: Path) -> dict[str, tuple[object, object]]:
    """What both sides say about their tables."""
    answers: dict[str, tuple[object, object]] = {}
    for table, sql in (("good", "count(*), sum(temperature), sum(humidity), sum(seq), sum(epoch_us(observed_at))"),
                       ("minutes", "count(*), sum(n), sum(mean), sum(p95), sum(epoch_us(window_start))"),
                       ("quarantine", "count(*)")):
        lake = "bench_quarantine" if table == "quarantine" else table
        answers[table] = (measure.asked(measure.delta_files(folder / "ours" / "lake" / lake), sql),
                          measure.asked(f"'{folder}/theirs/{table}.parquet'", sql))
    return {f"{table} ({what})": (mine[place], other[place]) for table, (mine, other) in answers.items()  # type: ignore[index]
            for place, what in enumerate(("rows", "sums", "sums", "sums", "sums")[: len(mine)])}  # type: ignore[arg-type]


def made(cache: Path, rows: int) -> Path:
    """The input of so many rows, made once."""
    source = cache / f"jsonlines-{rows}.jsonl"
    if not source.exists():
        write_input(source.with_suffix(".part"), rows)
        source.with_suffix(".part").rename(source)
    return source


def write_input(path: Path, rows: int = ROWS, seed: int = 7) -> None:
    """About 1,000 sensors at one reading a second; 1 % out of order up to 60 s, 0.5 % sent twice, 1 % bad."""
    rng = random.Random(seed)
    base = 1_767_225_600
    with path.open("w") as file:
        lines: list[str] = []
        for number in range(rows):
            tick, sensor = divmod(number, SENSORS)
            moment = base + tick - (rng.random() < 0.01) * rng.randrange(1, 60)
            hour, minute, second = moment // 3600 % 24, moment // 60 % 60, moment % 60
            day = 1 + (moment - base) // 86400
            record = (f'{{"sensor_id":"sensor-{sensor:04d}","observed_at":"2026-01-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z",'
                      f'"temperature":{round(15 + 10 * rng.random(), 2)},"humidity":{round(40 + 30 * rng.random(), 1)},"seq":{tick},'
                      f'"site":"greenhouse-{sensor % 4}"}}')
            luck = rng.random()
            if luck < 0.01:
                record = _spoil(record, number)
            lines.append(record)
            if luck > 0.995:
                lines.append(record)
            if len(lines) >= 20_000:
                file.write("\n".join(lines) + "\n")
                lines.clear()
        file.write("\n".join(lines) + "\n" if lines else "")


def _spoil(record: str, number: int) -> str:
    fields = json.loads(record)
    kind = number % 4
    if kind == 0:
        return record[: len(record) // 2]
    if kind == 1:
        fields["temperature"] = "warm"
    elif kind == 2:
        del fields["sensor_id"]
    else:
        fields["temperature"] = 400.0
    return json.dumps(fields)
