"""What moves through the house: rows with their identity, what was set aside, and the fates that are counted.

Every row carries one hidden column `_at`, a struct that no user SQL sees by itself:

| field | meaning |
| --- | --- |
| o | number of the origin that made the row (`Plan.origins`) |
| p | partition number of a source, key group of a fold |
| n | position in the partition: file number << 40 + byte offset (or row number), Kafka offset; epoch << 32 + rank of a made row |
| c | child: the parent's c << 20 + ordinal, for rows made out of one row by unnest or a many-lookup; else 0 |
| t | event time in microseconds UTC, NONE if the origin has no time |
| wm | time mark: largest event time before the row in its own partition, less lateness; NONE if nothing came before |
| i | index of the raw record in the task that read it; -1 after a shuffle |
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

NONE = -(2**62)                       # no event time yet
FOREVER = 2**62                       # the watermark of complete input
MADE_SHIFT = 32                       # position of made rows = epoch << 32 + rank
CHILD_SHIFT = 20                      # at most 2**20 children of one row, three levels deep
KEY_GROUPS = 256

AT = "_at"
AT_TYPE = pa.struct([
    ("o", pa.int16()), ("p", pa.int32()), ("n", pa.int64()), ("c", pa.int64()),
    ("t", pa.int64()), ("wm", pa.int64()), ("i", pa.int32()),
])

# Fates of a row on a leg (the law, design section 5)
DELIVERED, FILTERED, QUARANTINED, LATE, HELD = "delivered", "filtered", "quarantined", "late", "held"
NOTED = "noted"                       # no fate: said of a row beside its fate, and stored like one that is set aside


class Fate(NamedTuple):
    """The key under which rows are counted: of which origin, at which node, what became of them and why."""

    origin: int
    node: str
    fate: str
    reason: str


Fates = Counter[Fate]

# What a kernel adds to the rows that it sets aside; the task turns them into ASIDE rows.
REASON_FIELDS = [("_fate", pa.string()), ("_reason", pa.string()), ("_rules", pa.list_(pa.string())), ("_detail", pa.string())]

# A row of the quarantine: one record that was set aside, with everything needed to look at it and to replay it.
ASIDE = pa.schema([
    pa.field("id", pa.string(), False),              # origin:partition:position:child@node, stable over replays
    pa.field("fate", pa.string(), False),            # quarantined | late | noted
    pa.field("node", pa.string(), False),            # the step where it left
    pa.field("reason", pa.string(), False),          # mainstem.reasons
    pa.field("rules", pa.list_(pa.string())),        # every rule that it violated
    pa.field("detail", pa.string()),                 # what exactly was wrong, for a person
    pa.field("origin", pa.string(), False),          # source or step that made the row
    pa.field("partition", pa.int32(), False),
    pa.field("position", pa.int64(), False),
    pa.field("child", pa.int64(), False),
    pa.field("place", pa.string()),                  # file and offset, for a person
    pa.field("event_time", pa.timestamp("us", "UTC")),
    pa.field("time_mark", pa.timestamp("us", "UTC")),  # the _wm that judged it
    pa.field("clock", pa.timestamp("us", "UTC")),    # the clock of the plan, or the row's own arrival
    pa.field("raw", pa.binary()),                    # the bytes of the record, where it was read
    pa.field("raw_bytes", pa.int64()),               # their number, also where only the hash was kept
    pa.field("raw_hash", pa.string()),
    pa.field("row", pa.string()),                    # the typed row as JSON, where it had been decoded
    pa.field("epoch", pa.int64(), False),
    pa.field("incarnation", pa.string(), False),
    pa.field("release", pa.string(), False),
])


def identity(origin: int, partition: Any, position: np.ndarray, time: np.ndarray | None = None, mark: np.ndarray | None = None,
             record: np.ndarray | None = None, child: np.ndarray | None = None) -> pa.StructArray:
    """Build the `_at` column from numpy int64 arrays of equal length; `partition` may be one number.

    What is not given is the same for all rows: no time, no mark, child 0, `i` -1.
    """
    count = len(position)
    given = (origin, partition, position, child, time, mark, record)
    parts = []
    for value, usual, field in zip(given, (0, 0, 0, 0, NONE, NONE, -1), AT_TYPE):
        if isinstance(value, np.ndarray):
            parts.append(pa.array(np.asarray(value, field.type.to_pandas_dtype())))
        else:
            parts.append(_same(usual if value is None else int(value), field.type, count))
    return pa.StructArray.from_arrays(parts, fields=list(AT_TYPE))


_USUAL = (0, -1, NONE)
_CONSTANTS: dict[tuple[int, pa.DataType], pa.Array] = {}       # of these only: long arrays, which stay in memory


def _same(value: int, kind: pa.DataType, count: int) -> pa.Array:
    """So many times the same number; of the usual ones a piece of memory that all rows share: nobody writes into Arrow's arrays."""
    if value not in _USUAL:
        return pa.array(np.full(count, value, kind.to_pandas_dtype()))
    known = _CONSTANTS.get((value, kind))
    if known is None or len(known) < count:
        known = _CONSTANTS[value, kind] = pa.array(np.full(max(count, 1 << 17), value, kind.to_pandas_dtype()))
    return known.slice(0, count)


def at(rows: pa.Table, name: str) -> np.ndarray:
    """One field of the hidden column as a numpy array."""
    column = rows.column(AT)
    index = AT_TYPE.get_field_index(name)
    parts = [chunk.field(index) if not chunk.offset else chunk.flatten()[index] for chunk in column.chunks]
    if not parts:
        return np.empty(0, AT_TYPE.field(index).type.to_pandas_dtype())
    if len(parts) == 1:
        return parts[0].to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    return np.concatenate([part.to_numpy(zero_copy_only=False) for part in parts])


def empty(schema: pa.Schema) -> pa.Table:
    """No rows of this schema, with the hidden column."""
    return schema.append(pa.field(AT, AT_TYPE)).empty_table() if AT not in schema.names else schema.empty_table()
