"""Finding the rows on which an expression of the user fails, so that a failure costs its row and not the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from mainstem.batch import REASON_FIELDS, Fate, Fates, at


def bisect(rows: pa.Table, attempt: Callable[[pa.Table], object], errors: tuple[type[BaseException], ...],
           ) -> dict[int, BaseException]:
    """Index of every row on which `attempt` fails by itself -> what it raised.

    `attempt` must be row-local: it fails on a set of rows iff it fails on one of them. What fails only in company (never
    for a row-local query) is not found; the caller tries the remaining rows again and lets that error out.
    """
    found: dict[int, BaseException] = {}
    waiting = [(0, rows.num_rows)]
    while waiting:
        low, high = waiting.pop()
        if low == high:
            continue
        try:
            attempt(rows.slice(low, high - low))
        except errors as error:
            if high - low == 1:
                found[low] = error
            else:
                middle = (low + high) // 2
                waiting += [(middle, high), (low, middle)]
    return found


def without(rows: pa.Table, indexes: Sequence[int] | np.ndarray) -> pa.Table:
    """All rows but these, in order; the very same table if there are none of these."""
    if not len(indexes):
        return rows
    keep = np.ones(rows.num_rows, bool)
    keep[indexes] = False
    mask = pa.array(keep)                # column by column: three times as fast as Table.filter (pyarrow 26)
    return pa.Table.from_arrays([column.filter(mask) for column in rows.columns], schema=rows.schema)


def set_aside(rows: pa.Table, reasons: Sequence[str] | str, details: Sequence[str | None], rules: pa.Array | None = None) -> pa.Table:
    """Rows with batch.REASON_FIELDS: one reason for all or one for each, a detail for each, its violated rules."""
    count = rows.num_rows
    values = [pa.array(["quarantined"] * count, pa.string()),
              pa.array([reasons] * count if isinstance(reasons, str) else reasons, pa.string()),
              rules if rules is not None else pa.array([[]] * count, pa.list_(pa.string())),
              pa.array(details, pa.string())]
    for (name, kind), value in zip(REASON_FIELDS, values):
        rows = rows.append_column(pa.field(name, kind), value.cast(kind))
    return rows


def fates(rows: pa.Table, node: str, fate: str, reason: str) -> Fates:
    """One fate for all of these rows, counted by origin."""
    values, counts = np.unique(at(rows, "o"), return_counts=True)
    return Counter({Fate(int(origin), node, fate, reason): int(count) for origin, count in zip(values, counts)})
