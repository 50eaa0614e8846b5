"""Where the records lie in the bytes, and the bytes of each: numpy and Arrow, no Python object per record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

NEWLINE, RETURN, SPACE = 10, 13, 32


def as_array(data: bytes | memoryview) -> np.ndarray:
    """The bytes as uint8[n], not copied."""
    return np.frombuffer(data, np.uint8)


def lines(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[start, end) of every line that is not blank, without its line end (LF or CRLF); both int64."""
    ends = np.flatnonzero(data == NEWLINE)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        ends = np.append(ends, len(data))
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    returns = (ends > starts) & (data[np.maximum(ends - 1, 0)] == RETURN)
    ends = ends - returns
    blank = ends == starts
    # a line of blanks only is rare: look at those that begin with one
    first = data[np.minimum(starts, max(len(data) - 1, 0))] if len(data) else np.empty(0, np.uint8)
    for index in np.flatnonzero((first <= SPACE) & ~blank):
        blank[index] = not data[starts[index]:ends[index]].tobytes().strip()
    if blank.any():
        starts, ends = starts[~blank], ends[~blank]
    return starts, ends


def slices(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, type: pa.DataType) -> Any:
    """The byte ranges [start, end) as an Arrow array of `type` (string or binary); rising and not overlapping.

    The trick: offsets s0 e0 s1 e1 ... over the same bytes are a valid array in which every other value is a gap, so
    one `take` copies exactly the ranges. No check that strings are UTF-8: the caller has made sure.
    """
    offsets = np.empty(2 * len(starts) + 1, np.int32)
    offsets[0:-1:2] = starts
    offsets[1::2] = ends
    return every_other(data, offsets, type)


def every_other(data: np.ndarray, offsets: np.ndarray, type: pa.DataType) -> Any:
    """The byte ranges [offsets[0], offsets[1]), [offsets[2], offsets[3]) ... as an Arrow array; offsets: int32[2 n + 1], the last is set."""
    count = len(offsets) // 2
    offsets[-1] = offsets[-2] if count else 0
    both = pa.Array.from_buffers(type, 2 * count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    return both.take(pa.array(np.arange(0, 2 * count, 2, dtype=np.int32)))


def valid_utf8(data: bytes | memoryview) -> bool:
    """Whether the bytes are UTF-8 as RFC 3629 defines it."""
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
