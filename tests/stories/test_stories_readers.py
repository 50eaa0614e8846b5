"""Who reads: all outputs of one complete epoch, older ones by number and time, a look that leaves no trace, every kind of output."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from telling import BEGIN, CLOCK, at, balances, ended, lines, opened, quiet_end, rows, script, until, write

from mainstem.cli.command import invoke
from mainstem.clock import iso
from mainstem.errors import MainstemError, SpecError

PIPELINE = """\
version: 1
pipeline: read
sources:
  readings:
    files: {path: "inbox/*"}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!}
    time: {column: at, lateness: 0s}
steps:
  checked: {from: readings, check: [{that: value < 1000}]}
  newest: {from: checked, latest: {by: [sensor], order: [at]}}
outputs:
  first: {from: checked, delta: {table: first, mode: append}}
  second: {from: checked, delta: {table: second, mode: append}}
  newest: {from: newest, delta: {table: newest, mode: upsert, key: [sensor]}}
"""


def readings(first: int, last: int, **more: Any) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n)} | more for n in range(first, last))


def test_what_went_wrong_can_be_asked_for_in_sql(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE.replace("value < 1000}", "value < 1000, else: stop}"), inbox___a=readings(0, 1, value=1000.0))
    with pytest.raises(MainstemError) as met:
        opened(file).run()
    found = opened(file).sql("SELECT code, count, open, message FROM incidents").to_pylist()
    assert [(row["code"], row["count"], row["open"]) for row in found] == [(met.value.code, 1, True)]
    assert "1000" in found[0]["message"]


def test_older_epochs_by_number_and_by_time(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, 10))
    opened(file).run()
    between = iso(CLOCK.now())
    first = opened(file).show_run("last")["last_epoch"]
    (tmp_path / "inbox/b").write_text(readings(10, 25))
    opened(file).run()
    count = "SELECT (SELECT count(*) FROM first) AS a, (SELECT count(*) FROM second) AS b, (SELECT max(value) FROM newest) AS c"
    assert opened(file).sql(count).to_pylist() == [{"a": 25, "b": 25, "c": 24.0}]
    for when in (str(first), between, "2999-01-01T00:00:00+02:00"):
        found = opened(file).sql(count, at=when).to_pylist()
        assert found == [{"a": 25, "b": 25, "c": 24.0} if when.startswith("2999") else {"a": 10, "b": 10, "c": 9.0}]
    for wrong, code in (("2001-01-01T00:00:00Z", "read.no_version"), ("yesterday", "read.bad_time"), ("2026-01-01T00:00:00", "read.bad_time")):
        with pytest.raises(MainstemError) as refused:
            opened(file).sql(count, at=wrong)
        assert refused.value.code == code


def test_a_missing_file_of_the_newest_version_is_named_with_a_way_to_mend_it(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, 5))
    opened(file).run()
    (gone,) = (tmp_path / "lake/first").glob("**/*.parquet")
    gone.unlink()
    with pytest.raises(MainstemError, match="files of the newest version") as told:
        opened(file).read("first")
    assert gone.name in told.value.why
    assert "restore" in told.value.fix


def test_a_beginning_that_several_runs_have_is_told_so(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, 1))
    ids = [opened(file).run().run_id for _ in range(2)]
    assert opened(file).show_run(ids[0])["run_id"] == ids[0]
    with pytest.raises(SpecError, match="several runs begin with '0'") as told:
        opened(file).show_run("0")
    assert all(run_id in told.value.why for run_id in ids)
    with pytest.raises(SpecError, match="there is no run 'zz'"):
        opened(file).show_run("zz")


def test_two_columns_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, 1))
    opened(file).run()
    query = "SELECT sensor, sensor, value, 7 AS sensor_1 FROM first"
    assert opened(file).sql(query).to_pylist() == [{"sensor": "s0", "sensor_1": "s0", "value": 0.0, "sensor_1_1": 7}]
    for output in ("table", "json", "csv"):
        assert invoke(["sql", "-f", str(file), "-o", output, query]) == 0
        assert "sensor_1_1" in capsys.readouterr().out


def test_a_reader_beside_a_follower_sees_whole_epochs(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, 10))
    follower = script(file, "import sys; from mainstem import project; "
                      "project.open(sys.argv[1], flags={'epoch': {'interval': '100ms'}}).run(follow=True)")
    try:
        until(lambda: len(rows(file, "first")) == 10)
        seen = set()
        number, found = 0, {"a": 0}
        while found["a"] < 160:
            if number < 15:
                number += 1
                (tmp_path / f"inbox/{number:02d}").write_text(readings(number * 10, number * 10 + 10))
            found = opened(file).sql("SELECT (SELECT count(*) FROM first) AS a, (SELECT count(*) FROM second) AS b, "
                                     "(SELECT count(*) FROM newest) AS c").to_pylist()[0]
            assert found["a"] == found["b"]
            assert found["c"] == 3
            seen.add(found["a"])
        until(lambda: len(rows(file, "second")) == 160)
        assert len(seen) > 2
        follower.terminate()
        assert ended(follower)[0] == 0
    finally:
        quiet_end(follower)
    assert {row["sensor"]: row["value"] for row in rows(file, "newest")} == {"s0": 159.0, "s1": 157.0, "s2": 158.0}


def test_a_look_leaves_no_trace(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___a=readings(0, 5000))
    before = {str(path) for path in tmp_path.rglob("*")}
    found = opened(file).look("checked", 7)
    assert found.num_rows == 7
    assert {str(path) for path in tmp_path.rglob("*")} == before
    opened(file).run()
    state = {str(path): path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert opened(file).look("newest", 2).num_rows == 2
    assert {str(path): path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == state


KINDS = """\
version: 1
pipeline: kinds
sources:
  readings:
    files: {path: "inbox/*"}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double, note: string}
    time: {column: at, lateness: 0s}
steps:
  minutes:
    from: readings
    window: {size: 1m, by: [sensor], late: drop}
    select: count(*) AS n
outputs:
  csv: {from: readings, files: {path: out/csv}, format: csv}
  json: {from: readings, files: {path: out/json}, format: json}
  parquet: {from: readings, files: {path: out/parquet}, format: parquet}
  upsert: {from: minutes, delta: {table: upserted, mode: upsert, key: [sensor]}}
  replace: {from: readings, delta: {table: replaced, mode: replace, by: [sensor]}}
"""


def test_every_kind_of_output_says_the_same(tmp_path: Path) -> None:
    file = write(tmp_path / "p", KINDS, inbox___a=readings(0, 200, note='say "hi", \n√') + readings(200, 210, note=None, value=None))
    assert balances(opened(file).run().account)
    (tmp_path / "p/inbox/b").write_text(readings(210, 400))
    opened(file).run()
    wanted = rows(file, "json")
    assert len(wanted) == 400
    assert rows(file, "csv") == wanted
    assert rows(file, "parquet") == wanted
    plain = {kind: sorted((tmp_path / "p/out" / kind).glob("0*/part-*")) for kind in ("csv", "json")}
    assert sum(len(list(csv.DictReader(path.open(newline="")))) for path in plain["csv"]) == 400
    assert sum(len(path.read_text().splitlines()) for path in plain["json"]) == 400
    windows = rows(file, "upsert")
    assert [row["sensor"] for row in windows] == ["s0", "s1", "s2"]
    assert {row["window_start"] for row in windows} == {dt.datetime.fromtimestamp(BEGIN + 300, dt.UTC)}
    replaced = rows(file, "replace")
    assert sorted(row["value"] for row in replaced) == [float(n) for n in range(210, 400)]       # the newest commit of each sensor


EVERY = """\
version: 1
pipeline: every
sources:
  readings:
    files: {path: in.jsonl}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!, tags: "list<string>"}
    time: {column: at, lateness: 30s}
steps:
  tidy: {from: readings, clean: [{column: sensor, set: trim(sensor)}]}
  scaled: {from: tidy, python: {call: "functions:scaled", rows: same}}
  rolling: {from: scaled, over: {by: [sensor], range: 1m}, select: "avg(value) AS mean"}
  visits: {from: scaled, session: {gap: 5s, by: [sensor]}, select: "count(*) AS n"}
  tagged: {from: scaled, sql: "SELECT sensor, at, unnest(tags) AS tag FROM scaled"}
  newest: {from: scaled, latest: {by: [sensor], order: [at]}}
  compared: {from: scaled, lookup: {table: newest, on: [sensor], take: {earlier: value}, unmatched: keep}}
outputs:
  compared: {from: compared, delta: {table: compared, mode: append}}
  rolling: {from: rolling, delta: {table: rolling, mode: append}}
  visits: {from: visits, delta: {table: visits, mode: append}}
  tagged: {from: tagged, delta: {table: tagged, mode: append}}
  newest: {from: newest, delta: {table: newest, mode: upsert, key: [sensor]}}
"""
FUNCTIONS = """\
import pyarrow.compute as pc


def scaled(rows):
    return rows.set_column(rows.column_names.index("value"), "value", pc.multiply(rows.column("value"), 2.0))
"""


def test_every_step_once_in_one_pipeline(tmp_path: Path) -> None:
    records = [{"sensor": f" s{n % 2} ", "at": at(n if n < 30 else n + 60), "value": float(n), "tags": ["x"] * (n % 3)} for n in range(60)]
    file = write(tmp_path, EVERY, in__jsonl=lines(records), functions__py=FUNCTIONS)
    assert [str(problem) for problem in opened(file).check()] == []
    result = opened(file, epoch={"rows": 20}).run()
    assert balances(result.account)
    earlier = [row["earlier"] for row in rows(file, "compared")]
    assert len(earlier) == 60
    assert None in earlier                                           # the epoch before the first one had no newest row
    assert set(earlier) - {None} <= {2.0 * n for n in range(60)}
    assert len(set(earlier)) > 3
    legs = {leg["leg"]: leg for leg in result.account}
    assert len(legs) >= 7
    assert {row["sensor"] for row in rows(file, "rolling")} == {"s0", "s1"}
    assert len(rows(file, "rolling")) == 60
    assert sorted(row["n"] for row in rows(file, "visits")) == [15, 15, 15, 15]
    assert len(rows(file, "tagged")) == sum(n % 3 for n in range(60))
    assert {row["sensor"]: row["value"] for row in rows(file, "newest")} == {"s0": 116.0, "s1": 118.0}
    first = next(row for row in rows(file, "rolling") if row["at"] == dt.datetime.fromtimestamp(BEGIN + 4, dt.UTC))
    assert first["mean"] == pytest.approx((0 + 4 + 8) / 3)
    changes = next(row["_changes"] for row in rows(file, "compared") if row["sensor"] == "s1")
    assert changes == [{"rule": "clean_sensor", "column": "sensor", "was": " s1 ", "is": "s1"}]
