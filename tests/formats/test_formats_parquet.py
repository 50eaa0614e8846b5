"""Parquet: ranges of rows, exact casts or rejects, drift, damaged files, and the vectors of apache/parquet-testing."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from formats_kit import column, complete, no_query

from mainstem.errors import DataError
from mainstem.formats.parquet import Parquet, ParquetOptions
from mainstem.plugs import Chunk, Decoded

UTC = dt.UTC


def plug_for(*columns: Any, unknown: str = "ignore", missing: str = "null") -> Parquet:
    return Parquet(ParquetOptions(), columns, unknown, missing)


def decoded(plug: Parquet, path: Path, start: int = 0, **facts: int) -> Decoded:
    made = plug.decode(Chunk(b"", start, path=str(path), facts=facts), no_query)
    complete(made)
    return made


def write(path: Path, group: int = 1000, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path


def test_ranges_of_rows_join_up(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", group=3, a=list(range(10)), b=[str(n) for n in range(10)])
    plug = plug_for(column("b", "string"), column("a", "int64"))
    assert plug.open(str(path), b"") == {"skip": 0, "rows": 10, "groups": [3, 3, 3, 1]}
    whole = decoded(plug, path, 7 << 40)
    assert whole.rows.to_pylist() == [{"b": str(n), "a": n} for n in range(10)]
    assert whole.position.tolist() == [(7 << 40) + n for n in range(10)]
    for cuts in ([0, 3, 6, 10], [0, 1, 5, 9, 10], [0, 10]):
        rows = []
        for first, end in pairwise(cuts):
            part = decoded(plug, path, (7 << 40) + first, first=first, count=end - first)
            assert part.position.tolist() == [(7 << 40) + n for n in range(first, end)]
            rows += part.rows.to_pylist()
        assert rows == whole.rows.to_pylist()
    assert decoded(plug, path, 10).rows.num_rows == 0


CASES: list[tuple[str, pa.Array, dict[str, Any], str, Any]] = [
    ("widened", pa.array([1], pa.int32()), {}, "int64", 1),
    ("narrowed", pa.array([127], pa.int64()), {}, "int8", 127),
    ("narrowed_over", pa.array([128], pa.int64()), {}, "int8", "out_of_range"),
    ("uint64_over", pa.array([2**63], pa.uint64()), {}, "int64", "out_of_range"),
    ("whole_double", pa.array([9.0]), {}, "int64", 9),
    ("fraction", pa.array([9.7]), {}, "int64", "inexact"),
    ("nan_to_int", pa.array([math.nan]), {}, "int64", "out_of_range"),
    ("infinite", pa.array([math.inf]), {}, "double", math.inf),
    ("int_to_double", pa.array([3]), {}, "double", 3.0),
    ("int_to_decimal", pa.array([3]), {}, "decimal(5,2)", Decimal("3.00")),
    ("decimal_same", pa.array([Decimal("1.50")]), {}, "decimal(10,3)", Decimal("1.500")),
    ("decimal_inexact", pa.array([Decimal("1.55")]), {}, "decimal(10,1)", "inexact"),
    ("decimal_to_int", pa.array([Decimal("2.00")]), {}, "int64", 2),
    ("text", pa.array(["a"], pa.large_string()), {}, "string", "a"),
    ("dictionary", pa.array(["a"]).dictionary_encode(), {}, "string", "a"),
    ("null", pa.array([None], pa.int64()), {"required": True}, "int64", "missing"),
    ("time_ns", pa.array([1_000], pa.timestamp("ns", "UTC")), {}, "timestamp", dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    ("time_ns_lossy", pa.array([1_001], pa.timestamp("ns", "UTC")), {}, "timestamp", "inexact"),
    ("time_ns_truncated", pa.array([1_001], pa.timestamp("ns", "UTC")), {"precision": "truncate"}, "timestamp",
     dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    ("time_ms", pa.array([5], pa.timestamp("ms", "UTC")), {}, "timestamp", dt.datetime(1970, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)),
    ("time_local", pa.array([0], pa.timestamp("us")), {}, "timestamp", "bad_timestamp"),
    ("time_local_zone", pa.array([0], pa.timestamp("us")), {"zone": "Europe/Berlin"}, "timestamp",
     dt.datetime(1969, 12, 31, 23, tzinfo=UTC)),
    ("epoch", pa.array([5]), {"format": "epoch_s"}, "timestamp", dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)),
    ("list", pa.array([[1, None]]), {}, "list<int64>", [1, None]),
    ("json", pa.array([{"a": 1}]), {}, "json", '{"a":1}'),
    ("json_nan", pa.array([[math.nan, None]]), {}, "json", '["NaN",null]'),
]


@pytest.mark.parametrize(("array", "facts", "kind", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_value(tmp_path: Path, array: pa.Array, facts: dict[str, Any], kind: str, expected: Any) -> None:
    path = write(tmp_path / "a.parquet", id=["r"], a=array)
    made = decoded(plug_for(column("a", kind, **facts), column("id", "string")), path)
    if isinstance(expected, str) and "_" in expected + "_" and made.rejects.num_rows:
        assert made.rejects.column("reason").to_pylist() == [expected]
        assert made.rejects.column("column").to_pylist() == ["a"]
        assert json.loads(made.raw[0].as_py())["id"] == "r"
    else:
        assert made.rows.column("a").to_pylist() == [expected]
        assert made.rows.schema.field("a").type == column("a", kind).type.arrow


def test_one_bad_value_costs_its_row_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", a=[1.0, 2.5, 3.0, None], b=["x", "y", None, "z"])
    made = decoded(plug_for(column("a", "int64"), column("b", "string", required=True)), path)
    assert made.rows.to_pylist() == [{"a": 1, "b": "x"}, {"a": None, "b": "z"}]
    assert made.record.tolist() == [0, 3]
    assert [(r["record"], r["reason"], r["column"]) for r in made.rejects.to_pylist()] == [(1, "inexact", "a"), (2, "missing", "b")]
    assert made.raw.to_pylist() == [None, b'{"a":2.5,"b":"y"}', b'{"a":3.0,"b":null}', None]


@pytest.mark.parametrize(("array", "kind"), [
    (["1"], "int64"), ([1], "string"), ([1], "boolean"), ([True], "int64"), (["2026-01-01"], "date"), ([1], "timestamp"),
    ([[1]], "double"), ([1.5], "binary"),
])
def test_quite_another_type_is_an_error_of_the_file(tmp_path: Path, array: Any, kind: str) -> None:
    path = write(tmp_path / "a.parquet", a=array)
    with pytest.raises(DataError) as error:
        decoded(plug_for(column("a", kind)), path)
    assert error.value.code == "format.column_type"


def test_drift(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", a=[1, 2], z=["q", None])
    made = decoded(plug_for(column("a", "int64"), column("b", "string")), path)
    assert (dict(made.unknown), dict(made.absent)) == ({"z": 0}, {"b": 0})
    made = decoded(plug_for(column("a", "int64"), unknown="keep"), path)
    assert made.rows.column("_extra").to_pylist() == ['{"z":"q"}', '{"z":null}']
    made = decoded(plug_for(column("a", "int64"), unknown="quarantine"), path)
    assert made.rejects.column("reason").to_pylist() == ["unknown_column"] * 2
    made = decoded(plug_for(column("a", "int64"), column("b", "string"), missing="quarantine"), path)
    assert made.rejects.column("reason").to_pylist() == ["absent_column"] * 2
    made = decoded(plug_for(column("a", "int64"), column("b", "string", required=True)), path)
    assert made.rejects.column("reason").to_pylist() == ["missing"] * 2
    with pytest.raises(DataError) as error:
        decoded(plug_for(column("q", "int64")), path)
    assert error.value.code == "format.header"


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", a=[1])
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:-7])
    text = tmp_path / "text.parquet"
    text.write_text("a,b\n1,2\n")
    for bad in (cut, text):
        with pytest.raises(DataError) as error:
            plug_for(column("a", "int64")).open(str(bad), b"")
        assert error.value.code == "format.parquet"


def test_round_trip(tmp_path: Path) -> None:
    rows = pa.table({
        "i": pa.array([2**63 - 1, None]), "d": [math.nan, -0.0], "s": ["", None], "x": [b"\0", None],
        "n": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)), "t": pa.array([1, None], pa.timestamp("us", "UTC")),
    })
    kinds = ("int64", "double", "string", "binary", "decimal(10,2)", "timestamp")
    plug = plug_for(*(column(name, kind) for name, kind in zip(rows.column_names, kinds)))
    path = tmp_path / "a.parquet"
    path.write_bytes(plug.encode(rows))
    made = decoded(plug, path)
    assert made.rows.schema.types == rows.schema.types
    assert repr(made.rows.to_pylist()) == repr(rows.to_pylist())


def test_parquet_testing_vectors(data: Path) -> None:
    """Every file is read, or refused with our error; nothing else comes out."""
    read, refused = 0, []
    folder = data / "formats/columnar/parquet"
    for path in sorted([*folder.glob("data/*.parquet"), *folder.glob("bad_data/*.parquet")]):
        if path.name.startswith("large_string_map"):    # one value of 2 GiB: it would be refused, but only after minutes
            continue
        try:
            facts = plug_for().open(str(path), b"")
            names = pq.ParquetFile(path).schema_arrow.names
            made = decoded(plug_for(*(column(name, "json") for name in dict.fromkeys(names))), path)
        except DataError as error:
            refused.append((path.name, error.code))
            continue
        assert made.rows.num_rows + made.rejects.num_rows == facts["rows"]
        for text in made.rows.columns[0].to_pylist()[:3]:
            assert text is None or json.loads(text) is not None
        read += 1
    assert read >= 36, refused
    assert {code for _, code in refused} == {"format.parquet"}
    assert any("ARROW-GH" in name for name, _ in refused)
