"""Rows of a Parquet file -> Decoded: file types against declared types, whole columns first, single values where they fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mainstem.columns import Column, Type
from mainstem.errors import DataError
from mainstem.formats import times, values, written
from mainstem.formats.assembly import EXTRA, OneByOne, assemble, schema
from mainstem.formats.wrong import Wrong, brief
from mainstem.plugs import Decoded

if TYPE_CHECKING:
    from mainstem.formats.parquet.format import Parquet


@contextmanager
def opened(path: str) -> Iterator[pq.ParquetFile]:
    """The file; what Arrow says about a damaged one becomes a DataError."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DataError("format.parquet", f"the file cannot be read as Parquet: {error}", where=path,
                        why="it is damaged, cut short, or of another kind") from None


def _read(path: str, first: int, count: int | None) -> pa.Table:
    """Rows [first, first + count) of the file; only the row groups that hold them are read."""
    with opened(path) as file:
        sizes = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
        ends = np.cumsum([0, *sizes])
        stop = int(ends[-1]) if count is None else min(first + count, int(ends[-1]))
        wanted = [index for index in range(len(sizes)) if ends[index] < stop and ends[index + 1] > first]
        table = file.read_row_groups(wanted) if wanted else file.schema_arrow.empty_table()
        start = first - int(ends[wanted[0]]) if wanted else 0
        return table.slice(start, max(stop - first, 0))


def decode(plug: Parquet, path: str, position: int, first: int, count: int | None) -> Decoded:
    """Rows from `first` on; `position` is the `_at.n` of that row."""
    table = _read(path, first, count)
    shape, total = schema(plug.columns, plug.unknown), table.num_rows
    single = OneByOne(shape)
    names = [c.path or c.name for c in plug.columns]
    strange = [name for name in table.column_names if name not in names]
    absent = [c for c, name in zip(plug.columns, names) if name not in table.column_names]
    if plug.columns and len(absent) == len(plug.columns) and table.num_columns:
        raise DataError("format.header", "the file has none of the declared columns", where=path,
                        why=f"it has {', '.join(table.column_names[:20])}", fix="correct `columns:`")
    refused = _refused(plug, strange, absent)
    arrays, failed = [], np.full(total, refused is not None)
    cells: list[tuple[Column, pa.ChunkedArray]] = []
    for column, name in zip(plug.columns, names):
        if name in table.column_names:
            source = table.column(name)
            _comparable(source.type, column, path)
            cells.append((column, source))
            array, bad = _column(source, column)
            arrays.append(array)
            failed |= bad
        else:
            arrays.append(pa.chunked_array([pa.nulls(total, column.type.arrow)]))
    if plug.unknown == "keep":
        arrays.append(_extra(table.select(strange)))
    for record in np.flatnonzero(failed).tolist():
        single.bad(record, refused or _reason(cells, record))
    good = ~failed
    rows = pa.Table.from_arrays(arrays, schema=shape)
    rows = rows if good.all() else rows.filter(pa.array(good))
    raw = pa.nulls(total, pa.binary()) if good.all() else _raw(table, failed)
    return assemble([(rows, np.flatnonzero(good))], single, np.arange(total, dtype=np.int64) + position, raw,
                    dict.fromkeys(strange, 0) if total else {}, {c.name: 0 for c in absent} if total else {})


def _refused(plug: Parquet, strange: list[str], absent: list[Column]) -> Wrong | None:
    """Why every row of this file is set aside, if it is."""
    if strange and plug.unknown == "quarantine":
        return Wrong("unknown_column", f"{brief(strange[0])} is not declared", strange[0])
    for column in absent:
        if column.required:
            return Wrong("missing", f"{column.name} is required and absent", column.name)
        if plug.missing == "quarantine":
            return Wrong("absent_column", f"{column.name} is absent", column.name)
    return None


def _comparable(kind: pa.DataType, column: Column, path: str) -> None:
    """DataError where no value of the file's type could be one of the declared type."""
    name, types = column.type.name, pa.types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if types.is_dictionary(kind):
        return _comparable(kind.value_type, column, path)
    fits = types.is_null(kind) or name == "json" or {
        "string": text, "boolean": types.is_boolean(kind), "date": types.is_date(kind),
        "timestamp": types.is_timestamp(kind) or (number and times.is_epoch(column)),
        "binary": types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind),
        "list": types.is_list(kind) or types.is_large_list(kind), "struct": types.is_struct(kind),
    }.get(name, number)
    if not fits:
        raise DataError("format.column_type", f"column `{column.name}` is {kind} in the file, not {column.type}", where=path,
                        fix=f"declare it as it is, and convert it in a `sql` step; or correct the type of `{column.name}`")
    return None


def _column(source: pa.ChunkedArray, column: Column) -> tuple[pa.ChunkedArray, np.ndarray]:
    """A column as its declared type, and where that failed or a required value is null."""
    failed = np.zeros(len(source), bool)
    naive = pa.types.is_timestamp(source.type) and source.type.tz is None and column.type.name == "timestamp"
    target = column.type.arrow
    text = pa.types.is_string(source.type) or pa.types.is_large_string(source.type)
    if column.type.name == "json" and not text:
        cells = [None if cell == "null" else cell for cell in written.cells(source)]
        array = pa.chunked_array([pa.array(cells, target)])
        return array, array.is_null().to_numpy() if column.required else failed
    widened = pa.types.is_float32(source.type) and column.type.name == "double"
    plain = widened or not (naive or column.type.name == "json" or times.is_epoch(column) or pa.types.is_floating(source.type))
    try:
        same = source.type == target and column.type.name != "json"
        if not plain and not same:
            raise pa.ArrowInvalid("value by value")
        array = source if same else source.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        made = []
        read = _reader(source.type, column)
        for index, value in enumerate(_listed(source)):
            try:
                made.append(None if value is None else read(value))
            except Wrong:
                made.append(None)
                failed[index] = True
        array = pa.chunked_array([pa.array(made, target)])
    if column.required:
        failed |= source.is_null().to_numpy()
    return array, failed


def _listed(source: pa.ChunkedArray) -> list[Any]:
    """Python values; times as integers of their unit, so that nanoseconds are not lost."""
    return (source.cast(pa.int64()) if pa.types.is_timestamp(source.type) else source).to_pylist()  # type: ignore[no-any-return]


def _reader(kind: pa.DataType, column: Column) -> Callable[[Any], Any]:
    """How one value of the file's type becomes the declared one; the function raises `Wrong`."""
    if column.type.name == "json":
        return lambda value: values.from_text(value, column, column.type) if isinstance(value, str) else None
    if pa.types.is_timestamp(kind):
        return lambda value: _instant(value, kind, column)
    return lambda value: _value(value, column, column.type)


def _instant(value: int, kind: pa.TimestampType, column: Column) -> int:
    micros, rest = divmod(value * {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}[kind.unit], 1000)
    if rest and column.precision != "truncate":
        raise Wrong("inexact", f"{column.name}: nanoseconds; `precision: truncate` drops them", column.name)
    return micros if kind.tz is not None else times.utc(micros, f"the local time {micros} us", column)


def _value(value: Any, column: Column, kind: Type) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    if isinstance(value, float) and kind.name in ("double", "float"):
        return value if kind.name == "double" or not math.isfinite(value) else values.real(repr(value), "float")
    if isinstance(value, float) and not math.isfinite(value):
        raise Wrong("out_of_range", f"{value} is not a {kind}")
    return values.number(format(Decimal(value), "f") if isinstance(value, (float, Decimal)) else str(value), column, kind)


def _reason(cells: list[tuple[Column, pa.ChunkedArray]], record: int) -> Wrong:
    """Why this row was set aside: the first column that says so."""
    for column, source in cells:
        value = _listed(source.slice(record, 1))[0]
        if value is None:
            if column.required:
                return Wrong("missing", f"{column.name} is required and null", column.name)
            continue
        try:
            pa.array([_reader(source.type, column)(value)], column.type.arrow)
        except Wrong as wrong:
            return Wrong(wrong.reason, f"{column.name}: {wrong.detail}", column.name)
        except pa.ArrowInvalid as error:
            return Wrong("type", f"{column.name}: {error}", column.name)
    return Wrong("type", "a value does not fit its column")


def _raw(table: pa.Table, failed: np.ndarray) -> pa.Array:
    """The row as JSON where it is set aside, NULL elsewhere: a Parquet file has no bytes of one row."""
    lines = iter(written.objects(table.filter(pa.array(failed))))
    return pa.array([next(lines) if bad else None for bad in failed.tolist()], pa.binary())


def _extra(table: pa.Table) -> pa.ChunkedArray:
    lines = written.objects(table) if table.num_columns else [None] * table.num_rows
    return pa.chunked_array([pa.array(lines, pa.field(EXTRA, pa.string()).type)])
