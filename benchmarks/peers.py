"""The work of `jsonlines` beside Bytewax, a stream processor for Python: rules, bad lines apart, dedupe, 1-minute windows with p95.

Bytewax writes JSON lines, we write Delta tables under all guarantees; both must find the same rows. It is installed for this alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import jsonlines
import measure

ROWS = 500_000
NEEDS = ["bytewax==0.21.1", "orjson==3.13.0"]
BYTEWAX = """
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import orjson
import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow

LATENESS, WITHIN = timedelta(minutes=2), timedelta(minutes=5)


def decode(line):
    try:
        row = orjson.loads(line)
        sensor, temperature, humidity, seq = row["sensor_id"], row["temperature"], row.get("humidity"), row["seq"]
        at = datetime.fromisoformat(row["observed_at"])
        if not isinstance(sensor, str) or not isinstance(temperature, (int, float)) or not isinstance(seq, int):
            raise TypeError("type")
    except (ValueError, KeyError, TypeError) as error:
        return {"raw": line, "reason": str(error)}
    if not -40 <= temperature <= 60 or humidity is not None and not 0 <= humidity <= 100:
        return {"raw": line, "reason": "rule"}
    return {"sensor_id": sensor, "at": at, "temperature": temperature, "humidity": humidity, "seq": seq}


def first_only(seen, row):
    seen = {} if seen is None else seen
    if row["seq"] in seen:
        return seen, []
    seen[row["seq"]] = row["at"]
    if len(seen) > 1200:
        seen = {seq: at for seq, at in seen.items() if at > row["at"] - WITHIN - LATENESS}
    return seen, [row]


def p95(values):
    values.sort()
    place = 0.95 * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def minute(closed):
    sensor, (window, values) = closed
    return orjson.dumps({"sensor_id": sensor, "window": window, "n": len(values), "mean": sum(values) / len(values),
                         "least": min(values), "most": max(values), "p95": p95(values)}).decode()


def add(values, row):
    values.append(row["temperature"])
    return values


def merge(one, other):
    return one + other


flow = Dataflow("bench")
rows = op.map("decode", op.input("lines", flow, FileSource(os.environ["SOURCE"])), decode)
both = op.branch("bad", rows, lambda row: "raw" in row)
op.output("quarantine", op.map("raw", both.trues, lambda row: ("", orjson.dumps(row).decode())), FileSink(Path("quarantine.jsonl")))
fresh = op.stateful_flat_map("fresh", op.key_on("by", both.falses, lambda row: row["sensor_id"]), first_only)
op.output("good", op.map("text", fresh, lambda pair: (pair[0], orjson.dumps(pair[1]).decode())), FileSink(Path("good.jsonl")))
clock = win.EventClock(lambda row: row["at"], wait_for_system_duration=LATENESS)
windower = win.TumblingWindower(length=timedelta(minutes=1), align_to=datetime(2026, 1, 1, tzinfo=timezone.utc))
closed = win.fold_window("minutes", fresh, clock, windower, list, add, merge)
op.output("windows", op.map("stats", closed.down, lambda pair: (pair[0], minute(pair))), FileSink(Path("minutes.jsonl")))
"""


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:
    """Ours against the flow; they must agree on the number of rows of each table."""
    rows = rows or ROWS
    source = jsonlines.made(cache, rows)
    folder, python = cache / "bytewax", _installed(cache / "bytewax-env")

    def ours(place: Path) -> Sequence[str | Path]:
        (place / "bench.yaml").write_text(jsonlines.PIPELINE % {"input": source})
        return [measure.BIN / "mainstem", "run", "--quiet", "bench.yaml"]

    def theirs(place: Path) -> Sequence[str | Path]:
        (place / "flow.py").write_text(BYTEWAX)
        return ["env", f"SOURCE={source}", python, "-m", "bytewax.run", "flow:flow"]

    found = measure.pairs(folder, ours, theirs, times)
    answers = {}
    for table, lake in (("good", "good"), ("minutes", "minutes"), ("quarantine", "bench_quarantine")):
        mine = measure.asked(measure.delta_files(folder / "ours" / "lake" / lake), "count(*)")[0]
        answers[table] = (mine, sum(1 for _ in (folder / "theirs" / f"{table}.jsonl").open("rb")))
    return [measure.compared("bytewax", found, answers, rows, floor=1.0, goal=5.0, peak=1024)]


def _installed(folder: Path) -> Path:
    python = folder / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    uv = measure.BIN / "uv"
    if not python.exists():
        subprocess.run([uv, "venv", "-q", "--python", measure.BIN / "python", folder], check=True, env=environment)
    subprocess.run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *NEEDS], check=True, env=environment)
    return python
