"""JSON as files: drift, limits, cuts, documents and writing."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from formats_kit import column, complete, decode_json, json_format, no_query, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.errors import DataError
from mainstem.formats.json.lines import decode
from mainstem.plugs import Chunk

ID, A = column("id", "string", required=True), column("a", "int64")
FILLER = b'{"id":"x","a":0}\n'


@pytest.mark.parametrize("many", [0, 50])
def test_unknown_members(many: int) -> None:
    data = FILLER * many + b'{"id":"r","z":1.50,"y":"q"}\n{"id":"s","a":2}\n{"id":"t","z":{"k":[1]}}\n'
    made = decode_json(json_format((ID, A)), data)
    assert made.rejects.num_rows == 0
    assert dict(made.unknown) == {"z": many, "y": many}
    assert dict(made.absent) == {"a": many}

    made = decode_json(json_format((ID, A), unknown="quarantine"), data)
    assert made.rejects.to_pylist() == [
        {"record": many, "reason": "unknown_column", "detail": "'z' is not declared", "column": "z"},
        {"record": many + 2, "reason": "unknown_column", "detail": "'z' is not declared", "column": "z"},
    ]
    made = decode_json(json_format((ID, A), unknown="keep"), data)
    assert made.rows.column("_extra").to_pylist()[many:] == ['{"z":1.50,"y":"q"}', None, '{"z":{"k":[1]}}']


@pytest.mark.parametrize("many", [0, 50])
def test_missing_members(many: int) -> None:
    data = FILLER * many + b'{"id":"r"}\n{"a":1}\n{"id":"s","a":null}\n'
    made = decode_json(json_format((ID, A), missing="quarantine"), data)
    assert [(r["record"] - many, r["reason"], r["column"]) for r in made.rejects.to_pylist()] == [
        (0, "absent_column", "a"), (1, "missing", "id")]
    assert dict(made.absent) == {"a": many, "id": many + 1}


def test_arrival_clock_is_no_drift() -> None:
    made = decode_json(json_format((ID,), unknown="quarantine"), b'{"id":"r","sent":1}\n' * 40, clock_column="sent")
    assert made.rows.num_rows == 40


def test_nested_paths() -> None:
    columns = (column("site", "string", path="meta.site"), column("x", "double", path="geo.at.0"), column("a", "int64"))
    made = decode_json(json_format(columns), b'{"meta":{"site":"b"},"geo":{"at":[1.5,2]},"a":1}\n{"meta":3,"geo":{"at":[]}}\n')
    assert made.rows.to_pylist() == [{"site": "b", "x": 1.5, "a": 1}, {"site": None, "x": None, "a": None}]
    assert dict(made.absent) == {"site": 1, "x": 1, "a": 1}
    assert dict(made.unknown) == {}


def test_too_long_is_set_aside_and_named() -> None:
    data = FILLER * 40 + b'{"id":"' + b"y" * 5000 + b'"}\n' + FILLER * 40
    made = decode_json(json_format((ID, A), max_record_bytes="1KB"), data)
    assert made.rejects.column("reason").to_pylist() == ["too_long"]
    assert made.rows.num_rows == 80


def test_blank_lines_and_mixed_line_ends_are_no_records() -> None:
    data = b'\n\r\n{"id":"a"}\r\n   \n\t\n{"id":"b"}\n\n' + FILLER * 40
    made = decode_json(json_format((ID, A)), data)
    assert made.rows.num_rows == 42
    assert made.position.tolist()[:2] == [data.index(b'{"id":"a"'), data.index(b'{"id":"b"')]
    assert made.raw[0].as_py() == b'{"id":"a"}'


def test_byte_order_mark_is_stripped_at_the_start_only() -> None:
    plug = json_format((ID, A))
    assert plug.open("x", b'\xef\xbb\xbf{"id"') == {"skip": 3}
    assert plug.open("x", b'{"id"') == {"skip": 0}


@pytest.mark.parametrize("many", [0, 50])
def test_last_line_without_end(many: int) -> None:
    plug = json_format((ID, A))
    made = decode_json(plug, FILLER * many + b'{"id":"r"}')
    assert made.rejects.num_rows == 0
    made = decode_json(plug, FILLER * many + b'{"id":"r","a')
    assert made.rejects.column("reason").to_pylist() == ["cut_off"]
    made = decode_json(plug, FILLER * many + b'{"id":"r","a\n')
    assert made.rejects.column("reason").to_pylist() == ["not_json"]


def test_cut_is_behind_the_last_line_end() -> None:
    plug = json_format((ID, A))
    data = FILLER * 3 + b'{"id'
    assert plug.cut(memoryview(data), {}, False) == len(FILLER) * 3
    assert plug.cut(memoryview(data), {}, True) == len(data)
    assert plug.cut(memoryview(b'{"id"'), {}, False) == 0
    assert plug.cut(memoryview(b"\n" + b"x" * 300_000), {}, False) == 1


def test_empty_chunk() -> None:
    made = decode_json(json_format((ID, A)), b"")
    assert made.rows.schema.names == ["id", "a"]
    assert made.rows.num_rows == made.rejects.num_rows == len(made.position) == 0


# ------------------------------------------------------------------------------------------------- documents


def test_document_with_path_and_byte_positions() -> None:
    text = '{"ü":{"a":1,"a":2},"data":{"items":[ {"id":"é","a":1}, 3 ,{"id":"b","id":"c"},\n{"id":"\\ud800"}],"n":2},"z":[]} '
    made = decode_json(json_format((ID, A), layout="document", records="data.items"), text.encode())
    assert made.rows.to_pylist() == [{"id": "é", "a": 1}]
    assert made.rejects.column("reason").to_pylist() == ["not_object", "duplicate_key", "bad_escape"]
    assert [text.encode()[p:p + len(r)] for p, r in zip(made.position, made.raw.to_pylist())] == made.raw.to_pylist()


@pytest.mark.parametrize(("text", "code"), [
    ('[{"id":"a"},', "format.not_json"), ('[{"id":"a"}', "format.not_json"), ('[{"id":"a"}] x', "format.not_json"),
    ('[{"id":"a"} {"id":"b"}]', "format.not_json"), ('[{"id":"a"},]', "format.not_json"), ("", "format.not_json"),
    ('[{"id":NaN}]', "format.not_json"), ("[" * 100_000, "format.not_json"),
    ('{"id":"a"}\n{"id":"b"}', "format.not_json"),
])
def test_broken_document_gives_no_rows(text: str, code: str) -> None:
    with pytest.raises(DataError) as error:
        decode_json(json_format((ID,), layout="document"), text.encode())
    assert error.value.code == code


@pytest.mark.parametrize("text", ['{"b":1}', "[]", '{"a":{"b":[]}}', '{"a":[', '{"a":3}', '{"a" 3}'])
def test_document_without_its_records(text: str) -> None:
    with pytest.raises(DataError) as error:
        decode_json(json_format((ID,), layout="document", records="a"), text.encode())
    assert error.value.code in ("format.records", "format.not_json")


def test_document_of_one_object_or_none() -> None:
    plug = json_format((ID,), layout="document")
    assert decode_json(plug, b' {"id":"a"}\n').rows.to_pylist() == [{"id": "a"}]
    assert decode_json(plug, b" [ ] ").rows.num_rows == 0
    assert plug.cut_by == "whole"
    assert plug.cut(memoryview(b"[1]\n"), {}, False) == 0


# ------------------------------------------------------------------------------------------------- writing

ROWS = pa.table({
    "s": pa.array(['a"b\\\n', "", None, "\0é"]), "i": pa.array([2**63 - 1, 2**53, -(2**53) - 1, None], pa.int64()),
    "d": pa.array([0.1, 1e300, None, -0.0]), "b": pa.array([True, None, False, True]),
    "n": pa.array([Decimal("1.50"), None, Decimal("-0.01"), Decimal("0.00")], pa.decimal128(10, 2)),
    "t": pa.array([0, 1_500_000, None, -1], pa.timestamp("us", "UTC")), "day": pa.array([0, None, 1, 2], pa.date32()),
    "x": pa.array([b"\0\xff", None, b"", b"a"]), "l": pa.array([[1, None], [], None, [3]], pa.list_(pa.int64())),
    "o": pa.array([{"p": 1.5, "q": "r"}, None, {"p": None, "q": ""}, {"p": 1.0, "q": None}]),
})
TYPES = ("string", "int64", "double", "boolean", "decimal(10,2)", "timestamp", "date", "binary", "list<int64>",
         "struct<p: double, q: string>")


@pytest.mark.parametrize("layout", ["lines", "document"])
def test_round_trip(layout: str) -> None:
    columns = tuple(column(name, kind) for name, kind in zip(ROWS.column_names, TYPES))
    plug = json_format(columns, layout=layout)
    made = decode_json(plug, plug.encode(ROWS))
    assert made.rejects.to_pylist() == []
    assert made.rows.to_pylist() == ROWS.to_pylist()


def test_output_is_always_json() -> None:
    rows = pa.table({"d": [math.nan, math.inf, -math.inf, 1.0], "i": pa.array([2**53, 2**53 + 1, 1, None], pa.int64())})
    lines = [json.loads(line) for line in json_format(()).encode(rows).splitlines()]
    assert [line["d"] for line in lines] == [None, None, None, 1.0]
    assert [line["i"] for line in lines] == [2**53, 2**53 + 1, 1, None]
    texts = [json.loads(line) for line in json_format((), nan="string", large_integers="string").encode(rows).splitlines()]
    assert [line["d"] for line in texts] == ["NaN", "Infinity", "-Infinity", 1.0]
    assert [line["i"] for line in texts] == [2**53, str(2**53 + 1), 1, None]
    with pytest.raises(DataError) as error:
        json_format((), nan="reject").encode(rows)
    assert error.value.code == "format.nan"


def test_json_columns_are_written_as_they_are() -> None:
    plug = json_format((column("j", "json"),))
    assert plug.encode(pa.table({"j": ['{"a":1.50}', None]})) == b'{"j":{"a":1.50}}\n{"j":null}\n'


# ------------------------------------------------------------------------------------------------- properties

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
                    st.text(max_size=6), st.sampled_from(["2026-01-01T00:00:00Z", "7", "NA", '"', "\\", "{", ":x", ","]))
VALUES = st.recursive(SCALARS, max_leaves=3, extend=lambda inner: (
    st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)))
RECORD = st.dictionaries(st.sampled_from(["id", "a", "d", "t", "b", "z", "é"]), VALUES, max_size=6)
MIXED = (ID, A, column("d", "double"), column("t", "timestamp"), column("b", "boolean", null=("NA",)))


@st.composite
def record_lines(draw: Any) -> bytes:
    """Lines written in several styles, some of them damaged."""
    line = json.dumps(draw(RECORD), ensure_ascii=draw(st.booleans()),
                      separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]))).encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from(["none"] * 4 + ["cut", "byte", "drop", "twice"]))
    at = draw(st.integers(0, max(len(line) - 1, 0)))
    if damage == "cut":
        line = line[:at]
    elif damage == "byte":
        line = line[:at] + draw(st.sampled_from([b'"', b",", b"}", b"\\", b"\xff", b":", b"1", b" "])) + line[at + 1:]
    elif damage == "drop":
        line = line[:at] + line[at + 1:]
    elif damage == "twice":
        line = line[:at] + line[at:at + 1] + line[at:]
    return line.replace(b"\n", b"").replace(b"\r", b"")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(record_lines(), max_size=12), st.sampled_from(["ignore", "quarantine", "keep"]),
       st.sampled_from(["null", "quarantine"]))
def test_both_ways_agree_on_anything(lines: list[bytes], unknown: str, missing: str) -> None:
    data = b"\n".join([*lines, *[b'{"id":"f","a":1,"d":2.5,"t":null,"b":true}'] * 32])
    plug = json_format(MIXED, unknown, missing)
    made = plug.decode(Chunk(data, 7), no_query)
    complete(made)
    same(made, decode(plug, Chunk(data, 7), vectorised=False))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(record_lines(), min_size=1, max_size=10), st.data())
def test_any_cut_at_record_ends_gives_the_same(lines: list[bytes], choice: Any) -> None:
    plug = json_format(MIXED, "keep")
    data = b"\n".join(lines * 5)
    ends = [place + 1 for place, byte in enumerate(data) if byte == 10]
    cuts = sorted({0, len(data), *choice.draw(st.lists(st.sampled_from(ends or [0]), max_size=4))})
    whole = plug.decode(Chunk(data, 0), no_query)
    parts = [plug.decode(Chunk(data[a:b], a, final=b == len(data)), no_query) for a, b in pairwise(cuts)]
    assert [row for part in parts for row in part.rows.to_pylist()] == whole.rows.to_pylist()
    assert [place for part in parts for place in part.position.tolist()] == whole.position.tolist()
    fields = ("reason", "detail", "column")
    assert [tuple(r[f] for f in fields) for part in parts for r in part.rejects.to_pylist()] == [
        tuple(r[f] for f in fields) for r in whole.rejects.to_pylist()]
