"""On Spark, warm, local[2]: the work of `jsonlines` beside the same written by hand in Spark SQL, and beside ourselves embedded; small epochs.

Warm means that the session is up and its Python workers have imported what they need: both sides run a small input first.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import jsonlines
import measure

EPOCHS, ROWS = 200, 20_000            # rows of each small epoch
OURS = """
import json, sys, time
import mainstem
from mainstem.engines.spark.launch import start

engine = sys.argv[1]
session = start("local[2]", {"spark.driver.memory": "4g"}, "bench") if engine == "spark" else None
mainstem.load("warm/bench.yaml").run(engine=engine)
began = time.perf_counter()
mainstem.load("bench.yaml").run(engine=engine)
json.dump(time.perf_counter() - began, open("took.json", "w"))
if session is not None:
    session.stop()
"""
BY_HAND = """
import json, sys, time
from pyspark.sql import SparkSession, functions as F

session = (SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g").config("spark.ui.enabled", "false")
           .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2")
           .config("spark.ui.showConsoleProgress", "false").config("spark.log.level", "ERROR").getOrCreate())


def work(source, folder):
    columns = "sensor_id STRING, observed_at TIMESTAMP, temperature DOUBLE, humidity DOUBLE, seq BIGINT"
    lines = session.read.text(source)
    decoded = lines.select("value", F.from_json("value", columns).alias("s")).select("value", "s.*").cache()
    ok = "sensor_id IS NOT NULL AND observed_at IS NOT NULL AND temperature IS NOT NULL AND seq IS NOT NULL"
    rules = "temperature BETWEEN -40 AND 60 AND coalesce(humidity BETWEEN 0 AND 100, true)"
    reason = F.expr(f"CASE WHEN {ok} THEN 'rule' ELSE 'decode' END AS reason")
    decoded.where(f"coalesce(NOT ({ok} AND {rules}), true)").select("value", reason).write.parquet(f"{folder}/quarantine")
    good = decoded.where(f"{ok} AND {rules}").drop("value").dropDuplicates(["sensor_id", "seq"]).cache()
    good.write.parquet(f"{folder}/good")
    minutes = good.groupBy("sensor_id", F.window("observed_at", "1 minute").start.alias("window_start")).agg(
        F.count("*").alias("n"), F.avg("temperature").alias("mean"), F.min("temperature").alias("least"),
        F.max("temperature").alias("most"), F.expr("percentile(temperature, 0.95)").alias("p95"))
    minutes.write.parquet(f"{folder}/minutes")
    decoded.unpersist()
    good.unpersist()


work(sys.argv[1], "warm")
began = time.perf_counter()
work(sys.argv[2], "out")
json.dump(time.perf_counter() - began, open("took.json", "w"))
session.stop()
"""
SMALL = """
import json, statistics, sys, time
import mainstem
from mainstem import signals
from mainstem.engines.spark.launch import start
from mainstem.plugs import Budget
from mainstem.project import run
from mainstem.project.place import locate

session = start("local[2]", {}, "bench")
mainstem.load("warm/bench.yaml").run(engine="spark")
seconds, last = [], time.perf_counter()

def heard(name, facts):
    global last
    if name == "run.progress":
        now = time.perf_counter()
        seconds.append(now - last)
        last = now

with signals.listening(heard):
    run.run(locate("bench.yaml", None, {}), each=True, budget=Budget(int(sys.argv[1]), 64 << 20), engine="spark")
json.dump(seconds, open("epochs.json", "w"))
session.stop()
"""


def bench(cache: Path, rows: int | None, times: int) -> list[measure.Row]:
    """Ratios of seconds inside warm processes; the answers must agree on the rows of each table."""
    rows = rows or jsonlines.ROWS
    source, warm = jsonlines.made(cache, rows), jsonlines.made(cache, 100_000)
    folder = cache / "spark"

    def ours(engine: str) -> measure.Made:
        def make(place: Path) -> Sequence[str | Path]:
            _pipeline(place, source)
            _pipeline(place / "warm", warm)
            (place / "ours.py").write_text(OURS)
            return [measure.BIN / "python", "ours.py", engine]
        return make

    def by_hand(place: Path) -> Sequence[str | Path]:
        (place / "script.py").write_text(BY_HAND)
        return [measure.BIN / "python", "script.py", warm, source]

    found: dict[str, list[measure.Figures]] = {"spark": [], "hand": [], "local": []}
    sides = {"spark": ours("spark"), "hand": by_hand, "local": ours("local")}
    for number in range(times):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            place = folder / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            figures = measure.run(sides[name](place), place)
            found[name].append(measure.Figures(json.loads((place / "took.json").read_text()), figures.cpu, figures.peak))
    answers = {}
    for table in ("good", "minutes", "quarantine"):
        lake = "bench_quarantine" if table == "quarantine" else table
        mine = measure.asked(measure.delta_files(folder / "spark" / "lake" / lake), "count(*)")[0]
        answers[table] = (mine, measure.asked(f"'{folder}/hand/out/{table}/*.parquet'", "count(*)")[0])
        answers[f"{table}, embedded"] = (mine, measure.asked(measure.delta_files(folder / "local" / "lake" / lake), "count(*)")[0])
    return [measure.compared("spark: by hand", list(zip(found["spark"], found["hand"])), answers, rows, floor=2.0, goal=3.0, peak=8192),
            measure.compared("spark: embedded", list(zip(found["spark"], found["local"])), answers, rows, floor=1 / 1.5, goal=1.0,
                             peak=8192),
            *_small(cache, warm)]


def _small(cache: Path, warm: Path) -> list[measure.Row]:
    epochs = int(os.environ.get("MAINSTEM_BENCH_EPOCHS", EPOCHS))
    place = cache / "spark" / "small"
    shutil.rmtree(place, ignore_errors=True)
    _pipeline(place, jsonlines.made(cache, epochs * ROWS))
    _pipeline(place / "warm", warm)
    (place / "small.py").write_text(SMALL)
    figures = measure.run([measure.BIN / "python", "small.py", str(ROWS)], place)
    seconds = json.loads((place / "epochs.json").read_text())
    part = max(len(seconds) // 10, 1)
    first, last = measure.median(seconds[1:part + 1]), measure.median(seconds[-part:])
    note = f"{len(seconds)} epochs of {ROWS:,} rows"
    tenths = f"median {first:.2f} s in the first tenth, {last:.2f} s in the last"
    return [measure.Row("spark: 10 epochs", sum(seconds[:10]), "s", 12, 6, figures, note=note),
            measure.Row("spark: an epoch", measure.median(seconds), "s", 0.7, 0.35, note=note),
            measure.Row("spark: flat", last / first, "times", 1.5, 1.2, note=tenths)]


def _pipeline(place: Path, source: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "bench.yaml").write_text(jsonlines.PIPELINE % {"input": source})
