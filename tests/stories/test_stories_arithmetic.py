"""Numbers as semantics.md 2-I wants them, from file to table: exact casts, division by zero counted, NaN and zeros, overflow."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from telling import at, balances, lines, opened, rows, write

from mainstem.errors import DataError

PIPELINE = """\
version: 1
pipeline: numbers
sources:
  events:
    files: {{path: in.json}}
    format: json
    columns: {{k: string!, t: timestamp!, x: double, d: double, n: int64, s: string}}
    time: {{column: t, lateness: 0s}}
steps:
  made:
{step}
outputs:
  made: {{from: made, delta: {{table: made}}}}
"""


def run(folder: Path, step: str, records: list[dict[str, object]]) -> tuple[object, list[dict[str, object]], list[dict[str, object]]]:
    """The run of one step over these records, a second apart; its table, and what was set aside."""
    given = lines({"k": "a", "t": at(second), **record} for second, record in enumerate(records))
    text = PIPELINE.format(step="\n".join("    " + line for line in step.splitlines()))
    file = write(folder, text, in__json=given)
    result = opened(file).run(flush=True)
    assert balances(result.account)
    return result, rows(file, "made"), opened(file).quarantine().to_pylist()


VALUES = [{"x": 9.0, "s": "9"}, {"x": 9.7, "s": "9.7"}, {"x": None, "s": None}, {"x": -2.0, "s": "-2.00"}, {"x": 2.5, "s": "25e-1"},
          {"x": 1e300, "s": "1e3"}]


@pytest.mark.parametrize(("cast", "good", "bad"), [
    ("CAST(x AS int64)", [-2, 9, None], 3),
    ("CAST(s AS BIGINT)", [-2, 9, 1000, None], 2),
    ("x::INTEGER + 0", [-2, 9, None], 3),
    ("TRY_CAST(x AS BIGINT)", [-2, 9, None, None, None, None], 0),
    ("TRY_CAST(s AS int32)", [-2, 9, 1000, None, None, None], 0),
    ("CAST(round(x) AS int64)", [-2, 3, 9, 10, None], 1),
    ("CAST(trunc(x) AS int64)", [-2, 2, 9, 9, None], 1),
    ("CAST(json_extract(to_json(x), '$') AS int64)", [-2, 9, None], 3),
])
def test_a_cast_to_a_whole_number_is_exact_or_its_row_is_set_aside(cast: str, good: list[object], bad: int, tmp_path: Path) -> None:
    _, made, aside = run(tmp_path, f"sql: SELECT t, {cast} AS v FROM events", VALUES)
    assert sorted((row["v"] for row in made), key=lambda v: (v is None, v)) == good
    assert [row["reason"] for row in aside] == ["expression"] * bad
    if "CAST(x" in cast and bad == 3:
        assert sum("9.7 is no whole number" in str(row["detail"]) for row in aside) == 1


def test_a_column_of_whole_numbers_is_cleaned_with_whole_numbers(tmp_path: Path) -> None:
    _, made, aside = run(tmp_path, "clean: [{column: n, set: n / 2}]", [{"n": 4}, {"n": 5}, {"n": None}])
    assert sorted((row["n"] for row in made), key=lambda v: (v is None, v)) == [2, None]
    assert [(row["reason"], "2.5 is no whole number" in row["detail"]) for row in aside] == [("expression", True)]


@pytest.mark.parametrize("step", [
    "window: {size: 1m, late: drop}\nselect: CAST(avg(x) AS int64) AS v",
    "session: {gap: 1m}\nselect: count(*) AS n\nhaving: avg(x)::INTEGER > 1",
    "over: {range: 1m}\nselect: CAST(sum(x) / 2 AS BIGINT) AS v",
])
def test_where_no_row_can_be_set_aside_a_cast_that_rounds_is_refused(step: str, tmp_path: Path) -> None:
    text = PIPELINE.format(step="\n".join("    " + line for line in step.splitlines()))
    (problem,) = opened(write(tmp_path, text, in__json="")).check()
    assert (problem.code, problem.line) == ("sql.rounds", 13 if "having" in step else 12)
    assert "round(" in problem.fix


DIVISORS = [{"x": 6.0, "d": 2.0}, {"x": 6.0, "d": 0.0}, {"x": 0.0, "d": 0.0}, {"x": 1.0, "d": None}, {"x": 1.0, "d": -0.0}]


@pytest.mark.parametrize(("step", "values", "count"), [
    ("sql: SELECT t, x / d AS v FROM events", [3.0, None, None, None, None], 3),
    ("sql: SELECT t, x / d AS v, x % d AS w, d AS e FROM events WHERE x > 0", [3.0, None, None, None], 2),
    ("sql: SELECT t, d AS e, x / e AS v FROM events", [3.0, None, None, None, None], 3),
    ("sql: SELECT t, coalesce(x / d, -1) AS v FROM events", [-1.0, -1.0, -1.0, -1.0, 3.0], 3),
    ("sql: SELECT t, CASE WHEN d <> 0 THEN x / d END AS v FROM events", [3.0, None, None, None, None], 0),
    ("sql: SELECT t, x / 2 AS v FROM events", [0.0, 0.5, 0.5, 3.0, 3.0], 0),
    ("clean: [{column: x, set: x / d}]", [3.0, None, None, None, None], 3),
    ("clean: [{column: x, set: x / d, where: x > 0}, {column: d, set: d / 0}]", [0.0, 3.0, None, None, None], 7),
    ("window: {size: 1s, late: drop}\nselect: sum(x) / sum(d) AS v", [3.0, None, None, None, None], 3),
    ("window: {size: 1s, late: drop}\nselect: sum(x) / sum(d) AS v\nhaving: sum(x) > 0", [3.0, None, None, None], 2),
    ("session: {gap: 1h}\nselect: sum(x) / (count(*) - 5) AS v", [None], 1),
    ("over: {range: 0.5s}\nselect: max(x) // max(d) AS v", [3.0, None, None, None, None], 3),
])
def test_division_by_zero_is_null_and_is_counted(step: str, values: list[object], count: int, tmp_path: Path) -> None:
    result, made, aside = run(tmp_path, step, DIVISORS)
    key = "x" if step.startswith("clean") else "v"
    assert sorted((row[key] for row in made), key=lambda v: (v is None, v)) == values
    assert aside == []
    assert result.notes.get("made", {}).get("div_zero", 0) == count
    told = opened(tmp_path / "pipeline.yaml").show_run("last")["notes"]
    assert told.get("made", {}).get("div_zero", 0) == count


def test_a_sum_that_overflows_stops_with_the_step(tmp_path: Path) -> None:
    big = [{"n": 2**62}] * 3
    with pytest.raises(DataError) as raised:
        run(tmp_path, "window: {size: 1m, by: [k], late: drop}\nselect: sum(n) AS v", big)
    assert (raised.value.code, raised.value.where) == ("sql.overflow", "made")
    _, made, _ = run(tmp_path / "wide", "window: {size: 1m, by: [k], late: drop}\nselect: sum(n::DECIMAL(38,0)) AS v", big)
    assert [int(row["v"]) for row in made] == [3 * 2**62]


def test_nan_is_the_largest_and_zeros_are_one(tmp_path: Path) -> None:
    given = [{"x": 1.0, "d": 0.0}, {"s": "nan", "d": -0.0}, {"x": None, "d": 0.0}, {"x": 3.0, "d": -0.0}]
    select = "min(coalesce(x, s::double)) AS low, max(coalesce(x, s::double)) AS high, sum(coalesce(x, s::double)) AS total, sum(n) AS none"
    _, (row,), _ = run(tmp_path, f"window: {{size: 1m, by: [d], late: drop}}\nselect: {select}", given)
    assert (row["low"], math.copysign(1, row["d"]), row["none"]) == (1.0, 1.0, None)
    assert math.isnan(row["high"])
    assert math.isnan(row["total"])
