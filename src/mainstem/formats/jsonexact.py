"""One JSON record -> the values of its columns, or the reason why not. The measure that every faster path must equal.

The scanner is that of the standard library with hooks: numbers stay text until their type is known, a key that comes twice
is seen, NaN is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from mainstem.columns import Column, Columns, Type
from mainstem.formats import times, values
from mainstem.formats.values import Number
from mainstem.formats.wrong import Wrong, brief

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_BLANKS = " \t\n\r"
ABSENT = object()


class Exact:
    """Reads records by the declared columns. `known` are further members that are nobody's business (arrival clocks)."""

    def __init__(self, columns: Columns, unknown: str, missing: str, max_depth: int, max_bytes: int,
                 known: frozenset[str] = frozenset()) -> None:
        self.columns = columns
        self.paths = [tuple(c.path.split(".")) if c.path else (c.name,) for c in columns]
        self.extra = known
        self.known = {path[0] for path in self.paths} | known
        self.unknown = unknown
        self.missing = missing
        self.max_depth = max_depth
        self.max_bytes = max_bytes
        self.strange: list[str] = []          # undeclared members of the record read last
        self.lacking: list[str] = []          # declared columns that it had not
        self.fault: Wrong | None = None
        self._doubled: str | None = None
        decoder: Any = json.JSONDecoder(object_pairs_hook=self._members, parse_float=Number, parse_int=Number,
                                        parse_constant=_constant)
        self.scan = decoder.scan_once

    def read(self, raw: bytes) -> list[Any]:
        """The values of the declared columns (and `_extra`, if kept) in order; `Wrong` if the record is set aside."""
        self.strange, self.lacking = [], []
        if len(raw) > self.max_bytes:
            raise Wrong("too_long", f"{len(raw)} bytes; `max_record_bytes` is {self.max_bytes}")
        return self.row(self.parse(_text(raw)))

    def parse(self, text: str) -> Any:
        """The value that the whole text stands for."""
        self.check_depth(text)
        start = len(text) - len(text.lstrip(_BLANKS))
        value, end = self.value(text, start)
        if text[end:].strip(_BLANKS):
            raise Wrong("not_json", f"after the value comes {brief(text[end:])}")
        return value

    def value(self, text: str, start: int, lenient: bool = False) -> tuple[Any, int]:
        """The value that begins at `start`, and where it ends.

        `lenient`: a fault that leaves the text readable (a doubled key, half a surrogate pair) is put in `fault`.
        """
        self._doubled = self.fault = None
        try:
            value, end = self.scan(text, start)
        except StopIteration as stop:
            raise Wrong("not_json", f"no value at character {stop.value}") from None
        except RecursionError:
            raise Wrong("too_deep", "nested deeper than the reader can follow") from None
        except ValueError as error:
            raise Wrong("not_json", str(error)) from None
        if self._doubled is not None:
            self.fault = Wrong("duplicate_key", f"the key {brief(self._doubled)} stands twice in one object")
        elif _SURROGATE.search(text, start, end) and _lone(value):
            self.fault = Wrong("bad_escape", "a string holds half of a surrogate pair")
        if self.fault is not None and not lenient:
            raise self.fault
        return value, end

    def check_depth(self, text: str) -> None:
        """`too_deep` where brackets nest beyond `max_depth`; those in strings do not count."""
        if text.count("[") + text.count("{") <= self.max_depth:
            return
        depth = 0
        for match in _TOKENS.finditer(text):
            sign = text[match.start()]
            if sign in "[{":
                depth += 1
                if depth > self.max_depth:
                    raise Wrong("too_deep", f"nested deeper than {self.max_depth}; `max_depth` sets the limit")
            elif sign in "]}":
                depth -= 1

    def row(self, record: Any) -> list[Any]:
        """The values of one parsed record."""
        if not isinstance(record, dict):
            raise Wrong("not_object", f"the record is {_kind(record)}, not an object")
        self.strange = [name for name in record if name not in self.known]
        found = [_follow(record, path) for path in self.paths]
        self.lacking = [c.name for c, value in zip(self.columns, found) if value is ABSENT]
        if self.strange and self.unknown == "quarantine":
            raise Wrong("unknown_column", f"{brief(self.strange[0])} is not declared", self.strange[0])
        row = [self._cell(column, value) for column, value in zip(self.columns, found)]
        if self.unknown == "keep":
            row.append(dump({name: record[name] for name in self.strange}) if self.strange else None)
        return row

    def _cell(self, column: Column, value: Any) -> Any:
        if value is ABSENT and self.missing == "quarantine" and not column.required:
            raise Wrong("absent_column", f"{column.name} is absent", column.name)
        try:
            result = None if value is ABSENT else from_json(value, column, column.type)
        except Wrong as wrong:
            raise Wrong(wrong.reason, f"{column.name}: {wrong.detail}", column.name) from None
        if result is None and column.required:
            raise Wrong("missing", f"{column.name} is required and {'absent' if value is ABSENT else 'null'}", column.name)
        return result

    def _members(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            seen: set[str] = set()
            self._doubled = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return members


def from_json(value: Any, column: Column, kind: Type) -> Any:
    """A parsed JSON value as the declared type; strings are no numbers, numbers no strings, booleans neither."""
    if value is None:
        return None
    if kind.name == "json":
        return dump(value)
    if isinstance(value, Number):
        return values.number(value, column, kind)
    if isinstance(value, str):
        return _from_string(value, column, kind)
    if isinstance(value, bool) and kind.name == "boolean":
        return value
    if isinstance(value, list) and kind.item is not None:
        return [from_json(item, column, kind.item) for item in value]
    if isinstance(value, dict) and kind.name == "struct":
        return {name: from_json(value.get(name), column, field) for name, field in kind.fields}
    raise Wrong("type", f"{_kind(value)} is not a {kind}")


def _from_string(value: str, column: Column, kind: Type) -> Any:
    if value in column.null:
        return None
    if values.numeric(kind) or kind.name == "boolean" or (kind.name == "timestamp" and times.is_epoch(column)):
        if column.coerce:
            return values.from_text(value, column, kind)
        raise Wrong("type", f"{brief(value)} is a text, not a {kind}; `coerce: true` would read it")
    return values.text_only(value, column, kind)


def canonical(text: str) -> str:
    """A text that is JSON, without the blanks between its parts; `Wrong` (type) if it is none."""
    try:
        return dump(Exact((), "ignore", "null", 64, 1 << 24).parse(text))
    except Wrong as wrong:
        raise Wrong("type", f"{brief(text)} is not JSON: {wrong.detail}") from None


def dump(value: Any) -> str:
    """A parsed value as JSON text again; numbers keep their digits."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(name)}:{dump(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong("not_utf8", f"byte {raw[error.start]:#04x} at {error.start}: {error.reason}") from None


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _follow(record: Any, path: Sequence[str]) -> Any:
    """The value at a path; numbers step into lists. ABSENT if the way ends before."""
    for step in path:
        if isinstance(record, dict):
            record = record.get(step, ABSENT)
        elif isinstance(record, list) and step.isdecimal():
            record = record[int(step)] if int(step) < len(record) else ABSENT
        else:
            return ABSENT
    return record


def _lone(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, dict):
        return any(_lone(name) or _lone(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_lone, value))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", bool: "a boolean", type(None): "null", Number: "a number"}
    return names.get(type(value), "a text")
