"""The only place where DuckDB is opened: one in-memory connection per thread, with the settings that make answers repeatable.

Kernels are functions Arrow -> Arrow; tables are registered for one query and forgotten after it.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.columns import Columns

_local = threading.local()

# DuckDB 2.0.0 loses TRY in a pushed-down cast: TRY_CAST of a CSV column raises; without this rule it does not.
# Python's own variables are no relations: a name in SQL means a registered table or nothing.
_SETTINGS = ("SET timezone='UTC'", "SET python_enable_replacements=false", "SET enable_progress_bar=false",
             "SET preserve_insertion_order=true", "SET disabled_optimizers='type_pushdown'",
             "SET error_on_division_by_zero=false", "SET autoinstall_known_extensions=false", "SET default_null_order='nulls_last'")
_threads, _memory, _spill = 1, 0, ""


def configure(threads: int, memory: int = 0, spill: str = "") -> None:
    """How many threads and bytes each connection opened from now on may use, and the folder for what does not fit.

    This thread's connection is opened anew if it was opened with something else.
    """
    global _threads, _memory, _spill
    if (threads, memory, spill) != (_threads, _memory, _spill):
        _threads, _memory, _spill = threads, memory, spill
        if (con := _local.__dict__.pop("connection", None)) is not None:
            con.close()


def open_connection() -> Any:
    """A new connection to an empty in-memory database of its own, with the settings of the house."""
    import duckdb

    con = duckdb.connect(":memory:")
    con.execute(f"SET threads={_threads}")
    if _memory:
        con.execute(f"SET memory_limit='{_memory}B'")
    folder = Path(_spill or tempfile.gettempdir(), f"mainstem-{os.getpid()}-{threading.get_ident()}")
    con.execute(f"SET temp_directory='{str(folder).replace(chr(39), chr(39) * 2)}'")
    for setting in _SETTINGS:
        con.execute(setting)
    return con


def connection() -> Any:
    """This thread's connection."""
    con = getattr(_local, "connection", None)
    if con is None:
        con = _local.connection = open_connection()
        if threading.current_thread() is threading.main_thread():
            atexit.register(con.close)           # takes what it spilled with it; the connections of other threads end with them
    return con


@contextmanager
def tables(**relations: pa.Table) -> Iterator[Any]:
    """The connection with these Arrow tables registered under their names, for several queries over the same tables."""
    con = connection()
    for name, table in relations.items():
        con.register(name, table)
    try:
        yield con
    finally:
        for name in relations:
            con.unregister(name)


def query(sql: str, **relations: pa.Table) -> pa.Table:
    """The answer of one query over these Arrow tables, as Arrow."""
    with tables(**relations) as con:
        return con.sql(sql).to_arrow_table()


def row_errors() -> tuple[type[Exception], ...]:
    """What DuckDB raises when an expression fails on a value: a cast, an overflow, `error(...)`; not a wrong query.

    A time zone that it does not know is to it not implemented; a message that quotes half of a sign is no text to Python.
    """
    import duckdb

    return (duckdb.DataError, duckdb.InvalidInputException, duckdb.NotImplementedException, UnicodeDecodeError)


def memory_errors() -> tuple[type[Exception], ...]:
    """What is raised where there is not enough memory: by DuckDB, Arrow or Python."""
    import duckdb

    return (duckdb.OutOfMemoryException, MemoryError)


def message(error: BaseException) -> str:
    """DuckDB's words on one line, without the excerpt of the query that it adds."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())


def as_bound(rows: pa.Table, columns: Columns) -> pa.Table:
    """The rows with their JSON columns marked as such, so that DuckDB sees the types that the plan was bound with."""
    import pyarrow as pa

    for column in columns:
        if column.type.name == "json" and column.name in rows.column_names:
            index = rows.column_names.index(column.name)
            stored = [pa.ExtensionArray.from_storage(pa.json_(), chunk) for chunk in rows.column(index).chunks]
            rows = rows.set_column(index, column.name, pa.chunked_array(stored, pa.json_()))
    return rows


def quote(name: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'
