"""Rows -> CSV: NULL is an empty field, '' a quoted one."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import DataError
from mainstem.formats.written import Spelling, cells, stamps
from mainstem.formats.wrong import brief

if TYPE_CHECKING:
    from mainstem.formats.csv.format import CsvOptions


def encode(rows: pa.Table, options: CsvOptions) -> bytes:
    """The rows as one file in this dialect."""
    columns = [_fields(rows.column(name).combine_chunks(), options) for name in rows.column_names]
    if rows.num_columns == 1 and textual(rows.schema.types[0]) and columns[0].null_count and not options.null:
        raise _unwritable("NULL in a column of text that is alone", "say `null: [NULL]`, or write another column beside it")
    lines: list[str] = []
    if options.header is True:
        lines.append(options.delimiter.join(_quoted(pa.array(rows.column_names, pa.string()), options).to_pylist()))
    if columns:
        alone = options.null[0] if options.null else '""'   # a line of one NULL would be blank, and blank lines are no records
        columns = [c.fill_null(alone if len(columns) == 1 else "") for c in columns]
        lines.extend(pc.binary_join_element_wise(*columns, options.delimiter).to_pylist())
    return "".join(line + "\n" for line in lines).encode(options.encoding)


def _unwritable(what: str, fix: str) -> DataError:
    return DataError("format.unwritable", f"this CSV has no way to write {what}", fix=fix)


def _fields(column: pa.Array, options: CsvOptions) -> pa.Array:
    """A column as the texts of its fields, NULL where it is NULL."""
    kind, types = column.type, pa.types
    if types.is_floating(kind):
        if options.nan == "null":
            column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
        return _marked(column.cast(pa.string()), options)
    if types.is_decimal(kind):
        return _marked(pa.array([None if v is None else format(v, "f") for v in column.to_pylist()], pa.string()), options)
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_date(kind) or types.is_time(kind):
        return column.cast(pa.string())
    if types.is_timestamp(kind):
        return stamps(column)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _quoted(column.cast(pa.string()), options)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return _quoted(pa.array([None if v is None else base64.b64encode(v).decode() for v in column.to_pylist()], pa.string()), options)
    texts = [None if cell == "null" else cell for cell in cells(pa.chunked_array([column]), spelling=Spelling(options.nan))]
    return _quoted(pa.array(texts, pa.string()), options)


def _marked(texts: pa.Array, options: CsvOptions) -> pa.Array:
    if options.decimal == ".":
        return texts
    texts = pc.replace_substring(texts, ".", options.decimal)
    return _quoted(texts, options) if options.decimal == options.delimiter else texts


def _quoted(texts: pa.Array, options: CsvOptions) -> pa.Array:
    """Texts with quotes where they need them: line breaks, delimiters, quotes, and whatever would read as NULL."""
    special = "".join(f"\\x{{{ord(sign):x}}}" for sign in (options.delimiter, options.quote or "", "\r", "\n") if sign)
    need = pc.or_(pc.match_substring_regex(texts, f"[{special}]"), pc.equal(texts, ""))
    if options.null:
        need = pc.or_(need, pc.is_in(texts, pa.array(options.null, pa.string())))
    if options.comment:
        need = pc.or_(need, pc.starts_with(texts, options.comment))
    if options.quote is None:
        if pc.any(need, min_count=0).as_py():
            raise _unwritable(f"{brief(texts.filter(need)[0].as_py())} without quotes", "leave out `quote: null`")
        return texts
    escaped = pc.replace_substring(texts, options.quote, options.quote * 2)
    quote = pa.scalar(options.quote)
    return pc.if_else(need, pc.binary_join_element_wise(quote, escaped, quote, ""), texts)


def textual(kind: pa.DataType) -> bool:
    """Whether '' is a value of the type."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_binary(kind))
