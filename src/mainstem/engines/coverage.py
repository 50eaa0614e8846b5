"""Whether a decoder accounts for all that it was given: every record once, every byte in a record or between two of them.

A decoder's own count of its records cannot show a record that it overlooked. The bytes can: what lies in no record must be
what parts records, and the format says what that may be (`Format.separates`). Costs a few passes over the positions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from mainstem.engines.law import broken
from mainstem.plugs import Chunk, Decoded, Format

_SHOWN = 60                           # bytes of what was overlooked that an error shows


def check(form: Format, chunk: Chunk, decoded: Decoded, place: Callable[[int], str]) -> None:
    """Raises Bug `law.broken` for a record or bytes of the chunk that the format lost, doubled or invented.

    `place` tells a person where a position lies.
    """
    wrong = _records(decoded) or _positions(form, chunk, decoded)
    if wrong is None and form.cut_by != "rows" and hasattr(form, "separates"):
        wrong = _bytes(form.separates, chunk, decoded)
    if wrong is not None:
        raise broken(f"the format {form.kind} does not account for what it read", place(chunk.start), wrong)


def _records(decoded: Decoded) -> str | None:
    """Every record is one row or one reject."""
    count, record = len(decoded.position), np.asarray(decoded.record)
    refused = decoded.rejects.column("record").to_numpy() if decoded.rejects.num_rows else np.empty(0, np.int64)
    if len(decoded.raw) != count:
        return f"{count} records have {len(decoded.raw)} texts"
    if decoded.rows.num_columns and decoded.rows.num_rows != len(record):
        return f"{len(record)} records are said to be the {decoded.rows.num_rows} rows"
    if len(record) + len(refused) != count:
        return f"{count} records became {len(record)} rows and {len(refused)} rejects"
    if not (record[1:] > record[:-1]).all():
        return "the rows are not in the order of the records"
    told = np.zeros(count, bool)
    for which in (record, refused) if len(refused) else ():
        told[which[(which >= 0) & (which < count)]] = True
    if (len(refused) and not told.all()) or (len(record) == count > 0 and not record[0] == 0 == record[-1] - count + 1):
        return "a record became neither a row nor a reject, another one came twice"
    return None


def _positions(form: Format, chunk: Chunk, decoded: Decoded) -> str | None:
    """Positions rise; those of rows, which are counted, without a gap."""
    position = np.asarray(decoded.position)
    if not (position[1:] > position[:-1]).all():
        return "the positions of its records do not rise"
    if form.cut_by == "rows" and (wanted := chunk.facts.get("count")) is not None:
        last = int(position[-1]) - chunk.start + 1 if len(position) else 0
        if not len(position) == last == wanted:
            return f"{wanted} rows were asked for, it has {len(position)}, the last of them is row {last}"
    return None


def _bytes(separates: Callable[[Chunk, bytes, bytes, bytes], bool], chunk: Chunk, decoded: Decoded) -> str | None:
    """What lies in no record is nothing but what parts records."""
    data = chunk.data if decoded.data is None else decoded.data
    view, count = np.frombuffer(data, np.uint8), len(decoded.position)
    if not count:
        return None if separates(chunk, bytes(data), b"", b"") else _overlooked(bytes(data))
    starts = np.asarray(decoded.position) - chunk.start
    lengths = _lengths(decoded.raw)
    ends = starts + lengths
    gaps = starts[1:] - ends[:-1]
    if starts[0] < 0 or ends[-1] > len(view) or (gaps < 1).any() or not lengths.all():
        return "its records overlap, touch, have no bytes, or reach beyond those that it was given"
    before, after = bytes(data[: int(starts[0])]), bytes(data[int(ends[-1]) :])
    if (gaps == 1).all():                  # the usual case: a line end
        between = view[ends[:-1]].tobytes()
    else:
        first = ends[:-1] - np.cumsum(gaps) + gaps
        between = view[np.repeat(first, gaps) + np.arange(int(gaps.sum()))].tobytes()
    return None if separates(chunk, before, between, after) else _overlooked(before + between + after)


def _overlooked(bytes_: bytes) -> str:
    text = b" ".join(bytes_.split())
    return f"bytes that are no record's: {text[:_SHOWN]!r}{' ...' if len(text) > _SHOWN else ''}"


def _lengths(raw: pa.Array) -> np.ndarray:
    """The number of bytes of each value of a binary array."""
    wide = pa.types.is_large_binary(raw.type)
    offsets = np.frombuffer(raw.buffers()[1], np.int64 if wide else np.int32)
    return np.diff(offsets[raw.offset : raw.offset + len(raw) + 1]).astype(np.int64)
