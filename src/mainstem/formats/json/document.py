"""A JSON document -> Decoded: every element of its array is a record, and a fault that breaks only itself costs only it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mainstem.errors import DataError
from mainstem.formats import framing
from mainstem.formats.assembly import OneByOne, assemble, schema
from mainstem.formats.json.exact import ABSENT, Exact, Notes
from mainstem.formats.jsontext import Parser
from mainstem.formats.wrong import Wrong
from mainstem.plugs import Chunk, Decoded

if TYPE_CHECKING:
    from mainstem.formats.json.format import Json

_BLANK = re.compile(r"[ \t\n\r]*")


def decode(plug: Json, chunk: Chunk) -> Decoded:
    """Decode one document. Every element of its array is a record; its position is its byte offset."""
    exact, single, notes = Exact.of(plug, chunk), OneByOne(schema(plug.columns, plug.unknown)), Notes()
    try:
        text = str(chunk.data, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError("format.not_utf8", f"the document is not UTF-8 at byte {error.start}") from None
    places: list[tuple[int, int]] = []
    try:
        for start, end, value in _elements(exact.parser, text, plug.options.records):
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
    exact.parser.check_depth(text)
    if isinstance(value, Wrong):
        raise value
    return exact.row(value)


def _elements(parser: Parser, text: str, records: str | None) -> Iterator[tuple[int, int, Any]]:
    """Start, end and value (or the `Wrong` that is its own fault) of every record; `Wrong` if the document is broken."""
    place = _skip(text, 0)
    closing: list[str] = []
    for name in records.split(".") if records else []:
        place = _enter(parser, text, place, name)
        closing.append("}")
    if text[place:place + 1] != "[":
        if records:
            raise DataError("format.records", f"there is no array at `{records}` in the document",
                        fix="correct `records:`")
        value, end = _value(parser, text, place)
        yield place, end, value
    else:
        end = place + 1
        for start, end, value in _array(parser, text, place):
            if value is not ABSENT:
                yield start, end, value
    for _ in closing:
        end = _leave(parser, text, end)
    if _skip(text, end) != len(text):
        raise Wrong("not_json", f"something follows the document at character {end}")


def _value(parser: Parser, text: str, place: int) -> tuple[Any, int]:
    """A value and its end. What is wrong within an element without breaking the document is returned, not raised."""
    parser.fault = None
    value, end = parser.value(text, place, lenient=True)
    return (parser.fault or value), end


def _array(parser: Parser, text: str, place: int) -> Iterator[tuple[int, int, Any]]:
    """The elements of the array that opens at `place`; the last item is (place, end of the array, ABSENT)."""
    at = _skip(text, place + 1)
    if text[at:at + 1] == "]":
        yield place, at + 1, ABSENT
        return
    while True:
        value, end = _value(parser, text, at)
        yield at, end, value
        at = _skip(text, end)
        sign = text[at:at + 1]
        if sign == "]":
            yield place, at + 1, ABSENT
            return
        if sign != ",":
            raise Wrong("not_json", f"expected , or ] at character {at}")
        at = _skip(text, at + 1)


def _enter(parser: Parser, text: str, place: int, name: str) -> int:
    """Where the value of member `name` of the object at `place` begins."""
    if text[place:place + 1] != "{":
        raise DataError("format.records", f"there is no object with a member `{name}` at character {place}",
                        fix="correct `records:`")
    at = _skip(text, place + 1)
    while text[at:at + 1] == '"':
        key, end = parser.value(text, at)
        at = _skip(text, end)
        if text[at:at + 1] != ":":
            raise Wrong("not_json", f"expected : at character {at}")
        at = _skip(text, at + 1)
        if key == name:
            return at
        _, end = parser.value(text, at, lenient=True)
        at = _skip(text, end)
        if text[at:at + 1] != ",":
            break
        at = _skip(text, at + 1)
    if text[at:at + 1] != "}":
        raise Wrong("not_json", f"expected a member or }} at character {at}")
    raise DataError("format.records", f"the document has no member `{name}`",
                        fix="correct `records:`")


def _leave(parser: Parser, text: str, end: int) -> int:
    """Behind the brace that closes the object one of whose values ended at `end`."""
    at = _skip(text, end)
    while text[at:at + 1] == ",":
        at = _skip(text, at + 1)
        key, at = parser.value(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at:at + 1] != ":":
            raise Wrong("not_json", f"expected a member at character {at}")
        _, at = parser.value(text, _skip(text, at + 1), lenient=True)
        at = _skip(text, at)
    if text[at:at + 1] != "}":
        raise Wrong("not_json", f"expected }} at character {at}")
    return at + 1


def _skip(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place
