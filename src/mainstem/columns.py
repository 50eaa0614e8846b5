"""Column types: the short names people write, and what they are in Arrow and in DuckDB.

One vocabulary for declared source columns, for the types the plan predicts and for what a sink stores.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# name -> DuckDB's name; Arrow's is in `arrow`, made on demand because pyarrow is slow to import
_SIMPLE = {
    "string": "VARCHAR", "boolean": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER",
    "int64": "BIGINT", "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT",
    "float": "FLOAT", "double": "DOUBLE", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_local": "TIMESTAMP", "interval": "INTERVAL", "binary": "BLOB", "json": "JSON", "unknown": '"NULL"',
    "null": '"NULL"', "hugeint": "HUGEINT",
}
_FROM_DUCKDB = {duck: name for name, duck in _SIMPLE.items()} | {"TIMESTAMPTZ": "timestamp", "DATETIME": "timestamp_local"}
DECLARABLE = ("string", "boolean", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float",
              "double", "date", "timestamp", "binary", "json")
_ALIASES = {"str": "string", "text": "string", "varchar": "string", "bool": "boolean", "int": "int64", "integer": "int64",
            "bigint": "int64", "long": "int64", "float64": "double", "float32": "float", "datetime": "timestamp",
            "timestamptz": "timestamp", "bytes": "binary"}


@dataclass(frozen=True)
class Type:
    """A column type: a name and, for `decimal`, `list` and `struct`, what it is made of.

    >>> parse_type("decimal(10,2)").duckdb, str(parse_type("list<double>"))
    ('DECIMAL(10,2)', 'list<double>')
    """

    name: str
    precision: int = 0
    scale: int = 0
    item: Type | None = None
    fields: tuple[tuple[str, Type], ...] = ()

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "list":
            return f"list<{self.item}>"
        if self.name == "struct":
            return "struct<" + ", ".join(f"{name}: {kind}" for name, kind in self.fields) + ">"
        return self.name

    @property
    def duckdb(self) -> str:
        """The type in DuckDB's SQL."""
        if self.name == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        if self.name == "list" and self.item is not None:
            return f"{self.item.duckdb}[]"
        if self.name == "struct":
            return "STRUCT(" + ", ".join(f'"{name}" {kind.duckdb}' for name, kind in self.fields) + ")"
        return _SIMPLE[self.name]

    @property
    def arrow(self) -> pa.DataType:
        """The type in Arrow; timestamps are microseconds UTC."""
        import pyarrow as pa

        if self.name == "decimal":
            return pa.decimal128(self.precision, self.scale)
        if self.name == "list" and self.item is not None:
            return pa.list_(self.item.arrow)
        if self.name == "struct":
            return pa.struct([(name, kind.arrow) for name, kind in self.fields])
        return {
            "string": pa.string(), "boolean": pa.bool_(), "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(),
            "int64": pa.int64(), "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
            "float": pa.float32(), "double": pa.float64(), "date": pa.date32(), "time": pa.time64("us"),
            "timestamp": pa.timestamp("us", "UTC"), "timestamp_local": pa.timestamp("us"),
            "interval": pa.month_day_nano_interval(), "binary": pa.binary(), "json": pa.string(), "null": pa.null(),
            "hugeint": pa.decimal128(38, 0),
        }[self.name]

    @property
    def integer(self) -> bool:
        return self.name.startswith(("int", "uint")) and self.name != "interval"


@dataclass(frozen=True)
class Column:
    """One column: its name and type, and for a declared one how its text is to be read."""

    name: str
    type: Type
    required: bool = False
    unit: str | None = None
    description: str | None = None
    format: str | None = None                # strptime pattern of a date or timestamp text
    zone: str | None = None                  # IANA zone of a timestamp text without offset
    nonexistent: str = "reject"              # local time that a zone skips: reject | shift_forward
    ambiguous: str = "reject"                # local time that comes twice: reject | earlier | later
    null: tuple[str, ...] = ()               # further texts that mean NULL
    coerce: bool = False                     # accept "7" for a number
    precision: str = "quarantine"            # digits of a timestamp beyond microseconds: quarantine | truncate
    path: str | None = None                  # where it lies in a nested record, a.b.c; its own name if not said
    decimal: str = "."                       # decimal mark of number texts


Columns = tuple[Column, ...]

# While a file with mistakes is checked: the type of a column whose declaration is broken, and a column that stands for any
# number of further ones, where nothing is known of them. They are in no plan.
UNKNOWN = Type("unknown")
ANY = Column("*", UNKNOWN)


def parse_type(text: str) -> Type:
    """The type that a person wrote; ValueError with a suggestion otherwise."""
    text = text.strip()
    simple = _ALIASES.get(text.lower(), text.lower())
    if simple in DECLARABLE:
        return Type(simple)
    if match := re.fullmatch(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", text, re.IGNORECASE):
        precision, scale = int(match[1]), int(match[2] or 0)
        if not 1 <= precision <= 38 or scale > precision:
            raise ValueError(f"{text!r}: a decimal has 1 to 38 digits, and no more of them behind the mark than in all")
        return Type("decimal", precision, scale)
    if match := re.fullmatch(r"list\s*<(.*)>|(.*)\[\]", text, re.IGNORECASE):
        return Type("list", item=parse_type(match[1] or match[2]))
    if match := re.fullmatch(r"struct\s*<(.*)>", text, re.IGNORECASE):
        fields = []
        for part in _split(match[1]):
            name, colon, kind = part.partition(":")
            if not colon:
                raise ValueError(f"{part!r} in {text!r}: a field of a struct is written `name: type`")
            fields.append((name.strip(), parse_type(kind)))
        return Type("struct", fields=tuple(fields))
    close = difflib.get_close_matches(text.lower(), [*DECLARABLE, *_ALIASES, "decimal(10,2)"], 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{text!r} is not a type{hint} Types are {', '.join(DECLARABLE)}, decimal(p,s), list<...>, struct<name: ...>")


def from_duckdb(text: str) -> Type:
    """The type behind DuckDB's name for it, as DESCRIBE prints it; ValueError if we have no such type."""
    text = text.strip()
    if text.endswith("[]"):
        return Type("list", item=from_duckdb(text[:-2]))
    if match := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", text):
        return Type("decimal", int(match[1]), int(match[2]))
    if match := re.fullmatch(r"STRUCT\((.*)\)", text):
        fields = []
        for part in _split(match[1]):
            found = re.fullmatch(r'(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)', part.strip())
            if not found:
                raise ValueError(f"cannot read DuckDB type {text!r}")
            fields.append(((found[1] or found[2]).replace('""', '"'), from_duckdb(found[3])))
        return Type("struct", fields=tuple(fields))
    if text in _FROM_DUCKDB:
        return Type(_FROM_DUCKDB[text])
    raise ValueError(f"no column type of ours for DuckDB's {text}")


def _split(text: str) -> list[str]:
    """Cut at the commas that are outside brackets and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, sign in enumerate(text):
        if sign == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif sign in "(<[":
            depth += 1
        elif sign in ")>]":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]] if text.strip() else []
