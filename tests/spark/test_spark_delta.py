"""Spark's own reader and writer of Delta on the tables that mainstem writes: users of Spark see the same rows, and can go on."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import killing
import pyarrow as pa
import pytest
from cluster import Driver, driver
from connectors_kit import EVERY_TYPE, delta, epoch, everything
from remains import remains, texts

from mainstem import project
from mainstem.errors import MainstemError, RefusedError

ROOT = Path(__file__).parents[2]
# All others that Maven brings are in pyspark already, some in another version.
WANTED = ("delta-spark_", "delta-storage-", "delta-kernel-", "unitycatalog-", "jsr305-")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def jars(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The jars of delta-spark: fetched once, kept in `build/`. Skips where they cannot be had, fails in CI."""
    folder = ROOT / "build" / "delta-jars-4.4.0"
    if not folder.is_dir():
        fetched, why = tmp_path_factory.mktemp("jars") / "all", "there is no mvn"
        if shutil.which("mvn"):
            done = subprocess.run(["mvn", "-B", "-q", "-f", str(Path(__file__).with_name("delta-jars.xml")),
                                   "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"],
                                  capture_output=True, text=True, timeout=250, check=False)
            why = (done.stdout + done.stderr).strip()[:200] if done.returncode else ""
        if why:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no jars of delta-spark: {why}")
        for path in fetched.iterdir():
            if not path.name.startswith(WANTED):
                path.unlink()
        folder.parent.mkdir(exist_ok=True)
        shutil.copytree(fetched, folder.with_name(f"{folder.name}.{os.getpid()}"))
        folder.with_name(f"{folder.name}.{os.getpid()}").rename(folder)
    return ",".join(str(path) for path in folder.iterdir())


@pytest.fixture(scope="module")
def on(jars: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A driver whose Spark knows Delta."""
    conf = {"spark.jars": jars, "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.databricks.delta.snapshotPartitions": "1", "spark.sql.sources.parallelPartitionDiscovery.parallelism": "1"}
    with driver("local[1]", tmp_path_factory.mktemp("delta") / "faults", **conf) as running:
        yield running


def ask(statement: str) -> pa.Table:
    """What Spark's SQL answers."""
    return _session().sql(statement).toArrow()


def do(statement: str) -> None:
    """Have Spark change a table; what it says about it is not looked at."""
    _session().sql(statement).collect()


def _session() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def table(path: Path) -> str:
    return f"delta.`{path}`"


def plain(rows: pa.Table) -> list[str]:
    """Rows comparable as text, with NaN and the sign of a zero."""
    return sorted(str(row) for row in rows.to_pylist())


def test_every_type_in_both_directions(on: Driver, tmp_path: Path) -> None:
    out, rows = delta(tmp_path / "lake", pairs=EVERY_TYPE), everything()
    out.prepare()
    out.commit(epoch(1), [out.stage(rows, "a")])
    expected = plain(rows.set_column(2, "big", rows.column("big").cast(pa.decimal128(20, 0))))
    path = tmp_path / "lake" / "t"
    assert plain(on(ask, f"SELECT * FROM {table(path)}")) == expected
    on(do, f"INSERT INTO {table(path)} SELECT * FROM {table(path)}")
    assert plain(out.read()) == sorted(expected * 2)
    out.commit(epoch(2), [out.stage(rows.slice(0, 1), "b")])
    assert on(ask, f"SELECT count(*) AS n, count(id) AS ids FROM {table(path)}").to_pylist() == [{"n": 7, "ids": 5}]


def test_partition_values(on: Driver, tmp_path: Path) -> None:
    pairs = (("id", "int64"), ("part", "string"), ("day", "date"), ("ok", "boolean"))
    out = delta(tmp_path / "lake", pairs=pairs, partition_by=["part", "day", "ok"])
    out.prepare()
    rows = pa.table({"id": [1, 2, 3, 4], "part": ["é/ =%", "a:b?c#d", None, "1"],
                     "day": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31), dt.date(1970, 1, 1)]), "ok": [True, False, None, True]})
    out.commit(epoch(1), [out.stage(rows, "a")])
    path = tmp_path / "lake" / "t"
    assert plain(on(ask, f"SELECT * FROM {table(path)}")) == plain(rows)
    assert on(ask, f"SELECT id FROM {table(path)} WHERE part = 'é/ =%' AND day < DATE'1000-01-01'").to_pylist() == [{"id": 1}]
    on(do, f"INSERT INTO {table(path)} SELECT id + 10, part, day, ok FROM {table(path)}")
    more = rows.set_column(0, "id", pa.array([11, 12, 13, 14]))
    assert plain(out.read()) == plain(pa.concat_tables([rows, more]))


def test_what_a_pipeline_wrote_and_how_it_goes_on_after_optimize(on: Driver, tmp_path: Path) -> None:
    whole = killing.make(tmp_path / "whole" / "p", 3)
    killing.run(whole, "each", flush=True)
    file = killing.make(tmp_path / "p", 3)
    pipeline = project.open(file, flags=killing.FLAGS)
    pipeline.run(each=True, max_epochs=2)
    lake = file.parent / "lake"
    for name in ("spans", "fresh", "newest"):                    # append, append, upsert
        assert texts(on(ask, f"SELECT * FROM {table(lake / name)}"), True) == texts(pipeline.read(name), True)
        on(do, f"OPTIMIZE {table(lake / name)}")
    killing.run(file, "each", flush=True)
    wanted = remains(whole)["tables"]
    assert {name: texts(pipeline.read(name), False) for name in wanted} == wanted
    for name in ("spans", "fresh", "newest"):
        assert texts(on(ask, f"SELECT * FROM {table(lake / name)}"), True) == texts(pipeline.read(name), True)
    rows = pipeline.read("quarantine").select(["id", "fate", "reason", "raw"])
    assert texts(on(ask, f"SELECT id, fate, reason, raw FROM {table(lake / 'crashing_quarantine')}"), True) == texts(rows, True)


TURNED_ON = {"delta.columnMapping.mode": "name", "delta.enableDeletionVectors": "true"}


@pytest.mark.parametrize("feature", TURNED_ON)
def test_what_this_writer_does_not_use_is_refused_by_name(feature: str, on: Driver, tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p")
    killing.run(file, "each", max_epochs=1)
    on(do, f"ALTER TABLE {table(file.parent / 'lake' / 'spans')} SET TBLPROPERTIES ('{feature}' = '{TURNED_ON[feature]}', "
           "'delta.minReaderVersion' = '3', 'delta.minWriterVersion' = '7')")
    with pytest.raises(RefusedError) as found:
        killing.run(file, "each")
    assert found.value.code == "delta.schema"
    assert feature in found.value.what


def test_rows_that_spark_takes_away_are_noticed(on: Driver, tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p")
    killing.run(file, "each", max_epochs=2)
    on(do, f"DELETE FROM {table(file.parent / 'lake' / 'fresh')} WHERE seq < 5")
    with pytest.raises(MainstemError) as found:
        killing.run(file, "each")
    assert found.value.code == "sink.reset"
