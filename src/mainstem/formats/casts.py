"""A whole column of texts -> its declared type at once: the same answers as `values`, or "look at this one singly".

Arrow's parsers do the work. They are stricter than most, but not the same as ours, so each text is first held against a
grammar of which Arrow's reading is known to be exact; whatever does not match is left to the reader of single values.
Proven equal by the parity tests over both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.columns import Column
from mainstem.formats import times, values
from mainstem.formats.wrong import Wrong

_INT64 = r"^-?(0|[1-9][0-9]{0,17})$"
_INT64_ZEROS = r"^-?[0-9]{1,18}$"
_UINT64 = r"^(0|[1-9][0-9]{0,18})$"
_REAL = r"^-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,2})?$"
_REAL_ZEROS = r"^-?[0-9]{1,99}(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,2})?$"
# Days that exist in every year; 29 February is left to the reader of single values.
_DAY = r"[0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_CLOCK = r"[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_LOCAL = f"^{_DAY}{_CLOCK}$"
_INSTANT = f"^{_DAY}{_CLOCK}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
_DATE = f"^{_DAY}$"
_FIRST_DAY, _FIRST_MICRO = -719_162, -62_135_596_800_000_000     # 0001-01-01
_LAST_MICRO = 253_402_300_799_999_999                            # 9999-12-31T23:59:59.999999


@dataclass(frozen=True)
class Cast:
    """A column of values, and where not to trust it (None: nowhere). A null that was null before is no failure."""

    array: pa.Array
    failed: np.ndarray | None = None


def cast(texts: pa.Array, column: Column, json: bool) -> Cast:
    """Read texts (a string array, nulls stay nulls) as the column's type.

    `json`: the texts are JSON tokens of the right kind, so numbers have no leading zeros and the mark is a point.
    """
    kind = column.type
    if kind.name == "string":
        return Cast(texts)
    if kind.integer or kind.name in ("double", "float", "decimal"):
        if not json and column.decimal != ".":
            texts = _pointed(texts, column.decimal)
        return _number(texts, column, json)
    if kind.name == "boolean":
        return _boolean(texts)
    if kind.name == "date" and column.format is None:
        return _date(texts)
    if kind.name == "timestamp" and column.format is None:
        return _timestamp(texts, column)
    if times.is_epoch(column):
        return _epoch(texts, column, json)
    return _one_by_one(texts, column, json)


def _one_by_one(texts: pa.Array, column: Column, json: bool) -> Cast:
    """Types without a vectorised reader: each value by itself, still without touching the rest of its record."""
    read = values.text_only if json else values.from_text
    cells, failed = [], np.zeros(len(texts), bool)
    for index, text in enumerate(texts.to_pylist()):
        try:
            cells.append(None if text is None else read(text, column, column.type))
        except Wrong:
            cells.append(None)
            failed[index] = True
    return Cast(pa.array(cells, column.type.arrow), failed if failed.any() else None)


def _matching(texts: pa.Array, pattern: str) -> tuple[pa.Array, np.ndarray | None]:
    """The texts with those that do not match made null, and where they are."""
    match = pc.match_substring_regex(texts, pattern)
    good = match.fill_null(True).to_numpy(zero_copy_only=False)
    if good.all():
        return texts, None
    return pc.if_else(match, texts, pa.scalar(None, texts.type)), ~good


def _also(array: pa.Array, failed: np.ndarray | None, bad: pa.Array) -> Cast:
    """Add further failures: `bad` is a boolean Arrow array, null where the value is."""
    more = bad.fill_null(False).to_numpy(zero_copy_only=False)
    if more.any():
        return Cast(array, more if failed is None else failed | more)
    return Cast(array, failed)


def _number(texts: pa.Array, column: Column, json: bool) -> Cast:
    kind = column.type
    if kind.name in ("double", "float"):
        good, failed = _matching(texts, _REAL if json else _REAL_ZEROS)
        wide = good.cast(pa.float64())
        if kind.name == "double":
            return Cast(wide, failed)
        narrow = wide.cast(pa.float32(), safe=False)
        return _also(narrow, failed, pc.invert(pc.is_finite(narrow)))
    if kind.name == "decimal":
        whole, scale = kind.precision - kind.scale, kind.scale
        before = f"[0-9]{{1,{whole}}}" if whole else "0"
        pattern = f"^-?{before}(\\.[0-9]{{1,{scale}}})?$" if scale else f"^-?{before}$"
        if json:
            pattern = pattern.replace("^-?[0-9]{1", "^-?(0|[1-9][0-9]{0").replace(f",{whole}}}", f",{whole - 1}}})", 1)
        good, failed = _matching(texts, pattern)
        return Cast(good.cast(kind.arrow), failed)
    if kind.name == "uint64":
        good, failed = _matching(texts, _UINT64)
        return Cast(good.cast(pa.uint64()), failed)
    good, failed = _matching(texts, _INT64 if json else _INT64_ZEROS)
    wide = good.cast(pa.int64())
    if kind.name == "int64":
        return Cast(wide, failed)
    low, high = values.BOUNDS[kind.name]
    bad = pc.or_(pc.less(wide, low), pc.greater(wide, high))
    return _also(wide.cast(kind.arrow, safe=False), failed, bad)


def _pointed(texts: pa.Array, mark: str) -> pa.Array:
    return pc.replace_substring(pc.replace_substring(texts, ".", "?"), mark, ".")


def _boolean(texts: pa.Array) -> Cast:
    match = pc.is_in(texts, pa.array(["true", "false"], texts.type))
    failed = pc.and_(pc.invert(match), pc.is_valid(texts)).to_numpy(zero_copy_only=False)
    answer = pc.if_else(pc.is_valid(texts), pc.equal(texts, "true"), pa.scalar(None, pa.bool_()))
    return Cast(answer, failed if failed.any() else None)


def _date(texts: pa.Array) -> Cast:
    good, failed = _matching(texts, _DATE)
    days = good.cast(pa.date32())
    return _also(days, failed, pc.less(days.cast(pa.int32()), _FIRST_DAY))


def _timestamp(texts: pa.Array, column: Column) -> Cast:
    utc = pa.timestamp("us", "UTC")
    first = next((text for text in texts[:100].to_pylist() if text), "Z")
    if column.zone is None or not pc.match_substring_regex(pa.array([first]), _LOCAL)[0].as_py():
        good, failed = _matching(texts, _INSTANT)
        moment = good.cast(utc)
        micros = moment.cast(pa.int64())
        return _also(moment, failed, pc.or_(pc.less(micros, _FIRST_MICRO), pc.greater(micros, _LAST_MICRO)))
    good, failed = _matching(texts, _LOCAL)
    local = good.cast(pa.timestamp("us"))
    early = pc.assume_timezone(local, column.zone, ambiguous="earliest", nonexistent="earliest").cast(utc)
    late = pc.assume_timezone(local, column.zone, ambiguous="latest", nonexistent="latest").cast(utc)
    answer = _also(early, failed, pc.not_equal(early, late))  # ambiguous or skipped: rare, judged singly
    micros = early.cast(pa.int64())
    return _also(answer.array, answer.failed, pc.or_(pc.less(micros, _FIRST_MICRO), pc.greater(micros, _LAST_MICRO)))


def _epoch(texts: pa.Array, column: Column, json: bool) -> Cast:
    good, failed = _matching(texts, _INT64 if json else _INT64_ZEROS)
    numbers, unit = good.cast(pa.int64()), times.unit(column)
    low, high = -(-_FIRST_MICRO // unit), _LAST_MICRO // unit
    bad = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
    safe = pc.if_else(bad, pa.scalar(0, pa.int64()), numbers)
    return _also(pc.multiply(safe, unit).cast(pa.timestamp("us", "UTC")), failed, bad)
