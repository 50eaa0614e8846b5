"""SQL that looks across rows of bounded input: everything is held until the closing epoch, then the query runs.

A task runs it once over all of its key groups if every row of the answer shows the key that it came from (the by columns are
among the answer's), else once per key group: a row's identity must not depend on how many tasks there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.batch import AT, AT_TYPE, DELIVERED, FOREVER, HELD, Fates, at
from mainstem.engines.contract import ANSWER, Result, Times
from mainstem.engines.kernels import late as lateness
from mainstem.engines.kernels.keys import key_groups, key_hash
from mainstem.engines.kernels.made import ask, conform, made, nothing
from mainstem.engines.law import broken
from mainstem.errors import RefusedError
from mainstem.plan.words import Fold, Node, Whole


def schema(node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
    """Which input a row is of, its `_at`, and per input the needed columns, `<number of the input>.<name>`."""
    fold = cast(Fold, node.word)
    fields = [pa.field(f"{place}.{name}", inputs[source].field(name).type)
              for place, source in enumerate(node.inputs) for name in fold.needs[place]]
    return pa.schema([pa.field("_kg", pa.int16()), pa.field("_until", pa.int64()), pa.field("_input", pa.int8()),
                      pa.field(AT, AT_TYPE), *fields])


def run(node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
    """Hold what comes; in the closing epoch answer over all of it."""
    fates: Fates = Counter()
    held_before = lateness.per_origin(at(state, "o"))
    fresh = pa.concat_tables([_held(node, place, rows[source], state.schema) for place, source in enumerate(node.inputs)])
    closing = times.now >= FOREVER
    for part in (state, fresh):
        lateness.tally(fates, node.name, DELIVERED if closing else HELD, "", at(part, "o"))
    if not closing:
        return Result(rows=nothing(node), fates=fates, held_before=held_before, state=fresh)
    if cast(Whole, cast(Fold, node.word).body).engine:
        return Result(rows=made(node, times.epoch, _given(node, rows), None, ()), fates=fates, held_before=held_before,
                      state=state.schema.empty_table(), replace=True)
    return Result(rows=_answer(node, pa.concat_tables([state, fresh]).combine_chunks(), times), fates=fates,
                  held_before=held_before, state=state.schema.empty_table(), replace=True)


def _given(node: Node, rows: Mapping[str, pa.Table]) -> pa.Table:
    """The answer of the engine that was asked; RefusedError where none was."""
    if ANSWER not in rows:
        raise lacking(node)
    return conform(node, rows[ANSWER])


def lacking(node: Node) -> RefusedError:
    """What is said of a step that only another engine can carry out."""
    return RefusedError("engine.lacks", f"`{node.step}` asks Spark's own SQL, and this engine is not Spark", where=node.step,
                        why="`spark_sql` is not portable", fix="run it with `--engine spark`, or write it as `sql`")


def compact(node: Node, state: pa.Table, now: int) -> pa.Table:  # noqa: ARG001
    """Everything, until the end of the input."""
    return lateness.still(state, now)


def _held(node: Node, place: int, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows of one input as state rows: NULL in the columns of the other inputs."""
    fold = cast(Fold, node.word)
    count = rows.num_rows
    groups = rows.column("_kg") if "_kg" in rows.column_names else pa.array(key_groups(rows, fold.by))
    own = {"_kg": groups, "_until": pa.repeat(pa.scalar(FOREVER), count), "_input": pa.repeat(pa.scalar(place, pa.int8()), count),
           AT: rows.column(AT)} | {f"{place}.{name}": rows.column(name) for name in fold.needs[place]}
    columns = [own[field.name] if field.name in own else pa.nulls(count, field.type) for field in schema]
    return pa.table(columns, names=schema.names).cast(schema)


def _answer(node: Node, held: pa.Table, times: Times) -> pa.Table:
    fold = cast(Fold, node.word)
    held = held.take(pa.array(lateness.arrival(held, fold.order)))
    groups = held.column("_kg").to_numpy()
    out = _query(node, held)
    if not fold.by:
        return made(node, times.epoch, out, None, ())
    if set(fold.by) <= set(out.column_names) and np.isin(key_hash(out, fold.by), _keys(node, held)).all():
        return made(node, times.epoch, out, None, fold.by)
    distinct = np.unique(groups)
    parts = [_query(node, held.filter(pa.array(groups == group))) for group in distinct]
    whole = pa.concat_tables([out.slice(0, 0), *parts])
    return made(node, times.epoch, whole, None, (), np.repeat(distinct, [part.num_rows for part in parts]))


def _keys(node: Node, held: pa.Table) -> np.ndarray:
    """The hashes of the keys of all inputs."""
    fold = cast(Fold, node.word)
    numbers = held.column("_input").to_numpy()
    return np.concatenate([key_hash(lateness.pick(held, numbers == place), [f"{place}.{name}" for name in fold.by])
                           for place in range(len(node.inputs))])


def _query(node: Node, held: pa.Table) -> pa.Table:
    fold = cast(Fold, node.word)
    numbers = held.column("_input").to_numpy()
    relations = {}
    for place, source in enumerate(node.inputs):
        mine = lateness.pick(held, numbers == place)
        columns = {name: mine.column(f"{place}.{name}") for name in fold.needs[place]}
        # a table must have a column to have rows: count(*) needs none of the input's
        relations[source] = pa.table(columns or {"_input": mine.column("_input")})
    body = cast(Whole, fold.body)
    answer = ask(node, body.query, **relations)
    if body.counted:
        groups = body.counted == "groups"
        found = pc.sum(answer.column(answer.num_columns - 1), min_count=0).as_py() if groups else answer.num_rows
        if found != held.num_rows:
            raise broken("rows got lost", node.name, f"{held.num_rows} went in, what came out was made of {found}")
    return conform(node, answer)
