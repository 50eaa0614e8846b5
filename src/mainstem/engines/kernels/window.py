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
import pyarrow.compute as pc

from mainstem.batch import AT, DELIVERED, HELD, NONE, NOTED, Fates, at
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import gaps
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import normal
from mainstem.engines.kernels.made import grouped, instants, made, micros, nothing
from mainstem.engines.kernels.panes import Panes, panes, spread
from mainstem.plan.words import Fold, Node, Window


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """The needed columns of the rows that wait, and their `_at`."""
    body = cast(Window, cast(Fold, node.word).body)
    return lateness.waiting_schema(node, inputs, *([pa.field(gaps.MARK, pa.bool_())] if body.fill else []))


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Judge the new rows, put them to those that wait, release the windows whose end lies in (W(n-1), W(n)]."""
    fold = cast(Fold, node.word)
    body = cast(Window, fold.body)
    grid = panes(body)
    new, groups = lateness.intake(node, rows)
    fates: Fates = Counter()

    _, until = grid.bounds(grid.last(at(new, "t")))
    keep = body.late != "drop"
    late, aside = lateness.judge(node, new, until, times, "its window ended at", fates, keep=keep)
    new, groups, until = lateness.pick(new, ~late), groups[~late], until[~late]
    noted = _partly_late(node, new, grid, times, fates)
    asides = [rows for rows in (aside, noted) if rows is not None and keep]
    layout = state.schema
    state = lateness.alive(state, times)
    marked = state.column(gaps.MARK).to_numpy() if body.fill else np.zeros(state.num_rows, bool)
    known, state = state.filter(pa.array(marked)), lateness.pick(state, ~marked)
    held_before = lateness.per_origin(at(state, "o"))
    here = lateness.together(state, new, [*fold.needs[0], AT])
    ends = np.concatenate([state.column("_until").to_numpy(), until])
    origins = at(here, "o")
    lateness.tally(fates, node.name, DELIVERED, "", origins[ends <= times.now])
    lateness.tally(fates, node.name, HELD, "", origins[ends > times.now])

    stays, flags = until > times.now, {gaps.MARK: np.zeros(new.num_rows, bool)} if body.fill else {}
    kept = lateness.waiting(layout, groups, until, new, **flags).filter(pa.array(stays))
    if body.fill:
        all_groups = np.concatenate([state.column("_kg").to_numpy(), groups])
        kept = pa.concat_tables([kept, gaps.marks(layout, here, all_groups, ends <= times.now, fold.by, grid)])
    return Result(
        rows=_release(node, normal(here, fold.by), known, grid, times),
        aside=pa.concat_tables(asides) if asides else None, fates=fates, held_before=held_before, state=kept,
    )


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:
    """The rows of windows that are still open."""
    fold = cast(Fold, node.word)
    body = cast(Window, fold.body)
    state = lateness.still(state, now)
    return gaps.compacted(state, fold.by, panes(body)) if body.fill else state


def _partly_late(node: Node, new: pa.Table, grid: Panes, times: Times, fates: Fates) -> pa.Table | None:
    """Hopping windows: the rows that came too late for some of their windows, each with these windows; counted in `fates`."""
    if not grid.overlaps:
        return None
    passed = lateness.limit(new, times)
    first, last = grid.first(at(new, "t")), grid.last(at(new, "t"))
    missed = np.where(passed > NONE, np.minimum(grid.first(passed), last + 1) - first, 0)
    some = missed > 0
    if not some.any():
        return None
    rows = lateness.pick(new, some)
    lateness.tally(fates, node.name, NOTED, "late_partial", at(rows, "o"))
    missed, first, last = missed[some], first[some], last[some]
    starts = lateness.moments(grid.bounds(spread(first, missed)[1])[0])
    lists = pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(missed)), pa.int32()), starts)
    detail = pc.binary_join_element_wise(
        "too late for ", pa.array(missed.astype(str)), " of its ", pa.array((last - first + 1).astype(str)),
        " windows, which began at ", pc.binary_join(lists, ", "), "; time had passed ", lateness.moments(passed[some]), "")
    return lateness.aside(rows, NOTED, "late_partial", detail)


def _release(node: Node, here: pa.Table, known: pa.Table, grid: Panes, times: Times) -> pa.Table:
    """Run the query over the rows of the windows that close now, in time order."""
    fold = cast(Fold, node.word)
    body = cast(Window, fold.body)
    t = at(here, "t")
    # a row is in the windows that were open when it came, and of these it goes where the end is in (W(n-1), W(n)]
    first = np.maximum(grid.first(t), grid.first(lateness.limit(here, times)))
    last = np.minimum(grid.last(t), grid.first(np.full(len(t), times.now)) - 1)
    row, number = spread(first, np.maximum(last - first + 1, 0))
    if not len(row) and not body.fill:
        return nothing(node)
    if grid.overlaps:
        rank = np.empty(here.num_rows, np.int64)
        rank[lateness.time_order(here)] = np.arange(here.num_rows)
        order = np.argsort(rank[row], kind="stable")
    else:                                  # each row once: only those that go need an order
        order = lateness.time_order(here.select([AT]).take(pa.array(row)))
    row, number = row[order], number[order]
    start, end = grid.bounds(number)
    inside = here if len(row) == here.num_rows and _is_range(row) else here.take(pa.array(row))
    inside = inside.append_column("window_start", instants(start)).append_column("window_end", instants(end))
    out = grouped(node, body.query, inside)
    if body.fill:
        out = pa.concat_tables([out, gaps.empty_windows(node, here, known, grid, times)])
    return made(node, times.epoch, out, micros(out.column(len(fold.by) + 1)) - 1, fold.by)


def _is_range(row: np.ndarray) -> bool:
    return bool((row == np.arange(len(row))).all())
