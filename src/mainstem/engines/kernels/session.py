"""Sessions: rows of one key less than `gap` apart belong together; exactly `gap` apart is apart.

A row that lies between two open sessions joins them, so all rows of open sessions wait, and each epoch writes them anew with
`_until` = when their session closes as things stand: `closes_at` = last event time + gap, closed once `closes_at <= W`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import cast

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, DELIVERED, HELD, Fates, at
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import key_ids, normal
from mainstem.engines.kernels.made import grouped, instants, made, micros, nothing
from mainstem.plan.words import Fold, Node, Session


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """The needed columns of the rows in open sessions, and their `_at`."""
    return lateness.waiting_schema(node, inputs)


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Judge the new rows, form sessions with those that wait, release the sessions that time has passed."""
    fold = cast(Fold, node.word)
    body = cast(Session, fold.body)
    new, groups = lateness.intake(node, rows)
    fates: Fates = Counter()

    late, aside = lateness.judge(node, new, at(new, "t") + 1, times, "its session could have closed by", fates,
                                 keep=body.late != "drop")
    state = lateness.alive(state, times)
    held_before = lateness.per_origin(at(state, "o"))
    here = lateness.together(state, lateness.pick(new, ~late), [*fold.needs[0], AT])
    groups = np.concatenate([state.column("_kg").to_numpy(), groups[~late]])
    # in time order, by key within it: sessions are runs of rows
    here, groups = _ordered(normal(here, fold.by), groups, fold)
    start, end = _sessions(at(here, "t"), key_ids(here, fold.by), body.gap)
    closes = end + body.gap
    done = closes <= times.now
    lateness.tally(fates, node.name, DELIVERED, "", at(here, "o")[done])
    lateness.tally(fates, node.name, HELD, "", at(here, "o")[~done])
    return Result(
        rows=_release(node, lateness.pick(here, done), start[done], end[done], times), aside=aside, fates=fates,
        held_before=held_before, replace=True,
        state=lateness.waiting(state.schema, groups[~done], closes[~done], lateness.pick(here, ~done)),
    )


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:  # noqa: ARG001
    """The rows of sessions that are still open."""
    return lateness.still(state, now)


def _ordered(rows: pa.Table, groups: np.ndarray, fold: Fold) -> tuple[pa.Table, np.ndarray]:
    order = lateness.time_order(rows)
    order = order[np.argsort(key_ids(rows, fold.by)[order], kind="stable")]
    return rows.take(pa.array(order)), groups[order]


def _sessions(t: np.ndarray, keys: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last event time of each row's session; rows are ordered by key, then time."""
    if not len(t):
        return t, t
    begins = np.append(True, (keys[1:] != keys[:-1]) | (t[1:] - t[:-1] >= gap))
    firsts = np.flatnonzero(begins)
    number = np.cumsum(begins) - 1
    return t[firsts][number], t[np.append(firsts[1:], len(t)) - 1][number]


def _release(node: Node, rows: pa.Table, start: np.ndarray, end: np.ndarray, times: Times) -> pa.Table:
    if not rows.num_rows:
        return nothing(node)
    fold = cast(Fold, node.word)
    body = cast(Session, fold.body)
    rows = (rows.append_column("session_start", instants(start)).append_column("session_end", instants(end))
            .append_column("closes_at", instants(end + body.gap)))
    out = grouped(node, body.query, rows)
    return made(node, times.epoch, out, micros(out.column(len(fold.by) + 3)) - 1, fold.by)
