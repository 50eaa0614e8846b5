"""A table of edits and what each does to a running pipeline (2-S 12), the fingerprints behind it, and what is rebuilt."""

from __future__ import annotations

from typing import Any

import pytest
from plan_wish import READINGS, SENSORS, greenhouse, output, plan, source, step, table

from mainstem.plan.diff import diff
from mainstem.plan.legs import carried
from mainstem.plan.words import Plan

SELECT = "avg(temperature) AS temperature,\nquantile_cont(temperature, 0.95) AS p95,\ncount(*) AS readings\n"


def worst(changes):
    """The class of an edit as a whole: its worst changes come first."""
    return changes[0].kind if changes else "same"


def window(options: dict[str, Any] | None = None, select: str = SELECT, of: str = "located", **more: str) -> Any:
    return step(
        "climate", of, "window", {"size": "1m", "by": ["house"], "late": "quarantine", **(options or {})}, select=select, **more
    )


def checked(*rules: Any) -> Any:
    return step("checked", "readings", "check", list(rules))


RULE, FLAG = (
    {"that": "temperature BETWEEN -40 AND 60"},
    {"name": "humidity_range", "that": "humidity BETWEEN 0 AND 100", "else": "flag"},
)
EXTRA_COLUMN = {**READINGS, "battery": "double"}

# name -> (changes to the greenhouse, class, words that the answer must hold)
EDITS: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, "same", ""),
    "a comment in SQL, other spaces": ({"climate": window(select="-- mean\n" + SELECT.replace(" AS ", "   as "))}, "same", ""),
    "rules in another order": ({"checked": checked(FLAG, RULE)}, "same", ""),
    "a new rule": ({"checked": checked(RULE, FLAG, "seq >= 0")}, "compatible", "`seq_ge_0` is new"),
    "a rule is gone": ({"checked": checked(FLAG)}, "compatible", "is gone"),
    "a rule is stricter": (
        {"checked": checked({"name": "temperature_between_minus_40_and_60", "that": "temperature > 0"}, FLAG)},
        "compatible",
        "changed",
    ),
    "another fate of a rule": ({"checked": checked({**RULE, "else": "drop"}, FLAG)}, "compatible", "changed"),
    "a filter upstream": (
        {"checked": step("checked", "readings", "sql", "SELECT *, CAST(NULL AS VARCHAR[]) AS _flags FROM readings WHERE seq > 0")},
        "compatible",
        "another kind of step",
    ),
    "a new nullable column of the source": ({"readings": source("readings", EXTRA_COLUMN)}, "compatible", "`battery` is new"),
    "lateness": ({"readings": source("readings", READINGS, lateness="1m")}, "compatible", "lateness"),
    "another place": ({"readings": source("readings", READINGS, path="other")}, "breaking", "another place"),
    "another time column": (
        {"readings": source("readings", {**READINGS, "sent_at": "timestamp"}, time="sent_at")},
        "breaking",
        "event time",
    ),
    "unknown columns are kept": ({"readings": source("readings", READINGS, unknown="keep")}, "compatible", "unknown"),
    "a longer horizon": (
        {"fresh": step("fresh", "checked", "dedupe", {"by": ["sensor_id", "seq"], "within": "20m"})},
        "compatible",
        "longer",
    ),
    "a shorter horizon": (
        {"fresh": step("fresh", "checked", "dedupe", {"by": ["sensor_id", "seq"], "within": "5m"})},
        "compatible",
        "shorter",
    ),
    "another key of the dedupe": (
        {"fresh": step("fresh", "checked", "dedupe", {"by": ["sensor_id"], "within": "10m"})},
        "breaking",
        "key",
    ),
    "the dedupe is gone": (
        {"fresh": None, "located": step("located", "checked", "lookup", {"table": "sensors", "on": ["sensor_id"]})},
        "compatible",
        "gone",
    ),
    "another table": ({"sensors": table("sensors", {**SENSORS, "floor": "int32"}, ("sensor_id",))}, "compatible", "table"),
    "a table is pinned": ({"sensors": table("sensors", SENSORS, ("sensor_id",), "pinned")}, "compatible", "table"),
    "unmatched rows pass": (
        {"located": step("located", "fresh", "lookup", {"table": "sensors", "on": ["sensor_id"], "unmatched": "keep"})},
        "compatible",
        "",
    ),
    "the window is larger": ({"climate": window({"size": "5m"})}, "breaking", "open ones cannot"),
    "the window hops": ({"climate": window({"size": "1m", "every": "30s"})}, "breaking", "open ones cannot"),
    "the window is moved": ({"climate": window({"offset": "10s"})}, "breaking", "open ones cannot"),
    "another key of the window": ({"climate": window({"by": ["house", "sensor_id"]}, of="located")}, "breaking", "key"),
    "an aggregate over kept columns": (
        {"climate": window(select=SELECT + ", min(temperature) AS low")},
        "compatible",
        "`low` is added",
    ),
    "a quotient of kept columns": (
        {"climate": window(select=SELECT + ", sum(temperature) / count(temperature) AS mean")},
        "compatible",
        "`mean` is added",
    ),
    "an aggregate over another column": (
        {"climate": window(select=SELECT + ", avg(humidity) AS wet")},
        "breaking",
        "have no `humidity`",
    ),
    "an aggregate is gone": (
        {"climate": window(select="avg(temperature) AS temperature, count(*) AS readings")},
        "breaking",
        "`p95`",
    ),
    "an aggregate is renamed": ({"climate": window(select=SELECT.replace("p95", "p_95"))}, "breaking", "`p95`"),
    "an aggregate has another type": (
        {"climate": window(select=SELECT.replace("count(*)", "count(*)::DOUBLE"))},
        "breaking",
        "stored as int64",
    ),
    "an aggregate is computed otherwise": (
        {"climate": window(select=SELECT.replace("0.95", "0.99"))},
        "compatible",
        "select changed",
    ),
    "late rows are dropped": ({"climate": window({"late": "drop"})}, "compatible", "late rows"),
    "empty windows are filled": ({"climate": window({"fill": True})}, "compatible", "empty windows"),
    "the type of a held column": (
        {"readings": source("readings", {**READINGS, "temperature": "decimal(10,2)"})},
        "breaking",
        "decimal",
    ),
    "the window becomes a session": (
        {"climate": step("climate", "located", "session", {"gap": "1m", "by": ["house"]}, select=SELECT)},
        "breaking",
        "was windows",
    ),
    "the alert fires earlier": (
        {
            "frost": step(
                "frost",
                "climate",
                "alert",
                {
                    "when": "temperature < 2",
                    "for": "1m",
                    "clear": "temperature > 4",
                    "by": ["house"],
                    "severity": "critical",
                    "notify": ["ops"],
                },
            )
        },
        "compatible",
        "open episodes stay open",
    ),
    "another condition": (
        {
            "frost": step(
                "frost",
                "climate",
                "alert",
                {
                    "when": "temperature < 3",
                    "for": "3m",
                    "clear": "temperature > 4",
                    "by": ["house"],
                    "severity": "critical",
                    "notify": ["ops"],
                },
            )
        },
        "compatible",
        "query changed",
    ),
    "other people are told": (
        {
            "frost": step(
                "frost",
                "climate",
                "alert",
                {
                    "when": "temperature < 2",
                    "for": "3m",
                    "clear": "temperature > 4",
                    "by": ["house"],
                    "severity": "critical",
                    "notify": ["boss"],
                },
            )
        },
        "same",
        "",
    ),
    "the alert is gone": ({"frost": None, "frost_out": None}, "breaking", "gone"),
    "a new output": ({"raw": output("raw", "fresh")}, "compatible", "it is new"),
    "an output is gone": ({"frost_out": None}, "breaking", "gone"),
    "an output moves": (
        {"climate_out": type(output("a", "b"))("climate", "climate", output("elsewhere", "b").place)},
        "breaking",
        "another place",
    ),
    "an output is upserted": (
        {"climate_out": output("climate", "climate", "upsert", key=("house", "window_start"))},
        "breaking",
        "upsert",
    ),
    "a new window beside": (
        {
            "hourly": step("hourly", "located", "window", {"size": "1h", "late": "drop"}, select="count(*) AS n"),
            "hourly_out": output("hourly", "hourly"),
        },
        "compatible",
        "begins with the rows of the next epoch",
    ),
    "a new source beside": ({"more": source("more", READINGS), "more_out": output("more", "more")}, "compatible", "it is new"),
}


def edited(name: str) -> tuple[Plan, Plan]:
    old = plan(*greenhouse())
    return old, carried(plan(*greenhouse(**EDITS[name][0])), old.origins)


@pytest.mark.parametrize("name", EDITS)
def test_edits_have_their_class(name: str) -> None:
    _, expected, words = EDITS[name]
    changes = diff(*edited(name))
    assert worst(changes) == expected, changes
    assert words in " | ".join(change.what for change in changes)
    assert all(change.what and change.node for change in changes)
    assert all(change.rebuilt for change in changes if change.kind == "breaking")


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(EDITS) >= 30
    assert {kind for _, kind, _ in EDITS.values()} == {"same", "compatible", "breaking"}


def test_breaking_changes_come_first_and_say_what_is_rebuilt() -> None:
    changes = diff(*edited("the window is larger"))
    assert [change.kind for change in changes] == ["breaking"]
    assert changes[0].node == "climate"
    assert changes[0].rebuilt == ("climate", "frost")


def test_descriptions_owners_and_units_change_nothing() -> None:
    from plan_wish import built

    old = built(*greenhouse()).plan
    new = built(*greenhouse(), description="something else").plan
    assert old is not None
    assert new is not None
    assert old.prints == new.prints
    assert diff(old, new) == ()


def test_a_step_that_is_renamed_leaves_the_prints_of_those_behind_it() -> None:
    old = plan(*greenhouse())
    new = plan(
        *greenhouse(
            checked=step("tested", "readings", "check", [RULE, FLAG]),
            fresh=step("fresh", "tested", "dedupe", {"by": ["sensor_id", "seq"], "within": "10m"}),
        )
    )
    assert {name: old.prints[name] for name in ("fresh", "climate", "frost/output")} == {
        name: new.prints[name] for name in ("fresh", "climate", "frost/output")
    }
    assert worst(diff(old, new)) == "compatible"


def test_a_fold_that_is_renamed_is_another() -> None:
    old = plan(*greenhouse())
    new = carried(
        plan(
            *greenhouse(
                climate=step("weather", "located", "window", {"size": "1m", "by": ["house"], "late": "quarantine"}, select=SELECT),
                frost=None,
                frost_out=None,
                climate_out=output("climate", "weather"),
            )
        ),
        old.origins,
    )
    assert worst(diff(old, new)) == "breaking"


def test_origins_that_moved_are_seen() -> None:
    old = plan(*greenhouse())
    new = plan(*greenhouse(readings=source("readings", READINGS), aaa=source("aaa", READINGS), aaa_out=output("aaa", "aaa")))
    moved = plan(source("aaa", READINGS), output("aaa", "aaa"), *greenhouse())
    assert worst(diff(old, moved)) == "breaking"
    assert worst(diff(old, carried(moved, old.origins))) == "compatible"
    assert worst(diff(old, carried(new, old.origins))) == "compatible"


def test_prints_depend_on_everything_above() -> None:
    old = plan(*greenhouse())
    new = plan(*greenhouse(checked=checked(RULE, FLAG, "seq >= 0")))
    assert old.prints["readings"] == new.prints["readings"]
    assert all(old.prints[name] != new.prints[name] for name in ("checked", "fresh", "climate", "frost/output"))
