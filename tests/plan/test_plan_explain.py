"""What `plan` tells: sentences, guarantees that follow from abilities, and where a column comes from."""

from __future__ import annotations

import dataclasses
import json
import types
from typing import Any
from unittest import mock

import plan_wish
import pytest
from plan_wish import READINGS, SENSORS, greenhouse, output, plan, source, step, table

from mainstem import plugs
from mainstem.plan.explain import Explained, explain
from mainstem.plan.guarantee import guarantees
from mainstem.plan.lineage import lineage, trace
from mainstem.plan.words import Plan


def explained(made: Plan, running: Plan | None = None) -> Explained:
    with mock.patch.object(plugs, "find", plan_wish.find):
        return explain(made, running)


def test_everything_is_told_as_plain_data() -> None:
    told = explained(plan(*greenhouse()))
    assert {node.step: node.what for node in told.nodes if node.name == node.step}["climate"] == (
        "windows of 1m, late rows: quarantine, by house"
    )
    assert next(way.name for way in told.legs) == "readings -> climate"
    assert {name: kind for name, kind, _ in told.nodes[5].columns}["p95"] == "double"
    assert told.lineage["climate"]["p95"] == (("readings", "temperature"),)
    assert told.lineage["climate"]["house"] == (("sensors", "house"),)
    assert told.changes == ()
    assert told.repair.startswith("late rows are kept")
    assert json.dumps(dataclasses.asdict(told))


def test_with_a_running_plan_it_tells_what_the_edit_does() -> None:
    old = plan(*greenhouse())
    new = plan(*greenhouse(fresh=step("fresh", "checked", "dedupe", {"by": ["sensor_id", "seq"], "within": "1h"})))
    changes = explained(new, old).changes
    assert [(change.node, change.kind) for change in changes] == [("fresh", "compatible")]
    assert "climate" in changes[0].affects


ABLE = {"resumes": True, "replays": True}


@pytest.mark.parametrize(
    ("source_has", "commits", "level"),
    [
        (ABLE, True, "exactly once"),
        ({"resumes": True, "replays": False}, True, "exactly once"),
        (ABLE, False, "at least once"),
        ({"resumes": False, "replays": False}, True, "at most once"),
        ({"resumes": False, "replays": False}, False, "at most once"),
    ],
)
def test_guarantees_follow_from_what_source_and_sink_declare(source_has: dict[str, Any], commits: bool, level: str) -> None:
    fake = {"sources": types.SimpleNamespace(**source_has), "sinks": types.SimpleNamespace(commits_with_epoch=commits)}
    with mock.patch.object(plugs, "find", lambda group, kind: fake[group]):
        found = guarantees(plan_without_registry)
    assert [one.level for one in found] == [level, level]
    assert all(one.why and one.rereadable == source_has["replays"] for one in found)


plan_without_registry = plan(*greenhouse())


def test_steps_that_are_not_deterministic_are_named() -> None:
    noisy = step("noisy", "readings", "python", {"call": "a:b", "deterministic": False})
    made = plan(source("readings", READINGS), noisy, output("o", "noisy"))
    assert (
        "`noisy` may answer otherwise if asked again: its answer is stored before anyone reads it"
        in explained(made).guarantees[0].why
    )
    assert any("not deterministic" in note for note in made.notes)


def test_columns_are_traced_through_every_word() -> None:
    made = plan(
        source("readings", READINGS),
        table("sensors", SENSORS, ("sensor_id",)),
        step("cleaned", "readings", "clean", [{"column": "temperature", "set": "temperature / 10", "where": "humidity > 100"}]),
        step("flagged", "cleaned", "check", [{"that": "seq > 0", "else": "flag"}]),
        step("named", "flagged", "lookup", {"table": "sensors", "on": ["sensor_id"], "take": {"greenhouse": "house"}}),
        step(
            "items", "named", "sql", "SELECT greenhouse, temperature * 2 AS double_t, unnest([seq, 1]) AS item, _flags FROM named"
        ),
        step(
            "sums",
            "items",
            "window",
            {"size": "1m", "by": ["greenhouse"], "late": "drop"},
            select="sum(double_t + item) AS s",
            having="count(*) > 1",
        ),
        step("rolled", "sums", "over", {"by": ["greenhouse"], "range": "1h"}, select="avg(s) AS mean"),
        output("o", "rolled"),
        output("i", "items"),
    )
    assert trace(made, "o/output", "mean") == (("readings", "humidity"), ("readings", "seq"), ("readings", "temperature"))
    assert trace(made, "o/output", "greenhouse") == (("sensors", "house"),)
    assert trace(made, "i/output", "item") == (("readings", "seq"),)
    assert trace(made, "i/output", "_flags") == (("readings", "seq"),)
    assert trace(made, "i/output", "double_t") == (("readings", "humidity"), ("readings", "temperature"))
    assert lineage(made)["readings"]["seq"] == ()


def test_columns_are_traced_through_unions_and_whole_input_sql() -> None:
    given = [source(name, READINGS, growing=False, lateness=None) for name in ("a", "b")]
    made = plan(
        *given,
        step("u", ("a", "b"), "sql", "SELECT seq AS n, sensor_id FROM a UNION ALL SELECT seq + humidity, sensor_id FROM b"),
        step(
            "w",
            ("u", "a"),
            "sql",
            "SELECT u.sensor_id, sum(u.n) AS s, max(a.temperature) AS t FROM u JOIN a USING (sensor_id) GROUP BY 1",
        ),
        output("o", "w"),
    )
    assert trace(made, "o/output", "s") == (("a", "seq"), ("b", "humidity"), ("b", "seq"))
    assert trace(made, "o/output", "t") == (("a", "temperature"),)


def test_a_pipeline_without_time_has_nothing_late() -> None:
    made = plan(source("readings", READINGS, time=None), output("o", "readings"))
    assert explained(made).repair == "no step of this pipeline judges time: no row is ever late"
