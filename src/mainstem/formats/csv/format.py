"""CSV and its relatives: any delimiter, quoted line breaks, exact values, and a bad line costs only itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from mainstem.columns import Columns
from mainstem.errors import DataError
from mainstem.plugs import Chunk, Decoded, Options, Query
from mainstem.quantities import Size

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.formats.csv.exact import Dialect

_UTF8 = ("utf-8", "utf8", "ascii", "us-ascii")


class CsvOptions(Options):
    """The dialect: it is declared, never guessed on the data path."""

    delimiter: str = Field(",", description="The character between fields; `tab` for a tabulator.")
    quote: str | None = Field('"', description="The character around fields that hold delimiters or line breaks; null: none.")
    header: bool | list[str] = Field(
        True, description="true: the first record names the fields; a list: these do; false: the declared columns, in order."
    )
    skip: int = Field(0, ge=0, description="Lines at the start of the file, before the header, that are not looked at.")
    comment: str | None = Field(None, description="Lines that begin with this character are no records.")
    null: list[str] = Field(
        [], description="Unquoted texts that mean NULL, like NA. An unquoted empty field always does; a quoted one is ''."
    )
    encoding: str = Field("utf-8", description="Encoding of the file; all but UTF-8 are read as a whole.")
    decimal: str = Field(".", description="Decimal mark of numbers, for columns that do not say their own.")
    trailing_delimiter: Literal["forbid", "allow"] = Field(
        "forbid", description="allow: one empty field too many at the end of a record."
    )
    short_rows: Literal["quarantine", "pad"] = Field(
        "quarantine", description="pad: fields missing at the end of a record are NULL."
    )
    max_record_bytes: Size = Field(16 * 2**20, description="Longest record, like 16MiB; longer ones are set aside.")
    nan: Literal["null", "string"] = Field("string", description="Writing: NaN and infinities as NULL, or as nan and inf.")

    @field_validator("delimiter", "quote", "comment", "decimal")
    @classmethod
    def _one_byte(cls, value: str | None) -> str | None:
        value = {"tab": "\t", "\\t": "\t", "space": " "}.get(value or "", value)
        if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n"):
            raise ValueError("one ASCII character")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"there is no encoding {value!r}") from None
        return value


class Csv:
    """The format `csv`."""

    kind: ClassVar[str] = "csv"
    Options: ClassVar[type[Options]] = CsvOptions
    cut_by: str = "bytes"
    encodes: ClassVar[bool] = True

    def __init__(self, options: CsvOptions, columns: Columns, unknown: str = "ignore", missing: str = "null") -> None:
        self.options = options
        self.columns = tuple(dataclasses.replace(c, decimal=options.decimal) if c.decimal == "." else c for c in columns)
        self.unknown = unknown
        self.missing = missing
        if options.encoding.lower() not in _UTF8:
            self.cut_by = "whole"

    def open(self, path: str, head: bytes) -> Mapping[str, Any]:
        """{"skip": bytes before the first record, "header": names}; {} where the encoding needs the whole file.

        Raises DataError for a header that names a column twice, is broken, or does not end in `head`.
        """
        if self.cut_by == "whole":
            return {"skip": 0}
        return self._look(head, path)

    def _look(self, head: bytes, path: str) -> dict[str, Any]:
        from mainstem.formats.csv import exact

        if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
            raise DataError("format.line_ends", "the lines end with CR only", where=path, why="records end with LF or CRLF",
                            fix="convert the file, as with `tr '\\r' '\\n'`")
        place = 3 if head.startswith(b"\xef\xbb\xbf") else 0
        for _ in range(self.options.skip):
            place = head.find(b"\n", place) + 1 or len(head)
        if isinstance(self.options.header, list):
            return {"skip": place, "header": _distinct(self.options.header, path)}
        if not self.options.header:
            return {"skip": place}
        dialect = self._dialect()
        while place < len(head):
            entry = exact.record(head, place, dialect)
            place = min(entry.next, len(head))
            if entry.end > entry.start:
                if entry.wrong is not None:
                    raise DataError("format.header", f"the header cannot be read: {entry.wrong.detail}", where=path)
                names = [text.decode("utf-8", "replace") for text, _ in entry.fields]
                if self.options.trailing_delimiter == "allow" and names[-1] == "":
                    names.pop()
                return {"skip": place, "header": _distinct(names, path)}
        return {"skip": place, "header": []}

    def _dialect(self) -> Dialect:
        from mainstem.formats.csv import exact

        options = self.options
        return exact.Dialect(
            delimiter=ord(options.delimiter), quote=ord(options.quote or "\0"), comment=ord(options.comment or "\0"),
            max_bytes=options.max_record_bytes, trailing=options.trailing_delimiter == "allow", pad=options.short_rows == "pad")

    def cut(self, data: memoryview, facts: Mapping[str, Any], final: bool) -> int:  # noqa: ARG002 (contract)
        """Up to the last record end; never inside a quoted line break."""
        if final:
            return len(data)
        if self.cut_by == "whole":
            return 0
        from mainstem.formats.csv import split

        dialect = self._dialect()
        quick = split.last_end(data, dialect)
        return split.split(bytes(data), dialect, final=False)[1] if quick is None else quick

    def decode(self, chunk: Chunk, query: Query) -> Decoded:  # noqa: ARG002 (contract)
        """Rows and rejects. Raises DataError where the file as a whole does not fit (encoding, header)."""
        from mainstem.formats.csv import read

        data, facts, start = bytes(chunk.data), chunk.facts, chunk.start
        if self.cut_by == "whole":
            data = self._transcoded(data)
        whole = data
        if self._headed(facts):
            facts = self._look(data, chunk.path or "")
            data, start = data[facts["skip"]:], start + facts["skip"]
        decoded = read.decode(self, data, start, chunk.final, read.layout(self, facts), self._dialect(), chunk.clock_column)
        return dataclasses.replace(decoded, data=whole) if self.cut_by == "whole" else decoded

    def _transcoded(self, data: bytes) -> bytes:
        try:
            return data.decode(self.options.encoding).removeprefix("\ufeff").encode()
        except UnicodeError as error:
            raise DataError("format.encoding", f"the file is not {self.options.encoding}: {error}",
                            fix="correct `encoding:`") from None

    def separates(self, chunk: Chunk, before: bytes, between: bytes, after: bytes) -> bool:
        """Line ends, lines without anything, comments; and the header, where it comes with the records."""
        if self._headed(chunk.facts):
            before = before[self._look(before, chunk.path or "")["skip"] :]
        rest = before + between + after
        comment = (self.options.comment or "").encode()
        return not rest.translate(None, b"\r\n") or bool(comment and all(
            not line or line.startswith(comment) for line in rest.replace(b"\r", b"").split(b"\n")))

    def _headed(self, facts: Mapping[str, Any]) -> bool:
        """Whether a chunk begins with what `open` did not look at."""
        return self.cut_by == "whole" or ("header" not in facts and bool(self.options.header))

    def encode(self, rows: pa.Table) -> bytes:
        """The rows as one file; NULL is an empty field, '' is a quoted one. DataError for what the dialect has no way to write."""
        from mainstem.formats.csv import write

        return write.encode(rows, self.options)

    def restore(self, data: bytes) -> pa.Table:
        """The rows of a file that `encode` wrote, NaN and nested values included."""
        from mainstem.formats.csv.restore import restore

        return restore(self, data)

    def counted(self, content: bytes) -> int:
        """Rows of a file that `encode` made: its records, less the header."""
        from mainstem.formats.csv import split

        data = self._transcoded(content) if self.cut_by == "whole" else content
        plain = dataclasses.replace(self._dialect(), comment=0, max_bytes=1 << 40)
        parts, _ = split.split(data, plain, final=True)
        found = sum(len(part.starts) if isinstance(part, split.Block) else int(part.end > part.start) for part in parts)
        return found - (self.options.header is True)


def _distinct(names: list[str], path: str) -> list[str]:
    """The names, if no name comes twice; DataError naming both places otherwise. Unnamed fields do not count."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name in seen:
            raise DataError("format.duplicate_header", f"the header names `{name}` twice, as field {seen[name]} and {place}",
                            where=path, fix="name the fields with `header: [...]` and `skip: 1`")
        if name:
            seen[name] = place
    return names
