"""Windows without rows (`fill: true`): for keys that had some, until they have been silent for LIMIT windows.

When the last window of a key closes, one of its rows stays in the state as a mark: "had rows up to window k". So whether a window
is filled depends on rows whose windows closed before it, and these are the same for every cut of the input.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, FOREVER, at
from mainstem.engines.contract import Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import key_ids
from mainstem.engines.kernels.made import ask, conform, instants
from mainstem.engines.kernels.panes import Panes
from mainstem.plan.words import Fold, Node, Window

LIMIT = 1000                           # a device that is gone, or one clock in 1970, must not fill the table for ever
MARK = "_mark"


def marks(schema: pa.Schema, here: pa.Table, groups: np.ndarray, closed: np.ndarray, by: Sequence[str], grid: Panes) -> pa.Table:
    """State rows that remember the newest closed window of each key."""
    rows, groups = lateness.pick(here, closed), groups[closed]
    newest = _newest(key_ids(rows, by), grid.last(at(rows, "t")))
    rows = rows.take(pa.array(newest))
    until = grid.bounds(grid.last(at(rows, "t")) + LIMIT)[1]
    return lateness.waiting(schema, groups[newest], until, rows, **{MARK: np.ones(len(newest), bool)})


def compacted(state: pa.Table, by: Sequence[str], grid: Panes) -> pa.Table:
    """All rows that wait and of the marks the newest of each key."""
    marked = state.column(MARK).to_numpy()
    old = state.filter(pa.array(marked))
    newest = _newest(key_ids(old, by), grid.last(at(old, "t")))
    return pa.concat_tables([lateness.pick(state, ~marked), old.take(pa.array(newest))])


def empty_windows(node: Node, here: pa.Table, known: pa.Table, grid: Panes, times: Times) -> pa.Table:
    """Rows of the node for the closing windows without rows. `known` are the marks, `here` the rows of open windows."""
    fold = cast(Fold, node.word)
    both = lateness.together(known, here, [*fold.by, AT])
    t, keys = at(both, "t"), key_ids(both, fold.by)
    low = int(grid.first(np.array([times.before]))[0])
    high = int(grid.first(np.array([times.now]))[0]) - 1
    had: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)     # key -> windows of its rows, first to last
    first = np.maximum(grid.first(t), grid.first(at(both, "wm")))      # without those that it came too late for
    for key, begin, end in zip(keys.tolist(), first.tolist(), grid.last(t).tolist()):
        had[key].add((begin, end))
    empty = []
    for key, spans in had.items():
        ordered = sorted(spans)
        # the end of the input closes no window behind a key's last row
        top = high if times.now < FOREVER else ordered[-1][0]
        last = ordered[0][1]
        for (_, reach), (following, _) in zip(ordered, [*ordered[1:], (top + 1, 0)]):
            last = max(last, reach)
            empty += [(key, k) for k in range(max(last + 1, low), min(last + LIMIT, following - 1, top) + 1)]
    distinct, example = np.unique(keys, return_index=True)
    chosen = example[np.searchsorted(distinct, np.array([key for key, _ in empty], np.int64))]
    start, end = grid.bounds(np.array([k for _, k in empty], np.int64))
    return _blank(node, both.select(list(fold.by)).take(pa.array(chosen)), start, end, here)


def _blank(node: Node, keys: pa.Table, start: np.ndarray, end: np.ndarray, here: pa.Table) -> pa.Table:
    """The select over no rows (counts are 0, sums NULL) behind these keys and bounds."""
    body = cast(Window, cast(Fold, node.word).body)
    columns = [*keys.columns, instants(start), instants(end)]
    fixed = len(columns)
    blank = ask(node, body.blank, rows=here.slice(0, 0)) if body.blank else None
    for place, column in enumerate(node.columns[fixed:]):
        value = blank.column(place)[0].as_py() if blank is not None else None
        columns.append(pa.repeat(pa.scalar(value, column.type.arrow), len(start)))
    return conform(node, pa.table(columns, names=[column.name for column in node.columns]))


def _newest(keys: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The index of a row of the newest window of each key."""
    order = np.lexsort((windows, keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True)[: len(order)]
    newest: np.ndarray = order[last]
    return newest
