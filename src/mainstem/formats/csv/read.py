"""CSV bytes -> Decoded: well-formed records column by column, all others, and those with a value that does not fit, singly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.columns import Column
from mainstem.errors import DataError
from mainstem.formats import casts, framing
from mainstem.formats.assembly import EXTRA, OneByOne, assemble, schema
from mainstem.formats.csv.exact import Dialect, Layout, Record, record
from mainstem.formats.csv.split import Block, split
from mainstem.formats.wrong import Wrong
from mainstem.plugs import Decoded

if TYPE_CHECKING:
    from mainstem.formats.csv.format import Csv

_FEW = 32                             # records below which setting up the vectorised way costs more than it saves


def layout(plug: Csv, facts: Mapping[str, Any]) -> Layout:
    """Which field is which column. DataError where the header has none of the declared columns."""
    header = facts.get("header")
    names = [c.path or c.name for c in plug.columns] if header is None else header
    names = [name or f"column_{place}" for place, name in enumerate(names, 1)]
    found = {name: place for place, name in enumerate(names)}
    places = tuple(found.get(c.path or c.name) for c in plug.columns)
    if names and places and all(place is None for place in places):
        raise DataError("format.header", "the header has none of the declared columns",
                        why=f"it has {', '.join(names[:20])}", fix="check `delimiter:`, `header:` and `skip:`")
    used = set(places)
    strange = tuple((place, name) for place, name in enumerate(names) if place not in used)
    return Layout(tuple(names), plug.columns, places, strange, plug.unknown, plug.missing, frozenset(plug.options.null))


def decode(plug: Csv, data: bytes, start: int, final: bool, shape: Layout, dialect: Dialect, known: str | None) -> Decoded:
    """Decode records; `start` is the position of the first byte of `data`, `known` a field that is nobody's business."""
    array = framing.as_array(data)
    parts, _ = split(data, dialect, final=True)
    parts = [part for part in parts if isinstance(part, Block) or part.end > part.start]
    single = OneByOne(schema(plug.columns, plug.unknown))
    reader = _Reader(shape, dialect, data, array, single)
    fast: list[tuple[pa.Table, np.ndarray]] = []
    base = 0
    for part in parts:
        if isinstance(part, Block):
            fast.append(reader.block(part, base))
            base += len(part.starts)
        else:
            reader.one(part, base)
            base += 1
    starts, ends = _spans(parts)
    if final and base and array[-1] != framing.NEWLINE:
        single.replace(base - 1, _cut_off)
    raw = framing.slices(array, starts, ends, pa.binary())
    strange = {name: 0 for _, name in shape.strange if name != known} if base else {}
    absent = {c.name: 0 for c, place in zip(shape.columns, shape.places) if place is None} if base else {}
    return assemble(fast, single, starts + start, raw, strange, absent)


def _spans(parts: Sequence[Block | Record]) -> tuple[np.ndarray, np.ndarray]:
    """[start, end) of every record."""
    none = np.empty(0, np.int64)
    starts = [np.atleast_1d(part.starts if isinstance(part, Block) else part.start) for part in parts]
    ends = [np.atleast_1d(part.ends if isinstance(part, Block) else part.end) for part in parts]
    return np.concatenate([none, *starts]), np.concatenate([none, *ends])


def _cut_off(wrong: Wrong) -> Wrong:
    """The last line of a finished file has no line end: where it is broken too, it was cut off."""
    if wrong.reason not in ("field_count", "bad_quote", "not_utf8"):
        return wrong
    return Wrong("cut_off", f"the file ends within this record: {wrong.detail}")


class _Reader:
    """Turns blocks of one chunk into tables, and hands over to `single` what cannot be taken so."""

    def __init__(self, shape: Layout, dialect: Dialect, data: bytes, array: np.ndarray, single: OneByOne) -> None:
        self.shape = shape
        self.dialect = dialect
        self.data = data
        self.array = array
        self.single = single
        lacking = [c for c, place in zip(shape.columns, shape.places) if place is None]
        self.hopeless = bool(shape.strange and shape.unknown == "quarantine") or any(
            c.required or shape.missing == "quarantine" for c in lacking)
        self.escaped = bytes([dialect.quote] * 2) in data
        self.null = pa.array(sorted(shape.null), pa.string())

    def one(self, entry: Record, index: int) -> None:
        """Read one record by the exact rules."""
        try:
            self.single.good(index, self.shape.row(entry, self.dialect))
        except Wrong as wrong:
            self.single.bad(index, wrong)

    def block(self, block: Block, base: int) -> tuple[pa.Table, np.ndarray]:
        """The rows of a block that are provably right, and the record index of each."""
        width, sizes = len(self.shape.names), np.diff(block.first)
        good = sizes == width
        if self.dialect.trailing:
            spare = np.flatnonzero(sizes == width + 1)
            last = block.first[spare] + width
            good[spare] = block.left[last] == block.right[last]
        if self.hopeless or len(block.starts) < _FEW:
            good[:] = False
        elif not framing.valid_utf8(self.data[block.starts[0]:block.ends[-1]]):
            high = np.flatnonzero(self.array[block.starts[0]:block.ends[-1]] >= 128) + block.starts[0]
            good[np.searchsorted(block.starts, high, "right") - 1] = False
        index = np.flatnonzero(good)
        arrays, failed = self._columns(block, index)
        if failed is not None:
            arrays = [array.filter(pa.array(~failed)) for array in arrays]
            good[index[failed]] = False
            index = index[~failed]
        for place in np.flatnonzero(~good).tolist():
            self.one(record(self.data, int(block.starts[place]), self.dialect), base + place)
        return pa.Table.from_arrays(arrays, schema=self.single.schema), index + base

    def _columns(self, block: Block, index: np.ndarray) -> tuple[list[pa.Array], np.ndarray | None]:
        first = block.first[index]
        arrays, failed = [], np.zeros(len(index), bool)
        for column, place in zip(self.shape.columns, self.shape.places):
            if place is None:
                arrays.append(pa.nulls(len(index), column.type.arrow))
                continue
            result = casts.cast(self._texts(block, first + place, column), column, json=False)
            arrays.append(result.array)
            if result.failed is not None:
                failed |= result.failed
            if column.required and result.array.null_count:
                failed |= result.array.is_null().to_numpy(zero_copy_only=False)
        if self.shape.unknown == "keep":
            arrays.append(self._extra(block, first))
        return arrays, failed if failed.any() else None

    def _texts(self, block: Block, fields: np.ndarray, column: Column | None) -> pa.Array:
        """The fields at these places as text, NULL where they stand for it."""
        left, right = block.left[fields], block.right[fields]
        quoted = None
        if block.quoted:
            quoted = (right > left) & (self.array[np.minimum(left, len(self.array) - 1)] == self.dialect.quote)
            left, right = left + quoted, right - quoted
        texts = framing.slices(self.array, left, right, pa.string())
        null = left == right
        if quoted is not None:
            null &= ~quoted
            mark = chr(self.dialect.quote)
            texts = pc.replace_substring(texts, mark * 2, mark) if self.escaped else texts
        if len(self.null):
            listed = pc.is_in(texts, self.null).to_numpy(zero_copy_only=False)
            null |= listed if quoted is None else listed & ~quoted
        if column is not None and column.null:
            null |= pc.is_in(texts, pa.array(column.null, pa.string())).to_numpy(zero_copy_only=False)
        return pc.if_else(pa.array(null), pa.scalar(None, pa.string()), texts) if null.any() else texts

    def _extra(self, block: Block, first: np.ndarray) -> pa.Array:
        """The undeclared fields of each record as JSON text."""
        names: Sequence[str] = [name for _, name in self.shape.strange]
        if not names:
            return pa.nulls(len(first), self.single.schema.field(EXTRA).type)
        cells = [self._texts(block, first + place, None).to_pylist() for place, _ in self.shape.strange]
        return pa.array([json.dumps(dict(zip(names, row)), ensure_ascii=False, separators=(",", ":")) for row in zip(*cells)],
                        pa.string())
