"""Which columns a Delta table can hold, in which types, and whether rows or an existing table fit them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mainstem.columns import Columns, Type
from mainstem.errors import DataError, RefusedError, SpecError

if TYPE_CHECKING:
    import pyarrow as pa

# Delta has signed integers only: an unsigned column takes the next type that holds all of its values.
_WIDER = {"uint8": Type("int16"), "uint16": Type("int32"), "uint32": Type("int64"), "uint64": Type("decimal", 20, 0),
          "hugeint": Type("decimal", 38, 0), "json": Type("string")}
_REFUSED = {"null": "a column that is always NULL has no type; cast it: CAST(NULL AS double)",
            "time": "Delta has no time of day; store it as a string or as seconds",
            "interval": "Delta has no interval; store it as seconds",
            "timestamp_local": "a timestamp without zone makes the table unreadable for older readers; give it a zone"}
_BY_PARTITION = ("string", "boolean", "date", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_RESERVED = ("_change_type", "_commit_version", "_commit_timestamp")
_BAD_NAME = re.compile(r"[ ,;{}()\n\t=]")


def stored(kind: Type) -> Type:
    """The type in which a column is stored."""
    if kind.name == "list" and kind.item is not None:
        return Type("list", item=stored(kind.item))
    if kind.name == "struct":
        return Type("struct", fields=tuple((name, stored(field)) for name, field in kind.fields))
    return _WIDER.get(kind.name, kind)


def stored_schema(columns: Columns) -> pa.Schema:
    """The Arrow schema in which these columns are stored; every column may be NULL."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, stored(column.type).arrow) for column in columns])


def check_columns(table: str, columns: Columns, partition_by: Sequence[str], key: Sequence[str]) -> None:
    """Refuse what a Delta table cannot hold, before anything is written. Raises SpecError `delta.columns`."""
    kinds = {column.name: column.type for column in columns}
    wrong = [f"{column.name} {column.type}: {why}" for column in columns if (why := _unstorable(column.type))]
    wrong += [f"{name}: readers of Delta use this name themselves" for name in kinds if name.lower() in _RESERVED]
    wrong += [f"{name!r}: blanks and any of ,;{{}}()= are not allowed in a column name" for name in kinds if _BAD_NAME.search(name)]
    folded: dict[str, str] = {}
    wrong += [f"{name} and {folded[name.casefold()]}: differ only by case" for name in kinds
              if folded.setdefault(name.casefold(), name) != name]
    for what, names in (("partition_by", partition_by), ("key", key)):
        wrong += [f"{what} {name}: there is no such column (there are {', '.join(kinds)})" for name in names if name not in kinds]
    wrong += [f"partition_by {name} {kinds[name]}: a table is partitioned by text, whole numbers, dates or booleans"
              for name in partition_by if name in kinds and kinds[name].name not in _BY_PARTITION]
    wrong += [f"key {name} {kinds[name]}: fractions and nested values are no keys"
              for name in key if name in kinds and kinds[name].name in ("float", "double", "list", "struct")]
    if not kinds or set(partition_by) == set(kinds):
        wrong.append("there is no column left to store")
    if wrong:
        raise SpecError("delta.columns", "this table cannot be written: " + "; ".join(wrong), where=table,
                        fix="rename, cast or leave out these columns in the step before the output")


def _unstorable(kind: Type) -> str:
    if kind.name == "list" and kind.item is not None:
        return _unstorable(kind.item)
    if kind.name == "struct":
        return next((why for _, field in kind.fields if (why := _unstorable(field))), "")
    return _REFUSED.get(kind.name, "")


def fit(rows: pa.Table, wanted: pa.Schema, where: str) -> pa.Table:
    """The rows in exactly these columns and types, by name; never with a lossy cast."""
    import pyarrow as pa

    try:
        return rows.select(wanted.names).cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError) as error:
        raise DataError("delta.cast", "the rows do not fit the table without loss", where=where, why=str(error),
                        fix="cast the column in the step before the output, or set such rows aside with a rule") from error


def check_partitions(rows: pa.Table, by: Sequence[str], where: str) -> None:
    """Refuse an empty text as a partition value: Delta cannot tell it from NULL. Raises RefusedError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in by:
        column = rows.column(name)
        if pa.types.is_string(column.type) and pc.any(pc.equal(column, ""), min_count=0).as_py():
            raise RefusedError("delta.empty_partition", f"column {name} has an empty text, and the table is partitioned by it",
                               where=where, why="Delta reads an empty partition value back as NULL",
                               fix=f"set such rows aside (`that: {name} <> ''`), replace the text, or partition by another column")


def differences(there: pa.Schema, wanted: pa.Schema, missing: Sequence[pa.Field], add_columns: bool) -> list[str]:
    """Why a table with the columns `there` cannot take rows of the `wanted` ones; `missing`: those that it lacks."""
    wrong = [f"{field.name} is {there.field(field.name).type} in the table and {field.type} in the pipeline"
             for field in wanted if field.name in there.names and _kind(there.field(field.name).type) != _kind(field.type)]
    clash = {name.casefold() for name in there.names}
    wrong += [f"{field.name} differs only by case from a column of the table" for field in missing if field.name.casefold() in clash]
    if missing and not add_columns:
        wrong += [f"{field.name} {field.type} is not in the table" for field in missing]
    return wrong + [f"{field.name} of the table must not be NULL, and the pipeline does not have it" for field in there
                    if not field.nullable and field.name not in wanted.names]


def _kind(kind: pa.DataType) -> str:
    """A type without the names that readers give to list items."""
    return re.sub(r"<(item|element): ", "<", str(kind)).replace(" not null", "")
