"""Calls of functions on the way that a pipeline takes: read, typed and rendered by the plan, run by the kernel."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from mainstem.batch import AT, identity
from mainstem.columns import Column, Columns, Type, parse_type
from mainstem.engines.kernels import duck
from mainstem.engines.kernels import sql as kernel
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.engines.selection import Selection
from mainstem.plan import sql
from mainstem.plan.functions import Function
from mainstem.plan.sql.identity import numbered
from mainstem.plan.words import Node, Sql

BINDER = DuckBinder()
FAILS = "fails"      # in the place of a value: the call costs its row
_SIMPLE = r"string|boolean|u?int(?:8|16|32|64)|float|double|date|timestamp_local|timestamp|binary|json"
_WORD = re.compile(rf"'(?:[^']|'')*'|\b(?:struct<[^<>]*>|list<(?:{_SIMPLE})>|decimal\(\d+,\d+\)|(?:{_SIMPLE})\b(?!\())")
_UTC = dt.UTC
NAN, INF = math.nan, math.inf
BIG, SMALL = 2**63 - 1, -(2**63)

# of each type: first a plain value, then the edges
SAMPLES: dict[str, list[Any]] = {
    "double": [2.5, NAN, INF, -INF, 0.0, -0.0, -0.5, 1e308, 5e-324, None], "float": [2.5, NAN, None],
    "int64": [3, BIG, SMALL, 0, -7, None], "int32": [2, 1, 0, -3, 2, None], "boolean": [True, False, None],
    "string": ["abc", "", "Ärger-1", "1", "7.5", "e\u0301", "2026-03-29 02:30+01", "UTC", None],
    "decimal(10,2)": [Decimal("2.50"), Decimal("-99999999.99"), Decimal("0.00"), Decimal("0.01"), None],
    "timestamp": [dt.datetime(2026, 3, 29, 1, 30, tzinfo=_UTC), dt.datetime(2026, 10, 25, 0, 30, 0, 1, _UTC),
                  dt.datetime(2, 1, 1, tzinfo=_UTC), dt.datetime(1969, 12, 31, 23, 59, 59, 999999, _UTC), None],
    "timestamp_local": [dt.datetime(2026, 3, 29, 2, 30), dt.datetime(2026, 10, 25, 2, 30), dt.datetime(9990, 12, 31, 23, 59), None],  # noqa: DTZ001
    "date": [dt.date(2026, 3, 29), dt.date(2028, 2, 29), dt.date(1, 1, 2), dt.date(9999, 11, 30), None],
    "binary": [b"abc", b"", b"\xc3\xa9", b"\xff", None],
    "json": ['{"a": [1, "x"]}', '{"a": null}', "[1, 2]", '"a"', None],
    "list<double>": [[2.5, None, 1.0], [], [NAN, 0.0, -0.0], [None], None], "list<int64>": [[3, 5], [], [BIG, 1], [None], None],
    "list<string>": [["abc", None], [], ["", "Ä"], None], "list<boolean>": [[True, None], [], [False], None],
    "struct<a: double, b: string>": [{"a": 2.5, "b": "x"}, {"a": None, "b": None}, None],
}


@dataclass(frozen=True)
class Answer:
    """What came out for each row, and of which type; FAILS where the row was set aside."""

    type: str
    values: tuple[Any, ...]


def parts(call: str) -> tuple[str, list[str]]:
    """A call of an entry with columns `c0`, `c1`, ... in the places of the types that it names, and these types."""
    types: list[str] = []

    def column(found: re.Match[str]) -> str:
        if found[0].startswith("'"):
            return found[0]
        types.append(found[0])
        return f"c{len(types) - 1}"

    return _WORD.sub(column, call), types


def typed(kind: str) -> Type:
    """A type by its name, also one that no source column can have."""
    return Type(kind) if kind == "timestamp_local" else parse_type(kind)


def arrow(kind: str, values: Sequence[Any]) -> pa.Array:
    return pa.array(values, typed(kind).arrow)


def table(columns: Mapping[str, tuple[str, Sequence[Any]]], count: int) -> tuple[Columns, pa.Table]:
    """Rows with these columns (name -> type, values) and an identity."""
    known = tuple(Column(name, typed(kind)) for name, (kind, _) in columns.items()) or (Column("c", Type("int64")),)
    made = {name: arrow(kind, values) for name, (kind, values) in columns.items()} or {"c": pa.array([0] * count)}
    place = np.arange(count, dtype=np.int64)
    return known, pa.table(made).append_column(AT, identity(0, 0, place, place * 1_000_000, record=place))


def listed(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; moments beyond Python's calendar as numbers."""
    try:
        return column.to_pylist()
    except OverflowError:
        return [_plain(value) for value in column]


def _plain(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except OverflowError:
        return value.value


def scalar(expression: str, columns: Mapping[str, tuple[str, Sequence[Any]]], count: int = 1, cut: int = 0) -> Answer:
    """The value of an expression in each of these rows, as a step of row-local SQL gives it; `cut`: in pieces of so many rows.

    A list of values where a row becomes several.
    """
    known, rows = table(columns, count)
    planned = sql.row_local(f"SELECT {expression} AS v FROM readings", [sql.Relation("readings", known)], {}, BINDER)
    branches = tuple(msgspec.structs.replace(one, query=numbered(one.query, 0, False)) for one in planned.branches)
    word = Sql(branches=branches, remakes=planned.remakes)
    node = Node(name="f", step="f", word=word, inputs=("readings",), columns=planned.columns, origin=0)
    values: list[Any] = [None if planned.remakes else FAILS] * count
    pieces = [rows.slice(start, cut) for start in range(0, count, cut)] if cut else [rows]
    for piece in pieces:
        made = kernel.run(node, "readings", Selection(duck.as_bound(piece, known)), {}).onward.rows
        assert made is not None
        assert made.schema.field("v").type == planned.columns[0].type.arrow
        for value, at in zip(listed(made["v"]), made[AT].to_pylist()):
            values[at["n"]] = [*(values[at["n"]] or ()), value] if planned.remakes else value
    return Answer(str(planned.columns[0].type), tuple(values))


def over_groups(expression: str, columns: Mapping[str, tuple[str, Sequence[Any]]], count: int, by: Sequence[str] = ()) -> Answer:
    """The value of an aggregate over these rows, one for each group; raises what DuckDB raises."""
    known, rows = table(columns, count)
    planned = sql.grouped(f"{expression} AS v", "", by, (), (), known, BINDER)
    made = duck.query(planned.sql + (f" ORDER BY {', '.join(by)}" if by else ""), rows=duck.as_bound(rows, known))
    assert made.schema.field("v").type == planned.columns[-1].type.arrow
    return Answer(str(planned.columns[-1].type), tuple(made["v"].to_pylist()))


def in_over(expression: str, columns: Mapping[str, tuple[str, Sequence[Any]]], count: int) -> Answer:
    """The value of a function in OVER for each of these rows, as SQL over input read whole gives it."""
    known, rows = table(columns, count)
    relation = sql.Relation("readings", (*known, Column("place", Type("int64"))))
    planned = sql.whole(f"SELECT place, {expression} AS v FROM readings", [relation], {}, (), BINDER)
    made = duck.query(planned.sql, readings=rows.append_column("place", pa.array(range(count))))
    return Answer(str(planned.columns[1].type), tuple(made.sort_by("place")["v"].to_pylist()))


def answer(one: Function, expression: str, columns: Mapping[str, tuple[str, Sequence[Any]]], count: int = 1) -> Answer:
    """The value of a call, by what kind of function it is."""
    if one.kind == "window":
        return in_over(expression, columns, count)
    if one.kind == "aggregate" or one.name in ("FILTER", "DISTINCT", "ORDER_BY", "WITHIN_GROUP"):
        return over_groups(expression, columns, count)
    return scalar(expression, columns, count)


def same(a: Any, b: Any) -> bool:
    """Equal in value and type; NaN equals NaN, 0.0 does not equal -0.0."""
    return repr(a) == repr(b)


def shown(value: Any) -> str:
    """A value as the page of the functions shows it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dt.datetime):
        text = re.sub(r"(\.\d*?)0+$", r"\1", value.replace(tzinfo=None).isoformat(" ")).rstrip(".")
        return text + ("+00" if value.tzinfo else "")
    return str(value)
