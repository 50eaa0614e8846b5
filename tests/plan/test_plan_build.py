"""From wish to plan: the greenhouse, every problem with its place, and what a plan leaves out."""

from __future__ import annotations

import pytest
from plan_wish import READINGS, SENSORS, built, greenhouse, output, pipeline, plan, source, step, table

from mainstem.plan import words
from mainstem.spec.pipeline import Limits
from mainstem.spec.problems import Mark, Marks

SENSORS_TABLE = table("sensors", SENSORS, ("sensor_id",))


def codes(*parts: object) -> list[str]:
    return [problem.code for problem in built(*parts).problems]  # type: ignore[arg-type]


def test_the_greenhouse_becomes_a_plan() -> None:
    made = plan(*greenhouse())
    kinds = [(node.name, type(node.word).__name__) for node in made.nodes]
    assert kinds == [
        ("readings", "Read"),
        ("checked", "Check"),
        ("fresh", "Fold"),
        ("located/join", "Sql"),
        ("located", "Check"),
        ("climate", "Fold"),
        ("frost/conditions", "Sql"),
        ("frost", "Fold"),
        ("climate/output", "Write"),
        ("frost/output", "Write"),
    ]
    assert made.origins == ("readings", "climate", "frost")
    assert [made.node(name).origin for name in made.origins] == [0, 1, 2]
    assert [leg.name for leg in made.legs] == [
        "readings -> climate",
        "climate -> frost",
        "climate -> climate/output",
        "frost -> frost/output",
    ]
    assert made.legs[0].path == ("checked", "fresh", "located/join", "located")
    climate = {column.name: str(column.type) for column in made.node("climate").columns}
    assert climate == {
        "house": "string",
        "window_start": "timestamp",
        "window_end": "timestamp",
        "temperature": "double",
        "p95": "double",
        "readings": "int64",
    }
    assert made.node("frost").word.order == "made"  # type: ignore[union-attr]
    assert made.node("climate").word.order == "position"  # type: ignore[union-attr]
    assert words.decode(words.encode(made)) == made


def test_the_same_wish_gives_the_same_bytes() -> None:
    assert words.encode(plan(*greenhouse())) == words.encode(plan(*greenhouse()))


def test_limits_and_tables_come_along() -> None:
    made = built(*greenhouse(), limits=Limits(0.01, 1000, "stop")).plan
    assert made is not None
    assert (made.limits.share, made.limits.rows, made.limits.then) == (0.01, 1000, "stop")
    assert [(one.name, one.key, one.refresh) for one in made.tables] == [("sensors", ("sensor_id",), "on_change")]


def test_all_problems_are_reported_at_once_each_with_its_place() -> None:
    marks = Marks(
        "p.yaml",
        {("steps", "climate", "from"): Mark(30, 3)},
        {
            ("steps", "checked", "check", 0, "that"): Mark(10, 15),
            ("steps", "climate", "select"): Mark(33, 13, "|", 6),
            ("steps", "fresh", "dedupe", "by", 1): Mark(14, 30),
            ("outputs", "climate", "from"): Mark(50, 20),
        },
    )
    parts = greenhouse(
        checked=step("checked", "readings", "check", [{"that": "temprature > 3"}, "humidity > 0"]),
        fresh=step("fresh", "readings", "dedupe", {"by": ["sensor_id", "sqe"], "within": "10m"}),
        climate=step(
            "climate", "readings", "window", {"size": "1m", "late": "drop"}, select="avg(temperature) AS t,\nfrist(seq) AS f\n"
        ),
        frost=None,
        frost_out=None,
        climate_out=output("climate", "climat"),
    )
    made = built(*parts, marks=marks)
    assert made.plan is None
    found = [(problem.line, problem.column, problem.code) for problem in made.problems]
    assert found == [
        (10, 15, "sql.unknown_column"),
        (14, 30, "sql.unknown_column"),
        (35, 7, "sql.unknown_function"),
        (50, 20, "plan.unknown_input"),
    ]
    assert [problem.fix for problem in made.problems] == [
        "did you mean `temperature`?",
        "did you mean `seq`?",
        "did you mean `first`?",
        "did you mean `climate`?",
    ]


def test_what_follows_from_a_problem_is_none() -> None:
    late = step("fresh", "checked", "dedupe", {"by": ["nope"], "within": "1m"})
    assert codes(*greenhouse(fresh=late)) == ["sql.unknown_column"]
    wrong = step("climate", "located", "window", {"size": "1m", "late": "drop"}, select="house, avg(temprature) AS temperature")
    assert codes(*greenhouse(climate=wrong)) == ["sql.unknown_column"]
    unkeyed = step("climate", "located", "window", {"size": "1m", "by": ["huose"], "late": "drop"}, select="house, count(*) AS n")
    assert codes(*greenhouse(climate=unkeyed)) == ["sql.unknown_column"]


def test_inputs_that_are_not_there() -> None:
    found = built(source("readings", READINGS), step("a", "redings", "check", ["seq > 1"]), output("o", "a")).problems
    assert [(one.code, one.fix) for one in found] == [("plan.unknown_input", "did you mean `readings`?")]
    found = built(source("readings", READINGS), SENSORS_TABLE, step("a", "sensors", "check", ["true"]), output("o", "a")).problems
    assert [one.code for one in found] == ["plan.unknown_input"]
    assert "lookup" in found[0].fix
    two = (source("readings", READINGS), source("others", READINGS), step("a", (), "check", ["seq > 1"]), output("o", "a"))
    assert codes(*two) == ["plan.no_input"]


def test_circles_are_told_once() -> None:
    ring = [step(f"s{n}", f"s{(n + 1) % 4}", "check", ["seq > 1"]) for n in range(4)]
    (problem,) = built(source("readings", READINGS), *ring, output("o", "s0")).problems
    assert (problem.code, problem.line) == ("plan.cycle", 2)
    assert problem.why == "`s0` reads `s1` reads `s2` reads `s3` reads `s0`"


def test_steps_may_stand_in_any_order() -> None:
    parts = greenhouse()
    assert {node.name for node in plan(*reversed(parts)).nodes} == {node.name for node in plan(*parts).nodes}


WINDOW = step("w", "readings", "window", {"size": "1m", "late": "drop"}, select="count(*) AS n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (source("readings", READINGS, lateness=None), ["time.lateness"]),
        (source("readings", READINGS, lateness=None, growing=False), []),
        (source("readings", READINGS, lateness=None, complete=True), []),
        (source("readings", READINGS, lateness="0s"), []),
        (source("readings", READINGS, time=None), ["time.none"]),
        (source("readings", READINGS, time="observed"), ["time.no_column"]),
        (source("readings", READINGS, time="seq"), ["time.type"]),
    ],
)
def test_a_growing_source_must_say_how_late_a_row_may_be(given: object, expected: list[str]) -> None:
    assert codes(given, WINDOW, output("o", "w")) == expected


def test_without_a_step_that_judges_time_nothing_need_be_said() -> None:
    given = source("readings", READINGS, lateness=None)
    assert codes(given, step("c", "readings", "check", ["seq > 1"]), output("o", "c")) == []
    assert codes(given, step("c", "readings", "latest", {"by": ["sensor_id"]}), output("o", "c")) == []


def test_outputs_are_judged() -> None:
    given = source("readings", READINGS)
    assert codes(given, output("o", "readings", "upsert", key=("sensor",))) == ["plan.no_column"]
    local = step("s", "readings", "sql", "SELECT sensor_id, observed_at AT TIME ZONE 'Europe/Berlin' AS wall FROM readings")
    assert codes(given, local, output("o", "s")) == ["output.type"]
    same = output("o", "readings")
    assert codes(given, same, type(same)("p", "readings", same.place)) == ["output.twice"]


def test_what_nobody_reads_is_left_out_and_said() -> None:
    made = plan(*greenhouse(frost_out=None, extra=source("extra", READINGS)))
    assert {"frost", "frost/conditions", "extra"}.isdisjoint({node.name for node in made.nodes})
    assert [note for note in made.notes if "nobody reads" in note] == [
        "nobody reads `extra`: it is not run",
        "nobody reads `frost`: it is not run",
    ]


def test_the_closed_list_of_what_depends_on_the_epochs() -> None:
    notes = plan(*greenhouse()).notes
    assert len(notes) == 3
    assert all(
        any(word in note for word in ("clock", "table `sensors`", "several partitions")) for note in notes
    )
    assert plan(source("readings", READINGS, time=None), output("o", "readings")).notes == ()
    arrival = plan(source("readings", READINGS), step("hot", "readings", "alert", {"when": "seq > 1", "by": ("sensor_id",)}),
                   step("newest", "readings", "latest", {"by": ("sensor_id",)}), output("a", "hot"), output("b", "newest")).notes
    assert sum("which row comes first depends on the epochs" in note for note in arrival) == 1
    assert sum("makes a row for each epoch in which a key changed" in note for note in arrival) == 1


def test_columns_that_are_kept_unknown_are_json() -> None:
    made = plan(source("readings", READINGS, unknown="keep"), output("o", "readings"))
    assert [str(column.type) for column in made.node("readings").columns][-1] == "json"
    assert made.node("readings").columns[-1].name == "_extra"


def test_a_query_names_its_inputs_where_from_is_not_written() -> None:
    parts = (
        source("a", READINGS),
        source("b", READINGS),
        step("u", "b", "sql", "SELECT seq FROM a UNION ALL SELECT seq FROM b"),
        output("o", "u"),
    )
    bare = pipeline(*parts)
    keys = {path: mark for path, mark in bare.marks.keys.items() if path != ("steps", "u", "from")}
    made = built(*parts, marks=Marks("p.yaml", keys)).plan
    assert made is not None
    assert made.node("u").inputs == ("a", "b")
    assert codes(*parts) == ["sql.unknown_relation"]
