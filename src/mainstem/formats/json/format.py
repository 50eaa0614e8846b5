"""JSON: one object a line, or the objects of one document. Strict, exact, and a bad record costs only itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mainstem.columns import Columns
from mainstem.plugs import Chunk, Decoded, Options, Query
from mainstem.quantities import Size

if TYPE_CHECKING:
    import pyarrow as pa


_BLANK = b" \t\n\r\v\f"
_EMPTY = re.compile(rb"\[\s*\]")


class JsonOptions(Options):
    """How the JSON is laid out, and how it is written."""

    layout: Literal["lines", "document"] = Field("lines", description="One object per line, or one document per file.")
    records: str | None = Field(
        None, description="Where the array of records lies in a document, like `features` or `data.items`; the root if not said."
    )
    max_depth: int = Field(64, ge=1, le=500, description="Deepest nesting of a record; deeper ones are set aside.")
    max_record_bytes: Size = Field(16 * 2**20, description="Longest record, like 16MiB; longer ones are set aside.")
    nan: Literal["null", "string", "reject"] = Field(
        "null", description="Writing: what NaN and infinities become; JSON has no word for them."
    )
    large_integers: Literal["number", "string"] = Field(
        "number", description="Writing: integers beyond 2^53 as numbers (exact, but some readers round them) or as strings."
    )


class Json:
    """The format `json`."""

    kind: ClassVar[str] = "json"
    Options: ClassVar[type[Options]] = JsonOptions
    cut_by: str = "bytes"
    encodes: ClassVar[bool] = True

    def __init__(self, options: JsonOptions, columns: Columns, unknown: str = "ignore", missing: str = "null") -> None:
        self.options = options
        self.columns = columns
        self.unknown = unknown
        self.missing = missing
        if options.layout == "document":
            self.cut_by = "whole"

    def open(self, path: str, head: bytes) -> Mapping[str, Any]:  # noqa: ARG002 (contract)
        """{"skip": bytes of a byte order mark}; it is stripped once, at the start of a file."""
        return {"skip": 3 if head.startswith(b"\xef\xbb\xbf") else 0}

    def cut(self, data: memoryview, facts: Mapping[str, Any], final: bool) -> int:  # noqa: ARG002 (contract)
        """Up to the last line end; a document is one piece."""
        if final:
            return len(data)
        if self.options.layout == "document":
            return 0
        return _after_last_newline(data)

    def decode(self, chunk: Chunk, query: Query) -> Decoded:  # noqa: ARG002 (contract)
        """Rows and rejects. Raises DataError when a document as a whole is not JSON."""
        from mainstem.formats.json import document, lines

        return document.decode(self, chunk) if self.options.layout == "document" else lines.decode(self, chunk)

    def separates(self, chunk: Chunk, before: bytes, between: bytes, after: bytes) -> bool:  # noqa: ARG002 (contract)
        """Lines are parted by blanks; the elements of a document's array by commas."""
        if self.options.layout == "lines":
            return not (before + between + after).translate(None, _BLANK)
        if not between and not after:                     # no record: an array without elements, or nothing at all
            return not before.strip() or _EMPTY.search(before) is not None
        if not between.strip() and not before.strip() and not after.strip():
            return True                                   # the document is the one record
        return not between.strip(b", \t\r\n") and before.rstrip().endswith(b"[") and after.lstrip().startswith(b"]")

    def encode(self, rows: pa.Table) -> bytes:
        """One object a line (layout `lines`), or one array. Always valid JSON. Raises DataError for NaN under `nan: reject`."""
        from mainstem.formats import written

        texts = [column.name for column in self.columns if column.type.name == "json"]
        lines = written.objects(rows, texts, written.Spelling(self.options.nan, self.options.large_integers))
        if self.options.layout == "document":
            return ("[" + ",\n".join(lines) + "]\n").encode()
        return "".join(line + "\n" for line in lines).encode()

    def restore(self, data: bytes) -> pa.Table:
        """The rows of a file that `encode` wrote: NaN where it is named, nested values, types that no source has."""
        from mainstem.formats.json.restore import restore

        return restore(self, data)

    def counted(self, content: bytes) -> int:
        """Rows of a file that `encode` made: each ends its line."""
        return 0 if content == b"[]\n" else content.count(b"\n")


def _after_last_newline(data: memoryview) -> int:
    """Index behind the last LF, 0 if there is none: looks at the end first, in growing steps."""
    size, step = len(data), 1 << 16
    while True:
        start = max(size - step, 0)
        place = bytes(data[start:]).rfind(b"\n")
        if place >= 0 or not start:
            return start + place + 1
        step *= 8
