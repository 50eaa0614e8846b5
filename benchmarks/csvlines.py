"""CSV of 10 M rows x 6 -> rules, bad rows apart, Delta; a quoted empty field is a text, an unquoted one NULL.

Beside it a DuckDB script of the same work: one scan, all fields as text, TRY_CAST, good rows and bad ones to Parquet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import made
import measure

ROWS = 10_000_000
_LUCK = made.luck(1, 10_000)
HEAD = "id,sensor_id,observed_at,temperature,humidity,note\n"
LINE = f"""
i || ',' || CASE WHEN {_LUCK} = 17 THEN '' ELSE 'sensor-' || lpad((i % 1000)::VARCHAR, 4, '0') END || ',' ||
strftime(TIMESTAMP '2026-01-01' + to_seconds(i // 1000), '%Y-%m-%dT%H:%M:%SZ') || CASE WHEN {_LUCK} IN (21, 22) THEN '' ELSE
',' || CASE WHEN {_LUCK} = 18 THEN 'n/a' WHEN {_LUCK} IN (19, 20) THEN '400' ELSE (15 + {made.luck(2, 1000)} / 100.0)::DECIMAL(6, 2)::VARCHAR
END || ',' || CASE WHEN {_LUCK} = 23 THEN '' ELSE (40 + {made.luck(3, 300)} / 10.0)::DECIMAL(6, 1)::VARCHAR END || ',' ||
CASE {made.luck(4, 8)} WHEN 0 THEN '""' WHEN 1 THEN '"wet, cold"' WHEN 2 THEN 'ok' ELSE '' END END
"""
PIPELINE = """\
version: 1
pipeline: bench
sources:
  readings:
    files: {path: %(input)s}
    format: csv
    columns:
      id: int64!
      sensor_id: string!
      observed_at: timestamp!
      temperature: double!
      humidity: double
      note: string
steps:
  checked:
    from: readings
    check:
      - that: temperature BETWEEN -40 AND 60
      - that: humidity BETWEEN 0 AND 100
      - that: sensor_id LIKE 'sensor-%%'
outputs:
  good: {from: checked, delta: {table: good, mode: append}}
"""
DUCKDB = """
import duckdb, sys
source, folder = sys.argv[1:3]
con = duckdb.connect()
con.execute("SET timezone='UTC'; SET threads=2; SET preserve_insertion_order=false; SET disabled_optimizers='type_pushdown'")
names = "id sensor_id observed_at temperature humidity note".split()
columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
con.execute(f'''CREATE TEMP TABLE decoded AS SELECT *, try_cast(id AS BIGINT) AS i, try_cast(observed_at AS TIMESTAMPTZ) AS t,
  try_cast(temperature AS DOUBLE) AS c, try_cast(humidity AS DOUBLE) AS h,
  coalesce(i IS NOT NULL AND sensor_id IS NOT NULL AND t IS NOT NULL AND c IS NOT NULL AND (h IS NOT NULL OR humidity IS NULL)
  AND c BETWEEN -40 AND 60 AND coalesce(h BETWEEN 0 AND 100, true) AND sensor_id LIKE 'sensor-%', false) AS fine
  FROM read_csv('{source}', header=true, auto_detect=false, delim=',', quote='"', escape='"', columns={columns},
  null_padding=true, allow_quoted_nulls=false)''')
con.execute(f'''COPY (SELECT i AS id, sensor_id, t AS observed_at, c AS temperature, h AS humidity, note FROM decoded WHERE fine)
  TO '{folder}/good.parquet' ''')
con.execute(f"COPY (SELECT {', '.join(names)} FROM decoded WHERE NOT fine) TO '{folder}/quarantine.parquet'")
"""
_ASKED = {"rows": "count(*)", "ids": "sum(id)", "times": "sum(epoch_us(observed_at))", "temperatures": "sum(temperature)",
          "humidities": "sum(humidity)", "notes": "count(note)", "empty notes": "count_if(note = '')"}


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:
    """Ours against the script."""
    rows = rows or ROWS
    source, folder = cache / f"csv-{rows}.csv", cache / "csv"
    made.text(source, HEAD, LINE, rows)

    def ours(place: Path) -> Sequence[str | Path]:
        (place / "bench.yaml").write_text(PIPELINE % {"input": source})
        return [measure.BIN / "mainstem", "run", "--quiet", "bench.yaml"]

    def theirs(place: Path) -> Sequence[str | Path]:
        (place / "script.py").write_text(DUCKDB)
        return [measure.BIN / "python", "script.py", source, place]

    found = measure.pairs(folder, ours, theirs, times)
    lake, asked = folder / "ours" / "lake", ", ".join(_ASKED.values())
    good = zip(_ASKED, zip(measure.asked(measure.delta_files(lake / "good"), asked),
                           measure.asked(f"'{folder}/theirs/good.parquet'", asked)))
    bad = (measure.asked(measure.delta_files(lake / "bench_quarantine"), "count(*)"),
           measure.asked(f"'{folder}/theirs/quarantine.parquet'", "count(*)"))
    return [measure.compared("csv", found, {**dict(good), "bad rows": bad}, rows, floor=0.45, goal=0.65, peak=1024)]
