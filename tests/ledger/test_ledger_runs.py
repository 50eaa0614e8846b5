"""What a run leaves in the ledger, and that it is a projection: any order, any number of times, the same rows."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mainstem.ledger import register, runs, store, tables

INCARNATION = "01900000-0000-7000-8000-000000000001"


def manifest(epoch, made=10, quarantined=1, held_before=0, held=2, incarnation=INCARNATION, **more):
    delivered = made + held_before - quarantined - held
    return {"epoch": epoch, "first": epoch, "pipeline": "greenhouse", "environment": "default", "incarnation": incarnation,
            "release": "r1", "clock": 1_000_000 * epoch, "rows": made, "seconds": 0.5,
            "outputs": {"climate": {"version": epoch, "rows": delivered}},
            "account": {"readings -> climate": {
                "made": made, "held_before": held_before, "delivered": delivered, "filtered": 0, "quarantined": quarantined,
                "late": 0, "held": held, "reasons": {"quarantined: checked: rule": quarantined} if quarantined else {}}}} | more


@pytest.fixture
def ledger(tmp_path):
    return store.open_store(tmp_path / "ledger.db")


def begin(ledger, run_id, started=0):
    runs.start(ledger, run_id=run_id, pipeline="greenhouse", environment="default", incarnation=INCARNATION, release="r1",
               started=started, engine="local", host="here", pid=1)


def dump(ledger):
    with sqlite3.connect(ledger.address.removeprefix("sqlite:///")) as plain:
        return {name: plain.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall()
                for name in ("runs", "epochs", "legs", "outputs")}


def test_a_run_from_start_to_end(ledger):
    begin(ledger, "run-a")
    runs.project_manifest(ledger, "run-a", manifest(1))
    runs.project_manifest(ledger, "run-a", manifest(2, held_before=2))
    account = [{"leg": "readings -> climate", "made": 20, "reasons": {}}]
    runs.end(ledger, run_id="run-a", ended=3_000_000, why="end", exit_code=0, rows=20, epochs=2, account=account)
    listed = runs.listing(ledger, "greenhouse", "default")
    seen = [(row["run_id"], row["why"], row["first_epoch"], row["last_epoch"], row["rows"]) for row in listed]
    assert seen == [("run-a", "end", 1, 2, 20)]
    shown = runs.find(ledger, "run-a")
    assert shown["account"] == account
    assert shown["outputs"] == {"climate": {"version": 2, "rows": 9}}
    assert [row["epoch"] for row in shown["manifests"]] == [1, 2]


def test_the_newest_run_comes_first_and_others_pipelines_stay_out(ledger):
    for number in range(3):
        begin(ledger, f"run-{number}", number)
    assert [row["run_id"] for row in runs.listing(ledger, limit=2)] == ["run-2", "run-1"]
    assert runs.listing(ledger, "other") == []
    assert runs.listing(ledger, "greenhouse", "production") == []


def test_a_run_is_found_by_the_beginning_of_its_id_if_that_is_unique(ledger):
    begin(ledger, "abc-1")
    begin(ledger, "abd-2")
    assert runs.find(ledger, "abc")["run_id"] == "abc-1"
    assert runs.find(ledger, "ab") is None
    assert runs.find(ledger, "%") is None


def test_a_run_that_was_killed_is_known_to_be_dead_when_the_next_begins(ledger):
    begin(ledger, "run-a")
    runs.project_manifest(ledger, "run-a", manifest(1))
    runs.project_manifest(ledger, "run-a", manifest(2, held_before=2, made=5))
    begin(ledger, "run-b", 9_000_000)
    shown = runs.find(ledger, "run-a")
    assert (shown["why"], shown["ended"], shown["exit_code"]) == ("died", "1970-01-01T00:00:09.000000Z", None)
    assert shown["account"] == [{"leg": "readings -> climate", "made": 15, "held_before": 0, "delivered": 11, "filtered": 0,
                                 "quarantined": 2, "late": 0, "held": 2, "reasons": {"quarantined: checked: rule": 2}}]


def test_a_run_that_goes_on_shows_what_it_has_published(ledger):
    begin(ledger, "run-a")
    begin(ledger, "run-b", 1)
    assert [(row["rows"], row["epochs"]) for row in runs.listing(ledger)] == [(0, 0), (0, 0)]
    runs.project_manifest(ledger, "run-b", manifest(1))
    runs.project_manifest(ledger, "run-b", manifest(4, first=2, held_before=2, made=5))
    assert [(row["run_id"], row["rows"], row["epochs"]) for row in runs.listing(ledger)] == [("run-b", 15, 4), ("run-a", 0, 0)]
    shown = runs.find(ledger, "run-b")
    assert (shown["why"], shown["rows"], shown["epochs"], sum(row["seconds"] for row in shown["manifests"])) == (None, 15, 4, 1.0)


def test_an_epoch_belongs_to_the_run_that_finished_it_first(ledger):
    begin(ledger, "run-a")
    runs.project_manifest(ledger, "run-a", manifest(1))
    begin(ledger, "run-b")
    runs.project_manifest(ledger, "run-b", manifest(1))
    assert [row["epoch"] for row in runs.find(ledger, "run-a")["manifests"]] == [1]
    assert runs.find(ledger, "run-b")["manifests"] == []


@settings(max_examples=20, deadline=None)
@given(order=st.lists(st.integers(1, 6), min_size=6, max_size=14))
def test_projecting_in_any_order_any_number_of_times_gives_the_same(tmp_path_factory, order):
    once = store.open_store(tmp_path_factory.mktemp("ledger") / "once.db")
    often = store.open_store(tmp_path_factory.mktemp("ledger") / "often.db")
    for epoch in sorted(set(order)):
        runs.project_manifest(once, None, manifest(epoch))
    for epoch in order:
        runs.project_manifest(often, None, manifest(epoch, quarantined=3))      # what was there is replaced, not added to
    assert runs.rebuild(often, [manifest(epoch) for epoch in sorted(set(order))]) == len(set(order))
    assert dump(once) == dump(often)
    assert len(dump(once)["legs"]) == len(set(order))


def test_a_manifest_that_lacks_what_is_not_needed_is_taken(ledger):
    runs.project_manifest(ledger, None, {"epoch": 1, "incarnation": "i", "pipeline": "p", "environment": "e"})
    facts = runs.facts(ledger, "p", "e")
    (only,) = facts["epochs"]
    assert (only["epoch"], only["first"], only["rows"], only["clock"]) == (1, 1, 0, "1970-01-01T00:00:00.000000Z")


def test_facts_are_those_of_one_pipeline(ledger):
    begin(ledger, "run-a")
    runs.project_manifest(ledger, "run-a", manifest(1))
    runs.project_manifest(ledger, None, manifest(1, incarnation="other") | {"pipeline": "other"})
    for pipeline in ("greenhouse", "other"):
        register.incident(ledger, pipeline=pipeline, environment="default", code="disk.full", message="it is full", run_id="a", seen=1)
    facts = runs.facts(ledger, "greenhouse", "default")
    assert {name: len(rows) for name, rows in facts.items()} == {"runs": 1, "epochs": 1, "legs": 1, "incidents": 1}
    assert json.dumps(facts)
    assert facts["legs"][0]["delivered"] == 7


def rows(ledger, table):
    with ledger.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_a_release_is_kept_once(ledger):
    names = {"pipeline": "greenhouse", "environment": "default"}
    register.release(ledger, release="r1", created=1, **names)
    register.release(ledger, release="r1", created=2, **names)
    assert [row["created"] for row in rows(ledger, tables.releases)] == ["1970-01-01T00:00:00.000001Z"]


def test_an_incident_counts_up_and_is_closed_by_a_good_run(ledger):
    names = {"pipeline": "greenhouse", "environment": "default"}
    register.incident(ledger, code="disk.full", message="the disk is full", run_id="a", seen=1, **names)
    register.incident(ledger, code="disk.full", message="still full", run_id="b", seen=2, **names)
    (only,) = rows(ledger, tables.incidents)
    assert (only["count"], only["open"], only["message"]) == (2, True, "still full")
    assert register.resolved(ledger, **names) == 1
    assert rows(ledger, tables.incidents)[0]["open"] is False
    assert register.resolved(ledger, **names) == 0


def test_the_ledger_needs_neither_arrow_nor_duckdb_nor_alembic(tmp_path):
    code = ("import sys; from mainstem.ledger import runs, store; ledger = store.open_store(sys.argv[1]); runs.listing(ledger); "
            "print(sorted({'pyarrow', 'duckdb', 'alembic', 'pydantic'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "l.db")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
