"""Each verb lowers itself to the words: the nodes, their columns, and what a user is told when an option cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from plan_wish import READINGS, SENSORS, built, output, plan, source, step, table
from pydantic import TypeAdapter, ValidationError

from mainstem import plugs
from mainstem.engines.kernels import duck
from mainstem.plan import words

GIVEN = source("readings", READINGS)
TABLE = table("sensors", SENSORS, ("sensor_id",))
ROWS = (
    "SELECT * FROM (VALUES ('a', TIMESTAMPTZ '2026-01-01 00:00:00Z', 20.0, 50.0, 1::BIGINT), ('b', '2026-01-01 00:00:01Z', 300.0, 150.0, 2),"
    " ('z', '2026-01-01 00:00:02Z', NULL, NULL, NULL)) v(sensor_id, observed_at, temperature, humidity, seq), (SELECT {'o': 0} AS _at)"
)


def made(kind: str, options: Any, *more: Any, given: Any = GIVEN, **siblings: str) -> words.Plan:
    return plan(given, TABLE, *more, step("s", "readings", kind, options, **siblings), output("o", "s"))


def codes(kind: str, options: Any, given: Any = GIVEN, **siblings: str) -> list[str]:
    return [one.code for one in built(given, TABLE, step("s", "readings", kind, options, **siblings), output("o", "s")).problems]


def names(node: words.Node) -> list[str]:
    return [column.name for column in node.columns]


def answer(node: words.Node, **tables: Any) -> list[dict[str, Any]]:
    assert isinstance(node.word, words.Sql)
    rows = duck.query(
        ROWS.replace(
            "{'o': 0}",
            "{'o': 0::SMALLINT, 'p': 0::INTEGER, 'n': 1::BIGINT, 'c': 0::BIGINT, 't': 0::BIGINT, 'wm': 0::BIGINT, 'i': 0::INTEGER}",
        )
    )
    return duck.query(node.word.branches[0].query, readings=rows, **tables).to_pylist()  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------------ all


@pytest.mark.parametrize("kind", plugs.kinds("steps"))
def test_every_option_of_every_step_is_described(kind: str) -> None:
    schema = TypeAdapter(plugs.find("steps", kind).Options).json_schema()
    models = [one for one in (schema, *schema.get("$defs", {}).values()) if "properties" in one]
    assert models
    for model in models:
        assert model["additionalProperties"] is False
        assert all(field.get("description") for field in model["properties"].values()), model["title"]


@pytest.mark.parametrize("kind", plugs.kinds("steps"))
def test_steps_import_nothing_heavy(kind: str) -> None:
    module = plugs.find("steps", kind).__module__
    assert module == f"mainstem.steps.{kind}"


@pytest.mark.parametrize(
    ("kind", "options", "siblings"),
    [
        ("window", {"size": "1m", "late": "drop"}, {"select": "count(*) AS n"}),
        ("session", {"gap": "1m"}, {"select": "count(*) AS n"}),
        ("dedupe", {"by": ["seq"], "within": "1m"}, {}),
        ("over", {"range": "1m"}, {"select": "avg(seq) AS a"}),
        ("alert", {"when": "seq > 1"}, {}),
        ("latest", {"by": ["seq"]}, {}),
    ],
)
def test_steps_that_need_event_time_say_so(kind: str, options: Any, siblings: dict[str, str]) -> None:
    timeless = source("readings", READINGS, time=None)
    assert codes(kind, options, given=timeless, **siblings) == ["latest.order" if kind == "latest" else "time.none"]


@pytest.mark.parametrize(
    ("kind", "options", "siblings"),
    [
        ("check", ["seq > 1"], {}),
        ("dedupe", {"by": ["seq"], "within": "1m"}, {}),
        ("window", {"size": "1m", "late": "drop"}, {"select": "1"}),
    ],
)
def test_steps_with_one_input_refuse_two(kind: str, options: Any, siblings: dict[str, str]) -> None:
    two = step("s", ("readings", "more"), kind, options, **siblings)
    assert [one.code for one in built(GIVEN, source("more", READINGS), two, output("o", "s")).problems] == ["step.inputs"]


# ---------------------------------------------------------------------------------------------------- check


def test_rules_get_names_that_stay() -> None:
    node = made(
        "check", ["temperature BETWEEN -40 AND 60", {"that": "seq >= 0", "name": "positive"}, "seq % 2 = 0", "seq  %  2 = 0"]
    ).node("s")
    assert isinstance(node.word, words.Check)
    assert [rule.name for rule in node.word.rules] == [
        "temperature_between_minus_40_and_60",
        "positive",
        "seq_mod_2_eq_0",
        "seq_mod_2_eq_0_2",
    ]
    assert [rule.action for rule in node.word.rules] == ["quarantine"] * 4
    assert node.word.rules[2].that == '"seq" % 2 = 0'
    assert names(node) == list(READINGS)


def test_a_flagging_rule_adds_a_column_once() -> None:
    flag = {"that": "seq > 0", "else": "flag"}
    twice = plan(GIVEN, step("a", "readings", "check", [flag]), step("b", "a", "check", [flag]), output("o", "b"))
    assert names(twice.node("b")) == [*READINGS, "_flags"]
    assert str(twice.node("b").columns[-1].type) == "list<string>"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], ["step.empty"]),
        (["seq + 1"], ["sql.not_boolean"]),
        ([{"that": "seq > 0", "name": "a"}, {"that": "seq > 1", "name": "a"}], ["step.name_twice"]),
        (["seq >"], ["sql.syntax"]),
        (["nope > 1", "now() > observed_at"], ["sql.function_refused", "sql.unknown_column"]),
    ],
)
def test_rules_that_cannot_be(rules: list[Any], expected: list[str]) -> None:
    assert sorted(codes("check", rules)) == expected


def test_unknown_fates_of_rules_are_refused() -> None:
    with pytest.raises(ValidationError):
        step("s", "readings", "check", [{"that": "seq > 0", "else": "explode"}])


# --------------------------------------------------------------------------------------------------- lookup


def sensors() -> Any:
    return duck.query("SELECT * FROM (VALUES ('a', 'north'), ('b', NULL)) v(sensor_id, house)")


def test_a_lookup_is_a_join_and_a_check_that_hides_its_mark() -> None:
    found = made("lookup", {"table": "sensors", "on": ["sensor_id"]})
    join, check = found.node("s/join"), found.node("s")
    assert names(join) == [*READINGS, "house", "_found"]
    assert names(check) == [*READINGS, "house"]
    assert isinstance(check.word, words.Check)
    assert check.word.hide == ("_found",)
    assert (check.word.rules[0].reason, check.word.rules[0].action) == ("unmatched", "quarantine")
    rows = answer(join, sensors=sensors())
    assert [(row["sensor_id"], row["house"], row["_found"]) for row in rows] == [
        ("a", "north", True),
        ("b", None, True),
        ("z", None, False),
    ]
    assert [one.name for one in found.tables] == ["sensors"]


def test_a_lookup_may_rename_prefix_and_keep() -> None:
    node = made(
        "lookup", {"table": "sensors", "on": {"sensor_id": "sensor_id"}, "take": {"greenhouse": "house"}, "unmatched": "keep"}
    ).node("s")
    assert names(node) == [*READINGS, "greenhouse"]
    assert isinstance(node.word, words.Sql)
    assert names(made("lookup", {"table": "sensors", "on": ["sensor_id"], "prefix": "s_"}).node("s"))[-1] == "s_house"


def test_a_lookup_of_many_gives_each_match_an_identity() -> None:
    loose = table("sensors", SENSORS, ())
    found = plan(
        GIVEN, loose, step("s", "readings", "lookup", {"table": "sensors", "on": ["sensor_id"], "many": True}), output("o", "s")
    )
    join = found.node("s/join")
    assert join.origin == 1
    doubled = duck.query("SELECT * FROM (VALUES ('a', 'north'), ('a', 'south')) v(sensor_id, house)")
    rows = [row for row in answer(join, sensors=doubled) if row["sensor_id"] == "a"]
    assert sorted((row["house"], row["_at"]["c"], row["_at"]["o"]) for row in rows) == [("north", 0, 1), ("south", 1, 1)]


def test_the_table_of_a_latest_step_can_be_looked_up() -> None:
    found = plan(
        GIVEN,
        step("current", "readings", "latest", {"by": ["sensor_id"]}),
        step("s", "readings", "lookup", {"table": "current", "on": ["sensor_id"], "take": ["temperature"], "prefix": "last_"}),
        output("o", "s"),
    )
    assert [(one.name, one.latest, one.key) for one in found.tables] == [("current", "current", ("sensor_id",))]
    assert [leg.name for leg in found.legs] == ["readings -> current", "readings -> o/output"]
    assert any("epoch before" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"table": "sensor", "on": ["sensor_id"]}, "lookup.unknown_table"),
        ({"table": "sensors", "on": ["sensor"]}, "sql.unknown_column"),
        ({"table": "sensors", "on": {"seq": "sensor_id"}}, "lookup.types"),
        ({"table": "sensors", "on": {"sensor_id": "house"}}, "lookup.many"),
        ({"table": "sensors", "on": []}, "step.key"),
        ({"table": "sensors", "on": {"temperature": "sensor_id"}}, "sql.float_key"),
        ({"table": "sensors", "on": ["sensor_id"], "take": {"seq": "house"}}, "step.clash"),
        ({"table": "sensors", "on": ["sensor_id"], "take": ["hous"]}, "sql.unknown_column"),
    ],
)
def test_lookups_that_cannot_be(options: Any, code: str) -> None:
    assert codes("lookup", options) == [code]


# -------------------------------------------------------------------------------- windows, sessions, rolling


def test_where_and_having_are_nodes_of_their_own() -> None:
    found = made(
        "window",
        {"size": "1m", "by": ["sensor_id"], "late": "drop"},
        select="count(*) AS n",
        where="temperature > 0",
        having="n > 1",
    )
    assert [node.name for node in found.nodes] == ["readings", "s/where", "s/window", "s", "o/output"]
    assert names(found.node("s/window"))[-1] == "_having"
    assert names(found.node("s")) == ["sensor_id", "window_start", "window_end", "n"]
    assert [leg.name for leg in found.legs] == ["readings -> s/window", "s/window -> o/output"]


@pytest.mark.parametrize(
    ("options", "siblings", "code"),
    [
        ({"size": "0s", "late": "drop"}, {"select": "count(*) AS n"}, "step.duration"),
        ({"size": "1m", "every": "2m", "late": "drop"}, {"select": "count(*) AS n"}, "window.every"),
        ({"size": "1d", "every": "1s", "late": "drop"}, {"select": "count(*) AS n"}, "window.every"),
        ({"size": "1h", "zone": "Europe/Berlin", "late": "drop"}, {"select": "count(*) AS n"}, "window.zone"),
        ({"size": "1m", "late": "drop"}, {}, "step.select"),
        ({"size": "1m", "by": ["nope"], "late": "drop"}, {"select": "count(*) AS n"}, "sql.unknown_column"),
        ({"size": "1m", "by": ["seq", "seq"], "late": "drop"}, {"select": "count(*) AS n"}, "step.key"),
        ({"size": "1m", "late": "drop"}, {"select": "count(*) AS n", "where": "seq"}, "sql.not_boolean"),
        ({"size": "1m", "late": "drop"}, {"select": "count(*) AS n", "having": "seq > 1"}, "sql.not_aggregated"),
    ],
)
def test_windows_that_cannot_be(options: Any, siblings: dict[str, str], code: str) -> None:
    assert codes("window", options, **siblings) == [code]


def test_what_becomes_of_late_rows_must_be_said() -> None:
    with pytest.raises(ValidationError, match="late"):
        step("s", "readings", "window", {"size": "1m"}, select="count(*) AS n")
    with pytest.raises(ValidationError, match="no time zone"):
        step("s", "readings", "window", {"size": "1d", "zone": "Europe/Berln", "late": "drop"}, select="count(*) AS n")


def test_calendar_days_are_windows() -> None:
    node = made("window", {"size": "1d", "zone": "Europe/Berlin", "late": "drop"}, select="count(*) AS n").node("s")
    assert isinstance(node.word, words.Fold)
    assert node.word.body == words.Window(
        size=86_400_000_000, every=86_400_000_000, zone="Europe/Berlin", late="drop", query=node.word.body.query
    )  # type: ignore[union-attr]


def test_sessions_have_an_identity_that_does_not_depend_on_cuts() -> None:
    found = made("session", {"gap": "30s", "by": ["sensor_id"]}, select="count(*) AS n")
    assert names(found.node("s")) == ["sensor_id", "session_id", "session_start", "session_end", "closes_at", "n"]
    query = found.node("s").word.body.query  # type: ignore[union-attr]
    bounds = ", ".join(
        f"TIMESTAMPTZ '2026-01-01 00:00:0{n}Z' AS {name}" for n, name in enumerate(("session_start", "session_end", "closes_at"))
    )
    rows = duck.query(f"SELECT unnest(['a', 'a', NULL, '']) AS sensor_id, {bounds}, {{'t': 1}} AS _at")
    first = duck.query(query, rows=rows).to_pylist()
    assert len({row["session_id"] for row in first}) == 3
    assert sorted(row["session_id"] for row in first) == sorted(
        row["session_id"] for row in duck.query(query, rows=rows.slice(1)).to_pylist()
    )
    assert codes("session", {"gap": "0s"}, select="count(*) AS n") == ["step.duration"]


def test_rolling_columns_come_behind_those_of_the_row() -> None:
    assert names(made("over", {"by": ["sensor_id"], "range": "1h"}, select="avg(temperature) AS mean").node("s")) == [
        *READINGS,
        "mean",
    ]
    assert codes("over", {"range": "1h"}, select="avg(temperature) AS temperature") == ["sql.duplicate_name"]
    assert codes("over", {"range": "1h"}) == ["step.select"]


# ----------------------------------------------------------------------------------- alert, clean, dedupe ...


def test_an_alert_asks_its_condition_before_it_folds() -> None:
    found = made("alert", {"when": "temperature > 100", "for": "3m", "by": ["sensor_id"], "values": ["humidity"]})
    assert names(found.node("s/conditions")) == ["sensor_id", "humidity", "_when", "_clear"]
    assert names(found.node("s")) == ["sensor_id", "episode", "state", "severity", "started_at", "changed_at", "rule", "humidity"]
    assert [(row["_when"], row["_clear"]) for row in answer(found.node("s/conditions"))] == [
        (False, True),
        (True, False),
        (None, None),
    ]
    assert codes("alert", {"when": "temperature"}) == ["sql.not_boolean"]
    assert codes("alert", {"when": "seq > 1", "clear": "sq < 1"}) == ["sql.unknown_column"]


def test_cleaning_writes_down_what_it_changed() -> None:
    rules = [
        {"column": "temperature", "set": "temperature / 10", "where": "temperature > 100", "name": "tenths"},
        {"column": "humidity", "set": "least(humidity, temperature + 70)"},
        {"column": "sensor_id", "set": "upper(sensor_id)", "where": "seq = 2"},
    ]
    node = made("clean", rules).node("s")
    assert names(node) == [*READINGS, "_changes"]
    assert [column.type for column in node.columns[:-1]] == [
        column.type for column in made("clean", rules).node("readings").columns
    ]
    a, b, z = answer(node)
    assert (a["_changes"], z["_changes"]) == (None, None)
    assert (b["sensor_id"], b["temperature"], b["humidity"]) == ("B", 30.0, 100.0)
    assert b["_changes"] == [
        {"rule": "tenths", "column": "temperature", "was": "300.0", "is": "30.0"},
        {"rule": "clean_humidity", "column": "humidity", "was": "150.0", "is": "100.0"},
        {"rule": "clean_sensor_id", "column": "sensor_id", "was": "b", "is": "B"},
    ]


def test_cleaning_twice_goes_on_in_the_same_ledger() -> None:
    rule = {"column": "temperature", "set": "NULL", "where": "temperature > 100"}
    found = plan(
        GIVEN, step("a", "readings", "clean", [rule]), step("s", "a", "clean", [{**rule, "column": "humidity"}]), output("o", "s")
    )
    assert names(found.node("s")) == [*READINGS, "_changes"]


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([{"column": "nope", "set": "1"}], "sql.unknown_column"),
        ([{"column": "seq", "set": "nope + 1"}], "sql.unknown_column"),
        ([{"column": "seq", "set": "1", "where": "seq"}], "sql.not_boolean"),
        ([{"column": "seq", "set": "sum(seq)"}], "sql.predicate"),
        ([{"column": "seq", "set": "1"}, {"column": "seq", "set": "2"}], "step.name_twice"),
        ([], "step.empty"),
    ],
)
def test_cleaning_that_cannot_be(rules: Any, code: str) -> None:
    assert codes("clean", rules) == [code]


def test_dedupe_and_latest_keep_the_columns() -> None:
    for kind, options in (("dedupe", {"by": ["sensor_id"], "within": "1m"}), ("latest", {"by": ["sensor_id"], "order": ["seq"]})):
        assert names(made(kind, options).node("s")) == list(READINGS)
    assert codes("dedupe", {"by": ["sensor_id"], "within": "0s"}) == ["step.duration"]
    assert codes("latest", {"by": ["sensor_id"], "order": ["sq"]}) == ["sql.unknown_column"]
    lists = source("readings", {**READINGS, "xs": "list<double>"})
    assert codes("dedupe", {"by": ["xs"], "within": "1m"}, given=lists) == ["step.key"]


def test_python_declares_what_it_returns() -> None:
    assert names(made("python", {"call": "mine:f"}).node("s")) == list(READINGS)
    node = made(
        "python",
        {"call": "mine.sub:f", "rows": "any", "columns": {"a": "double", "b": "list<string>"}, "timeout": "5s", "memory": "64MiB"},
    ).node("s")
    assert [str(column.type) for column in node.columns] == ["double", "list<string>"]
    assert isinstance(node.word, words.Map)
    assert (node.word.timeout, node.word.memory, node.origin) == (5_000_000, 64 << 20, 1)
    assert codes("python", {"call": "mine:f", "rows": "any"}) == ["python.columns"]
    assert codes("python", {"call": "mine:f", "columns": {"a": "dubble"}}) == ["spec.value"]
    with pytest.raises(ValidationError):
        step("s", "readings", "python", {"call": "no function"})


# ------------------------------------------------------------------------------------------------------ sql


def test_sql_across_rows_is_refused_on_a_stream_and_held_over_complete_input() -> None:
    text = "SELECT sensor_id, count(*) AS n FROM readings GROUP BY sensor_id"
    assert codes("sql", text) == ["sql.across"]
    node = made("sql", text, given=source("readings", READINGS, growing=False)).node("s")
    assert isinstance(node.word, words.Fold)
    assert isinstance(node.word.body, words.Whole)
    assert (node.word.by, node.word.needs, node.word.body.reason) == (("sensor_id",), (("sensor_id",),), "cut by sensor_id")
    assert made("sql", text, given=source("readings", READINGS, complete=True)).node("s").word == node.word
    node = made(
        "sql",
        {"query": "SELECT count(*) AS n FROM readings", "partition_by": ["seq"]},
        given=source("readings", READINGS, growing=False),
    ).node("s")
    assert node.word.by == ("seq",)  # type: ignore[union-attr]


def test_rows_of_whole_input_have_no_time() -> None:
    given = source("readings", READINGS, growing=False)
    count = step("c", "readings", "sql", "SELECT sensor_id, count(*) AS n FROM readings GROUP BY sensor_id")
    later = step("s", "c", "window", {"size": "1m", "late": "drop"}, select="count(*) AS n")
    assert [one.code for one in built(given, count, later, output("o", "s")).problems] == ["time.none"]


def test_a_filter_before_unnest_is_a_node_of_its_own() -> None:
    found = made("sql", "SELECT seq, unnest([1, 2]) AS item FROM readings WHERE seq > 0")
    assert [node.name for node in found.nodes] == ["readings", "s/where", "s", "o/output"]
    assert found.node("s").inputs == ("s/where",)
