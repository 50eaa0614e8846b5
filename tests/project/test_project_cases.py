"""YAML cases: every mistake in a file has its line, every difference its row and column, none at all is no success."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.clock import HandClock
from mainstem.errors import DataError, SpecError
from mainstem.project import cases
from mainstem.project.cases import Case, CaseReport
from mainstem.project.compare import differences, equal

GOOD = """\
pipeline: ../p.yaml
cases:
  - name: a minute of readings
    clock: 2026-01-01T00:00:05Z
    given:
      readings:
        - {sensor_id: s1, observed_at: 2026-01-01T00:00:01Z, temperature: 1.5, on: no}
        - '{"sensor_id": "s1", "obser'
    tables:
      sensors: [{sensor_id: s1, house: north}]
    expect:
      climate: [{house: north, temperature: 1.5}]
      quarantine:
        - {reason: not_json}
  - {name: nothing, given: {readings: []}, expect: {climate: []}, flush: false, tolerance: 0.5}
"""


def write(folder: Path, text: str, name: str = "tests/case.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def runner(tables: Mapping[str, Any]) -> cases.Runner:
    return lambda case: tables


def test_a_case_is_read_as_written(tmp_path: Path) -> None:
    first, second = cases.load(write(tmp_path, GOOD))
    assert first.given["readings"][0] == {"sensor_id": "s1", "observed_at": "2026-01-01T00:00:01Z", "temperature": 1.5, "on": "no"}
    assert first.given["readings"][1] == '{"sensor_id": "s1", "obser'
    assert (first.line, first.clock, first.flush, first.pipeline) == (3, 1_767_225_605_000_000, True, str(tmp_path / "p.yaml"))
    assert first.lines == {"climate": 12, "quarantine": 13}
    assert (second.flush, second.tolerance) == (False, 0.5)


@pytest.mark.parametrize(("text", "line", "what"), [
    ("cases:\n  - name: a\n    gven: {}\n    expect: {}\n", 3, "did you mean `given`?"),
    ("cases:\n  - name: a\n    given: {}\n", 2, "no `expect`"),
    ("cases:\n  - name: a\n    given: {r: 3}\n    expect: {}\n", 3, "list of rows"),
    ("cases:\n  - name: a\n    given: {}\n    expect: {o: [text]}\n", 4, "a row is a mapping"),
    ("cases:\n  - name: a\n    clock: yesterday\n    given: {}\n    expect: {}\n", 3, "not an instant"),
    ("cases:\n  - name: 5\n    given: {}\n    expect: {}\n", 2, "`name` is a text"),
    ("cases:\n  - {name: a, given: {}, expect: {}}\n  - {name: a, given: {}, expect: {}}\n", 3, "a second case"),
    ("case: []\n", 1, "unknown key `case`"), ("cases: 3\n", 1, "`cases` is a list"), ("- a\n", 1, "not a mapping"),
    ("cases:\n  - name: a\n   given: {}\n", 3, ""),
])
def test_a_mistake_has_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        cases.load(path)
    assert caught.value.code == "case.invalid"
    assert f"{path}:{line}:" in caught.value.why
    assert what in caught.value.why


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="3 problem") as caught:
        cases.load(write(tmp_path, "cases:\n  - {name: a, foo: 1}\n"))
    assert len(caught.value.why.splitlines()) == 3


def test_cases_are_found_beside_the_pipeline_or_where_named(tmp_path: Path) -> None:
    first, second = write(tmp_path, GOOD), write(tmp_path, GOOD, "tests/other.yml")
    write(tmp_path, "not a case", "tests/notes.txt")
    assert cases.find([], tmp_path / "p.yaml") == [first, second]
    assert cases.find([first, first], tmp_path / "p.yaml") == [first]
    assert cases.find([], tmp_path / "elsewhere" / "p.yaml") == []
    with pytest.raises(SpecError) as caught:
        cases.find([tmp_path / "absent.yaml"], tmp_path / "p.yaml")
    assert caught.value.code == "case.no_file"


def test_a_report_names_output_line_row_and_column(tmp_path: Path) -> None:
    loaded = cases.load(write(tmp_path, GOOD))
    good = {"climate": pa.table({"house": ["north"], "temperature": [1.5], "n": [1]}), "quarantine": [{"reason": "not_json"}]}
    bad = {"climate": [{"house": "north", "temperature": 2.5}], "quarantine": []}
    report = cases.run(loaded[:1], runner(good), HandClock())
    assert (report.exit_code, report.cases[0].diff) == (0, "")
    (result,) = cases.run(loaded[:1], runner(bad), HandClock()).cases
    assert not result.ok
    assert "climate (" in result.diff
    assert "case.yaml:12)" in result.diff
    assert "row 1, column `temperature`: expected 1.5, got 2.5" in result.diff
    assert "row 1 is missing: {reason: 'not_json'}" in result.diff


def test_no_case_is_no_success_and_an_error_is_a_failed_case() -> None:
    assert cases.run([], runner({})).exit_code == 2
    assert CaseReport(()).exit_code == 2

    def broken(case: Case) -> Mapping[str, Any]:
        raise DataError("check.stop", "a rule says stop")

    case = Case(name="a", file="f", line=1, pipeline=None, given={}, expect={"climate": []})
    report = cases.run([case], broken)
    assert report.exit_code == 1
    assert "check.stop" in report.cases[0].diff
    other = Case(name="a", file="f", line=1, pipeline=None, given={}, expect={"climat": []})
    misnamed = cases.run([other], runner({"climate": []}))
    assert "did you mean `climate`?" in misnamed.cases[0].diff


UTC = dt.UTC


@pytest.mark.parametrize(("expected", "got", "same"), [
    (1, 1, True), (1, 1.0, True), (1, 2, False), (2**53, 2**53 + 1, False), (0.3, 0.1 + 0.2, True), (1.0, 1.001, False),
    (float("nan"), float("nan"), True), (float("inf"), float("inf"), True), (float("nan"), None, False), (None, None, True),
    (None, 0, False), ("", None, False), (True, True, True), (1, True, False), (True, 1, False), ("a", "a", True), ("1", 1, False),
    ("2026-01-01T00:00:00Z", dt.datetime(2026, 1, 1, tzinfo=UTC), True),
    ("2026-01-01T01:00:00+01:00", dt.datetime(2026, 1, 1, tzinfo=UTC), True),
    ("2026-01-01T00:00:00", dt.datetime(2026, 1, 1, tzinfo=UTC), False), ("soon", dt.datetime(2026, 1, 1, tzinfo=UTC), False),
    ("2026-01-01", dt.date(2026, 1, 1), True), (1.5, decimal.Decimal("1.50"), True), (1, decimal.Decimal("1.01"), False),
    ([1, 2.0], [1, 2], True), ([1], [1, 2], False), ({"a": 1}, {"a": 1}, True), ({"a": 1}, {"a": 1, "b": 2}, False),
    ("raw", b"raw", True),
])
def test_equality_is_of_values_as_written(expected: Any, got: Any, same: bool) -> None:
    assert equal(expected, got) is same


def test_order_counts_only_where_asked() -> None:
    expected, got = [{"n": 1}, {"n": 2}, {"n": 2}], [{"n": 2}, {"n": 1}, {"n": 2}]
    assert differences(expected, got) == []
    assert differences(expected, got, ordered=True) == ["row 1, column `n`: expected 1, got 2",
                                                        "row 2, column `n`: expected 2, got 1"]


def test_a_multiset_counts_how_often() -> None:
    assert differences([{"n": 1}, {"n": 1}], [{"n": 1}]) == ["row 2 is missing: {n: 1}"]
    assert differences([{"n": 1}], [{"n": 1}, {"n": 1}]) == ["not expected: {n: 1}"]


def test_a_row_is_shown_beside_its_nearest() -> None:
    expected = [{"k": "a", "v": 1, "w": 1}, {"k": "b", "v": 2, "w": 2}]
    got = [{"k": "b", "v": 3, "w": 2}, {"k": "a", "v": 1, "w": 1}]
    assert differences(expected, got) == ["row 2, column `v`: expected 2, got 3"]


def test_only_named_columns_are_compared_unless_exact() -> None:
    assert differences([{"n": 1}], [{"n": 1, "m": 2}]) == []
    assert differences([{"n": 1}], [{"n": 1, "m": 2}], exact=True) == ["row 1: column `m` is not expected"]
    assert "there is no column `x`" in differences([{"x": 1}], [{"n": 1}])[0]


def test_many_differences_are_cut_and_counted() -> None:
    lines = differences([{"n": i} for i in range(500)], [{"n": -i - 1} for i in range(500)])
    assert len(lines) == 11
    assert "more differences" in lines[-1]
