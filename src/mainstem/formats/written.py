"""Values -> text: times as RFC 3339, rows and nested values as JSON; always valid, integers exact. What every format writes alike."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.errors import DataError

Cell = Callable[[Any], str]
_SAFE = 2**53


@dataclass(frozen=True)
class Spelling:
    """How values are written for which JSON has no word, or one that some readers round."""

    nan: Literal["null", "string", "reject"] = "string"
    large_integers: Literal["number", "string"] = "number"


PLAIN = Spelling()
_LINE_ENDS = {ord("\n"): " ", ord("\r"): " "}


def objects(rows: pa.Table, texts: Collection[str] = (), spelling: Spelling = PLAIN) -> list[str]:
    """Each row as a JSON object. `texts`: columns whose strings are JSON already and written as they are.

    Raises DataError for NaN under `nan: reject`.
    """
    heads = [quoted(name) + ":" for name in rows.column_names]
    written = [cells(rows.column(name), name in texts, spelling) for name in rows.column_names]
    return ["{" + ",".join(map(str.__add__, heads, row)) + "}" for row in zip(*written)] if written else ["{}"] * rows.num_rows


def cells(column: pa.ChunkedArray, json_text: bool = False, spelling: Spelling = PLAIN) -> list[str]:
    """Every value of a column as JSON text without a line end. `json_text`: the strings are JSON already."""
    if pa.types.is_timestamp(column.type):
        return ["null" if text is None else f'"{text}"' for text in stamps(column).to_pylist()]
    write = _on_one_line if json_text else _writer(column.type, spelling)
    if pa.types.is_nested(column.type):
        column = column.cast(_texted(column.type))
    return ["null" if value is None else write(value) for value in column.to_pylist()]


def _on_one_line(text: str) -> str:
    """JSON text in one line: a line end in it can only be a blank, and would cut the record in two."""
    return text.translate(_LINE_ENDS)


def stamps(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as RFC 3339 with as many digits of the second as are needed; Z for UTC, nothing for a local time."""
    kind = column.type
    texts = (column if kind.tz is None else column.cast(pa.timestamp(kind.unit, "UTC"))).cast(pa.string())
    texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    texts = pc.replace_substring_regex(texts, r"\.0+(Z?)$", r"\1")
    return pc.replace_substring_regex(texts, r"(\.[0-9]*[1-9])0+(Z?)$", r"\1\2")


def _texted(kind: pa.DataType) -> pa.DataType:
    """A nested type with texts in place of instants: Python's own cannot hold all of them."""
    types = pa.types
    if types.is_timestamp(kind):
        return pa.string()
    if types.is_struct(kind):
        return pa.struct([pa.field(f.name, _texted(f.type), f.nullable) for f in kind])
    if types.is_map(kind):
        return pa.map_(_texted(kind.key_type), _texted(kind.item_type))
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(_texted(kind.value_type))
    return kind


def _writer(kind: pa.DataType, spelling: Spelling) -> Cell:
    types = pa.types
    if types.is_integer(kind):
        return _integer(spelling)
    if types.is_floating(kind):
        return _real(spelling)
    if types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if types.is_decimal(kind):
        return lambda value: format(value, "f")
    if types.is_timestamp(kind):
        return lambda value: f'"{_stamp(value)}"'
    if types.is_date(kind) or types.is_time(kind):
        return lambda value: f'"{value.isoformat()}"'
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return lambda value: f'"{base64.b64encode(value).decode()}"'
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        item = _writer(kind.value_type, spelling)
        return lambda value: "[" + ",".join("null" if v is None else item(v) for v in value) + "]"
    if types.is_map(kind):
        value_of = _writer(kind.item_type, spelling)
        return lambda value: "{" + ",".join(
            f"{quoted(str(key))}:{'null' if v is None else value_of(v)}" for key, v in value) + "}"
    if types.is_struct(kind):
        members = [(quoted(f.name), f.name, _writer(f.type, spelling)) for f in kind]
        return lambda value: "{" + ",".join(
            f"{key}:{'null' if value[name] is None else write(value[name])}" for key, name, write in members) + "}"
    return lambda value: quoted(str(value))


def _integer(spelling: Spelling) -> Cell:
    if spelling.large_integers == "string":
        return lambda value: str(value) if -_SAFE <= value <= _SAFE else f'"{value}"'
    return str


def _real(spelling: Spelling) -> Cell:
    def write(value: float) -> str:
        if math.isfinite(value):
            return repr(value)
        if spelling.nan == "reject":
            raise DataError("format.nan", f"{value} cannot be written as JSON", fix="say `nan: null` or `nan: string`")
        return "null" if spelling.nan == "null" else f'"{"NaN" if value != value else "Infinity" if value > 0 else "-Infinity"}"'

    return write


def _stamp(text: str) -> str:
    """Arrow's text of an instant as RFC 3339, with as many digits of the second as are needed."""
    return re.sub(r"(\.\d*[1-9])0+|\.0+(?!\d)", r"\1", text.replace(" ", "T", 1))
