"""What a format wrote it gives back, every type and value that it has a word for."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.columns import Column, Type, parse_type
from mainstem.errors import DataError
from mainstem.plugs import find

NAN, INF = math.nan, math.inf
TYPES = {name: parse_type(name) for name in (
    "string", "boolean", "int8", "int64", "uint64", "float", "double", "date", "timestamp", "binary", "json", "decimal(38,10)",
    "list<int64>", "list<double>", "list<struct<a: string, b: double>>", "struct<at: timestamp, on: date, exact: decimal(20,2), raw: binary>")}
TYPES |= {name: Type(name) for name in ("time", "timestamp_local", "hugeint")}
VALUES: dict[str, list[Any]] = {
    "string": ["", " ", "NULL", "NaN", 'a,"b"\r\n;c', "\u0000", "é", "#x", None],
    "boolean": [True, False, None],
    "int8": [-128, 127, None],
    "int64": [2**53 + 1, -2**63, None],
    "uint64": [2**64 - 1, 0, None],
    "float": [1.5, -0.0, 3.4028234663852886e38, None],
    "double": [0.1, 5e-324, 1.7976931348623157e308, None],
    "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None],
    "timestamp": [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC), None],
    "binary": [b"", b"\x00\xff\n", None],
    "json": ['{"a":[1,null,"x"]}', '"NaN"', None],
    "decimal(38,10)": [Decimal("9999999999999999999999999999.9999999999"), Decimal("-0.0000000001"), None],
    "list<int64>": [[2**53 + 1, None], [], None],
    "list<double>": [[0.1, None], [], None],
    "list<struct<a: string, b: double>>": [[{"a": "null", "b": 0.1}, None, {"a": None, "b": None}], [], None],
    "struct<at: timestamp, on: date, exact: decimal(20,2), raw: binary>": [
        {"at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "on": dt.date(2026, 3, 1), "exact": Decimal("0.10"), "raw": b"\xff"},
        {"at": None, "on": None, "exact": None, "raw": None}, None],
    "time": [dt.time(0, 0), dt.time(23, 59, 59, 999999), None],
    "timestamp_local": [dt.datetime.fromisoformat("2026-03-29T02:30:00.000001"), None],
    "hugeint": [Decimal(10**38 - 1), Decimal(-1), None],
}
FORMS = [("csv", {}), ("csv", {"delimiter": ";", "decimal": ",", "encoding": "utf-16"}), ("csv", {"header": False, "null": ["NULL", "127"]}),
         ("csv", {"header": ["x"], "skip": 1, "comment": "-", "max_record_bytes": "64B"}),
         ("json", {}), ("json", {"nan": "string", "large_integers": "string"}), ("json", {"layout": "document"}), ("parquet", {})]


def returned(kind: str, options: dict[str, Any], name: str, values: list[Any], alone: bool = False) -> list[Any]:
    plug = find("formats", kind)
    columns = (Column("x", TYPES[name]),) if alone else (Column("x", TYPES[name]), Column("n", TYPES["int64"]))
    form = plug(plug.Options.model_validate(options), columns, "ignore", "null")
    rows = pa.table({"x": pa.array(values, columns[0].type.arrow), "n": pa.array(range(len(values)), pa.int64())})
    rows = rows.select([column.name for column in columns])
    content = form.encode(rows)
    assert form.counted(content) == len(values), "what a file has is counted without reading it back"
    found = form.restore(content)
    assert found.schema == rows.schema
    assert alone or found.column("n").equals(rows.column("n"))
    return found.column("x").to_pylist()  # type: ignore[no-any-return]


def written(name: str) -> list[str]:
    return list(map(repr, pa.array(VALUES[name], TYPES[name].arrow).to_pylist()))


@pytest.mark.parametrize(("kind", "options"), FORMS)
@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_back(kind: str, options: dict[str, Any], name: str) -> None:
    assert list(map(repr, returned(kind, options, name, VALUES[name]))) == written(name)
    assert returned(kind, options, name, []) == []


@pytest.mark.parametrize(("kind", "options"), [("csv", {}), ("csv", {"delimiter": ";", "decimal": ","}), ("json", {"nan": "string"}),
                                               ("parquet", {})])
@pytest.mark.parametrize("name", ["float", "double"])
def test_nan_and_infinities_come_back_where_they_are_written(kind: str, options: dict[str, Any], name: str) -> None:
    values = [NAN, INF, -INF, 1.5, None]
    assert repr(returned(kind, options, name, values)) == repr(values)


@pytest.mark.parametrize(("kind", "options"), [("csv", {"null": ["NULL"]}), ("json", {}), ("parquet", {})])
@pytest.mark.parametrize("name", ["string", "binary", "int64", "double", "list<int64>"])
def test_a_column_that_is_alone_comes_back(kind: str, options: dict[str, Any], name: str) -> None:
    assert list(map(repr, returned(kind, options, name, VALUES[name], alone=True))) == written(name)
    if name not in ("string", "binary"):
        assert returned(kind, options | {"null": []} if kind == "csv" else options, name, [None], alone=True) == [None]


def test_null_in_a_text_column_that_is_alone_is_refused_where_it_would_read_as_empty() -> None:
    with pytest.raises(DataError, match=r"format\.unwritable.*null: \[NULL\]"):
        returned("csv", {}, "string", [None], alone=True)
    assert returned("csv", {}, "string", ["", "a"], alone=True) == ["", "a"]


@pytest.mark.parametrize(("kind", "options"), [("csv", {}), ("json", {"nan": "string"}), ("parquet", {})])
def test_nan_in_nested_values_comes_back_where_it_is_written(kind: str, options: dict[str, Any]) -> None:
    values = [[NAN, None, -INF], None]
    assert repr(returned(kind, options, "list<double>", values)) == repr(values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(), min_size=1), st.sampled_from(FORMS))
def test_any_text_comes_back(values: list[str | None], form: tuple[str, dict[str, Any]]) -> None:
    assert returned(*form, "string", values) == values


@pytest.mark.parametrize("text", ["a,b", "", "NA", "a\nb"])
def test_what_cannot_be_written_without_quotes_is_refused(text: str) -> None:
    plug = find("formats", "csv")
    form = plug(plug.Options(quote=None, null=["NA"]), (Column("x", TYPES["string"]), Column("y", TYPES["int64"])), "ignore", "null")
    assert form.restore(form.encode(pa.table({"x": ['say "hi"', None], "y": [1, None]}))).to_pylist() == [
        {"x": 'say "hi"', "y": 1}, {"x": None, "y": None}]
    with pytest.raises(DataError, match=r"format\.unwritable.*quote: null"):
        form.encode(pa.table({"x": [text], "y": [1]}))


@pytest.mark.parametrize(("kind", "data"), [("csv", b"x\n12a\n"), ("csv", b"y\n1\n"), ("json", b'{"x":"a"}\n'), ("json", b'{"x":1\n'),
                                            ("parquet", b"PAR1 not")])
def test_a_file_that_somebody_changed_is_an_error(kind: str, data: bytes) -> None:
    plug = find("formats", kind)
    form = plug(plug.Options(), (Column("x", TYPES["int64"]),), "ignore", "null")
    with pytest.raises((ValueError, DataError)):
        form.restore(data)


@pytest.mark.parametrize("layout", ["lines", "document"])
def test_json_text_of_several_lines_is_written_as_one_record(layout: str) -> None:
    plug = find("formats", "json")
    form = plug(plug.Options(layout=layout), (Column("x", TYPES["json"]),), "ignore", "null")
    content = form.encode(pa.table({"x": ['{"a":\r\n 1,\n "b": "c\\nd"}', None]}))
    assert content.count(b"\n") == form.counted(content) == 2
    assert json.loads(form.restore(content).column("x")[0].as_py()) == {"a": 1, "b": "c\nd"}
