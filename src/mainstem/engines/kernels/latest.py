"""The newest row of every key: by the `order` columns (NULL is oldest), else by event time, and by arrival where these agree.

Its rows are changes for an upsert output; the whole table (`table`) is there for lookups. State is one row per key and epoch in
which it changed; the newest counts, and compaction leaves only that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, DELIVERED, Fates, at
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.duck import query, quote
from mainstem.engines.kernels.keys import key_ids, normal
from mainstem.engines.kernels.made import conform, made
from mainstem.plan.words import Fold, Latest, Node


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """The columns of the newest rows, and their `_at`."""
    return lateness.waiting_schema(node, inputs)


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Emit and remember the rows that are newer than what was known of their keys, one per key."""
    fold = cast(Fold, node.word)
    new, groups = lateness.intake(node, rows)
    new = normal(new, fold.by)
    fates: Fates = Counter()
    lateness.tally(fates, node.name, DELIVERED, "", at(new, "o"))

    both = lateness.together(state, new, [*fold.needs[0], AT])
    keys = key_ids(both, fold.by)
    touched = np.isin(keys, keys[state.num_rows:])
    places = np.flatnonzero(touched)
    newest = places[_newest(node, both.take(pa.array(places)), keys[places])]
    changed = newest[newest >= state.num_rows] - state.num_rows
    chosen, groups = new.take(pa.array(changed)), groups[changed]
    out = conform(node, _columns(node, chosen))
    kept = lateness.waiting(state.schema, groups, np.full(len(groups), lateness.ALWAYS), chosen)
    return Result(rows=made(node, times.epoch, out, at(chosen, "t"), fold.by, groups), fates=fates, state=kept)


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:  # noqa: ARG001
    """Only the newest row of each key."""
    fold = cast(Fold, node.word)
    return state.take(pa.array(_newest(node, state, key_ids(state, fold.by))))


def table(node: Node, state: pa.Table) -> pa.Table:
    """The table as of this state: the node's columns, one row per key."""
    return conform(node, _columns(node, compact(node, state, 0)))


def _columns(node: Node, rows: pa.Table) -> pa.Table:
    return rows.select([column.name for column in node.columns])


def _newest(node: Node, rows: pa.Table, keys: np.ndarray) -> np.ndarray:
    """The index of the newest row of each key, ascending."""
    fold = cast(Fold, node.word)
    rank = np.empty(rows.num_rows, np.int64)
    rank[_by_age(rows, cast(Latest, fold.body).order, fold.order)] = np.arange(rows.num_rows)
    order = np.lexsort((rank, keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True)[: len(order)]
    return np.sort(order[last])


def _by_age(rows: pa.Table, order: Sequence[str], arrives: str) -> np.ndarray:
    """Indices from the oldest row to the newest."""
    came = lateness.arrival(rows, arrives)
    if not order:
        return came[np.argsort(at(rows, "t")[came], kind="stable")]
    sortable = rows.select(list(order)).take(pa.array(came)).append_column("_i", pa.array(came))
    by = ", ".join(f"{quote(name)} ASC NULLS FIRST" for name in order)
    index: np.ndarray = query(f"SELECT _i FROM (SELECT *, row_number() OVER () AS _came FROM aged) ORDER BY {by}, _came",
                              aged=sortable).column(0).to_numpy()
    return index
