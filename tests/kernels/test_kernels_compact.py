"""State that is compacted in tiers says what it said before: of every fold kernel, whichever of its newest files are written anew."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any, get_args

import harness
import pyarrow as pa
import pytest
from harness import SECOND, Row, fold, stamped, table

from mainstem.batch import AT, FOREVER, NONE
from mainstem.engines.contract import Result, Times
from mainstem.engines.fold import fold_kernel
from mainstem.engines.kernels.keys import key_groups
from mainstem.plan.words import Alert, Body, Dedupe, Fold, Latest, Node, Over, Session, Whole, Window

NEEDS = {"k": "string", "v": "int64", "_when": "bool", "_clear": "bool"}
TIMES = {"window_start": "timestamp", "window_end": "timestamp"}
SPANS = {"session_id": "string", "session_start": "timestamp", "session_end": "timestamp", "closes_at": "timestamp"}
EPISODE = {"episode": "string", "state": "string", "severity": "string", "started_at": "timestamp", "changed_at": "timestamp",
           "rule": "string"}
WINDOW = 'SELECT k, window_start, window_end, count(*) AS n, list(v) AS vs FROM "rows" GROUP BY k, window_start, window_end'
SESSION = ("SELECT k, min(v)::VARCHAR AS session_id, session_start, session_end, closes_at, count(*) AS n "
           'FROM "rows" GROUP BY k, session_start, session_end, closes_at')
OVER = ('SELECT "_row", count(*) OVER w AS n FROM "rows" '
        f'WINDOW w AS (PARTITION BY k ORDER BY ("_at").t RANGE BETWEEN {20 * SECOND} PRECEDING AND CURRENT ROW)')
PANE: dict[str, Any] = {"size": 20 * SECOND, "query": WINDOW}
FILL = {"fill": True, "blank": 'SELECT count(*) AS n, list(v) AS vs FROM "rows"'}
PANES = {"k": "string", **TIMES, "n": "int64", "vs": "list<int64>"}
FOLDS: dict[str, tuple[Body, dict[str, str]]] = {
    "dedupe": (Dedupe(within=20 * SECOND), NEEDS),
    "latest": (Latest(), NEEDS),
    "latest by a column": (Latest(order=("v",)), NEEDS),
    "over": (Over(range=20 * SECOND, query=OVER), {**NEEDS, "n": "int64"}),
    "whole": (Whole(query='SELECT k, count(*) AS n, list(v ORDER BY v) AS vs FROM "in" GROUP BY k'),
              {"k": "string", "n": "int64", "vs": "list<int64>"}),
    "window": (Window(every=20 * SECOND, **PANE), PANES),
    "window, hopping": (Window(every=5 * SECOND, **PANE), PANES),
    "window, filled": (Window(every=20 * SECOND, **PANE, **FILL), PANES),
    "window, hopping, filled": (Window(every=5 * SECOND, **PANE, **FILL), PANES),
    "session": (Session(gap=10 * SECOND, query=SESSION), {"k": "string", **SPANS, "n": "int64"}),
    "alert": (Alert(rule="frost", hold=5 * SECOND, values=("v",)), {"k": "string", **EPISODE, "v": "int64"}),
}


class Kept:
    """The state of a fold as its files, the oldest first."""

    def __init__(self, kernel: ModuleType, node: Node) -> None:
        self.kernel, self.node = kernel, node
        self.schema = kernel.schema(node, {"in": table([], NEEDS).drop_columns([AT]).schema})
        self.files: list[pa.Table] = []

    def alive(self, files: list[pa.Table], before: int) -> pa.Table:
        rows = pa.concat_tables([self.schema.empty_table(), *files]).cast(self.schema)
        return rows.filter(pa.compute.greater(rows.column("_until"), before))

    def play(self, rows: pa.Table, times: Times, anew: int) -> Result:
        """One epoch; of the files that there are after it the newest `anew` are written as one."""
        result: Result = self.kernel.run(self.node, {"in": rows}, self.alive(self.files, times.before), times)
        self.files = ([] if result.replace else self.files) + ([result.state] if result.state is not None else [])
        if anew > 1:
            newest = self.alive(self.files[-anew:], times.before)
            self.files[-anew:] = [self.kernel.compact(self.node, newest, times.now)]
        return result


def told(result: Result) -> tuple[Any, ...]:
    """All that an epoch says of itself; the rows with their identities, each kind in an order of its own."""
    aside = sorted(result.aside.to_pylist(), key=repr) if result.aside is not None else []
    return result.rows.to_pylist(), aside, +result.fates, +result.held_before, result.notes


def arrivals(choose: random.Random, count: int) -> list[Row]:
    clock, rows = [0, 0], []
    for n in range(count):
        p = choose.randrange(2)
        clock[p] += choose.choice([0, 1, 3, 8]) * SECOND
        values = {"k": choose.choice(["a", "b", "c", "d", None]), "v": choose.randrange(9),
                  "_when": choose.choice([True, False, None]), "_clear": choose.choice([True, False, None])}
        rows.append(Row(p, n, clock[p] - choose.choice([0, 0, 2, 30]) * SECOND, values))
    return rows


@pytest.mark.parametrize("seed", harness.seeds(2))
@pytest.mark.parametrize("name", FOLDS)
def test_state_of_which_the_newest_files_were_compacted_says_the_same(name: str, seed: int) -> None:
    """run(older + compact(newer)) is run(older + newer), epoch after epoch and up to the closing one."""
    choose = random.Random(seed)
    body, columns = FOLDS[name]
    node = fold(body, ("k",), NEEDS, columns)
    kernel: Any = fold_kernel(node)
    whole, tiered = Kept(kernel, node), Kept(kernel, node)
    lateness, before, largest, compacted = 5 * SECOND, NONE, dict.fromkeys((0, 1), NONE), 0
    left = stamped(arrivals(choose, 60), lateness)
    choose.shuffle(parts := [0, 1] * 30)
    waiting = {p: [row for row in left if row.p == p] for p in (0, 1)}
    for epoch in range(1, 10**6):
        batch = [waiting[p].pop(0) for p in (parts.pop() for _ in range(min(len(parts), choose.randint(1, 6)))) if waiting[p]]
        for row in batch:
            largest[row.p] = max(largest[row.p], row.t)
        low = min(largest.values())
        now = FOREVER if not parts else max(before, low - lateness) if low > NONE else before
        rows = table(batch, NEEDS)
        rows = rows.append_column("_kg", pa.array(key_groups(rows, ("k",)), pa.int16()))
        anew = choose.choice([0, 0, 2, 3, len(tiered.files) + 1])
        compacted += anew > 1 and len(tiered.files) > 0
        times = Times(epoch, before, now)
        assert told(tiered.play(rows, times, anew)) == told(whole.play(rows, times, 0)), f"epoch {epoch}"
        if now == FOREVER:
            break
        before = now
    assert compacted > 3
    assert epoch > 10


def test_every_fold_is_asked() -> None:
    assert {type(body) for body, _ in FOLDS.values()} == set(get_args(Body))
    assert isinstance(fold(FOLDS["whole"][0], ("k",), NEEDS, {}).word, Fold)
