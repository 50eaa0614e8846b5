"""Rows that a fold makes: the user's query, its types, and the identity of each row.

Identity (batch.AT_TYPE): o = the node's origin number, p = key group of the by columns, n = epoch << 32 | rank, where rank counts
within the key group by event time, then by columns. So it depends neither on the number of tasks nor on arrival.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem.batch import AT, MADE_SHIFT, NONE, empty, identity
from mainstem.engines.kernels.duck import tables
from mainstem.engines.kernels.keys import key_groups, key_texts
from mainstem.engines.law import broken
from mainstem.errors import DataError
from mainstem.plan.words import Node

_UTC = pa.timestamp("us", "UTC")
_BORN = "mainstem.born"
_DIV_ZERO = "mainstem.div_zero"
_ZERO = "_div_zero"                   # a last column of a query that is no column of the node: a division by zero made a NULL
_FROM = ' FROM "rows"'                # the last one of a query is its own: names in it are quoted


def ask(node: Node, sql: str, /, **relations: pa.Table) -> pa.Table:
    """The answer of a node's query. DataError `sql.overflow` or `sql.failed` with DuckDB's own words if it fails."""
    try:
        with tables(**relations) as con:
            return con.sql(sql).to_arrow_table()
    except duckdb.OutOfMemoryException:
        raise                                    # says nothing of the rows (engines/memory)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfRangeException) or "out of range" in str(error):
            raise overflow(node, error) from error
        raise DataError("sql.failed", "the query failed on these rows", where=node.name, why=str(error),
                        fix="guard the expression (TRY_CAST, CASE) or set such rows aside with a rule before this step") from error


def grouped(node: Node, query: str, rows: pa.Table) -> pa.Table:
    """The answer of a window's or session's query over `rows`, one row per group, in the node's columns.

    Every group also counts its rows, unseen: together they must be those that went in, else a group got lost inside DuckDB
    and Bug `law.broken` is raised.
    """
    head, from_, rest = query.rpartition(_FROM)
    answer = ask(node, f"{head}, count(*){from_}{rest}", rows=rows)
    counted = pc.sum(answer.column(answer.num_columns - 1), min_count=0).as_py()
    if counted != rows.num_rows:
        raise broken("a group got lost", node.name, f"{rows.num_rows} rows went in, the groups that came out have {counted}")
    return conform(node, answer)


def overflow(node: Node, error: Exception) -> DataError:
    """The error for a number that does not fit its type."""
    return DataError("sql.overflow", "a result does not fit its type", where=node.name, why=str(error),
                     fix="cast to a wider type, for instance sum(x::DECIMAL(38,0))")


def instants(us: np.ndarray) -> pa.Array:
    """int64 microseconds as timestamps in UTC."""
    return pa.array(us, pa.int64()).view(_UTC)


def micros(column: pa.ChunkedArray) -> np.ndarray:
    """Timestamps as int64 microseconds; NONE for NULL."""
    values = column.cast(_UTC).cast(pa.int64())
    filled: np.ndarray = pc.fill_null(values, NONE).to_numpy()
    return filled


def columns_of(node: Node) -> pa.Schema:
    """The node's columns in Arrow, without `_at`."""
    return pa.schema([pa.field(column.name, column.type.arrow) for column in node.columns])


def nothing(node: Node) -> pa.Table:
    """No rows of the node's columns, with `_at`."""
    return empty(columns_of(node))


def conform(node: Node, table: pa.Table) -> pa.Table:
    """The table with exactly the node's columns and types; DataError `sql.overflow` where a number does not fit.

    How many rows divided by zero goes with the table (`noted`).
    """
    wanted = columns_of(node)
    if _ZERO in table.column_names[len(wanted):]:
        wanted = wanted.with_metadata({_DIV_ZERO: str(pc.sum(table.column(_ZERO), min_count=0).as_py())})
    columns = []
    for place, field in enumerate(wanted):
        column = table.column(place)
        if column.type != field.type:
            if isinstance(column.type, pa.BaseExtensionType):
                column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
            try:
                column = column.cast(field.type)
            except pa.ArrowInvalid as error:
                raise overflow(node, error) from error
        columns.append(column)
    return pa.table(columns, schema=wanted)


def made(node: Node, epoch: int, table: pa.Table, event: np.ndarray | None, by: Sequence[str],
         groups: np.ndarray | None = None) -> pa.Table:
    """Give the rows of a conforming table their identity, in the order of their identity.

    `event` is the event time of each row (None: they have none); rows that agree in time and by columns keep their order. Their
    number at this moment goes with the table (`born`), so that the law notices a row that is lost or doubled afterwards.
    """
    count = table.num_rows
    if not count:
        return nothing(node)
    event = np.full(count, NONE, np.int64) if event is None else event
    groups = key_groups(table, by) if groups is None else groups
    sortable = pa.table({"g": groups, "t": event} | {f"k{i}": _sortable(table, name) for i, name in enumerate(by)})
    order = pc.sort_indices(sortable, [(name, "ascending") for name in sortable.column_names]).to_numpy()
    groups, event = groups[order], event[order]
    first = np.searchsorted(groups, groups, "left")
    position = (epoch << MADE_SHIFT) | (np.arange(count, dtype=np.int64) - first)
    hidden = identity(node.origin or 0, groups, position, event)
    return newborn(table.take(pa.array(order)).append_column(AT, hidden))


def newborn(rows: pa.Table) -> pa.Table:
    """The rows with their number written on the table, at the moment when they have got an identity of their own."""
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), _BORN: str(rows.num_rows)})


def born(rows: pa.Table) -> tuple[pa.Table, int]:
    """The rows without what `newborn` wrote on the table, and how many there were then."""
    said = (rows.schema.metadata or {}).get(_BORN.encode())
    return rows.replace_schema_metadata(None), 0 if said is None else int(said)


def noted(rows: pa.Table) -> dict[str, int]:
    """What the rows of a fold say of themselves besides: the notes of the node."""
    said = (rows.schema.metadata or {}).get(_DIV_ZERO.encode())
    return {} if said is None or said == b"0" else {"div_zero": int(said)}


def _sortable(table: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    """A by column in a form that Arrow can sort: lists and structs by their text."""
    column = table.column(name)
    return pa.array(key_texts(table, [name])) if pa.types.is_nested(column.type) else column
