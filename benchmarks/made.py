"""Makes large inputs quickly: DuckDB computes the lines, the bytes of its Arrow answer are written as they are."""

from __future__ import annotations

from pathlib import Path

import duckdb


def text(path: Path, head: str, line: str, rows: int) -> None:
    """A text file: `line` is an SQL expression over the row number `i`; the same every time."""
    if path.exists():
        return
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(head.encode())
        for first in range(0, rows, 1_000_000):
            some = duckdb.sql(f"SELECT ({line}) || chr(10) AS line FROM range({first}, {min(first + 1_000_000, rows)}) AS t(i)")
            for batch in some.to_arrow_table().to_batches():
                for value in [batch.column(0)]:
                    _, offsets, data = value.buffers()
                    ends = memoryview(offsets).cast("i" if value.type == "string" else "q")
                    file.write(memoryview(data)[ends[value.offset]:ends[value.offset + len(value)]])
    part.rename(path)


def parquet(path: Path, select: str, rows: int) -> None:
    """A Parquet file: `select` is an SQL select list over the row number `i`; the same every time."""
    if path.exists():
        return
    part = path.with_suffix(".part")
    con = duckdb.connect()
    con.execute("SET timezone='UTC'")
    con.execute(f"COPY (SELECT {select} FROM range({rows}) AS t(i)) TO '{part}' (FORMAT parquet)")
    part.rename(path)


def luck(number: int, below: int) -> str:
    """An SQL expression: a number in [0, below) that looks random; another `number`, another sequence."""
    return f"(hash(i, {number}) % {below})"
