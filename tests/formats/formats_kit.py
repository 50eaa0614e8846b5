"""Short ways to declare columns and to decode bytes in the tests of the formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mainstem.columns import Column, parse_type
from mainstem.formats.csv import Csv, CsvOptions, read
from mainstem.formats.json import Json, JsonOptions
from mainstem.formats.json.lines import decode
from mainstem.plugs import Chunk, Decoded


def column(name: str, kind: str, **facts: Any) -> Column:
    """A declared column."""
    return Column(name, parse_type(kind), **facts)


def strings(*names: str) -> tuple[Column, ...]:
    """Columns of text."""
    return tuple(column(name, "string") for name in names)


def no_query(sql: str, **tables: Any) -> Any:
    """Formats that need no DuckDB get this."""
    raise AssertionError("this format must not query")


def json_format(columns: tuple[Column, ...], unknown: str = "ignore", missing: str = "null", **options: Any) -> Json:
    return Json(JsonOptions(**options), columns, unknown, missing)


def csv_format(columns: tuple[Column, ...], unknown: str = "ignore", missing: str = "null", **options: Any) -> Csv:
    return Csv(CsvOptions(**options), columns, unknown, missing)


def decode_csv(plug: Csv, data: bytes, path: str = "x.csv") -> Decoded:
    """Open, skip and decode one whole file, as a source does; checks that every record is a row or a reject."""
    facts = plug.open(path, data[:1 << 16])
    made = plug.decode(Chunk(data[facts["skip"]:], facts["skip"], facts=facts), no_query)
    complete(made)
    return made


def decode_json(plug: Json, data: bytes, **facts: Any) -> Decoded:
    """Decode a whole file, both ways where there are two; checks that every record is a row or a reject."""
    made = plug.decode(Chunk(data, 0, **facts), no_query)
    complete(made)
    if plug.options.layout == "lines":
        same(made, decode(plug, Chunk(data, 0, **facts), vectorised=False))
    return made


@contextmanager
def singly() -> Iterator[None]:
    """CSV records are read one by one, however many there are."""
    few, read._FEW = read._FEW, 1 << 60
    try:
        yield
    finally:
        read._FEW = few


def complete(made: Decoded) -> None:
    """Every record is in the rows or in the rejects, never in both; both rise; raw and position have one entry each."""
    rejected = made.rejects.column("record").to_numpy()
    assert sorted([*made.record.tolist(), *rejected.tolist()]) == list(range(len(made.position)))
    assert (np.diff(made.record) > 0).all()
    assert (np.diff(rejected) > 0).all()
    assert (np.diff(made.position) > 0).all()
    assert len(made.raw) == len(made.position)
    made.rows.validate(full=True)
    made.rejects.validate(full=True)


def same(one: Decoded, other: Decoded) -> None:
    """The two are equal in everything a reader can see."""
    assert one.rows.schema == other.rows.schema
    assert one.rows.to_pylist() == other.rows.to_pylist()
    assert one.record.tolist() == other.record.tolist()
    assert one.rejects.to_pylist() == other.rejects.to_pylist()
    assert one.position.tolist() == other.position.tolist()
    assert one.raw.to_pylist() == other.raw.to_pylist()
    assert dict(one.unknown) == dict(other.unknown)
    assert dict(one.absent) == dict(other.absent)
