"""Alert: episodes of a condition per key, one row when an episode fires and one when it is resolved.

Arrival is the order, event time the measure: an episode fires at the first row at which the condition has held for `hold` without a
row that says otherwise. NULL is "unknown" and changes nothing. A row that satisfies both conditions keeps the episode going.
State: one row per key in which something is going on, rewritten each epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.batch import DELIVERED, NONE, Fates, at
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import identity_of, key_groups, key_ids, key_texts, normal
from mainstem.engines.kernels.made import conform, instants, made, nothing
from mainstem.plan.words import Alert, Fold, Node

_Event = tuple[int, bool, int]         # row, firing or resolved, start of the episode


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """A key, since when its condition holds, and whether it has fired."""
    fold = cast(Fold, node.word)
    source = inputs[node.inputs[0]]
    return pa.schema([pa.field("_kg", pa.int16()), pa.field("_until", pa.int64()), pa.field("_since", pa.int64()),
                      pa.field("_firing", pa.bool_()), *(source.field(name) for name in fold.by)])


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Follow every key through its new rows."""
    fold = cast(Fold, node.word)
    body = cast(Alert, fold.body)
    new = normal(lateness.intake(node, rows)[0], fold.by)
    by = list(fold.by)
    fates: Fates = Counter()
    lateness.tally(fates, node.name, DELIVERED, "", at(new, "o"))

    blank = pa.nulls(new.num_rows, pa.int64())
    both = lateness.together(state, new.append_column("_since", blank), ["_since", *by])
    ids = key_ids(both, by)
    known, keys = ids[: state.num_rows], ids[state.num_rows:]
    since = dict(zip(known.tolist(), zip(state.column("_since").to_pylist(), state.column("_firing").to_pylist())))
    events = _follow(new, keys, since, body.hold, fold.order)
    # a key's columns come from its state row or from any of its rows
    distinct, places = np.unique(ids, return_index=True)
    going = sorted(since)
    chosen = places[np.searchsorted(distinct, np.array(going, np.int64))]
    columns = both.take(pa.array(chosen))
    kept = pa.table({
        "_kg": pa.array(key_groups(columns, by)),
        "_until": pa.array(np.full(len(going), lateness.ALWAYS)),
        "_since": pa.array([since[key][0] for key in going], pa.int64()),
        "_firing": pa.array([since[key][1] for key in going], pa.bool_()),
    } | {name: columns.column(name) for name in by})
    return Result(rows=_episodes(node, new, events, times), fates=fates, state=kept.cast(state.schema), replace=True)


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:  # noqa: ARG001
    """The state as it is: a key whose condition holds is never forgotten."""
    return state


def _follow(new: pa.Table, keys: np.ndarray, since: dict[int, tuple[int, bool]], hold: int, order: str) -> list[_Event]:
    """Move the keys along, in `since` too: key -> (start of the condition, fired already)."""
    line = lateness.arrival(new, order)
    when = pc.fill_null(new.column("_when").cast(pa.int8()), -1).to_numpy()[line]
    clear = pc.fill_null(new.column("_clear"), False).to_numpy()[line]
    keys, t = keys[line], at(new, "t")[line]
    matters = _matters(keys, when, clear, since, hold)
    events: list[_Event] = []
    for place in matters.tolist():
        key, time = int(keys[place]), int(t[place])
        start, firing = since.get(key, (NONE, False))
        if when[place] == 1:
            start = time if start == NONE else start
            fires = not firing and time - start >= hold
            since[key] = (start, firing or fires)
            if fires:
                events.append((int(line[place]), True, start))
        elif firing and clear[place]:
            events.append((int(line[place]), False, start))
            del since[key]
        elif not firing:
            since.pop(key, None)
    return events


def _matters(keys: np.ndarray, when: np.ndarray, clear: np.ndarray, since: Mapping[int, Any], hold: int) -> np.ndarray:
    """The rows that can change something: not unknown, of a key with a condition, not the same again (unless time counts)."""
    busy = np.isin(keys, np.append(keys[when == 1], np.fromiter(since, np.int64, len(since))))
    rows = np.flatnonzero(busy & (when >= 0))
    rows = rows[np.argsort(keys[rows], kind="stable")]
    same = np.zeros(len(rows), bool)
    same[1:] = (keys[rows][1:] == keys[rows][:-1]) & (when[rows][1:] == when[rows][:-1]) & (clear[rows][1:] == clear[rows][:-1])
    if hold:
        same &= when[rows] == 0
    return np.sort(rows[~same])


def _episodes(node: Node, new: pa.Table, events: list[_Event], times: Times) -> pa.Table:
    """A row per transition: by columns, episode, state, severity, started_at, changed_at, rule, then the values asked for."""
    if not events:
        return nothing(node)
    fold = cast(Fold, node.word)
    body = cast(Alert, fold.body)
    rows = new.take(pa.array([row for row, _, _ in events], pa.int64()))
    event, count = at(rows, "t"), len(events)
    texts = key_texts(rows, fold.by)
    columns = {name: rows.column(name) for name in fold.by} | {
        "episode": pa.array([identity_of(body.rule, text, start) for text, (_, _, start) in zip(texts, events)]),
        "state": pa.array(["firing" if firing else "resolved" for _, firing, _ in events]),
        "severity": pa.repeat(pa.scalar(body.severity), count),
        "started_at": instants(np.array([start for _, _, start in events], np.int64)),
        "changed_at": instants(event),
        "rule": pa.repeat(pa.scalar(body.rule), count),
    } | {name: rows.column(name) for name in body.values}
    table = pa.table(columns).select([column.name for column in node.columns])
    return made(node, times.epoch, conform(node, table), event, fold.by)
