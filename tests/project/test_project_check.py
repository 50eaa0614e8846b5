"""`check` tells every problem of a file at once: none hides another, none is told twice, none is invented."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import mainstem
from mainstem.errors import SpecError

GOOD = """\
version: 1
pipeline: greenhouse
owner: climate-team
sources:
  readings:
    files: {path: "in/*.json"}
    format: json
    columns:
      sensor_id: string!
      observed_at: timestamp!
      temperature: double
      humidity: {type: double, unit: "%"}
      seq: int64
    time: {column: observed_at, lateness: 30s, idle: {after: 1m}}
    missing: quarantine
  events:
    generator: {rows: 100}
    format: {csv: {delimiter: ";"}}
    columns:
      device: string!
      at: timestamp!
      kind: string
    time: {column: at}
tables:
  sensors:
    files: {path: sensors.csv}
    format: csv
    key: [sensor_id]
    columns: {sensor_id: string!, house: string!, floor: int32}
steps:
  checked:
    from: readings
    check:
      - that: temperature BETWEEN -40 AND 60
      - {name: humidity_range, that: humidity BETWEEN 0 AND 100, else: flag}
      - seq >= 0
  cleaned:
    clean:
      - {column: temperature, set: temperature / 10, where: temperature > 200}
      - {column: humidity, set: "greatest(humidity, 0)"}
  fresh:
    dedupe: {by: [sensor_id, seq], within: 10m}
  located:
    lookup: {table: sensors, on: [sensor_id], take: [house, floor], unmatched: quarantine}
  derived:
    sql: |
      SELECT sensor_id, house, observed_at, humidity,
             temperature * 1.8 + 32 AS fahrenheit,
             upper(sensor_id) AS label
      FROM located
      WHERE temperature IS NOT NULL
  climate:
    window: {size: 1m, by: [house], late: quarantine}
    where: humidity < 100
    select: |
      avg(fahrenheit) AS fahrenheit,
      max(humidity) AS humidity,
      count(*) AS readings
    having: count(*) > 1
  frost:
    alert: {when: fahrenheit < 35, for: 3m, clear: fahrenheit > 40, by: [house], severity: critical}
  trend:
    from: derived
    over: {range: 1h, by: [sensor_id]}
    select: avg(fahrenheit) AS mean
  visits:
    from: events
    session: {gap: 5m, by: [device]}
    select: count(*) AS visits
  newest:
    from: events
    latest: {by: [device]}
  totals:
    from: events
    sql: SELECT device, count(*) AS n, max(at) AS last FROM events GROUP BY device
outputs:
  climate: {from: climate, delta: {table: climate, mode: append}}
  frost: {from: frost, delta: {table: frost_alerts}}
  trend: {from: trend, files: {path: trend}, format: csv}
  visits: {from: visits, delta: {table: visits}}
  newest: {from: newest, delta: {table: newest, mode: upsert, key: [device]}}
  totals: {from: totals, delta: {table: totals, mode: replace, by: [device]}}
limits: {quarantine: 5%, then: warn}
"""

# the mistake: what is written instead of what, the code of the problem, and the text at which it is told
MISTAKES = {
    # the file and its sections
    "owner": ("owner: climate-team", "onwer: climate-team", "spec.unknown_key", "onwer"),
    "limit": ("quarantine: 5%", "quarantine: 5 per cent", "spec.value", "5 per cent"),
    "then": ("then: warn", "then: wran", "spec.value", "wran"),
    # sources and tables
    "connector option": ('{path: "in/*.json"}', '{pth: "in/*.json"}', "spec.unknown_key", "pth:"),
    "connector": ("generator: {rows", "genrator: {rows", "spec.unknown_kind", "genrator"),
    "format": ("format: json", "format: jsn", "spec.unknown_kind", "jsn"),
    "format option": ('{delimiter: ";"}', '{delimeter: ";"}', "spec.unknown_key", "delimeter"),
    "type": ("temperature: double", "temperature: dubble", "spec.value", "dubble"),
    "type of a key": ("seq: int64", "seq: integr", "spec.value", "integr"),
    "type in a table": ("floor: int32", "floor: intt32", "spec.value", "intt32"),
    "long form": ("{type: double, unit", "{typ: double, unit", "spec.unknown_key", "typ: double"),
    "name of a column": ("kind: string", "_kind: string", "spec.reserved_name", "_kind"),
    "column twice": ("      kind: string", "      at: string", "spec.duplicate_key", "at: string"),
    "lateness": ("lateness: 30s", "lateness: 30 seconds", "spec.value", "30 seconds"),
    "key of time": ("lateness: 30s", "latenes: 30s", "spec.unknown_key", "latenes:"),
    "idle": ("{after: 1m}", "{after: 1m, than: hold}", "spec.unknown_key", "than"),
    "time column": ("{column: at}", "{column: att}", "time.no_column", "att}"),
    "missing": ("missing: quarantine", "missing: quarantin", "spec.value", "quarantin\n"),
    "key of a table": ("key: [sensor_id]", "key: [sensr_id]", "plan.no_column", "sensr_id]\n    columns"),
    # checks and cleaning
    "from": ("from: readings", "from: redings", "plan.unknown_input", "redings"),
    "rule": ("that: temperature BETWEEN", "that: temprature BETWEEN", "sql.unknown_column", "temprature BETWEEN"),
    "rule key": ("else: flag", "els: flag", "spec.unknown_key", "els: flag"),
    "rule of types": ("- seq >= 0", "- sensor_id >= 0", "sql.invalid", "sensor_id >= 0"),
    "rule syntax": ("- seq >= 0", "- seq >= (0", "sql.syntax", "0\n  cleaned"),
    "clean column": ("{column: temperature, set", "{column: temperatur, set", "sql.unknown_column", "temperatur,"),
    "clean function": ("greatest(humidity, 0)", "greatst(humidity, 0)", "sql.unknown_function", "greatst"),
    # keys
    "dedupe key": ("by: [sensor_id, seq]", "by: [sensor_id, sqe]", "sql.unknown_column", "sqe]"),
    "dedupe horizon": ("within: 10m", "within: 10", "spec.value", "10}"),
    "lookup table": ("table: sensors", "table: senors", "lookup.unknown_table", "senors"),
    "lookup key": ("on: [sensor_id]", "on: [sensor]", "sql.unknown_column", "sensor]"),
    "lookup take": ("take: [house, floor]", "take: [house, flor]", "sql.unknown_column", "flor]"),
    "unmatched": ("unmatched: quarantine", "unmatched: ignore", "spec.value", "ignore"),
    # SQL
    "column": ("temperature * 1.8", "temprature * 1.8", "sql.unknown_column", "temprature * 1.8"),
    "function": ("upper(sensor_id)", "uper(sensor_id)", "sql.unknown_function", "uper"),
    "types": ("upper(sensor_id) AS", "sensor_id + 1 AS", "sql.invalid", "|\n      SELECT"),
    "where": ("WHERE temperature IS", "WHERE temprature IS", "sql.unknown_column", "temprature IS"),
    "relation": ("FROM located", "FROM loacted", "sql.unknown_relation", "loacted"),
    "clock": ("max(at) AS last", "now() AS last", "sql.function_refused", "now()"),
    # windows, alerts, sessions
    "size": ("{size: 1m, by", "{size: 60, by", "spec.value", "60, by"),
    "size key": ("{size: 1m, by", "{szie: 1m, by", "spec.unknown_key", "szie"),
    "window key": ("by: [house], late", "by: [hous], late", "sql.unknown_column", "hous], late"),
    "late": (", late: quarantine}", "}", "spec.missing_key", "window"),
    "aggregate": ("max(humidity) AS", "max(humidty) AS", "sql.unknown_column", "humidty) AS"),
    "another aggregate": ("avg(fahrenheit) AS fahrenheit,", "avg(farenheit) AS fahrenheit,", "sql.unknown_column", "farenheit) AS"),
    "window where": ("where: humidity < 100", "where: humidty < 100", "sql.unknown_column", "humidty < 100"),
    "having": ("having: count(*) > 1", "having: conut(*) > 1", "sql.unknown_function", "conut"),
    "when": ("when: fahrenheit < 35", "when: farenheit < 35", "sql.unknown_column", "farenheit < 35"),
    "severity": ("severity: critical", "severity: critcal", "spec.value", "critcal"),
    "alert key": ("by: [house], severity", "by: [huose], severity", "sql.unknown_column", "huose"),
    "no condition": ("clear: fahrenheit > 40", "clear: fahrenheit + 40", "sql.not_boolean", "fahrenheit + 40"),
    "over select": ("avg(fahrenheit) AS mean", "avg(fahrenhet) AS mean", "sql.unknown_column", "fahrenhet"),
    "over range": ("range: 1h", "range: 0s", "step.duration", "0s, by"),
    "gap": ("gap: 5m", "gap: five", "spec.value", "five"),
    "session select": ("count(*) AS visits", "count(*)", "sql.unnamed", "count(*)\n  newest"),
    "step": ("latest: {by", "latst: {by", "spec.unknown_kind", "latst"),
    "latest key": ("latest: {by: [device]}", "latest: {by: [devic]}", "sql.unknown_column", "devic]}\n  totals"),
    # outputs
    "output from": ("{from: visits,", "{from: vists,", "plan.unknown_input", "vists"),
    "output key": ("mode: upsert, key: [device]", "mode: upsert, key: [devise]", "plan.no_column", "devise"),
    "mode": ("mode: append", "mode: apend", "spec.value", "apend"),
    "no key": (", mode: replace, by: [device]", ", mode: replace", "spec.mode", "replace}"),
    "sink": ("files: {path: trend}", "fils: {path: trend}", "spec.unknown_kind", "fils"),
    "output format": ("format: csv}", "format: cvs}", "spec.unknown_kind", "cvs}"),
    "connector's option": ("{table: frost_alerts}", "{tabel: frost_alerts}", "spec.unknown_key", "tabel"),
}

FILES = [
    ["owner", "type", "rule", "aggregate", "output from"],
    ["rule", "aggregate"],
    ["type", "column", "where"],
    ["types", "rule of types", "clean column"],
    ["rule of types", "no condition", "session select"],
    ["size", "aggregate", "another aggregate"],
    ["size key", "aggregate", "when"],
    ["late", "window where", "having"],
    ["rule key", "rule", "rule syntax"],
    ["dedupe key", "dedupe horizon", "lookup key"],
    ["lookup key", "lookup take", "unmatched"],
    ["lookup table", "function"],
    ["key of a table", "lookup take"],
    ["from", "rule syntax", "over range", "clock"],
    ["lateness", "clean column", "clean function"],
    ["key of time", "when", "alert key", "severity"],
    ["connector", "gap", "session select", "latest key"],
    ["connector option", "format", "long form", "relation", "over select"],
    ["step", "no key", "output from"],
    ["output key", "no key", "latest key", "gap"],
    ["time column", "clock"],
    ["sink", "output format", "connector's option", "mode"],
    ["name of a column", "type of a key", "missing", "idle"],
    ["column twice", "late", "clean column"],
    ["type in a table", "type of a key", "rule", "dedupe key", "output key"],
    ["limit", "then", "format option", "window key", "aggregate", "mode"],
    ["column", "aggregate", "when", "over select", "output key", "clock"],
    ["rule", "clean column", "dedupe key", "unmatched", "where", "window key"],
    ["relation", "having", "step", "sink"],
]


def problems(text: str, folder: Path) -> list[tuple[int, int, str]]:
    file = folder / "p.yaml"
    file.write_text(text)
    return [(one.line, one.column, one.code) for one in mainstem.load(file).check()]


def place(text: str, at: str) -> tuple[int, int]:
    before = text[:text.index(at)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def with_mistakes(names: list[str]) -> tuple[str, list[tuple[int, int, str]]]:
    """The file with these mistakes, and what is to be told of it."""
    text = GOOD
    for name in names:
        old, new, *_ = MISTAKES[name]
        assert text.count(old) == 1, name
        text = text.replace(old, new)
    expected = []
    for name in names:
        *_, code, at = MISTAKES[name]
        assert text.count(at) == 1, name
        expected.append((*place(text, at), code))
    return text, sorted(expected)


def test_the_file_is_good(tmp_path: Path) -> None:
    assert problems(GOOD, tmp_path) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_one_mistake_is_one_problem(name: str, tmp_path: Path) -> None:
    text, expected = with_mistakes([name])
    assert problems(text, tmp_path) == expected


@pytest.mark.parametrize("names", FILES, ids=" + ".join)
def test_every_mistake_of_a_file_is_told_at_once(names: list[str], tmp_path: Path) -> None:
    text, expected = with_mistakes(names)
    assert problems(text, tmp_path) == expected


@pytest.mark.parametrize("seed", range(20))
def test_mending_what_is_told_ends_with_a_good_file(seed: int, tmp_path: Path) -> None:
    """Of any mistakes together nothing is invented and nothing told twice; what a broken part hid is told once it is mended."""
    names = [name for name in random.Random(seed).sample(sorted(MISTAKES), 6) if name not in ("column twice", "types")]
    left = {new: old for old, new, *_ in (MISTAKES[name] for name in names)}
    rounds = 0
    while True:
        text = GOOD
        for new, old in left.items():
            text = text.replace(old, new)
        told = problems(text, tmp_path)
        assert len(set(told)) == len(told)
        if not told:
            break
        right = {place(text, at): (new, code) for _, new, code, at in (MISTAKES[name] for name in names) if text.count(at) == 1}
        for line, column, code in told:
            new, expected = right[line, column]
            assert code == expected
            del left[new]
        rounds += 1
    assert left == {}
    assert rounds <= 3


def test_a_file_with_any_problem_is_neither_run_nor_planned(tmp_path: Path) -> None:
    text, expected = with_mistakes(["owner", "rule"])
    problems(text, tmp_path)
    pipeline = mainstem.load(tmp_path / "p.yaml")
    for refused in (pipeline.run, pipeline.plan, pipeline.build):
        with pytest.raises(SpecError) as raised:
            refused()
        assert raised.value.code == "spec.problems"
        assert raised.value.why.splitlines() == [str(problem) for problem in pipeline.check()]
    assert len(pipeline.check()) == len(expected)
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.yaml"]
