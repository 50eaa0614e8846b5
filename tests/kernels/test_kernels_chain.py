"""Folds behind folds: what one makes is never late for the next, and the answer is that of the whole input."""

from __future__ import annotations

import random

import harness
import pyarrow as pa
import pytest
from harness import SECOND, Row, fold, stamped, table

from mainstem.batch import AT, FOREVER, LATE, NONE
from mainstem.engines.contract import Times
from mainstem.engines.kernels import alert, session, window
from mainstem.plan.words import Alert, Node, Session, Window

NEEDS = {"k": "string", "v": "int64"}
EPISODE = {"episode": "string", "state": "string", "severity": "string", "started_at": "timestamp", "changed_at": "timestamp",
           "rule": "string"}
SESSION = {"k": "string", "session_id": "string", "session_start": "timestamp", "session_end": "timestamp",
           "closes_at": "timestamp", "n": "int64"}
BOUNDS = {"window_start": "timestamp", "window_end": "timestamp"}


def windows(size: int, counted: str, needs: dict[str, str]) -> Node:
    query = f'SELECT k, window_start, window_end, {counted} AS n FROM "rows" GROUP BY k, window_start, window_end'
    body = Window(size=size * SECOND, every=size * SECOND, query=query)
    return fold(body, ("k",), needs, {"k": "string", **BOUNDS, "n": "int64"})


def chained(rows: list[Row], folds: list[tuple], lateness: int, seed: int, most: int) -> list[list[dict]]:
    """The rows that each fold of a chain makes, all in one task; nothing behind the first fold may be late."""
    choose = random.Random(seed)
    left = stamped(rows, lateness)
    made: list[list[dict]] = [[] for _ in folds]
    states: list = [None] * len(folds)
    largest, before, epoch = NONE, NONE, 0
    while before != FOREVER:
        epoch += 1
        count = choose.randint(1, most)
        part, left = left[:count], left[count:]
        largest = max([largest, *(row.t for row in part)])
        now = largest - lateness if part else FOREVER
        given = table(part, NEEDS)
        for place, (kernel, node, needs) in enumerate(folds):
            given = given.select([*needs, AT]) if set(needs) <= set(given.column_names) else conditions(given)
            schema = kernel.schema(node, {"in": given.drop_columns([AT]).schema})
            state = states[place] if states[place] is not None else schema.empty_table()
            out = kernel.run(node, {"in": given}, state, Times(epoch, before, now))
            assert place == 0 or not [fate for fate in out.fates if fate.fate == LATE]
            state = out.state if out.replace else pa.concat_tables([state, out.state])
            states[place] = kernel.compact(node, state, now)
            made[place] += out.rows.to_pylist()
            given = out.rows
        before = now
    return made


def conditions(rows: pa.Table) -> pa.Table:
    """What the Sql before an alert makes: `_when` is fewer than 3 rows in the window."""
    few = pa.compute.less(rows.column("n"), 3)
    return pa.table({"k": rows.column("k"), "_when": few, "_clear": pa.compute.invert(few), AT: rows.column(AT)})


def readings(seed: int) -> list[Row]:
    choose = random.Random(seed)
    return [Row(0, n, (n * 2 - choose.choice([0, 0, 3, 9, 40])) * SECOND, {"k": choose.choice("ab"), "v": n}) for n in range(60)]


@pytest.mark.parametrize("seed", harness.seeds(4))
def test_an_hour_over_minutes_is_the_hour(seed: int) -> None:
    """A8: the sums over small windows, added up by large ones, are the large windows of the same rows."""
    rows = readings(seed)
    small, large = windows(10, "count(*)", NEEDS), windows(60, "sum(n)::BIGINT", {"k": "string", "n": "int64"})
    results = []
    for cut, most in enumerate([200, 2, 13]):
        chain = [(window, small, ("k", "v")), (window, large, ("k", "n"))]
        first, second = chained(rows, chain, 10 * SECOND, seed + cut, most)
        totals: dict = {}
        for row in first:
            key = row["k"], int(row["window_start"].timestamp()) // 60 * 60
            totals[key] = totals.get(key, 0) + row["n"]
        assert {(row["k"], int(row["window_start"].timestamp())): row["n"] for row in second} == totals
        results.append(totals)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("seed", harness.seeds(4))
def test_alerts_and_sessions_of_windows_are_the_same_for_every_cut(seed: int) -> None:
    rows = readings(seed)
    small = windows(10, "count(*)", NEEDS)
    follow = fold(Alert(rule="few", hold=10 * SECOND), (), {}, EPISODE, order="made")
    query = 'SELECT k, k AS session_id, session_start, session_end, closes_at, count(*) AS n FROM "rows" GROUP BY ALL'
    quiet = fold(Session(gap=25 * SECOND, query=query), ("k",), {"k": "string"}, SESSION)
    for last in ((alert, follow, ("k", "_when", "_clear")), (session, quiet, ("k",))):
        seen = []
        for cut, most in enumerate([200, 2, 13]):
            made = chained(rows, [(window, small, ("k", "v")), last], 10 * SECOND, seed + cut, most)[1]
            assert made
            seen.append(sorted(repr([value for name, value in row.items() if name != AT]) for row in made))
        assert seen[0] == seen[1] == seen[2]
