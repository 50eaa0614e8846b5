"""The ledger of a pipeline that commits again and again stays small, and no account loses a row by it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select
from test_ledger_runs import INCARNATION, begin, manifest

from mainstem.ledger import register, runs, store, tables
from mainstem.ledger.thin import thin

OTHER = "01900000-0000-7000-8000-000000000002"


@pytest.fixture
def ledger(tmp_path):
    return store.open_store(tmp_path / "ledger.db")


def fill(ledger, run_id, first, last, incarnation=INCARNATION, pipeline="greenhouse"):
    """Manifests as rows, thousands in a moment: the same rows as `project_manifest` makes."""
    with ledger.write() as connection:
        names = {"pipeline": pipeline, "environment": "default"}
        keys = [{"incarnation": incarnation, "epoch": epoch} for epoch in range(first, last + 1)]
        connection.execute(insert(tables.epochs), [
            {**key, **names, "first": key["epoch"], "run_id": run_id, "release": "r1", "clock": runs.moment(0), "rows": 10,
             "seconds": 0.1} for key in keys])
        connection.execute(insert(tables.legs), [
            {**key, **names, "leg": f"readings -> {end}", "made": 10, "held_before": 2, "delivered": 9, "filtered": 0,
             "quarantined": 1, "late": 0, "held": 2, "reasons": {"quarantined: checked: rule": 1}}
            for key in keys for end in ("climate", "frost")])
        connection.execute(insert(tables.outputs), [{**key, "output": "climate", "version": key["epoch"], "rows": 9} for key in keys])


def count(ledger):
    with ledger.read() as connection:
        return {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (tables.runs, tables.epochs, tables.legs, tables.outputs, tables.releases)}


def whole(epochs):
    """The account of so many of these epochs."""
    return [{"leg": f"readings -> {end}", "made": 10 * epochs, "held_before": 2, "delivered": 9 * epochs, "filtered": 0,
             "quarantined": epochs, "late": 0, "held": 2, "reasons": {"quarantined: checked: rule": epochs}}
            for end in ("climate", "frost")]


def test_thousands_of_epochs_of_a_run_that_goes_on(ledger):
    begin(ledger, "run-a")
    fill(ledger, "run-a", 1, 3000)
    said = thin(ledger, "greenhouse", "default", 100, dry_run=True)
    assert said == 2900 * 4
    assert count(ledger)["legs"] == 6000
    assert thin(ledger, "greenhouse", "default", 100) == said
    assert count(ledger) == {"runs": 1, "epochs": 100, "legs": 200, "outputs": 100, "releases": 0}
    shown = runs.find(ledger, "run-a")
    assert shown["account"] == whole(3000)
    assert [shown["manifests"][place]["epoch"] for place in (0, -1)] == [2901, 3000]
    assert "thinned" not in shown
    fill(ledger, "run-a", 3001, 4500)
    thin(ledger, "greenhouse", "default", 100)
    assert runs.find(ledger, "run-a")["account"] == whole(4500)
    assert thin(ledger, "greenhouse", "default", 100) == 0
    begin(ledger, "run-b", 9_000_000)
    died = runs.find(ledger, "run-a")
    assert (died["why"], died["rows"], died["epochs"]) == ("died", 45_000, 4500)
    assert died["account"] == whole(4500)
    fill(ledger, "run-b", 4501, 4700)
    thin(ledger, "greenhouse", "default", 100)
    assert runs.find(ledger, "run-a")["account"] == whole(4500)
    assert runs.find(ledger, "run-b")["account"] == whole(200)


def test_thousands_of_runs_and_their_releases(ledger):
    names = {"pipeline": "greenhouse", "environment": "default"}
    with ledger.write() as connection:
        connection.execute(insert(tables.runs), [
            {"run_id": f"run-{number:05d}", **names, "incarnation": INCARNATION, "release": f"r{number // 100}", "engine": "local",
             "host": "h", "pid": 1, "started": runs.moment(number), "ended": runs.moment(number + 1), "why": "end", "epochs": 1,
             "rows": 1, "account": whole(1)} for number in range(3000)])
    for number in range(31):
        register.release(ledger, release=f"r{number}", created=number, **names)
    begin(ledger, "run-99999")
    said = thin(ledger, "greenhouse", "default", 250, dry_run=True)
    assert thin(ledger, "greenhouse", "default", 250) >= said > 2700
    assert count(ledger)["runs"] == 250
    assert [row["run_id"] for row in runs.listing(ledger, limit=2)] == ["run-99999", "run-02999"]
    assert runs.find(ledger, "run-02999")["account"] == whole(1)
    with ledger.read() as connection:
        kept = set(connection.execute(select(tables.releases.c.release)).scalars())
    assert kept == {"r1", "r27", "r28", "r29", "r30"}, "those that a kept run names, and the newest"


def test_only_the_rows_of_the_pipeline_go_and_the_oldest_incarnation_first(ledger):
    fill(ledger, None, 1, 50)
    fill(ledger, None, 1, 50, incarnation=OTHER)
    fill(ledger, None, 1, 50, incarnation="01900000-0000-7000-8000-000000000003", pipeline="other")
    thin(ledger, "greenhouse", "default", 60)
    with ledger.read() as connection:
        left = connection.execute(select(tables.epochs.c.incarnation, func.min(tables.epochs.c.epoch), func.count())
                                  .group_by(tables.epochs.c.incarnation).order_by(tables.epochs.c.incarnation)).all()
    assert [tuple(row)[1:] for row in left] == [(41, 10), (1, 50), (1, 50)]
    assert count(ledger)["outputs"] == 110


def test_a_run_that_ended_well_keeps_the_account_that_it_gave(ledger):
    begin(ledger, "run-a")
    for epoch in range(1, 6):
        runs.project_manifest(ledger, "run-a", manifest(epoch))
    account = [{"leg": "readings -> climate", "made": 777, "reasons": {}}]
    runs.end(ledger, run_id="run-a", ended=1, why="end", exit_code=0, rows=50, epochs=5, account=account)
    thin(ledger, "greenhouse", "default", 2)
    assert runs.find(ledger, "run-a")["account"] == account
