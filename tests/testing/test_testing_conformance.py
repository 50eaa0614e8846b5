"""The conformance kit: a case that holds, and every way in which an answer can be another one."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.testing.conformance import Answer, Case, differences, run_case

PIPELINE = """\
version: 1
pipeline: counted
sources:
  readings:
    files: {path: readings.csv}
    format: csv
    columns: {sensor: string!, value: double!}
steps:
  checked: {from: readings, check: [value < 90]}
  mean: {from: checked, sql: "SELECT sensor, count(*) AS n, avg(value) AS mean FROM checked GROUP BY sensor"}
outputs:
  mean: {from: mean, delta: {table: mean}}
"""
EXPECTED = Answer(
    {"mean": pa.table({"sensor": ["b", "a"], "n": pa.array([1, 2], pa.int64()), "mean": [5.0, 0.15]})},
    pa.table({"fate": ["quarantined"] * 2, "reason": ["type", "rule"]}),
    {"readings -> mean": {"made": 5, "delivered": 3, "quarantined": 2}, "mean -> mean/output": {"made": 2, "delivered": 2}},
)
CASE = Case("counted", PIPELINE, {"readings.csv": b"sensor,value\na,0.1\nb,5\na,0.2\na,many\na,99\n"}, EXPECTED, {"mean.mean": 1e-12})


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    return run_case(CASE, "local", tmp_path_factory.mktemp("case"), {"epoch": {"rows": 2}, "tasks": 2})


def test_a_case_that_holds(answer: Answer) -> None:
    assert differences(EXPECTED, answer, CASE.within) == []
    assert differences(answer, answer) == []


def changed(rows: pa.Table, name: str, values: list[Any]) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, name, pa.array(values, rows.schema.field(place).type))


@pytest.mark.parametrize(("change", "told"), [
    (lambda table: table.slice(1), "mean: 1 rows differ; 2 expected, 1 came"),
    (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "mean: 1 rows differ; 2 expected, 3 came"),
    (lambda table: changed(table, "n", [1, 7]), "  not expected: {sensor: "),
    (lambda table: changed(table, "n", [None, 2]), "n: null"),
    (lambda table: changed(table, "mean", [5.0 + 1e-11, 0.15]), "1 rows differ"),
    (lambda table: table.set_column(1, "n", table.column("n").cast(pa.int32())), "mean: the type of `n` is int32, expected int64"),
    (lambda table: table.drop_columns(["n"]), "mean: the type of `n` is missing, expected int64"),
])
def test_a_table_that_differs(change: Any, told: str, answer: Answer) -> None:
    other = dataclasses.replace(answer, tables={"mean": change(EXPECTED.tables["mean"])})
    assert told in "\n".join(differences(EXPECTED, other, CASE.within))


def test_an_account_or_a_quarantine_that_differs(answer: Answer) -> None:
    assert answer.account is not None
    assert answer.quarantine is not None
    legs = dict(answer.account)
    other = dataclasses.replace(answer, account={**legs, "mean -> mean/output": {**legs["mean -> mean/output"], "delivered": 1, "late": 1}})
    assert differences(EXPECTED, other, CASE.within) == [
        "mean -> mean/output: delivered is 1, expected 2", "mean -> mean/output: late is 1, expected 0"]
    missing = dataclasses.replace(answer, account={"readings -> elsewhere": legs.pop("readings -> mean"), **legs})
    assert differences(EXPECTED, missing, CASE.within) == [
        "there is no leg `readings -> mean`", "the leg `readings -> elsewhere` is not expected"]
    fewer = dataclasses.replace(answer, quarantine=answer.quarantine.slice(1))
    assert differences(EXPECTED, fewer, CASE.within)[0] == "quarantine: 1 rows differ; 2 expected, 1 came"
    none = dataclasses.replace(answer, tables={})
    assert differences(EXPECTED, none, CASE.within) == ["there is no output `mean`"]


def test_numbers_are_equal_as_numbers_are() -> None:
    def both(a: list[Any], b: list[Any]) -> list[str]:
        return differences(Answer({"x": pa.table({"v": a})}), Answer({"x": pa.table({"v": b})}))

    assert both([float("nan"), 0.0, None], [None, float("nan"), -0.0]) == []
    assert both([[1.0, None]], [[1.0, None]]) == both([{"a": Decimal("1.0")}], [{"a": Decimal("1.0")}]) == []
    assert both([0.1 + 0.2], [0.3])
    assert both([[1, 2]], [[2, 1]])


def test_only_the_first_rows_are_told() -> None:
    lines = differences(Answer({"x": pa.table({"v": list(range(50))})}), Answer({"x": pa.table({"v": list(range(100, 150))})}))
    assert lines[0] == "x: 50 rows differ; 50 expected, 50 came"
    assert len(lines) == 13
    assert lines[6] == "  missing: 45 more"


def test_a_case_that_cannot_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"pipeline.yaml:9:29: `filter` is no step"):
        run_case(dataclasses.replace(CASE, pipeline=PIPELINE.replace("check:", "filter:")), "local", tmp_path)
