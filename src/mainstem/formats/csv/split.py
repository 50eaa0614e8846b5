"""Where the records of CSV bytes lie: quotes paired and checked with numpy, what does not fit read singly.

Within well-formed bytes the state of the reader at any place is the parity of the quotes before it. That holds as long as
every opening quote stands at a field start (or right behind a closing one: an escaped quote) and every closing one at a
field end. Both are checked, and where it fails the record is read by `exact.record`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mainstem.formats.csv.exact import Dialect, Record, record
from mainstem.formats.framing import NEWLINE, RETURN

_WINDOW, _SMALL = 1 << 20, 1 << 15    # bytes looked at in one go: fits the cache; small where faults are near each other


@dataclass(frozen=True)
class Block:
    """Well-formed records: [start, end) of each, and of each of its fields (quotes included), all int64."""

    starts: np.ndarray
    ends: np.ndarray
    first: np.ndarray                 # index of the record's first field in `left` and `right`; one more at the end
    left: np.ndarray
    right: np.ndarray
    quoted: bool                      # whether any quote stands in this block


def split(data: bytes, dialect: Dialect, final: bool) -> tuple[list[Block | Record], int]:
    """Records in order, in blocks and singly, and where the first incomplete one begins (`final`: none is)."""
    array = np.frombuffer(data, np.uint8)
    parts: list[Block | Record] = []
    place, window, singly = 0, _WINDOW, 1
    while place < len(data):
        block, end, fault = _block(array[place:place + window], place, dialect, final and place + window >= len(data))
        if block is not None:
            parts.append(block)
        moved, place = end > place, end
        if moved and not fault:
            window, singly = min(window * 2, _WINDOW), 1
            continue
        if fault:
            window, singly = _SMALL, min(singly * 2, 512)
        for _ in range(singly):
            if place >= len(data):
                break
            entry = record(data, place, dialect)
            if not final and (entry.next > len(data) or (entry.wrong is not None and _open_ended(data, place, dialect))):
                return parts, place
            parts.append(entry)
            place = entry.next
    return parts, min(place, len(data))


def last_end(data: bytes | memoryview, dialect: Dialect) -> int | None:
    """Where the first incomplete record begins, the second answer of `split`, for bytes whose quotes all stand right.

    Looks at the quotes only, so it takes a tenth of the time; None where that is not enough to tell.
    """
    view = np.frombuffer(data, np.uint8)
    if dialect.comment or not len(view):
        return None
    quotes = np.flatnonzero(view == dialect.quote) if dialect.quote else np.empty(0, np.int64)
    limit, fault = _first_fault(view, quotes, dialect, False) if len(quotes) else (len(view) + 1, False)
    if fault:
        return None
    half = max(dialect.max_bytes // 2, 1)              # a record end in every half: no record can be too long
    ends = [_end_before(view, quotes, min(place + half, limit), place) for place in range(0, min(limit, len(view)), half)]
    if any(end is None for end in ends[:-1]) or not ends:
        return None
    last = ends[-1] if ends[-1] is not None else next(iter(ends[-2:-1]), None)
    return None if last is None or len(view) - last > dialect.max_bytes else last + 1


def _end_before(view: np.ndarray, quotes: np.ndarray, stop: int, start: int) -> int | None:
    """The last line end in [start, stop) that lies outside of quotes."""
    step = 1 << 12
    while True:
        low = max(stop - step, start)
        lines = np.flatnonzero(view[low:stop] == NEWLINE) + low
        outside = lines[np.searchsorted(quotes, lines) & 1 == 0]
        if len(outside) or low == start:
            return int(outside[-1]) if len(outside) else None
        step *= 16


def _open_ended(data: bytes, start: int, dialect: Dialect) -> bool:
    """Whether bytes to come could still make the record at `start` whole."""
    if not dialect.quote or len(data) - start >= dialect.max_bytes:
        return False
    return record(data + bytes([dialect.quote]), start, dialect).wrong is None


def _block(view: np.ndarray, place: int, dialect: Dialect, final: bool) -> tuple[Block | None, int, bool]:
    """The well-formed records at the start of `view`, the place where they end, and whether a fault follows."""
    marks = (view == dialect.delimiter) | (view == NEWLINE)
    if dialect.quote:
        marks |= view == dialect.quote
    spots = np.flatnonzero(marks)
    signs = view[spots]
    if final and view[-1] != NEWLINE:
        spots, signs = np.append(spots, len(view)), np.append(signs, np.uint8(NEWLINE))
    quotes = signs == dialect.quote if dialect.quote else np.zeros(len(signs), bool)
    quoted = bool(quotes.any())
    limit, fault = len(view) + 1, False
    if quoted:
        keep = (np.cumsum(quotes, dtype=np.int64) & 1 == 0) & ~quotes
        limit, fault = _first_fault(view, spots[quotes], dialect, final)
        spots, signs = spots[keep], signs[keep]
    ends_at = np.flatnonzero(signs == NEWLINE)
    ends = spots[ends_at]
    count = int(np.searchsorted(ends, limit, "left"))
    starts = np.zeros(count, np.int64)
    starts[1:] = ends[:max(count - 1, 0)] + 1
    long = np.flatnonzero(ends[:count] - starts > dialect.max_bytes)
    if len(long):
        count, fault = int(long[0]), True
    if not count:
        return None, place, fault
    starts, ends, ends_at = starts[:count], ends[:count], ends_at[:count]
    block = _fields(view, place, starts, ends, spots[:ends_at[-1] + 1], ends_at, dialect, quoted)
    return block, place + int(ends[-1]) + 1, fault


def _first_fault(view: np.ndarray, quotes: np.ndarray, dialect: Dialect, final: bool) -> tuple[int, bool]:
    """Up to where the pairing of quotes can be trusted, and whether that is because of one that stands wrong."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = view[np.maximum(opening - 1, 0)]
    fine = (opening == 0) | (before == dialect.delimiter) | (before == NEWLINE)
    fine[1:] |= opening[1:] == closing[:len(opening) - 1] + 1          # an escaped quote
    last = len(view) - 1
    after = view[np.minimum(closing + 1, last)]
    good = ((after == dialect.delimiter) | (after == NEWLINE) | (after == dialect.quote)) & (closing < last)
    returns = np.flatnonzero((after == RETURN) & ~good & (closing < last))
    then = closing[returns] + 2
    good[returns] = (view[np.minimum(then, last)] == NEWLINE) & (then <= last)
    # what only seems wrong because the bytes end here
    open_end = (closing == last) | ((closing == last - 1) & (view[last] == RETURN))
    wrong = [int(opening[np.argmin(fine)])] if not fine.all() else []
    bad = ~good & ~open_end
    if bad.any():
        wrong.append(int(closing[np.argmax(bad)]))
    if dialect.comment:  # a quote in a comment is none: let the lines from the first comment on be read singly
        marks = np.flatnonzero(view == dialect.comment)
        marks = marks[(marks == 0) | (view[np.maximum(marks - 1, 0)] == NEWLINE)]
        wrong.extend(marks[:1].tolist())
    unclear = [] if final else closing[open_end][:1].tolist()
    if len(opening) > len(closing):
        (wrong if final else unclear).append(int(opening[-1]))
    limit = min([len(view) + 1, *wrong, *unclear])
    return limit, bool(wrong) and min(wrong) == limit


def _fields(view: np.ndarray, place: int, starts: np.ndarray, ends: np.ndarray, right: np.ndarray, ends_at: np.ndarray,
            dialect: Dialect, quoted: bool) -> Block:
    """Cut records into fields; blank lines and comments are no records."""
    left = np.zeros_like(right)
    left[1:] = right[:-1] + 1
    returns = (ends > starts) & (view[np.maximum(ends - 1, 0)] == RETURN)
    if returns.any():
        ends = ends - returns
        right = right.copy()
        right[ends_at] -= returns
    first = np.concatenate([[0], ends_at + 1])
    drop = ends == starts
    if dialect.comment:
        drop |= view[np.minimum(starts, len(view) - 1)] == dialect.comment
    if drop.any():
        sizes = np.diff(first)
        kept = np.repeat(~drop, sizes)
        starts, ends, left, right = starts[~drop], ends[~drop], left[kept], right[kept]
        first = np.concatenate([[0], np.cumsum(sizes[~drop])])
    return Block(starts + place, ends + place, first, left + place, right + place, quoted)
