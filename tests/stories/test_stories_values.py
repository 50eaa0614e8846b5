"""Values through a whole pipeline: NULL, a missing field, '' and NaN stay four things, and no digit is lost (semantics 2-J)."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from telling import opened, rows, write

PIPELINE = """\
version: 1
pipeline: values
sources:
  readings:
    files: {path: SOURCE}
    format: FORMAT
    columns:
      id: int64!
      note: string
      value: double
      big: int64
      whole: uint64
      money: decimal(18,1)
      at: timestamp
      tags: list<string>
      seen: timestamp!
    time: {column: seen, lateness: 1h}
steps:
  checked: {from: readings, check: [that: id >= 0]}
  renamed: {from: checked, sql: "SELECT id, note, value, big, whole, money, at, tags, seen FROM checked WHERE id < 1000"}
  once: {from: renamed, dedupe: {by: [id, note], within: 1h, null: keep}}
  cleaned: {from: once, clean: [{column: note, set: "CASE WHEN note = 'old' THEN 'new' ELSE note END"}]}
outputs:
  lake: {from: cleaned, delta: {table: values, mode: append}}
  csv: {from: cleaned, files: {path: out/csv}, format: {csv: {delimiter: ";", decimal: ","}}}
  json: {from: cleaned, files: {path: out/json}, format: {json: {nan: string, large_integers: string}}}
  parquet: {from: cleaned, files: {path: out/parquet}, format: parquet}
"""
UTC = dt.UTC
FOUR = [
    {"id": 1, "note": None, "value": None, "big": None, "whole": None, "money": None, "at": None, "tags": None},
    {"id": 2, "note": "", "value": math.nan, "big": 2**53 + 1, "whole": 2**64 - 1, "money": Decimal("883406386745030.3"),
     "at": dt.datetime(2026, 3, 29, 1, 59, 59, 999999, tzinfo=UTC), "tags": []},
    {"id": 3, "note": "NULL", "value": math.inf, "big": -2**63, "whole": 0, "money": Decimal("-0.1"),
     "at": dt.datetime(1, 1, 1, tzinfo=UTC), "tags": ["", None, "null"]},
    {"id": 4, "note": 'e\u0301 "x"; é\r\nNaN', "value": -0.0, "big": 2**63 - 1, "whole": 2**53 + 1, "money": Decimal("0.0"),
     "at": dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "tags": ["a;b"]},
]
SEEN = dt.datetime(2026, 3, 1, tzinfo=UTC)
SCHEMA = pa.schema([("id", pa.int64()), ("note", pa.string()), ("value", pa.float64()), ("big", pa.int64()), ("whole", pa.uint64()),
                    ("money", pa.decimal128(18, 1)), ("at", pa.timestamp("us", "UTC")), ("tags", pa.list_(pa.string())),
                    ("seen", pa.timestamp("us", "UTC"))])


def pipeline(source: str, form: str) -> str:
    return PIPELINE.replace("SOURCE", source).replace("FORMAT", form)


def told(found: list[dict[str, Any]]) -> list[list[str]]:
    """Rows as texts in which NaN equals NaN, and 0.0 is not -0.0."""
    return [[str(row[name]) for name in SCHEMA.names] for row in sorted(found, key=lambda row: row["id"])]


def test_no_value_changes_on_its_way_to_any_output(tmp_path: Path) -> None:
    file = write(tmp_path, pipeline("in.parquet", "parquet"))
    given = pa.Table.from_pylist([row | {"seen": SEEN} for row in FOUR], SCHEMA)
    pq.write_table(given, tmp_path / "in.parquet")
    assert [str(problem) for problem in opened(file).check()] == []
    assert opened(file).run().rows == 4
    expected = told(given.to_pylist())
    assert {name: told(rows(file, name)) for name in ("lake", "csv", "json", "parquet")} == dict.fromkeys(
        ("lake", "csv", "json", "parquet"), expected)

    # readers that know nothing of mainstem
    assert told(DeltaTable(tmp_path / "lake/values").to_pyarrow_table().to_pylist()) == expected
    assert told(pq.read_table(next((tmp_path / "out/parquet").glob("0*/part-*"))).to_pylist()) == expected
    with next((tmp_path / "out/csv").glob("0*/part-*")).open(newline="", encoding="utf-8") as plain:
        texts = {row["id"]: row for row in csv.DictReader(plain, delimiter=";")}
    assert [texts["2"][name] for name in ("big", "whole", "money")] == ["9007199254740993", "18446744073709551615", "883406386745030,3"]
    assert [texts[key]["value"] for key in "1234"] == ["", "nan", "inf", "-0"]
    strict = {row["id"]: row for row in map(reader, next((tmp_path / "out/json").glob("0*/part-*")).read_text().splitlines())}
    assert (strict[2]["value"], strict[2]["big"], strict[2]["money"]) == ("NaN", "9007199254740993", Decimal("883406386745030.3"))
    assert strict[1]["value"] is None
    assert strict[2]["note"] == ""


def reader(line: str) -> dict[str, Any]:
    """JSON as the standard has it: NaN is refused."""
    return json.loads(line, parse_float=Decimal, parse_constant=lambda word: 1 / 0)  # type: ignore[no-any-return]


def test_what_fits_no_type_exactly_is_set_aside_and_what_is_missing_is_on_record(tmp_path: Path) -> None:
    bad = {10: '"big": 9223372036854775808', 11: '"big": true', 12: '"big": 1.5', 13: '"big": "7"', 14: '"value": 1e400',
           15: '"value": NaN', 16: '"money": 1.25', 17: '"whole": -1', 18: '"at": "2026-01-01T00:00:00.0000001Z"',
           19: '"note": "\\ud800"', 20: '"big": 1, "big": 1'}
    good = ['{"id": 1, "note": null}', '{"id": 2, "note": "", "big": 9007199254740993, "money": 883406386745030.3, "value": 1e3}',
            '{"id": 3, "big": 1.0, "at": "2026-01-01T00:00:00.000000000Z"}']
    records = [*good, *(f'{{"id": {key}, {rest}}}' for key, rest in bad.items())]
    text = "".join(line.removesuffix("}") + ', "seen": "2026-03-01T00:00:00Z"}\n' for line in records)
    file = write(tmp_path, pipeline("in.jsonl", "json"), in__jsonl=text)
    result = opened(file).run()
    assert result.drift["readings"]["absent column note"] == "in.jsonl:" + str(text.encode().index(b'{"id": 3'))
    assert sorted((row["id"], row["note"], row["big"], row["money"]) for row in rows(file, "csv")) == [
        (1, None, None, None), (2, "", 2**53 + 1, Decimal("883406386745030.3")), (3, None, 1, None)]
    found = opened(file)
    aside = {}
    for row in found.quarantine().to_pylist():
        shown = found.quarantine_show(row["id"])
        aside[int(shown["raw"].split(b",")[0].removeprefix(b'{"id": '))] = shown["reason"]
        assert shown["raw"] in text.encode().splitlines()
    assert aside == {10: "out_of_range", 11: "type", 12: "inexact", 13: "type", 14: "out_of_range", 15: "not_json", 16: "inexact",
                     17: "out_of_range", 18: "inexact", 19: "bad_escape", 20: "duplicate_key"}
