"""One JSON record -> the values of its columns, or the reason why not. The measure that every faster path must equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.columns import Column, Columns, Type
from mainstem.formats import times, values
from mainstem.formats.jsontext import Number, Parser, dump, kind_of
from mainstem.formats.wrong import Wrong, brief

if TYPE_CHECKING:
    from mainstem.formats.json.format import Json
    from mainstem.plugs import Chunk

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
        self.parser = Parser(max_depth)
        self.max_bytes = max_bytes
        self.strange: list[str] = []          # undeclared members of the record read last
        self.lacking: list[str] = []          # declared columns that it had not

    @classmethod
    def of(cls, plug: Json, chunk: Chunk) -> Exact:
        """The reader of single records for this format and chunk."""
        known = frozenset([chunk.clock_column]) if chunk.clock_column else frozenset()
        return cls(plug.columns, plug.unknown, plug.missing, plug.options.max_depth, plug.options.max_record_bytes, known)

    def read(self, raw: bytes) -> list[Any]:
        """The values of the declared columns (and `_extra`, if kept) in order; `Wrong` if the record is set aside."""
        self.strange, self.lacking = [], []
        if len(raw) > self.max_bytes:
            raise Wrong("too_long", f"{len(raw)} bytes; `max_record_bytes` is {self.max_bytes}")
        return self.row(self.parser.parse(_text(raw)))

    def row(self, record: Any) -> list[Any]:
        """The values of one parsed record."""
        if not isinstance(record, dict):
            raise Wrong("not_object", f"the record is {kind_of(record)}, not an object")
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
    raise Wrong("type", f"{kind_of(value)} is not a {kind}")


def _from_string(value: str, column: Column, kind: Type) -> Any:
    if value in column.null:
        return None
    if values.numeric(kind) or kind.name == "boolean" or (kind.name == "timestamp" and times.is_epoch(column)):
        if column.coerce:
            return values.from_text(value, column, kind)
        raise Wrong("type", f"{brief(value)} is a text, not a {kind}; `coerce: true` would read it")
    return values.text_only(value, column, kind)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong("not_utf8", f"byte {raw[error.start]:#04x} at {error.start}: {error.reason}") from None


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
