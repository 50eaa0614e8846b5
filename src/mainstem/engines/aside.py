"""What is set aside becomes rows of the quarantine: raw bytes where the record was read, else the typed row as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.batch import ASIDE, AT, LATE, NONE, NOTED, QUARANTINED, at
from mainstem.columns import Column, Type
from mainstem.engines.contract import EpochPlan
from mainstem.engines.kernels.duck import query

RAW_LIMIT = 1 << 20  # a longer reject keeps its place, size and hash only

_TYPES = {
    "string": Type("string"),
    "int32": Type("int32"),
    "int64": Type("int64"),
    "binary": Type("binary"),
    "timestamp[us, tz=UTC]": Type("timestamp"),
    "list<item: string>": Type("list", item=Type("string")),
    "list<element: string>": Type("list", item=Type("string")),
}
COLUMNS = tuple(Column(field.name, _TYPES[str(field.type)], required=not field.nullable) for field in ASIDE)


def from_rejects(
    rejects: pa.Table,
    position: np.ndarray,
    raw: pa.Array,
    *,
    origin: str,
    partition: int,
    node: str,
    epoch: EpochPlan,
    clock: np.ndarray | None,
    place: Callable[[int, int], str],
) -> pa.Table:
    """Records that could not be decoded. `rejects`: record, reason, detail, column (plugs.Decoded)."""
    index = rejects.column("record").to_numpy()
    detail = [
        f"{column}: {text}" if column and column not in (text or "") else text
        for column, text in zip(rejects.column("column").to_pylist(), rejects.column("detail").to_pylist())
    ]
    positions = position[index] if len(index) else np.empty(0, np.int64)
    marks = np.full(len(index), NONE, np.int64)
    clocks = clock[index] if clock is not None and len(index) else np.full(len(index), epoch.clock, np.int64)
    return _table(
        fate=[QUARANTINED] * len(index),
        node=node,
        reason=rejects.column("reason").to_pylist(),
        rules=[[]] * len(index),
        detail=detail,
        origin=[origin] * len(index),
        partition=np.full(len(index), partition, np.int32),
        position=positions,
        child=np.zeros(len(index), np.int64),
        place=[place(partition, int(p)) for p in positions],
        time=marks,
        mark=marks,
        clock=clocks,
        raw=raw.take(pa.array(index)).to_pylist(),
        row=[None] * len(index),
        epoch=epoch,
    )


def from_rows(
    rows: pa.Table,
    *,
    node: str,
    names: Callable[[int], str],
    epoch: EpochPlan,
    raw: pa.Array | None = None,
    clock: np.ndarray | None = None,
    place: Callable[[int, int], str] | None = None,
    places: Callable[[int, int, int], str | None] | None = None,
) -> pa.Table:
    """Rows with `_at` and batch.REASON_FIELDS. `names` gives the name of an origin number.

    `place(partition, position)` where rows of one source are at hand, else `places(origin, partition, position)`.
    """
    count = rows.num_rows
    hidden = [AT, "_fate", "_reason", "_rules", "_detail"]
    typed = rows.drop_columns([name for name in hidden if name in rows.column_names])
    texts: list[Any] = [None] * count
    if typed.num_columns and count:
        texts = query("SELECT to_json(r)::VARCHAR AS j FROM rows r", rows=_plain(typed)).column(0).to_pylist()
    index = at(rows, "i")
    bytes_ = (
        raw.take(pa.array(np.maximum(index, 0))).to_pylist() if raw is not None and count and (index >= 0).all() else [None] * count
    )
    clocks = clock[index] if clock is not None and count and (index >= 0).all() else np.full(count, epoch.clock, np.int64)
    partition, position = at(rows, "p"), at(rows, "n")
    return _table(
        fate=rows.column("_fate").to_pylist(),
        node=node,
        reason=rows.column("_reason").to_pylist(),
        rules=rows.column("_rules").to_pylist(),
        detail=rows.column("_detail").to_pylist(),
        origin=[names(int(o)) for o in at(rows, "o")],
        partition=partition,
        position=position,
        child=at(rows, "c"),
        place=[
            place(int(p), int(n)) if place else places(int(o), int(p), int(n)) if places else None
            for o, p, n in zip(at(rows, "o"), partition, position)
        ],
        time=at(rows, "t"),
        # before the first fold a mark is not final and has judged nothing
        mark=np.where(np.isin(rows.column("_fate").to_pylist(), (LATE, NOTED)), at(rows, "wm"), NONE),
        clock=clocks,
        raw=bytes_,
        row=texts,
        epoch=epoch,
    )


def _plain(rows: pa.Table) -> pa.Table:
    """Binary columns as hex text, so that any row has a JSON form."""
    for i, field in enumerate(rows.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            texts = [value.hex() if value is not None else None for value in rows.column(i).to_pylist()]
            rows = rows.set_column(i, field.name, pa.array(texts, pa.string()))
    return rows


def _table(
    *,
    fate: list[str],
    node: str,
    reason: list[str],
    rules: list[Any],
    detail: list[Any],
    origin: list[str],
    partition: np.ndarray,
    position: np.ndarray,
    child: np.ndarray,
    place: list[Any],
    time: np.ndarray,
    mark: np.ndarray,
    clock: np.ndarray,
    raw: list[bytes | None],
    row: list[str | None],
    epoch: EpochPlan,
) -> pa.Table:
    count = len(fate)
    stamp = pa.timestamp("us", "UTC")

    def moment(values: np.ndarray) -> pa.Array:
        values = np.asarray(values, np.int64)
        return pa.array(values, mask=np.abs(values) >= 2**61).cast(stamp) if count else pa.array([], stamp)

    identities = [f"{o}:{p}:{n}:{c}@{node}" for o, p, n, c in zip(origin, partition, position, child)]
    hashes = [hashlib.sha256(value).hexdigest() if value is not None else None for value in raw]
    kept = [value if value is not None and len(value) <= RAW_LIMIT else None for value in raw]
    columns = [
        identities,
        fate,
        [node] * count,
        reason,
        rules,
        detail,
        origin,
        pa.array(partition, pa.int32()),
        pa.array(position, pa.int64()),
        pa.array(child, pa.int64()),
        place,
        moment(time),
        moment(mark),
        moment(clock),
        kept,
        [len(value) if value is not None else None for value in raw],
        hashes,
        row,
        [epoch.epoch] * count,
        [epoch.incarnation] * count,
        [epoch.release] * count,
    ]
    arrays = [column if isinstance(column, pa.Array) else pa.array(column, field.type) for column, field in zip(columns, ASIDE)]
    return pa.Table.from_arrays(arrays, schema=ASIDE)
