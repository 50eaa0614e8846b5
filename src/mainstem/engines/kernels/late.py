"""Lateness and the account of a fold: who came too late, the rows it sets aside, and how they are counted.

A row is late iff what it belongs to had ended by `max(_at.wm, W(n-1))`: judged on the row alone, so the cut of the stream into
epochs cannot show (design section 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.batch import AT, AT_TYPE, FOREVER, LATE, NONE, REASON_FIELDS, Fate, Fates, at
from mainstem.engines.contract import Times
from mainstem.engines.kernels.keys import key_groups
from mainstem.plan.words import Fold, Node

ALWAYS = 2**63 - 1                     # `_until` of state that no watermark ends
WOKE = "woke_after_idle"               # a reason of its own for some late rows
_REASONS = pa.schema(REASON_FIELDS)


def intake(node: Node, rows: Mapping[str, pa.Table]) -> tuple[pa.Table, np.ndarray]:
    """The rows of a fold's one input and their key groups, which the engine has worked out where it cut the rows into tasks."""
    table = rows[node.inputs[0]]
    if "_kg" in table.column_names:
        return table.drop_columns(["_kg"]), table.column("_kg").to_numpy()
    assert isinstance(node.word, Fold)
    return table, key_groups(table, node.word.by)


def limit(rows: pa.Table, times: Times) -> np.ndarray:
    """Up to which moment time had passed when each row came: max(_at.wm, W(n-1)), int64 microseconds."""
    passed: np.ndarray = np.maximum(at(rows, "wm"), times.before)
    return passed


def pick(rows: pa.Table, mask: np.ndarray) -> pa.Table:
    """The rows where the mask is true; the same table if that is all of them."""
    return rows if mask.all() else rows.filter(pa.array(mask))


def judge(node: Node, new: pa.Table, bound: np.ndarray, times: Times, what: str, fates: Fates, judged: np.ndarray | None = None,
          keep: bool = True) -> tuple[np.ndarray, pa.Table | None]:
    """Which rows are late, counted in `fates`, and the rows to set aside if they are kept (None if there are none).

    `bound` is when what a row belongs to has ended, `what` the beginning of the sentence that says so, as in "its window ended
    at"; `judged` leaves rows out. A row that its own partition would have let pass is late because that had been idle.
    """
    passed, origins = limit(new, times), at(new, "o")
    late = bound <= passed
    if judged is not None:
        late &= judged
    woke = late & (bound > at(new, "wm")) & _idled(new, times) if times.idled else np.zeros(len(late), bool)
    tally(fates, node.name, LATE, LATE, origins[late & ~woke])
    tally(fates, node.name, LATE, WOKE, origins[woke])
    if not keep or not late.any():
        return late, None
    detail = pc.binary_join_element_wise(f"{what} ", moments(bound[late]), ", time had passed ", moments(passed[late]), "")
    return late, aside(pick(new, late), LATE, pc.if_else(pa.array(woke[late]), WOKE, LATE), detail)


def _idled(rows: pa.Table, times: Times) -> np.ndarray:
    """The rows of partitions that have been idle once."""
    origins, parts = at(rows, "o"), at(rows, "p")
    found = np.zeros(len(origins), bool)
    for origin, partitions in times.idled.items():
        found |= (origins == origin) & np.isin(parts, partitions)
    return found


def aside(rows: pa.Table, fate: str, reason: pa.Array | str, detail: pa.Array | str) -> pa.Table:
    """Rows with the columns that say why they were set aside."""
    count = rows.num_rows

    def every(value: pa.Array | str) -> pa.Array:
        return pa.repeat(pa.scalar(value), count) if isinstance(value, str) else value.cast(pa.string())

    added = [every(fate), every(reason), pa.repeat(pa.scalar([], pa.list_(pa.string())), count), every(detail)]
    for field, column in zip(_REASONS, added):
        rows = rows.append_column(field, column)
    return rows


def moments(us: np.ndarray) -> pa.Array:
    """Times in microseconds as RFC 3339 text."""
    shown = np.clip(us, -62_135_596_800_000_000, 253_402_300_799_999_999)
    texts = pa.array(np.datetime_as_string(shown.astype("datetime64[us]"), unit="us", timezone="UTC").astype(object), pa.string())
    texts = pc.replace_substring_regex(texts, r"\.?0*Z$", "Z") if len(texts) else texts
    return pc.if_else(pa.array(us >= FOREVER), "the end of the input", pc.if_else(pa.array(us <= NONE), "nothing", texts))


def tally(fates: Fates, node: str, fate: str, reason: str, origins: np.ndarray) -> None:
    """Count rows by their origin (an array of `_at.o`) under one fate."""
    for origin, count in per_origin(origins).items():
        fates[Fate(origin, node, fate, reason)] += count


def per_origin(origins: np.ndarray) -> Counter[int]:
    """How many rows each origin has."""
    numbers, counts = np.unique(origins, return_counts=True)
    return Counter(dict(zip(numbers.tolist(), counts.tolist())))


def alive(state: pa.Table, times: Times) -> pa.Table:
    """The state rows that W(n-1) has not passed; the engine leaves out whole files only."""
    return pick(state, state.column("_until").to_numpy() > times.before)


def still(state: pa.Table, now: int) -> pa.Table:
    """What is left of a state at W = now: the `compact` of folds whose rows only die."""
    return pick(state, state.column("_until").to_numpy() > now)


def together(state: pa.Table, new: pa.Table, columns: Sequence[str]) -> pa.Table:
    """These columns of the state rows and, after them, of the new rows, in the types of the state."""
    kept = state.select(list(columns))
    return pa.concat_tables([kept, new.select(list(columns)).cast(kept.schema)]).combine_chunks()


def waiting_schema(node: Node, inputs: Mapping[str, pa.Schema], *more: pa.Field) -> pa.Schema:
    """The state of a fold that keeps rows: the needed columns and `_at`."""
    assert isinstance(node.word, Fold)
    source = inputs[node.inputs[0]]
    return pa.schema([pa.field("_kg", pa.int16()), pa.field("_until", pa.int64()), *more,
                      *(source.field(name) for name in node.word.needs[0]), pa.field(AT, AT_TYPE)])


def waiting(schema: pa.Schema, groups: np.ndarray, until: np.ndarray, rows: pa.Table, **more: np.ndarray) -> pa.Table:
    """Rows as state rows of this schema; `until` and `more` are columns of the state."""
    own = {"_kg": pa.array(groups, pa.int16()), "_until": pa.array(until, pa.int64())} | {k: pa.array(v) for k, v in more.items()}
    columns = [own[name] if name in own else rows.column(name) for name in schema.names]
    return pa.table(columns, names=schema.names).cast(schema)


def time_order(rows: pa.Table) -> np.ndarray:
    """Indices that put rows in the order of event time, then identity: the same whatever order they came in."""
    identity = [at(rows, name) for name in ("o", "p", "n", "c")]
    event = at(rows, "t")
    if _ascending(identity):               # the usual case: one stable sort, or none
        return np.argsort(event, kind="stable")
    o, p, n, c = identity
    return _sorted([c, n, p, o, event])


def _sorted(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Indices that sort by the last column, then the one before it ...: like lexsort, without columns that say nothing.

    One stable sort after the other: each is quick where rows come in a few runs, as those of a few tasks do.
    """
    telling = [values for values in columns if len(values) and (values != values[0]).any()]
    order = np.arange(len(columns[0]))
    for values in telling:
        order = order[np.argsort(values[order], kind="stable")]
    return order


def arrival(rows: pa.Table, order: str) -> np.ndarray:
    """Indices that put rows in the order in which they came: `position` of source rows, epoch and time of `made` ones.

    The origin comes last: where two branches of one source meet again, their rows keep the order of the records.
    """
    o, p, n, c = (at(rows, name) for name in ("o", "p", "n", "c"))
    if order == "made":                    # n = epoch << 32 | rank; then time, then key group and rank
        return _sorted([c, n, p, o, at(rows, "t"), n >> 32])
    if _ascending([p, n, o, c]):
        return np.arange(rows.num_rows)
    return _sorted([c, o, n, p])


def _ascending(columns: Sequence[Any]) -> bool:
    """Whether rows are ordered by these columns already."""
    equal = np.ones(max(len(columns[0]) - 1, 0), bool)
    for values in columns:
        before, after = values[:-1], values[1:]
        if (equal & (before > after)).any():
            return False
        equal &= before == after
    return True
