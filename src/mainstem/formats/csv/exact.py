"""One CSV record -> its fields, and its fields -> the values of the declared columns, or the reason why not.

RFC 4180 with three clarifications: LF and CRLF may be mixed; a quote inside an unquoted field is just a character; a
quoted field that is not closed, or goes on after its closing quote, costs its first line only, and reading goes on at the
next line start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mainstem.columns import Column, Columns
from mainstem.formats import values
from mainstem.formats.wrong import Wrong, brief

Field = tuple[bytes, bool]            # the text, and whether it was quoted


@dataclass(frozen=True)
class Dialect:
    """How fields and records are parted. All one byte each; 0 where there is none."""

    delimiter: int
    quote: int
    comment: int
    max_bytes: int
    trailing: bool                    # one empty field too many at the end of a record is allowed
    pad: bool                         # a short record is filled with NULL


@dataclass(frozen=True)
class Record:
    """Where a record lies ([start, end) without its line end), where the next begins, its fields or what is wrong."""

    start: int
    end: int
    next: int
    fields: Sequence[Field] = ()
    wrong: Wrong | None = None


def record(data: bytes, start: int, dialect: Dialect) -> Record:
    """Read the record that begins at `start`."""
    line = _line(data, start)
    if dialect.comment and data[start:start + 1] == bytes([dialect.comment]):
        return Record(start, start, line[1])
    if not dialect.quote or data.find(dialect.quote, start, line[0]) < 0:
        return _plain(data, start, line, dialect)
    fields: list[Field] = []
    place, delimiter, quote = start, bytes([dialect.delimiter]), bytes([dialect.quote])
    while True:
        if data[place:place + 1] == quote:
            close = _closing(data, place + 1, quote, start + dialect.max_bytes)
            if close < 0:
                return _bad(start, line)
            fields.append((data[place + 1:close].replace(quote * 2, quote), True))
            place = close + 1
            if data[place:place + 1] != delimiter:
                behind = data[place:place + 2]
                end = place + (behind == b"\r\n" or behind == b"\r")
                if end < len(data) and data[end] != 10:
                    return _bad(start, line)
                return Record(start, place, end + 1, fields)
        else:
            end = data.find(b"\n", place)
            end = len(data) if end < 0 else end
            stop = data.find(delimiter, place, end)
            if stop < 0:
                text_end = end - (data[end - 1:end] == b"\r" and end > place)
                fields.append((data[place:text_end], False))
                return Record(start, text_end, end + 1, fields)
            fields.append((data[place:stop], False))
            place = stop
        place += 1


def _line(data: bytes, start: int) -> tuple[int, int]:
    """End of the physical line that begins at `start` without its line end, and start of the next."""
    end = data.find(b"\n", start)
    if end < 0:
        end = len(data)
    return end - (end > start and data[end - 1] == 13), end + 1


def _plain(data: bytes, start: int, line: tuple[int, int], dialect: Dialect) -> Record:
    if line[0] - start > dialect.max_bytes:
        wrong = Wrong("too_long", f"{line[0] - start} bytes; `max_record_bytes` is {dialect.max_bytes}")
        return Record(start, line[0], line[1], wrong=wrong)
    return Record(start, line[0], line[1], [(text, False) for text in data[start:line[0]].split(bytes([dialect.delimiter]))])


def _closing(data: bytes, place: int, quote: bytes, limit: int) -> int:
    """Where the quoted field that began before `place` closes; -1 if it does not before `limit`."""
    while True:
        place = data.find(quote, place, limit)
        if place < 0 or data[place + 1:place + 2] != quote:
            return place
        place += 2


def _bad(start: int, line: tuple[int, int]) -> Record:
    """Which of the two it is depends on how far one can look ahead, so both are said."""
    detail = "a quoted field is not closed, or goes on after its closing quote; reading goes on at the next line"
    return Record(start, line[0], line[1], wrong=Wrong("bad_quote", detail))


@dataclass(frozen=True)
class Layout:
    """Which field of a record belongs to which column."""

    names: tuple[str, ...]                  # of the fields; an unnamed one is called column_<number from 1>
    columns: Columns
    places: tuple[int | None, ...]          # per declared column its field, None if the file has none
    strange: tuple[tuple[int, str], ...]    # fields that are not declared
    unknown: str
    missing: str
    null: frozenset[str]                    # unquoted texts that mean NULL

    def row(self, entry: Record, dialect: Dialect) -> list[Any]:
        """The values of the declared columns (and `_extra`, if kept); `Wrong` if the record is set aside."""
        if entry.wrong is not None:
            raise entry.wrong
        texts = self.texts(entry.fields, dialect)
        if self.strange and self.unknown == "quarantine":
            name = self.strange[0][1]
            raise Wrong("unknown_column", f"{brief(name)} is not declared", name)
        row = [self._cell(column, None if place is None else texts[place], place is None)
               for column, place in zip(self.columns, self.places)]
        if self.unknown == "keep":
            row.append(self._extra(texts))
        return row

    def texts(self, fields: Sequence[Field], dialect: Dialect) -> list[tuple[str, bool] | None]:
        """The fields as text, exactly as many as there are names; None where a short record is padded."""
        expected = len(self.names)
        if dialect.trailing and len(fields) == expected + 1 and fields[-1] == (b"", False):
            fields = fields[:-1]
        if len(fields) > expected or (len(fields) < expected and not dialect.pad):
            raise Wrong("field_count", f"{len(fields)} fields where {expected} are expected")
        texts: list[tuple[str, bool] | None] = []
        for text, quoted in fields:
            try:
                texts.append((text.decode("utf-8"), quoted))
            except UnicodeDecodeError as error:
                raise Wrong("not_utf8", f"byte {text[error.start]:#04x} in field {len(texts) + 1}: {error.reason}") from None
        return texts + [None] * (expected - len(texts))

    def _cell(self, column: Column, field: tuple[str, bool] | None, absent: bool) -> Any:
        if absent and self.missing == "quarantine" and not column.required:
            raise Wrong("absent_column", f"{column.name} is absent", column.name)
        try:
            value = None if field is None else self.value(column, *field)
        except Wrong as wrong:
            raise Wrong(wrong.reason, f"{column.name}: {wrong.detail}", column.name) from None
        if value is None and column.required:
            raise Wrong("missing", f"{column.name} is required and {'absent' if field is None else 'empty'}", column.name)
        return value

    def value(self, column: Column, text: str, quoted: bool) -> Any:
        """One field as its column's type. Quotes protect: only an unquoted field is NULL by being empty or a null text."""
        if text in column.null or (not quoted and (text == "" or text in self.null)):
            return None
        return values.from_text(text, column, column.type)

    def _extra(self, texts: Sequence[tuple[str, bool] | None]) -> str | None:
        extra = {}
        for place, name in self.strange:
            field = texts[place]
            null = field is None or (not field[1] and (field[0] == "" or field[0] in self.null))
            extra[name] = None if null or field is None else field[0]
        return json.dumps(extra, ensure_ascii=False, separators=(",", ":")) if extra else None
