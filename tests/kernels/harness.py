"""Plays epochs to a fold kernel: stamps time marks, computes the watermark, cuts rows into tasks, keeps state, checks the law.

It knows nothing of engines; a cut is (how many rows of each partition, how many tasks) per epoch, taken from a seeded random.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, DELIVERED, FILTERED, FOREVER, HELD, LATE, NONE, QUARANTINED, Fates, at, identity
from mainstem.columns import Column, Type, parse_type
from mainstem.engines.contract import Times
from mainstem.engines.kernels.keys import key_groups
from mainstem.plan.words import Body, Dedupe, Fold, Node

SECOND = 1_000_000
SEEDS = int(os.environ.get("MAINSTEM_SEEDS", "0"))      # 1000 for the full property tests; a few without it


def seeds(few: int) -> range:
    """How many random inputs a property test tries."""
    return range(SEEDS or few)


@dataclass(frozen=True)
class Row:
    """One source row: where it came from, its event time, its columns."""

    p: int
    n: int
    t: int
    values: dict[str, Any]
    wm: int = NONE


@dataclass
class Played:
    """What came out of all epochs together."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    aside: list[dict[str, Any]] = field(default_factory=list)
    fates: Fates = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    state_rows: int = 0

    def late(self) -> set[tuple[int, int]]:
        return {(row[AT]["p"], row[AT]["n"]) for row in self.aside if row["_fate"] == LATE}

    def counts(self) -> dict[tuple[str, str], int]:
        totals: Counter[tuple[str, str]] = Counter()
        for fate, count in self.fates.items():
            if fate.fate != HELD:
                totals[fate.fate, fate.reason] += count
        return dict(totals)

    def content(self) -> list[Any]:
        """The rows without what may differ between cuts: the epoch and rank in their position."""
        plain = [(*((name, value) for name, value in row.items() if name != AT), row[AT]["o"], row[AT]["p"], row[AT]["t"])
                 for row in self.rows]
        return sorted(plain, key=repr)


def column(name: str, kind: str) -> Column:
    return Column(name, Type("hugeint") if kind == "hugeint" else parse_type(kind))


def fold(body: Body, by: tuple[str, ...], needs: dict[str, str], columns: dict[str, str], order: str = "position") -> Node:
    """A fold node `f` over the input `in`, origin 7."""
    return Node(name="f", step="f", inputs=("in",), origin=None if isinstance(body, Dedupe) else 7,
                columns=tuple(column(name, kind) for name, kind in columns.items()),
                word=Fold(body=body, by=by, needs=(tuple(needs),), order=order))


def table(rows: list[Row], needs: dict[str, str], origin: int = 0) -> pa.Table:
    """Rows as a kernel gets them."""
    data = {name: pa.array([row.values[name] for row in rows], column(name, kind).type.arrow) for name, kind in needs.items()}
    numbers = [np.array([getattr(row, name) for row in rows], np.int64) for name in ("p", "n", "t", "wm")]
    return pa.table(data | {AT: identity(origin, numbers[0], numbers[1], numbers[2], numbers[3])})


def stamped(rows: list[Row], lateness: int) -> list[Row]:
    """Each row with its time mark: the running maximum before it in its own partition, less lateness."""
    largest: dict[int, int] = {}
    marked = []
    for row in sorted(rows, key=lambda row: (row.p, row.n)):
        before = largest.get(row.p, NONE)
        marked.append(Row(row.p, row.n, row.t, row.values, NONE if before == NONE else before - lateness))
        largest[row.p] = max(before, row.t)
    return marked


def play(kernel: ModuleType, node: Node, rows: list[Row], needs: dict[str, str], *, lateness: int, seed: int = 0, most: int = 10**6,
         closing: bool = True, passed: frozenset[str] = frozenset(), tasks: int = 4) -> Played:
    """All rows through a kernel in a random cut: up to `most` rows of each partition per epoch, 1 to `tasks` tasks."""
    choose = random.Random(seed)
    marked = stamped(rows, lateness)
    waiting = {p: [row for row in marked if row.p == p] for p in sorted({row.p for row in marked})}
    largest = dict.fromkeys(waiting, NONE)
    empty = table([], needs)
    schema = kernel.schema(node, {"in": empty.drop_columns([AT]).schema})
    state, before, result = schema.empty_table(), NONE, Played()
    for epoch in range(1, 10**6):
        done = not any(waiting.values())
        if done and not closing and epoch > 1:
            break
        batch = []
        for p, left in waiting.items():
            count = len(left) if most >= 10**6 else choose.randint(0, most)
            batch += left[:count]
            waiting[p] = left[count:]
            largest[p] = max([largest[p], *(row.t for row in left[:count])])
        low = min(largest.values(), default=NONE)
        now = FOREVER if done else max(before, low - lateness) if low > NONE else before
        times = Times(epoch, before, now, passed=passed)
        state = _epoch(kernel, node, table(batch, needs), state, times, choose.randint(1, tasks), result)
        if choose.random() < 0.3:
            state = kernel.compact(node, state, now).cast(schema)
        state = state.filter(pa.array(state.column("_until").to_numpy() > now))
        result.state_rows = max(result.state_rows, state.num_rows)
        if done:
            break
        before = now
    return result


def _epoch(kernel: ModuleType, node: Node, rows: pa.Table, state: pa.Table, times: Times, tasks: int, result: Played) -> pa.Table:
    kept = []
    groups, held = key_groups(rows, node.word.by), state.column("_kg").to_numpy()
    for task in range(tasks):
        mine = rows.append_column("_kg", pa.array(groups)).filter(pa.array(groups % tasks == task))
        had = state.filter(pa.array(held % tasks == task))
        out = kernel.run(node, {"in": mine}, had, times)
        _law(node, mine, out)
        assert out.rows.column_names == [*(column.name for column in node.columns), AT]
        result.rows += out.rows.to_pylist()
        result.aside += out.aside.to_pylist() if out.aside is not None else []
        result.fates.update(out.fates)
        result.notes.update(out.notes)
        kept += [out.state] if out.replace else [had, *([out.state] if out.state is not None else [])]
        assert out.state is None or out.state.schema == state.schema
        if node.origin is not None and out.rows.num_rows:
            assert (at(out.rows, "n") >> 32 == times.epoch).all()
            identities = list(zip(at(out.rows, "p").tolist(), at(out.rows, "n").tolist()))
            assert identities == sorted(set(identities))
    return pa.concat_tables(kept).combine_chunks()


def _law(node: Node, rows: pa.Table, out: Any) -> None:
    """made + held before = delivered + filtered + quarantined + late + held after, per origin."""
    fates: Counter[str] = Counter()
    for fate, count in out.fates.items():
        assert fate.node == node.name
        fates[fate.fate] += count
    ends = sum(fates[name] for name in (DELIVERED, FILTERED, QUARANTINED, LATE, HELD))
    if isinstance(node.word.body, Dedupe):
        ends += out.rows.num_rows
    assert rows.num_rows + sum(out.held_before.values()) == ends, (fates, out.held_before)
