"""The data files of a Delta table: column types, Parquet with honest statistics, add actions, and reading them back."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem import durable
from mainstem.columns import Columns, Type
from mainstem.errors import DataError, RefusedError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

# Delta has signed integers only: an unsigned column takes the next type that holds all of its values.
_WIDER = {"uint8": Type("int16"), "uint16": Type("int32"), "uint32": Type("int64"), "uint64": Type("decimal", 20, 0),
          "hugeint": Type("decimal", 38, 0), "json": Type("string")}
_REFUSED = {"null": "a column that is always NULL has no type; cast it: CAST(NULL AS double)",
            "time": "Delta has no time of day; store it as a string or as seconds",
            "interval": "Delta has no interval; store it as seconds",
            "timestamp_local": "a timestamp without zone makes the table unreadable for older readers; give it a zone"}
_BY_PARTITION = ("string", "boolean", "date", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_RESERVED = ("_change_type", "_commit_version", "_commit_timestamp")
_BAD_NAME = re.compile(r"[ ,;{}()\n\t=]")
_TEXT_STATS = 32                      # longer texts have no bounds: cut ones would have to be rounded


@dataclass(frozen=True)
class DataFile:
    """A data file of one version of a table. The file holds every column, those it is partitioned by included."""

    path: str                         # absolute
    rows: int
    bytes: int
    partition: Mapping[str, Any]
    time: int = 0                     # when it came into the table, milliseconds


def stored(kind: Type) -> Type:
    """The type in which a column is stored."""
    if kind.name == "list" and kind.item is not None:
        return Type("list", item=stored(kind.item))
    if kind.name == "struct":
        return Type("struct", fields=tuple((name, stored(field)) for name, field in kind.fields))
    return _WIDER.get(kind.name, kind)


def schema(columns: Columns) -> pa.Schema:
    """The Arrow schema in which these columns are stored; every column may be NULL."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, stored(column.type).arrow) for column in columns])


def check_columns(table: str, columns: Columns, partition_by: Sequence[str], key: Sequence[str]) -> None:
    """Refuse what a Delta table cannot hold, before anything is written. Raises SpecError `delta.columns`."""
    kinds = {column.name: column.type for column in columns}
    wrong = [f"{column.name} {column.type}: {why}" for column in columns if (why := _unstorable(column.type))]
    wrong += [f"{name}: readers of Delta use this name themselves" for name in kinds if name.lower() in _RESERVED]
    wrong += [f"{name!r}: blanks and any of ,;{{}}()= are not allowed in a column name" for name in kinds if _BAD_NAME.search(name)]
    folded: dict[str, str] = {}
    wrong += [f"{name} and {folded[name.casefold()]}: differ only by case" for name in kinds
              if folded.setdefault(name.casefold(), name) != name]
    for what, names in (("partition_by", partition_by), ("key", key)):
        wrong += [f"{what} {name}: there is no such column (there are {', '.join(kinds)})" for name in names if name not in kinds]
    wrong += [f"partition_by {name} {kinds[name]}: a table is partitioned by text, whole numbers, dates or booleans"
              for name in partition_by if name in kinds and kinds[name].name not in _BY_PARTITION]
    wrong += [f"key {name} {kinds[name]}: fractions and nested values are no keys"
              for name in key if name in kinds and kinds[name].name in ("float", "double", "list", "struct")]
    if not kinds or set(partition_by) == set(kinds):
        wrong.append("there is no column left to store")
    if wrong:
        raise SpecError("delta.columns", "this table cannot be written: " + "; ".join(wrong), where=table,
                        fix="rename, cast or leave out these columns in the step before the output")


def _unstorable(kind: Type) -> str:
    if kind.name == "list" and kind.item is not None:
        return _unstorable(kind.item)
    if kind.name == "struct":
        return next((why for _, field in kind.fields if (why := _unstorable(field))), "")
    return _REFUSED.get(kind.name, "")


def fit(rows: pa.Table, wanted: pa.Schema, where: str) -> pa.Table:
    """The rows in exactly these columns and types, by name; never with a lossy cast."""
    import pyarrow as pa

    try:
        return rows.select(wanted.names).cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError) as error:
        raise DataError("delta.cast", "the rows do not fit the table without loss", where=where, why=str(error),
                        fix="cast the column in the step before the output, or set such rows aside with a rule") from error


def write(path: Path, rows: pa.Table, codec: str) -> tuple[int, str]:
    """One Parquet file, fsynced with its name; (bytes, sha256). Columns with NaN get no bounds: readers would prune wrongly."""
    bounded = [name for name in rows.column_names if _has_bounds(rows.column(name))]
    return write_stream(path, [rows], rows.schema, bounded, codec)


def write_stream(path: Path, parts: Iterable[pa.Table], schema: pa.Schema, bounded: Sequence[str], codec: str) -> tuple[int, str]:
    """The same from tables that come one after the other; `bounded`: columns that get bounds."""
    import pyarrow.parquet as pq

    def fill(file: Any) -> None:
        with pq.ParquetWriter(file, schema, compression=codec, write_statistics=list(bounded) or False,
                              store_schema=False) as writer:
            for part in parts:
                writer.write_table(part, row_group_size=1 << 20)

    size, sha256 = durable.write(path, fill)
    durable.sync_folder(path.parent)
    return size, sha256


def _has_bounds(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        return not pc.any(pc.is_nan(column), min_count=0).as_py()
    return not pa.types.is_nested(column.type) and not pa.types.is_binary(column.type)


def check_partitions(rows: pa.Table, by: Sequence[str], where: str) -> None:
    """Refuse an empty text as a partition value: Delta cannot tell it from NULL. Raises RefusedError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in by:
        column = rows.column(name)
        if pa.types.is_string(column.type) and pc.any(pc.equal(column, ""), min_count=0).as_py():
            raise RefusedError("delta.empty_partition", f"column {name} has an empty text, and the table is partitioned by it",
                               where=where, why="Delta reads an empty partition value back as NULL",
                               fix=f"set such rows aside (`that: {name} <> ''`), replace the text, or partition by another column")


def split(rows: pa.Table, by: Sequence[str]) -> Iterator[tuple[dict[str, str | None], pa.Table]]:
    """The rows of each partition with its values as the log writes them; the order within each is kept."""
    import numpy as np
    import pyarrow as pa

    codes, values = np.zeros(rows.num_rows, np.int64), []
    for name in by:
        encoded = rows.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        values.append(encoded.dictionary.to_pylist())
        codes = codes * len(values[-1]) + encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    seen, starts = np.unique(codes[order], return_index=True)
    for code, start, end in zip(seen.tolist(), starts.tolist(), [*starts.tolist()[1:], len(order)]):
        found: dict[str, str | None] = {}
        for name, choices in zip(reversed(by), reversed(values)):
            code, place = divmod(code, len(choices))
            found[name] = partition_text(choices[place])
        yield {name: found[name] for name in by}, rows.take(pa.array(order[start:end]))


def partition_text(value: Any) -> str | None:
    """A partition value as the Delta log writes it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def statistics(path: Path) -> dict[str, Any]:
    """numRecords, bounds and NULL counts of a file, from its own footer, as an add action wants them."""
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for index in range(footer.num_columns if footer.num_rows else 0):
        name = footer.schema.column(index).path
        found = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        if "." in name or any(part is None or not part.has_null_count for part in found):
            continue
        nulls[name] = sum(part.null_count for part in found)
        if all(part.has_min_max for part in found):
            try:
                least, most = _bound(min(part.min for part in found)), _bound(max(part.max for part in found))
            except (ValueError, OverflowError, TypeError):        # a date that Python cannot hold
                continue
            if least is not None and most is not None:
                low[name], high[name] = least, most
    return {"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _bound(value: Any) -> Any:
    """A bound as Delta's statistics write it, None for kinds that get none."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.year >= 1000 else None
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return value if len(value) <= _TEXT_STATS else None
    return value if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else None


def add_action(root: Path, path: Path, partition: Mapping[str, str | None], time_ms: int, data_change: bool) -> Any:
    """The action that makes a file part of the table."""
    from deltalake.transaction import AddAction

    return AddAction(str(path.relative_to(root)), path.stat().st_size, dict(partition), time_ms, data_change,
                     json.dumps(statistics(path), allow_nan=False))


def read(files: Sequence[DataFile], wanted: pa.Schema) -> pa.Table:
    """All rows of these files in one table; a column that a file lacks is NULL, or its partition's value."""
    import pyarrow as pa

    parts = [part for file in files if (part := read_one(file, wanted)).num_rows]
    return pa.concat_tables(parts) if parts else wanted.empty_table()


def read_one(file: DataFile, wanted: pa.Schema) -> pa.Table:
    """The rows of one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.ParquetFile(file.path)
    present = [name for name in wanted.names if name in found.schema_arrow.names]
    rows = found.read(columns=present)
    arrays = []
    for field in wanted:
        if field.name in file.partition:
            value = pa.scalar(file.partition[field.name]).cast(field.type) if file.partition[field.name] is not None else None
            arrays.append(pa.repeat(value, file.rows) if value is not None else pa.nulls(file.rows, field.type))
        elif field.name in present:
            arrays.append(rows.column(field.name).cast(field.type))
        else:
            arrays.append(pa.nulls(file.rows, field.type))
    return pa.table(arrays, schema=wanted)
