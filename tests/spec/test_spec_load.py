"""A pipeline file becomes a frozen wish, or every problem in it at once, each with place, code and remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mainstem.columns import UNKNOWN, Column, Type
from mainstem.errors import SpecError
from mainstem.spec.load import load, loads
from mainstem.spec.names import RESERVED
from mainstem.spec.pipeline import Limits, Time

GREENHOUSE = """\
version: 1
pipeline: greenhouse
description: Climate of four greenhouses, minute by minute
owner: climate-team

sources:                       # consumed once, accounted for
  readings:
    generator: {rows: 1000}
    format: json
    columns:
      sensor_id: string!       # ! = required
      observed_at: timestamp!
      temperature: {type: double, unit: Cel}
      humidity: double
      seq: int64
    time: {column: observed_at, lateness: 30s, max_future: 5m, idle: {after: 1m, then: hold}}

tables:
  sensors:
    files: {path: data/sensors.csv}
    format: {csv: {delimiter: ";"}}
    key: [sensor_id]
    columns: {sensor_id: string!, house: string!}
    refresh: every:1h

steps:
  checked:
    from: readings
    check:
      - that: temperature BETWEEN -40 AND 60
      - {name: humidity_range, that: humidity BETWEEN 0 AND 100, else: flag}
  located:
    lookup: {table: sensors, on: [sensor_id]}
  climate:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: |
      avg(temperature) AS temperature,
      count(*) AS readings
  frost:
    alert: {when: temperature < 2, severity: critical}

outputs:
  climate: {from: climate, delta: {table: climate, mode: upsert, key: [house]}}
  frost: {from: frost, delta: {table: frost_alerts}}
  copies: {from: checked, files: {folder: out}, format: csv}
limits: {quarantine: 1%, rows: 1000, then: stop}
"""


def test_the_greenhouse_is_read_as_it_is_written() -> None:
    loaded = loads(GREENHOUSE, file="g.yaml")
    assert [str(problem) for problem in loaded.problems] == []
    wish = loaded.pipeline
    assert wish is not None
    assert (wish.version, wish.name, wish.owner, wish.file) == (1, "greenhouse", "climate-team", "g.yaml")
    readings = wish.sources["readings"]
    assert (readings.place.kind, readings.place.options.rows, readings.place.raw) == ("generator", 1000, {"rows": 1000})
    assert readings.columns[0] == Column("sensor_id", Type("string"), required=True)
    assert readings.columns[2] == Column("temperature", Type("double"), unit="Cel")
    assert readings.time == Time("observed_at", 30_000_000, 300_000_000, 60_000_000, "hold")
    sensors = wish.tables["sensors"]
    assert (sensors.format.kind, sensors.format.options.delimiter) == ("csv", ";")
    assert (sensors.key, sensors.refresh) == (("sensor_id",), "every:1h")
    assert [step.inputs for step in wish.steps.values()] == [("readings",), ("checked",), ("located",), ("climate",)]
    assert wish.steps["checked"].options[1].otherwise == "flag"
    assert wish.steps["checked"].raw[1]["else"] == "flag"
    assert wish.steps["climate"].siblings == {"select": "avg(temperature) AS temperature,\ncount(*) AS readings\n"}
    assert wish.steps["climate"].options.size == 60_000_000
    climate = wish.outputs["climate"]
    assert (climate.mode, climate.key, climate.place.raw, climate.format) == ("upsert", ("house",), {"table": "climate"}, None)
    assert wish.outputs["copies"].format.kind == "csv"
    assert wish.limits == Limits(0.01, 1000, "stop")
    assert wish.marks.within(("steps", "climate", "select"), 2, 1).line == 39
    with pytest.raises(dataclasses.FrozenInstanceError):
        wish.name = "other"  # type: ignore[misc]


SMALL = """\
version: 1
pipeline: p
sources:
  a: {generator: {rows: 1}, format: json, columns: {x: int64, t: timestamp!}}
steps:
  s: {sql: SELECT x FROM a}
outputs:
  o: {from: s, delta: {table: t}}
"""


def problems(text: str, **environ: str) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.code, problem.fix) for problem in loads(text, environ=environ).problems]


def edited(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new, 1)


@pytest.mark.parametrize(("old", "new", "line", "code", "fix"), [
    ("version: 1\n", "", 1, "spec.missing_key", "add `version"),
    ("version: 1", "version: 2", 1, "spec.version", "version: 1"),
    ("version: 1", "version: one", 1, "spec.value", ""),
    ("pipeline: p\n", "", 1, "spec.missing_key", "pipeline"),
    ("pipeline: p", "pipeline: My Pipe", 2, "spec.value", ""),
    ("pipeline: p", "pipline: p", 2, "spec.unknown_key", "`pipeline`"),
    ("outputs:\n  o: {from: s, delta: {table: t}}\n", "", 1, "spec.missing_key", "outputs"),
    ("outputs:\n  o: {from: s, delta: {table: t}}\n", "outputs: {}\n", 7, "spec.value", ""),
    ("sources:", "sources: 5\nx-s:", 3, "spec.value", ""),
    ("  s: {sql: SELECT x FROM a}\n", "  s: 5\n", 6, "spec.value", "write one of"),
    # plugs
    ("generator: {rows: 1}, ", "", 4, "spec.no_connector", "add one of"),
    ("generator: {rows: 1}", "generatr: {rows: 1}", 4, "spec.unknown_kind", "`generator`"),
    ("generator: {rows: 1}", "generator: {rows: 1}, files: {path: y}", 4, "spec.many_connectors", ""),
    ("generator: {rows: 1}", "generator: {rowz: 1}", 4, "spec.unknown_key", "`rows`"),
    ("generator: {rows: 1}", "generator: {rows: many}", 4, "spec.value", ""),
    ("generator: {rows: 1}", "generator: {rows: -1}", 4, "spec.value", ""),
    ("generator: {rows: 1}", "generator: [1]", 4, "spec.value", ""),
    ("generator: {rows: 1}", "files: {}", 4, "spec.missing_key", "`path"),
    ("generator: {rows: 1}", "broken: {}", 4, "spec.broken_plug", "install"),
    ("generator: {rows: 1}", "generator: {rows: 1}, fromat: json", 4, "spec.unknown_key", "`format`"),
    ("format: json", "format: jsn", 4, "spec.unknown_kind", "`json`"),
    ("format: json", "format: {csv: {delimiter: 'ab'}}", 4, "spec.value", ""),
    ("format: json", "format: {csv: {delimeter: ';'}}", 4, "spec.unknown_key", "`delimiter`"),
    ("format: json", "format: [json]", 4, "spec.value", "write `json`"),
    ("format: json, ", "", 4, "spec.format", "format"),
    ("sql: SELECT x FROM a", "sqll: SELECT x", 6, "spec.unknown_kind", "`sql`"),
    ("sql: SELECT x FROM a", "from: a", 6, "spec.no_step", ""),
    ("sql: SELECT x FROM a", "sql: SELECT x, latest: {}", 6, "spec.many_connectors", ""),
    ("sql: SELECT x FROM a", "sql: [1]", 6, "spec.value", ""),
    ("sql: SELECT x FROM a", "sql: SELECT x FROM a, select: x", 6, "spec.unknown_key", ""),
    ("sql: SELECT x FROM a", "window: {size: 5, late: drop}, select: x", 6, "spec.value", "number with a unit"),
    ("sql: SELECT x FROM a", "window: {size: 5m, late: dorp}, select: x", 6, "spec.value", "`drop`"),
    ("sql: SELECT x FROM a", "window: {size: 5m, late: drop}, select: [x]", 6, "spec.value", ""),
    ("sql: SELECT x FROM a", "check: [{taht: x > 1}]", 6, "spec.unknown_key", "`that`"),
    ("sql: SELECT x FROM a", "check: [{that: x > 1, else: quarantin}]", 6, "spec.value", "`quarantine`"),
    ("sql: SELECT x FROM a", "check: [5]", 6, "spec.value", ""),
    # columns
    ("columns: {x: int64, t: timestamp!}", "columns: {}", 4, "spec.value", ""),
    ("x: int64", "x: intt64", 4, "spec.value", "did you mean"),
    ("x: int64", "x: {type: int64, reqired: true}", 4, "spec.unknown_key", "`required`"),
    ("x: int64", "x: {type: int64!}", 4, "spec.value", "`required: true`"),
    ("x: int64", "x: {unit: m}", 4, "spec.missing_key", "`type"),
    ("x: int64", "x: 5", 4, "spec.value", "write `x: string`"),
    ("x: int64", "x: {type: timestamp, zone: Europe/Berln}", 4, "spec.value", "Europe/Berlin"),
    ("x: int64", "X: int64, x: int64", 4, "spec.name_clash", "path: x"),
    ("x: int64", "_x: int64", 4, "spec.reserved_name", "`x`"),
    ("x: int64", "_change_type: int64", 4, "spec.reserved_name", "change_type"),
    ("x: int64", "Order: int64", 4, "spec.reserved_name", "Order_value"),
    ("x: int64", "' x': int64", 4, "spec.name", "`x`"),
    # time
    ("format: json", "format: json, time: {column: t, latenes: 5s}", 4, "spec.unknown_key", "`lateness`"),
    ("format: json", "format: json, time: {column: t, lateness: 5}", 4, "spec.value", "unit"),
    ("format: json", "format: json, time: {column: t, idle: {after: 1m, then: flsh}}", 4, "spec.value", "`flush`"),
    ("format: json", "format: json, unknown: kep", 4, "spec.value", "`keep`"),
    # names
    ("  s: {sql", "  S1: {sql", 6, "spec.name", "`s1`"),
    ("  s: {sql", "  select: {sql", 6, "spec.reserved_name", "select_rows"),
    ("  s: {sql", "  rows: {sql", 6, "spec.reserved_name", ""),
    ("  s: {sql", "  a: {sql", 6, "spec.name_clash", ""),
    ("  o: {from", "  quarantine: {from", 8, "spec.reserved_name", ""),
    ("  o: {from", "  incidents: {from", 8, "spec.reserved_name", "incidents_1"),
    # from
    ("from: s, delta", "delta", 8, "spec.missing_key", "`from"),
    ("sql: SELECT", "from: 5, sql: SELECT", 6, "spec.value", ""),
    # outputs
    ("table: t}", "table: t, mode: upsrt}", 8, "spec.value", "`upsert`"),
    ("table: t}", "table: t, mode: upsert}", 8, "spec.mode", "add `key"),
    ("table: t}", "table: t, mode: replace}", 8, "spec.mode", "add `by"),
    ("table: t}", "table: t, key: [x]}", 8, "spec.mode", "upsert"),
    ("table: t}}", "table: t}, mode: append}", 8, "spec.unknown_key", "delta: {..., mode"),
    ("table: t}}", "table: t}, format: csv}", 8, "spec.format", "remove"),
    ("delta: {table: t}", "files: {folder: f}", 8, "spec.format", "add `format"),
    ("delta: {table: t}", "files: {folder: f, mode: upsert, key: [x]}, format: csv", 8, "spec.mode", "append"),
    ("delta: {table: t}", "files: {folder: f}, format: xml", 8, "spec.format", ""),
    ("delta: {table: t}", "delta: t", 8, "spec.value", ""),
    ("delta: {table: t}", "delta: {tabel: t}", 8, "spec.unknown_key", "`table`"),
    # limits
    ("version: 1\n", "version: 1\nlimits: {quarantine: 5}\n", 2, "spec.value", "percentage"),
    ("version: 1\n", "version: 1\nlimits: {then: stopp}\n", 2, "spec.value", "`stop`"),
    # placeholders
    ("table: t}", "table: '${env:NOWHERE}'}", 8, "spec.env", ":-default"),
    ("table: t}", "table: '${vault:x}'}", 8, "spec.placeholder", "secret:NAME"),
    ("table: t}", "table: '${env:X'}", 8, "spec.placeholder", "close"),
    ("table: t}", "table: '$${secret:X}'}", 8, "spec.placeholder", ""),
    ("table: t}", "table: '${env:1X}'}", 8, "spec.placeholder", ""),
])
def test_a_mistake_is_told_with_line_code_and_remedy(old: str, new: str, line: int, code: str, fix: str) -> None:
    found = problems(edited(old, new))
    assert any((at, what) == (line, code) and fix in remedy for at, what, remedy in found), found
    assert loads(edited(old, new)).pipeline is None


def test_every_problem_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = SMALL.replace("x: int64", "x: intt").replace("sql: SELECT", "sqll: SELECT").replace("table: t", "tabel: t")
    text = text.replace("version", "versoin")
    found = [(line, code) for line, code, _ in problems(text)]
    assert found == [(1, "spec.unknown_key"), (4, "spec.value"), (6, "spec.unknown_kind"), (8, "spec.unknown_key")]


def test_one_mistake_hides_no_other_in_the_same_entry() -> None:
    text = edited("format: json, columns: {x: int64, t: timestamp!}",
                  "fromat: json, columns: {x: intt, T: date, t: timestamp!}, time: {column: tt, lateness: 5}")
    text = text.replace("{from: s, delta: {table: t}}", "{from: ss, delta: {tabel: t}}")
    assert [code for _, code, _ in problems(text)] == [
        "spec.unknown_key", "spec.value", "spec.name_clash", "spec.value", "spec.unknown_key"]


def test_inputs_that_are_left_out() -> None:
    two = SMALL.replace("steps:", "  b: {generator: {}, format: json, columns: {y: int64}}\nsteps:")
    named = loads(two.replace("{sql:", "{from: [a, b], sql:").replace("outputs:", "  u: {latest: }\noutputs:")).pipeline
    assert named is not None
    assert (named.steps["s"].inputs, named.steps["u"].inputs) == (("a", "b"), ("s",))
    assert loads(two).pipeline.steps["s"].inputs == ()  # type: ignore[union-attr]
    assert loads(SMALL).pipeline.steps["s"].inputs == ("a",)  # type: ignore[union-attr]


def test_of_a_file_with_mistakes_the_rest_is_understood() -> None:
    text = edited("columns: {x: int64", "columns: {x: intt").replace("{sql: SELECT x FROM a}", "{form: a, window: {size: 5, late: drop}}")
    draft = loads(text.replace("table: t", "tabel: t")).draft
    assert draft is not None
    assert draft.sources["a"].columns == (Column("x", UNKNOWN), Column("t", Type("timestamp"), required=True))
    assert (draft.steps["s"].inputs, draft.steps["s"].options.late) == (("",), "drop")
    assert draft.outputs["o"].input == "s"
    assert draft.broken == {("sources", "a", "columns", "x"), ("steps", "s", "form"), ("steps", "s", "window", "size"),
                            ("outputs", "o", "delta", "tabel")}


def test_a_long_chain_of_steps_is_no_circle() -> None:
    steps = "".join(f"  s{n}: {{sql: x}}\n" for n in range(1500))
    assert loads(SMALL.replace("  s: {sql: SELECT x FROM a}\n", steps).replace("from: s,", "from: s9,")).problems == ()


def test_variables_of_the_environment() -> None:
    text = SMALL.replace("rows: 1", "rows: '${env:ROWS}'")
    text = text.replace("table: t", "table: 'a${env:A}-${env:B:-b$}-$${env:C}-${secret:D}-$$'")
    wish = loads(text, environ={"ROWS": "12", "A": "${env:B}"}).pipeline
    assert wish is not None
    assert wish.sources["a"].place.options.rows == 12
    assert wish.outputs["o"].place.options.table == "a${env:B}-b$-${env:C}-${secret:D}-$$"     # nothing is resolved twice
    missing = loads(text).problems
    assert [(problem.code, problem.line, problem.column) for problem in missing] == [("spec.env", 4, 26), ("spec.env", 8, 33)]
    empty = loads(SMALL.replace("table: t", "table: '${env:E:-x}'"), environ={"E": ""}).pipeline
    assert empty is not None
    assert empty.outputs["o"].place.raw == {"table": "x"}


def test_own_keys_stand_anywhere() -> None:
    text = SMALL.replace("rows: 1", "rows: 1, x-why: 5").replace("{sql", "{x-note: [1], sql")
    text = text.replace("outputs:", "  x-step: 7\noutputs:")
    wish = loads("x-top: {a: 1}\n" + text).pipeline
    assert wish is not None
    assert wish.sources["a"].place.raw == {"rows": 1}
    assert list(wish.steps) == ["s"]


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_no_names(word: str) -> None:
    found = problems(SMALL.replace("  s: {sql", f"  '{word}': {{sql").replace("x: int64", f"'{word}': int64"))
    assert [(line, code) for line, code, _ in found[:2]] == [(4, "spec.reserved_name"), (6, "spec.reserved_name")]


def test_the_reserved_words_are_those_of_duckdb() -> None:
    import duckdb

    words = duckdb.sql("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'").fetchall()
    assert {word for word, in words} == RESERVED


def test_a_file_that_is_not_there_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "greenhouse.yaml").write_text(SMALL)
    assert load(tmp_path / "greenhouse.yaml", environ={}).pipeline is not None
    with pytest.raises(SpecError) as raised:
        load(tmp_path / "greenhuose.yaml", environ={})
    assert (raised.value.code, raised.value.fix) == ("spec.no_file", "did you mean `greenhouse.yaml`?")
    with pytest.raises(SpecError):
        load(tmp_path, environ={})


def test_a_problem_reads_like_an_error() -> None:
    problem = loads(SMALL.replace("table: t", "tabel: t"), file="a.yaml").problems[-1]
    assert str(problem) == "a.yaml:8:24: unknown key `tabel` [spec.unknown_key]; did you mean `table`?"
    assert problem.where == "a.yaml:8:24"
    assert problem.path == ("outputs", "o", "delta", "tabel")
