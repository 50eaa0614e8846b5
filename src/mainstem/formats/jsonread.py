"""JSON bytes -> Decoded: which records go the vectorised way (`jsonscan`), which are read one by one (`jsonexact`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mainstem.errors import DataError
from mainstem.formats import framing, jsonscan
from mainstem.formats.assembly import OneByOne, assemble, schema
from mainstem.formats.jsonexact import ABSENT, Exact
from mainstem.formats.wrong import Wrong
from mainstem.plugs import Chunk, Decoded

if TYPE_CHECKING:
    from mainstem.formats.json import Json

_FEW = 32                             # records below which setting up the scan costs more than it saves
_BLOCK = 1 << 20                       # bytes scanned in one go
_BLANK = re.compile(r"[ \t\n\r]*")


def exact_for(plug: Json, chunk: Chunk) -> Exact:
    """The reader of single records for this format and chunk."""
    known = frozenset([chunk.clock_column]) if chunk.clock_column else frozenset()
    return Exact(plug.columns, plug.unknown, plug.missing, plug.options.max_depth, plug.options.max_record_bytes, known)


class Notes:
    """First record in which each undeclared member was seen, and each declared column was lacking."""

    def __init__(self) -> None:
        self.unknown: dict[str, int] = {}
        self.absent: dict[str, int] = {}

    def found(self, unknown: Mapping[str, int], absent: Mapping[str, int], base: int) -> None:
        """Take over what a scan saw; its lines are numbered from `base`."""
        for first, seen in ((self.unknown, unknown), (self.absent, absent)):
            for name, record in seen.items():
                first[name] = min(first.get(name, record + base), record + base)

    def add(self, exact: Exact, record: int) -> None:
        for first, names in ((self.unknown, exact.strange), (self.absent, exact.lacking)):
            for name in names:
                if first.get(name, record) >= record:
                    first[name] = record


def lines(plug: Json, chunk: Chunk, vectorised: bool = True) -> Decoded:
    """Decode a chunk of one object a line. `vectorised=False` reads every record singly, with the same answer."""
    data = framing.as_array(chunk.data)
    starts, ends = framing.lines(data)
    exact, single, notes = exact_for(plug, chunk), OneByOne(schema(plug.columns, plug.unknown)), Notes()
    unfinished = chunk.final and len(data) > 0 and data[-1] != framing.NEWLINE
    fast: list[tuple[pa.Table, np.ndarray]] = []
    rest: list[np.ndarray] = []
    for low, high in _blocks(starts):
        if not vectorised or high - low < _FEW or not jsonscan.fit(plug.columns):
            rest.append(np.arange(low, high))
            continue
        base = int(starts[low])
        scan = jsonscan.Scan(data[base:ends[high - 1]], starts[low:high] - base, ends[low:high] - base, plug.columns, plug.unknown,
                             plug.missing, plug.options.max_record_bytes, exact.extra)
        found = scan.run()
        fast.append((found.rows, found.lines + low))
        notes.found(found.unknown, found.absent, low)
        rest.append(np.flatnonzero(scan.bad) + low)
    for record in np.concatenate([np.empty(0, np.int64), *rest]).tolist():
        try:
            single.good(record, exact.read(data[starts[record]:ends[record]].tobytes()))
        except Wrong as wrong:
            single.bad(record, _cut_off(wrong) if unfinished and record == len(starts) - 1 else wrong)
        notes.add(exact, record)
    raw = framing.slices(data, starts, ends, pa.binary())
    return assemble(fast, single, starts + chunk.start, raw, notes.unknown, notes.absent)


def _blocks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of records of about as many bytes as fit the cache."""
    low = 0
    while low < len(starts):
        high = max(int(np.searchsorted(starts, starts[low] + _BLOCK)), low + 1)
        yield low, high
        low = high


def _cut_off(wrong: Wrong) -> Wrong:
    """The last line of a finished file has no line end: where it is no JSON either, it was cut off."""
    if wrong.reason not in ("not_json", "not_utf8"):
        return wrong
    return Wrong("cut_off", f"the file ends within this record: {wrong.detail}")


def document(plug: Json, chunk: Chunk) -> Decoded:
    """Decode one document. Every element of its array is a record; its position is its byte offset."""
    exact, single, notes = exact_for(plug, chunk), OneByOne(schema(plug.columns, plug.unknown)), Notes()
    try:
        text = str(chunk.data, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError("format.not_utf8", f"the document is not UTF-8 at byte {error.start}") from None
    places: list[tuple[int, int]] = []
    try:
        for start, end, value in _elements(exact, text, plug.options.records):
            record = len(places)
            places.append((start, end))
            try:
                single.good(record, _element(exact, text[start:end], value))
            except Wrong as wrong:
                single.bad(record, wrong)
            notes.add(exact, record)
    except Wrong as wrong:
        raise DataError("format.not_json", f"the document is not JSON: {wrong.detail}",
                        why="a document is read whole or not at all",
                        fix="if it has one object a line, say `layout: lines`") from None
    spots = np.array(places, np.int64).reshape(-1, 2)
    if not text.isascii():
        spots = _byte_offsets(text, spots)
    raw = framing.slices(framing.as_array(chunk.data), spots[:, 0], spots[:, 1], pa.binary())
    return assemble((), single, spots[:, 0] + chunk.start, raw, notes.unknown, notes.absent)


def _byte_offsets(text: str, spots: np.ndarray) -> np.ndarray:
    """Character offsets as byte offsets of the UTF-8."""
    flat = spots.reshape(-1)
    sizes = [len(text[a:b].encode()) for a, b in zip([0, *flat[:-1].tolist()], flat.tolist())]
    return np.cumsum(np.array(sizes, np.int64)).reshape(-1, 2)


def _element(exact: Exact, text: str, value: Any) -> list[Any]:
    exact.strange, exact.lacking = [], []
    size = len(text.encode())
    if size > exact.max_bytes:
        raise Wrong("too_long", f"{size} bytes; `max_record_bytes` is {exact.max_bytes}")
    exact.check_depth(text)
    if isinstance(value, Wrong):
        raise value
    return exact.row(value)


def _elements(exact: Exact, text: str, records: str | None) -> Iterator[tuple[int, int, Any]]:
    """Start, end and value (or the `Wrong` that is its own fault) of every record; `Wrong` if the document is broken."""
    place = _skip(text, 0)
    closing: list[str] = []
    for name in records.split(".") if records else []:
        place = _enter(exact, text, place, name)
        closing.append("}")
    if text[place:place + 1] != "[":
        if records:
            raise DataError("format.records", f"there is no array at `{records}` in the document",
                        fix="correct `records:`")
        value, end = _value(exact, text, place)
        yield place, end, value
    else:
        end = place + 1
        for start, end, value in _array(exact, text, place):
            if value is not ABSENT:
                yield start, end, value
    for _ in closing:
        end = _leave(exact, text, end)
    if _skip(text, end) != len(text):
        raise Wrong("not_json", f"something follows the document at character {end}")


def _value(exact: Exact, text: str, place: int) -> tuple[Any, int]:
    """A value and its end. What is wrong within an element without breaking the document is returned, not raised."""
    exact.fault = None
    value, end = exact.value(text, place, lenient=True)
    return (exact.fault or value), end


def _array(exact: Exact, text: str, place: int) -> Iterator[tuple[int, int, Any]]:
    """The elements of the array that opens at `place`; the last item is (place, end of the array, ABSENT)."""
    at = _skip(text, place + 1)
    if text[at:at + 1] == "]":
        yield place, at + 1, ABSENT
        return
    while True:
        value, end = _value(exact, text, at)
        yield at, end, value
        at = _skip(text, end)
        sign = text[at:at + 1]
        if sign == "]":
            yield place, at + 1, ABSENT
            return
        if sign != ",":
            raise Wrong("not_json", f"expected , or ] at character {at}")
        at = _skip(text, at + 1)


def _enter(exact: Exact, text: str, place: int, name: str) -> int:
    """Where the value of member `name` of the object at `place` begins."""
    if text[place:place + 1] != "{":
        raise DataError("format.records", f"there is no object with a member `{name}` at character {place}",
                        fix="correct `records:`")
    at = _skip(text, place + 1)
    while text[at:at + 1] == '"':
        key, end = exact.value(text, at)
        at = _skip(text, end)
        if text[at:at + 1] != ":":
            raise Wrong("not_json", f"expected : at character {at}")
        at = _skip(text, at + 1)
        if key == name:
            return at
        _, end = exact.value(text, at, lenient=True)
        at = _skip(text, end)
        if text[at:at + 1] != ",":
            break
        at = _skip(text, at + 1)
    if text[at:at + 1] != "}":
        raise Wrong("not_json", f"expected a member or }} at character {at}")
    raise DataError("format.records", f"the document has no member `{name}`",
                        fix="correct `records:`")


def _leave(exact: Exact, text: str, end: int) -> int:
    """Behind the brace that closes the object one of whose values ended at `end`."""
    at = _skip(text, end)
    while text[at:at + 1] == ",":
        at = _skip(text, at + 1)
        key, at = exact.value(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at:at + 1] != ":":
            raise Wrong("not_json", f"expected a member at character {at}")
        _, at = exact.value(text, _skip(text, at + 1), lenient=True)
        at = _skip(text, at)
    if text[at:at + 1] != "}":
        raise Wrong("not_json", f"expected }} at character {at}")
    return at + 1


def _skip(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place
