"""Upsert and replacement by key in a Delta table: which files hold changed keys, and what they hold afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.connectors.delta import datafile
from mainstem.connectors.delta.datafile import DataFile

if TYPE_CHECKING:
    import pyarrow as pa



def last_per_key(rows: pa.Table, key: Sequence[str], where: Path) -> pa.Table:
    """The last row of every key, in the order given; NULL is a value."""
    import numpy as np
    import pyarrow as pa

    order = pa.array(np.arange(rows.num_rows))
    kept = rows.select(list(key)).append_column("__order", order).group_by(list(key)).aggregate(
        [("__order", "max"), ("__order", "count")])
    datafile.conserved("rows of the changed keys", where, rows.num_rows, sum(kept.column("__order_count").to_pylist()))
    places = kept.column("__order_max").to_numpy()
    return rows.take(pa.array(np.sort(places)))


def outdated(root: Path, files: Sequence[DataFile], schema: pa.Schema, changes: pa.Table, key: Sequence[str],
             everything: bool) -> tuple[list[DataFile], pa.Table, int]:
    """(files that hold a row with one of the changed keys, the other rows of these files, how many rows are replaced).

    Without a key, or if `everything` is to go, all files are outdated and none of their rows stays. What is replaced is counted
    on its own, by the keys, so that it can be held against what stays.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if everything or not key:
        return list(files), schema.empty_table(), sum(file.rows for file in files)
    asked = _comparable(changes.select(list(key))).group_by(_names(key)).aggregate([([], "count_all")])
    datafile.conserved("changed keys", root, changes.num_rows, pc.sum(asked.column("count_all"), min_count=0).as_py())
    wanted = asked.select(_names(key))
    touched, kept, replaced = [], [], 0
    for file in files:
        keys = datafile.read_one(file, pa.schema([schema.field(name) for name in key]))
        comparable = _comparable(keys)
        meets = _meets(comparable, wanted, key)
        if meets.any():
            counts = comparable.group_by(_names(key)).aggregate([([], "count_all")]).join(wanted, _names(key), join_type="inner")
            replaced += pc.sum(counts.column("count_all")).as_py()
            touched.append(file)
            kept.append(datafile.read_one(file, schema).filter(pa.array(~meets)))
    return touched, pa.concat_tables(kept) if kept else schema.empty_table(), replaced


def _names(key: Sequence[str]) -> list[str]:
    return [f"{part}{number}" for number in range(len(key)) for part in ("value", "null")]


def _comparable(keys: pa.Table) -> pa.Table:
    """The key columns with NULL as a value: a filled column and a flag for each (a join finds no NULL)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for number, column in enumerate(keys.columns):
        kind = column.type
        zero = "" if pa.types.is_string(kind) else b"" if pa.types.is_binary(kind) else False if pa.types.is_boolean(kind) else 0
        columns[f"value{number}"] = pc.fill_null(column, pa.scalar(zero, kind))
        columns[f"null{number}"] = pc.is_null(column)
    return pa.table(columns)


def _meets(keys: pa.Table, wanted: pa.Table, key: Sequence[str]) -> Any:
    """bool[rows]: whether each key is one of those wanted."""
    import numpy as np
    import pyarrow as pa

    found = np.zeros(keys.num_rows, bool)
    numbered = keys.append_column("__place", pa.array(np.arange(keys.num_rows)))
    places = numbered.join(wanted, _names(key), join_type="left semi").column("__place").to_numpy()
    found[places] = True
    return found


def rewritten(root: Path, label: str, parts: Sequence[pa.Table], partition_by: Sequence[str], codec: str, now_ms: int) -> list[Any]:
    """Write these rows as new files (one per partition); the actions that add them."""
    import pyarrow as pa

    rows = pa.concat_tables(parts)
    if not rows.num_rows:
        return []
    pieces = datafile.split(rows, partition_by) if partition_by else [({}, rows)]
    added = []
    for number, (values, piece) in enumerate(pieces):
        path = root / f"part-{label}-{number:04d}.parquet"
        datafile.write(path, piece, codec)
        added.append(datafile.add_action(root, path, values, now_ms, True))
    return added


