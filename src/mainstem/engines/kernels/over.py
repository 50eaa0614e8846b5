"""Rolling columns: every row gets the answer of a query over the rows of its key within `range` of event time before it.

A row is held until W has passed it (no row in front of it can come any more), then it goes on with its new columns, and stays
as context for `range`. State is every row once, `_until` = event time + range + 1: held while event time >= W, context after.
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
from mainstem.engines.kernels.made import ask, conform, made, nothing
from mainstem.engines.law import broken
from mainstem.plan.words import Fold, Node, Over


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """All columns of the rows that are held or serve as context, and their `_at`."""
    return lateness.waiting_schema(node, inputs)


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Judge the new rows, put them to those that are kept, let go those that W has passed."""
    fold = cast(Fold, node.word)
    body = cast(Over, fold.body)
    new, groups = lateness.intake(node, rows)
    fates: Fates = Counter()

    late, aside = lateness.judge(node, new, at(new, "t") + 1, times, "rows of its time had gone on at", fates,
                                 keep=body.late != "drop")
    new, groups = lateness.pick(new, ~late), groups[~late]
    state = lateness.alive(state, times)
    held = at(state, "t") >= times.before              # the others are context
    held_before = lateness.per_origin(at(state, "o")[held])
    here = lateness.together(state, new, [*fold.needs[0], AT])
    waits = np.concatenate([held, np.ones(new.num_rows, bool)])
    t, origins = at(here, "t"), at(here, "o")
    goes = waits & (t < times.now)
    lateness.tally(fates, node.name, DELIVERED, "", origins[goes])
    lateness.tally(fates, node.name, HELD, "", origins[waits & (t >= times.now)])

    until = at(new, "t") + body.range + 1
    stays = until > times.now
    return Result(rows=_release(node, normal(here, fold.by), goes, times), aside=aside, fates=fates, held_before=held_before,
                  state=lateness.waiting(state.schema, groups[stays], until[stays], lateness.pick(new, stays)))


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:  # noqa: ARG001
    """The rows that are held or still within reach of one."""
    return lateness.still(state, now)


def _release(node: Node, here: pa.Table, goes: np.ndarray, times: Times) -> pa.Table:
    if not goes.any():
        return nothing(node)
    fold = cast(Fold, node.word)
    body = cast(Over, fold.body)
    t = at(here, "t")
    # rows in front of the last one that goes are no context, nor are keys of which none goes
    keys = key_ids(here, fold.by)
    near = (t <= t[goes].max()) & (t >= t[goes].min() - body.range) & np.isin(keys, np.unique(keys[goes]))
    order = lateness.time_order(here)
    order = order[near[order]]
    rows = here.take(pa.array(order))
    number = np.arange(rows.num_rows, dtype=np.int64)
    answer = ask(node, body.query, rows=rows.append_column("_row", pa.array(number)))
    place = answer.column(0).to_numpy()
    if len(place) != rows.num_rows or not (np.sort(place) == number).all():
        raise broken("a row got lost", node.name, f"{rows.num_rows} rows went in, of {len(np.unique(place))} of them came an answer")
    gone = goes[order]
    chosen = rows.filter(pa.array(gone))
    news = answer.drop_columns([answer.column_names[0]]).take(pa.array(np.argsort(place)[gone]))
    table = chosen.drop_columns([AT])
    for name, column in zip(news.column_names, news.columns):
        table = table.append_column(name, column)
    return made(node, times.epoch, conform(node, table), at(chosen, "t"), fold.by)
