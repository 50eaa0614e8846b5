"""The select of windows, sessions and rolling columns, and conditions: queries over `rows` that mean what was written."""

from __future__ import annotations

import plan_relations as relations
import pytest
from plan_relations import READINGS

from mainstem.columns import Column, parse_type
from mainstem.engines.kernels import duck
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.errors import SpecError
from mainstem.plan import sql

BINDER = DuckBinder()
FIXED = (Column("window_start", parse_type("timestamp")), Column("window_end", parse_type("timestamp")))


def grouped(select: str, having: str = "", by: tuple[str, ...] = ("sensor_id",)) -> sql.Query:
    return sql.grouped(select, having, by, FIXED, (), READINGS.columns, BINDER)


def test_a_window_gives_keys_then_bounds_then_the_select() -> None:
    made = grouped("avg(temperature) AS temperature, count(*) AS n, max(temperature) - min(temperature) AS spread", "n > 2")
    assert [column.name for column in made.columns] == [
        "sensor_id",
        "window_start",
        "window_end",
        "temperature",
        "n",
        "spread",
        "_having",
    ]
    assert made.needs == ("sensor_id", "temperature")
    rows = relations.readings(50, 21)
    bounds = "TIMESTAMPTZ '2026-01-01 00:00:00Z' AS window_start, TIMESTAMPTZ '2026-01-01 00:01:00Z' AS window_end"
    rows = duck.query(f"SELECT *, {bounds} FROM r", r=rows)
    answer = {row["sensor_id"]: row for row in duck.query(made.sql, rows=rows).to_pylist()}
    plain = duck.query("SELECT sensor_id, count(*) AS n FROM r GROUP BY 1", r=rows).to_pylist()
    counts = {row["sensor_id"]: row["n"] for row in plain}
    assert {key: row["n"] for key, row in answer.items()} == counts
    assert all(row["_having"] == (row["n"] > 2) for row in answer.values())


def test_a_window_without_rows_has_its_select_over_nothing() -> None:
    made = grouped("count(*) AS n, sum(seq) AS s", "n = 0")
    assert duck.query(made.blank, rows=relations.readings(0, 1)).to_pylist() == [{"n": 0, "s": None, "_having": True}]
    assert grouped("count(*) AS n, epoch(window_end) AS at").blank == ""


@pytest.mark.parametrize(
    ("select", "code"),
    [
        ("temperature", "sql.not_aggregated"),
        ("temperature + max(seq) AS a", "sql.not_aggregated"),
        ("count(*)", "sql.unnamed"),
        ("count(*) AS n, sum(seq) AS N", "sql.duplicate_name"),
        ("count(*) AS sensor_id", "sql.duplicate_name"),
        ("count(*) AS window_start", "sql.duplicate_name"),
        ("*", "sql.star"),
        ("rank() OVER (ORDER BY count(*)) AS r", "sql.beyond"),
        ("unnest(list(seq)) AS r", "sql.beyond"),
        ("count(*) AS n FROM readings", "sql.expressions"),
        ("count(*) AS n GROUP BY seq", "sql.expressions"),
        ("(SELECT 1) AS n", "sql.subquery"),
        ("avg(tempreature) AS t", "sql.unknown_column"),
        ("avg(note) AS t", "sql.invalid"),
        ("median(t) - min(t) AS t2", "sql.interval"),
        ("approx_quantile(seq, 0.5) AS q", "sql.function_refused"),
    ],
)
def test_selects_that_cannot_be(select: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        grouped(select)
    assert caught.value.code == code, str(caught.value)


def test_keys_and_bounds_may_be_used_freely() -> None:
    made = grouped(
        "upper(sensor_id) AS name, epoch(window_end) - epoch(window_start) AS seconds, list(seq ORDER BY seq DESC) AS seqs"
    )
    assert [str(column.type) for column in made.columns[3:]] == ["string", "double", "list<int64>"]


def test_rolling_columns_see_the_rows_before_and_their_own_moment() -> None:
    made = sql.rolling(
        "avg(humidity) AS mean, count(*) FILTER (WHERE ok) AS oks, humidity - mean AS off",
        ["sensor_id"],
        5_000_000,
        READINGS.columns,
        BINDER,
    )
    assert [column.name for column in made.columns] == ["mean", "oks", "off"]
    rows = relations.readings(60, 31)
    numbered = duck.query("SELECT *, (row_number() OVER () - 1)::BIGINT AS _row FROM r", r=rows)
    answer = duck.query(made.sql, rows=numbered).sort_by("_row").to_pylist()
    plain = rows.to_pylist()
    for place, row in enumerate(plain):
        near = [
            other
            for other in plain
            if other["sensor_id"] == row["sensor_id"] and 0 <= row["_at"]["t"] - other["_at"]["t"] <= 5_000_000
        ]
        known = [other["humidity"] for other in near if other["humidity"] is not None]
        assert answer[place]["mean"] == (pytest.approx(sum(known) / len(known)) if known else None)
        assert answer[place]["oks"] == sum(1 for other in near if other["ok"])


@pytest.mark.parametrize("text", ["lag(seq) AS before", "row_number() AS n", "sum(seq) OVER () AS s"])
def test_rolling_columns_cannot_look_beyond_their_range(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        sql.rolling(text, ["sensor_id"], 1, READINGS.columns, BINDER)
    assert caught.value.code == "sql.beyond"


def test_conditions_are_rendered_for_any_query_over_the_columns() -> None:
    ((name, text, kind),) = sql.computed([("r", "readings.place.lat > 1 AND seq / 0 IS NULL")], READINGS, BINDER, "boolean")
    assert (name, text, kind.name) == ("r", '"place"."lat" > 1 AND "seq" / NULLIF(0, 0) IS NULL', "boolean")
    assert sql.reads("place.lat > 1 AND seq > 2") == ("place", "seq")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("seq + 1", "sql.not_boolean"),
        ("count(*) > 1", "sql.predicate"),
        ("seq > 1, seq < 2", "sql.predicate"),
        ("*", "sql.predicate"),
        ("seq > 1) FROM x WHERE (true", "sql.syntax"),
        ("seq > (SELECT 1)", "sql.subquery"),
        ("sqe > 1", "sql.unknown_column"),
        ("now() > t", "sql.function_refused"),
        ("sum(seq) OVER () > 1", "sql.predicate"),
        ("", "sql.predicate"),
    ],
)
def test_conditions_that_cannot_be(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        sql.computed([("r", text)], READINGS, BINDER, "boolean")
    assert caught.value.code == code, str(caught.value)
