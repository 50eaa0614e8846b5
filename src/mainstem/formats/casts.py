"""A whole column of texts -> its declared type at once: the same answers as `values`, or "look at this one singly".

Arrow's parsers do the work. They are stricter than most, but not the same as ours: each text must first show a form of which
Arrow's reading is known to be exact. A look at a few bytes of each text does that as long as Arrow takes the whole column;
where it does not, a full grammar parts the texts. Whatever does not match is left to the reader of single values. Proven
equal by the parity tests over both ways.
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
_MINUS, _ZERO, _POINT, _E, _T, _BLANK, _COLON = b"-0.eT :"
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


def _also(array: pa.Array, failed: np.ndarray | None, bad: pa.Array) -> Cast:
    """Add further failures: `bad` is a boolean Arrow array, null where the value is."""
    more = bad.fill_null(False).to_numpy(zero_copy_only=False)
    if more.any():
        return Cast(array, more if failed is None else failed | more)
    return Cast(array, failed)


@dataclass(frozen=True)
class _Bytes:
    """The bytes behind a string array: text i is data[start[i]:end[i]]."""

    data: np.ndarray
    start: np.ndarray
    end: np.ndarray
    null: np.ndarray

    @staticmethod
    def of(texts: pa.Array) -> _Bytes | None:
        _, offsets, data = texts.buffers()
        if not len(texts) or data is None or not data.size:
            return None
        places = np.frombuffer(offsets, np.int32)[texts.offset:texts.offset + len(texts) + 1]
        null = texts.is_null().to_numpy(zero_copy_only=False)
        return _Bytes(np.frombuffer(data, np.uint8), places[:-1], places[1:], null)

    def at(self, places: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.data.take(places, mode="clip")
        return found

    def digit(self, places: np.ndarray) -> np.ndarray:
        answer: np.ndarray = (self.at(places) - np.uint8(48)) <= 9      # others wrap round to large numbers
        return answer


def _shaped(texts: pa.Array, good: np.ndarray, null: np.ndarray, kind: pa.DataType) -> Cast | None:
    """Cast what has the right shape; None where Arrow minds one of them."""
    good = good | null
    failed = None if good.all() else ~good
    if failed is not None:
        texts = pc.if_else(pa.array(good), texts, pa.scalar(None, texts.type))
    try:
        return Cast(texts.cast(kind), failed)
    except pa.ArrowInvalid:
        return None


def _digits(texts: pa.Array, kind: pa.DataType, json: bool) -> Cast | None:
    """Numbers that begin (after a minus) and end with a digit; None where that is not enough to tell."""
    raw = _Bytes.of(texts)
    if raw is None:
        return None
    first = raw.start + (raw.at(raw.start) == _MINUS)
    good = (first < raw.end) & raw.digit(first) & raw.digit(raw.end - 1)
    longer = (raw.at(first) == _ZERO) & (raw.end - first > 1)
    if kind == pa.int64():
        good &= ~longer if json else ~(longer & ~raw.digit(first + 1))      # 0x10 is a number to Arrow
    elif json:
        good &= ~(longer & raw.digit(first + 1))
    if kind == pa.float64() and ((raw.data[:-1] == _POINT) & (raw.data[1:] | 32 == _E)).any():
        return None                                                         # 1.e5 is a number to Arrow
    return _shaped(texts, good, raw.null, kind)


def _clocked(texts: pa.Array, kind: pa.DataType, least: int) -> Cast | None:
    """Times of the form ....-..-..T..:..:.. with more behind it."""
    raw = _Bytes.of(texts)
    if raw is None:
        return None
    between = raw.at(raw.start + 10)
    good = (raw.end - raw.start >= least) & ((between == _T) | (between == _BLANK))
    good &= (raw.at(raw.start + 13) == _COLON) & (raw.at(raw.start + 16) == _COLON)
    return _shaped(texts, good, raw.null, kind)


def _number(texts: pa.Array, column: Column, json: bool) -> Cast:
    kind = column.type
    if kind.name in ("double", "float"):
        wide = _digits(texts, pa.float64(), json) or _by_grammar(texts, _REAL if json else _REAL_ZEROS, pa.float64())
        array = wide.array if kind.name == "double" else wide.array.cast(pa.float32(), safe=False)
        return _also(array, wide.failed, pc.invert(pc.is_finite(array)))
    if kind.name == "decimal":
        return _by_grammar(texts, _decimal(kind.precision - kind.scale, kind.scale, json), kind.arrow)
    if kind.name == "uint64":
        return _by_grammar(texts, _UINT64, pa.uint64())
    wide = _digits(texts, pa.int64(), json) or _by_grammar(texts, _INT64 if json else _INT64_ZEROS, pa.int64())
    if kind.name == "int64":
        return wide
    low, high = values.BOUNDS[kind.name]
    bad = pc.or_(pc.less(wide.array, low), pc.greater(wide.array, high))
    return _also(wide.array.cast(kind.arrow, safe=False), wide.failed, bad)


def _decimal(before: int, behind: int, json: bool) -> str:
    """Numbers with at most so many digits before and behind the point."""
    if not before:
        whole = "0" if json else "0+"
    else:
        whole = f"(0|[1-9][0-9]{{0,{before - 1}}})" if json else f"[0-9]{{1,{before}}}"
    return f"^-?{whole}(\\.[0-9]{{1,{behind}}})?$" if behind else f"^-?{whole}$"


def _by_grammar(texts: pa.Array, pattern: str, kind: pa.DataType) -> Cast:
    """Cast the texts that match a pattern all of whose texts Arrow reads exactly."""
    match = pc.match_substring_regex(texts, pattern)
    good = match.fill_null(True).to_numpy(zero_copy_only=False)
    if good.all():
        return Cast(texts.cast(kind))
    return Cast(pc.if_else(match, texts, pa.scalar(None, texts.type)).cast(kind), ~good)


def _pointed(texts: pa.Array, mark: str) -> pa.Array:
    return pc.replace_substring(pc.replace_substring(texts, ".", "?"), mark, ".")


def _boolean(texts: pa.Array) -> Cast:
    match = pc.is_in(texts, pa.array(["true", "false"], texts.type))
    failed = pc.and_(pc.invert(match), pc.is_valid(texts)).to_numpy(zero_copy_only=False)
    answer = pc.if_else(pc.is_valid(texts), pc.equal(texts, "true"), pa.scalar(None, pa.bool_()))
    return Cast(answer, failed if failed.any() else None)


def _date(texts: pa.Array) -> Cast:
    days = _by_grammar(texts, _DATE, pa.date32())
    return _also(days.array, days.failed, pc.less(days.array.cast(pa.int32()), _FIRST_DAY))


def _timestamp(texts: pa.Array, column: Column) -> Cast:
    utc = pa.timestamp("us", "UTC")
    first = next((text for text in texts[:100].to_pylist() if text), "Z")
    if column.zone is None or not pc.match_substring_regex(pa.array([first]), _LOCAL)[0].as_py():
        moment = _clocked(texts, utc, 20) or _by_grammar(texts, _INSTANT, utc)
        return _also(moment.array, moment.failed, _beyond(moment.array))
    naive = pa.timestamp("us")
    wall = _clocked(texts, naive, 19) or _by_grammar(texts, _LOCAL, naive)
    local = wall.array
    early = pc.assume_timezone(local, column.zone, ambiguous="earliest", nonexistent="earliest").cast(utc)
    late = pc.assume_timezone(local, column.zone, ambiguous="latest", nonexistent="latest").cast(utc)
    answer = _also(early, wall.failed, pc.not_equal(early, late))  # ambiguous or skipped: rare, judged singly
    return _also(answer.array, answer.failed, _beyond(early))


def _beyond(moments: pa.Array) -> pa.Array:
    """Whether instants lie outside the years 1 to 9999."""
    micros = moments.cast(pa.int64())
    return pc.or_(pc.less(micros, _FIRST_MICRO), pc.greater(micros, _LAST_MICRO))


def _epoch(texts: pa.Array, column: Column, json: bool) -> Cast:
    read = _digits(texts, pa.int64(), json) or _by_grammar(texts, _INT64 if json else _INT64_ZEROS, pa.int64())
    numbers, unit = read.array, times.unit(column)
    low, high = -(-_FIRST_MICRO // unit), _LAST_MICRO // unit
    bad = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
    safe = pc.if_else(bad, pa.scalar(0, pa.int64()), numbers)
    return _also(pc.multiply(safe, unit).cast(pa.timestamp("us", "UTC")), read.failed, bad)
