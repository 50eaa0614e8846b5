"""Which rows have the same key, and where a key lives: exact key numbers, a hash that never changes, 256 key groups.

Keys compare by value: -0.0 equals 0.0, every NaN equals every NaN, NULL is a value of its own, strings by code point,
decimals, times, dates and booleans by what they stand for. The hash decides where rows and state lie on disk, so it is part of
the storage format: splitmix64 over integers, CRC-32 of each distinct text. Golden values in tests/kernels hold it fast.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.batch import KEY_GROUPS

_NULL = np.uint64(0x6E756C6C6E756C6C)      # stands for NULL in the hash; any fixed word would do
_NAN = np.uint64(0x7FF8000000000000)       # the one NaN


def key_groups(rows: pa.Table, by: Sequence[str]) -> np.ndarray:
    """The key group (0..255, int16) of each row; 0 for all if there are no by columns.

    >>> key_groups(pa.table({"id": ["a", "b", None]}), ["id"]).tolist()
    [238, 143, 62]
    """
    if not by:
        return np.zeros(rows.num_rows, np.int16)
    return (key_hash(rows, by) % np.uint64(KEY_GROUPS)).astype(np.int16)


def key_hash(rows: pa.Table, by: Sequence[str]) -> np.ndarray:
    """A 64-bit hash of each row's key (uint64), the same on every platform and for ever. Equal keys have equal hashes; unequal
    ones nearly always others: where it matters compare the key columns too.
    """
    hashed = np.zeros(rows.num_rows, np.uint64)
    with np.errstate(over="ignore"):
        for name in by:
            hashed = _mix(hashed ^ _words(_plain(rows.column(name))))
    return hashed


def key_ids(rows: pa.Table, by: Sequence[str]) -> np.ndarray:
    """A number (int64, from 0) for each row's key: equal exactly where all by columns are equal. Valid within this call only."""
    ids = np.zeros(rows.num_rows, np.int64)
    width = 1
    for name in by:
        codes, count = _codes(_plain(rows.column(name)))
        ids = ids * count + codes
        width *= count
        if width > 2**31:                  # keep the product of the columns' counts within 64 bits
            distinct, ids = np.unique(ids, return_inverse=True)
            width = len(distinct)
    return ids


def key_texts(rows: pa.Table, by: Sequence[str]) -> list[str]:
    """Each row's key as canonical JSON: equal texts exactly for equal keys. For identities; too slow for every row of a stream."""
    columns = [[_canonical(value) for value in _plain(rows.column(name)).to_pylist()] for name in by]
    return [json.dumps(key, ensure_ascii=True, separators=(",", ":")) for key in zip(*columns)] if by else ["[]"] * rows.num_rows


def identity_of(*parts: str | int) -> str:
    """A stable name (32 hex digits) for something that is known by these parts: a session, an episode."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def null_keys(rows: pa.Table, by: Sequence[str]) -> np.ndarray:
    """Which rows have a NULL in their key (boolean)."""
    nulls = np.zeros(rows.num_rows, bool)
    for name in by:
        if rows.column(name).null_count:
            nulls |= rows.column(name).is_null().to_numpy()
    return nulls


def normal(rows: pa.Table, by: Sequence[str]) -> pa.Table:
    """The same rows, the float columns among `by` with 0.0 for -0.0 and one NaN: a group shows the same key whoever came first."""
    for name in by:
        column = rows.column(name)
        if pa.types.is_floating(column.type):
            values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            clean = pc.if_else(pc.is_nan(values), pa.scalar(float("nan"), column.type), pc.add(values, pa.scalar(0.0, column.type)))
            rows = rows.set_column(rows.column_names.index(name), name, clean)
    return rows


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """One array of a type that this file knows: no dictionaries, views, extensions, other time units."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        array = array.storage
    elif pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
    elif pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", kind.tz)).view(pa.int64())
    elif pa.types.is_date32(kind) or pa.types.is_time32(kind):
        array = array.view(pa.int32())
    elif pa.types.is_date64(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind):
        array = array.view(pa.int64())
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    return array


def _mix(word: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = word ^ (word >> np.uint64(31))
    return mixed


def _words(array: pa.Array) -> np.ndarray:
    """One 64-bit word per value, equal for equal values."""
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), _NULL)
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
        words = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).view(np.uint64)
    elif pa.types.is_unsigned_integer(kind):
        words = pc.fill_null(array.cast(pa.uint64()), 0).to_numpy(zero_copy_only=False)
    elif pa.types.is_floating(kind):
        words = _float_bits(array)
    else:
        codes, values = _distinct(array)
        known = np.fromiter((zlib.crc32(_bytes(value)) for value in values), np.uint64, len(values))
        words = np.append(known, _NULL)[codes]
    return np.where(array.is_null().to_numpy(zero_copy_only=False), _NULL, words) if array.null_count else np.asarray(words)


def _float_bits(array: pa.Array) -> np.ndarray:
    values = pc.fill_null(array.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False) + 0.0
    return np.where(np.isnan(values), _NAN, values.view(np.uint64))


def _codes(array: pa.Array) -> tuple[np.ndarray, int]:
    """A number per distinct value (NULL too), and how many numbers there are."""
    if pa.types.is_floating(array.type):
        bits = pa.array(_float_bits(array).view(np.int64), mask=array.is_null().to_numpy(zero_copy_only=False))
        array = bits
    codes, values = _distinct(array)
    return np.where(codes < 0, len(values), codes), len(values) + 1


def _distinct(array: pa.Array) -> tuple[np.ndarray, list[Any] | pa.Array]:
    """Index of each value among the distinct ones (-1 for NULL), and these."""
    if pa.types.is_nested(array.type):
        texts = [None if value is None else json.dumps(_canonical(value)) for value in array.to_pylist()]
        array = pa.array(texts, pa.string())
    if pa.types.is_null(array.type):
        return np.full(len(array), -1, np.int64), []
    encoded = pc.dictionary_encode(array)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    simple = pa.types.is_string(array.type) or pa.types.is_binary(array.type) or pa.types.is_decimal(array.type)
    return codes, encoded.dictionary.to_pylist() if simple or pa.types.is_large_string(array.type) else encoded.dictionary


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return json.dumps(_canonical(value.as_py() if isinstance(value, pa.Scalar) else value)).encode()


def _canonical(value: Any) -> Any:
    """A value as JSON can say it, equal values alike."""
    if isinstance(value, float):
        return "NaN" if value != value else {"f": repr(value + 0.0)}
    if isinstance(value, Decimal):
        whole = format(value.normalize(), "f")
        return {"d": "0" if whole == "-0" else whole}
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return {"x": str(value)}
