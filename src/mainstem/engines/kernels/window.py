"""Fixed, hopping and calendar windows: rows wait until their window's end has passed, then the user's query runs once over them.

State: raw needed columns and identity of every row that is in an open window; `_until` is the end of its last window.
A row is delivered when that last window closes, and held until then. Rows older than every open window are late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import cast

import numpy as np
import pyarrow as pa

from mainstem.batch import AT, AT_TYPE, DELIVERED, HELD, LATE, NONE, Fates, at
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import key_groups, key_ids, normal
from mainstem.engines.kernels.made import ask, conform, instants, made, micros, nothing
from mainstem.engines.kernels.panes import Panes, panes, spread
from mainstem.plan.words import Fold, Node, Window


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """The needed columns of the rows that wait, and their `_at`."""
    fold = cast(Fold, node.word)
    source = inputs[node.inputs[0]]
    return pa.schema([pa.field("_kg", pa.int16()), pa.field("_until", pa.int64()), *(source.field(name) for name in fold.needs[0]),
                      pa.field(AT, AT_TYPE)])


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Judge the new rows, put them to those that wait, release the windows whose end lies in (W(n-1), W(n)]."""
    fold = cast(Fold, node.word)
    body = cast(Window, fold.body)
    grid = panes(body)
    new = rows[node.inputs[0]]
    fates: Fates = Counter()

    _, until = grid.bounds(grid.last(at(new, "t")))
    passed = lateness.limit(new, times)
    late = until <= passed
    lateness.tally(fates, node.name, LATE, LATE, at(new, "o")[late])
    aside = lateness.late_rows(new, late, until, passed, "its window ended at") if body.late != "drop" else None

    new, until = lateness.pick(new, ~late), until[~late]
    state = lateness.alive(state, times)
    held_before = lateness.per_origin(at(state, "o"))
    here = pa.concat_tables([state.select([*fold.needs[0], AT]), new.select([*fold.needs[0], AT])]).combine_chunks()
    ends = np.concatenate([state.column("_until").to_numpy(), until])
    origins = at(here, "o")
    lateness.tally(fates, node.name, DELIVERED, "", origins[ends <= times.now])
    lateness.tally(fates, node.name, HELD, "", origins[ends > times.now])

    stays = until > times.now
    kept = lateness.pick(new, stays)
    return Result(
        rows=_release(node, normal(here, fold.by), grid, times),
        aside=aside, fates=fates, held_before=held_before,
        state=lateness.state_rows(key_groups(kept, fold.by), until[stays], kept, fold.needs[0]),
        notes=_partly_late(new, grid, times),
    )


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:
    """The rows of windows that are still open."""
    return lateness.still(state, now)


def _partly_late(new: pa.Table, grid: Panes, times: Times) -> dict[str, int]:
    """Hopping windows: how many rows came too late for some of their windows, and how many windows these were."""
    t, passed = at(new, "t"), lateness.limit(new, times)
    missed = np.minimum(grid.first(passed), grid.last(t) + 1) - grid.first(t)
    missed = missed[(missed > 0) & (passed > NONE)]
    return {"late_partial": len(missed), "late_partial_windows": int(missed.sum())} if len(missed) else {}


def _release(node: Node, here: pa.Table, grid: Panes, times: Times) -> pa.Table:
    """Run the query over the rows of the windows that close now, in time order."""
    fold = cast(Fold, node.word)
    body = cast(Window, fold.body)
    t = at(here, "t")
    passed = lateness.limit(here, times)
    # a row is in the windows that were open when it came (W(n-1) never passes its mark unseen), and these close once
    first = np.where(passed > NONE, np.maximum(grid.first(t), grid.first(np.maximum(passed, t - body.size - 2))), grid.first(t))
    last = grid.last(t)
    row, number = spread(first, np.maximum(last - first + 1, 0))
    start, end = grid.bounds(number)
    closes = (end > passed[row]) & (end <= times.now)
    row, number, start, end = row[closes], number[closes], start[closes], end[closes]
    if not len(row) and not body.fill:
        return nothing(node)
    rank = np.empty(here.num_rows, np.int64)
    rank[lateness.time_order(here)] = np.arange(here.num_rows)
    order = np.argsort(rank[row], kind="stable")
    inside = here.take(pa.array(row[order]))
    inside = inside.append_column("window_start", instants(start[order])).append_column("window_end", instants(end[order]))
    out = conform(node, ask(node, body.query, rows=inside))
    if body.fill:
        out = pa.concat_tables([out, _empty_windows(node, here, grid, times, row, number)])
    return made(node, times.epoch, out, micros(out.column(len(fold.by) + 1)) - 1, fold.by)


def _empty_windows(node: Node, here: pa.Table, grid: Panes, times: Times, row: np.ndarray, number: np.ndarray) -> pa.Table:
    """Rows for the closing windows in which a key has no row while a later one of it waits already.

    Waits already: it had come before its own time mark passed the window's end. So this too is the same for every cut.
    """
    fold = cast(Fold, node.word)
    body = cast(Window, fold.body)
    t, passed = at(here, "t"), lateness.limit(here, times)
    low = grid.first(passed)
    high = np.minimum(grid.first(t) - 1, grid.first(np.full(len(t), times.now)) - 1)
    gaps = np.flatnonzero((passed > NONE) & (low <= high))
    key, numbers = key_ids(here, fold.by), np.unique(np.stack([low[gaps], high[gaps], key_ids(here, fold.by)[gaps]]), axis=1)
    which, found = spread(numbers[0], numbers[1] - numbers[0] + 1)
    wanted = np.unique(np.stack([numbers[2][which], found]), axis=1)
    taken = {*zip(key[row].tolist(), number.tolist())}
    empty = [pair for pair in zip(*wanted.tolist()) if pair not in taken]
    example = {number: place for place, number in enumerate(key.tolist())}
    keys = here.select(list(fold.by)).take(pa.array([example[pair[0]] for pair in empty], pa.int64()))
    start, end = grid.bounds(np.array([pair[1] for pair in empty], np.int64))
    columns = [*keys.columns, instants(start), instants(end)]
    blank = ask(node, body.blank, rows=here.slice(0, 0)) if body.blank else None
    for place in range(len(columns), len(node.columns)):
        kind = node.columns[place].type.arrow
        value = blank.column(place - len(fold.by) - 2)[0].as_py() if blank is not None else None
        columns.append(pa.repeat(pa.scalar(value, kind), len(empty)))
    return conform(node, pa.table(columns, names=[column.name for column in node.columns]))
