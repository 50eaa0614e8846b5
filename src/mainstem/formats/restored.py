"""Text -> values, for what `written` made: every type, exactly, and nothing else is accepted. Only files of our own are read so."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa


def from_texts(texts: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """The values whose texts these are; NULL stays NULL. Raises ValueError for a text that is none of them."""
    if pa.types.is_nested(kind):
        return from_json(texts, kind)
    return pa.chunked_array([_cells(chunk, kind) for chunk in texts.chunks], kind)


def from_json(texts: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """The same from JSON texts; NaN and infinities are named by strings, large integers may be."""
    values = [None if text is None else json.loads(text, parse_int=str, parse_float=str) for text in texts.to_pylist()]
    return pa.chunked_array([_array(values, kind)], kind)


def _cells(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_binary(kind):
        return pa.array([None if text is None else base64.b64decode(text, validate=True) for text in texts.to_pylist()], kind)
    if pa.types.is_time(kind):
        return pa.array([None if text is None else dt.time.fromisoformat(text) for text in texts.to_pylist()], kind)
    return texts.cast(kind)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Parsed JSON values, numbers still as text, in their type."""
    missing = pa.array([value is None for value in values], pa.bool_())
    if pa.types.is_list(kind):
        ends = np.cumsum([0, *(len(value or ()) for value in values)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), _array([item for value in values for item in value or ()], kind.value_type),
                                        type=kind, mask=missing)
    if pa.types.is_struct(kind):
        members = [_array([(value or {}).get(field.name) for value in values], field.type) for field in kind]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=missing)
    texts = [json.dumps(value) if isinstance(value, bool) else value for value in values]
    return _cells(pa.array(texts, pa.string()), kind)
