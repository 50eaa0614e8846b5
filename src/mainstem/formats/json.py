"""JSON: one object a line, or the objects of one document. Strict, exact, and a bad record costs only itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from mainstem.columns import Columns
from mainstem.formats.jsonoptions import JsonOptions
from mainstem.plugs import Chunk, Decoded, Options, Query

if TYPE_CHECKING:
    import pyarrow as pa


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
        from mainstem.formats import jsonread

        return jsonread.document(self, chunk) if self.options.layout == "document" else jsonread.lines(self, chunk)

    def encode(self, rows: pa.Table) -> bytes:
        """One object a line (layout `lines`), or one array. Always valid JSON."""
        from mainstem.formats import jsonwrite

        return jsonwrite.encode(rows, self.columns, self.options)


def _after_last_newline(data: memoryview) -> int:
    """Index behind the last LF, 0 if there is none: looks at the end first, in growing steps."""
    size, step = len(data), 1 << 16
    while True:
        start = max(size - step, 0)
        place = bytes(data[start:]).rfind(b"\n")
        if place >= 0 or not start:
            return start + place + 1
        step *= 8
