"""CSV as files: headers, drift, dialects, cuts and writing."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from formats_kit import column, csv_format, decode_csv, no_query, same, singly, strings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mainstem.errors import DataError
from mainstem.formats.csv import CsvOptions, split
from mainstem.formats.csv.exact import record
from mainstem.plugs import Chunk

ID, A = column("id", "string"), column("a", "int64")


# ------------------------------------------------------------------------------------------------- headers


def test_columns_are_found_by_name() -> None:
    made = decode_csv(csv_format((A, ID)), b"z,id,a\n9,r,1\n")
    assert made.rows.to_pylist() == [{"a": 1, "id": "r"}]
    assert dict(made.unknown) == {"z": 0}


def test_header_may_be_given_or_left_out() -> None:
    assert decode_csv(csv_format((ID, A), header=False), b"r,1\n").rows.to_pylist() == [{"id": "r", "a": 1}]
    made = decode_csv(csv_format((ID, A), header=["a", "x", "id"], skip=1), b"title\n1,2,r\n")
    assert made.rows.to_pylist() == [{"id": "r", "a": 1}]
    assert decode_csv(csv_format((column("id", "string", path="Sensor Id"),)), b"Sensor Id\nr\n").rows.to_pylist() == [{"id": "r"}]


def test_header_after_comments_and_blank_lines() -> None:
    made = decode_csv(csv_format((ID, A), comment="#"), b"# one\r\n\r\n# two\r\nid,a\r\nr,1\r\n")
    assert made.rows.to_pylist() == [{"id": "r", "a": 1}]


@pytest.mark.parametrize(("head", "code", "words"), [
    (b"id,a,id\n", "format.duplicate_header", "field 1 and 3"), (b'"id"x,a\n', "format.header", "closing quote"),
    (b'"id,a\nr,1\n', "format.header", "closed"), (b"id,a\rr,1\rs,2\r", "format.line_ends", "CR only"),
])
def test_broken_header_names_the_place(head: bytes, code: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        csv_format((ID, A)).open("in/x.csv", head)
    assert error.value.code == code
    assert error.value.where == "in/x.csv"


def test_wrong_delimiter_is_a_broken_file_not_a_table_of_null() -> None:
    with pytest.raises(DataError) as error:
        decode_csv(csv_format((ID, A)), b"id;a\nr;1\n")
    assert error.value.code == "format.header"


@pytest.mark.parametrize("data", [b"", b"id,a\n", b"id,a", b"\xef\xbb\xbf", b"\xef\xbb\xbfid,a\r\n", b"\n\n"])
def test_empty_file_and_header_only(data: bytes) -> None:
    made = decode_csv(csv_format((ID, A)), data)
    assert made.rows.num_rows == made.rejects.num_rows == 0
    assert made.rows.schema.names == ["id", "a"]
    assert dict(made.unknown) == dict(made.absent) == {}


@pytest.mark.parametrize("many", [1, 50])
def test_drift(many: int) -> None:
    data = b"id,z,y\n" + b'r,"1",\n' * many
    made = decode_csv(csv_format((ID, A)), data)
    assert made.rows.to_pylist() == [{"id": "r", "a": None}] * many
    assert dict(made.unknown) == {"z": 0, "y": 0}
    assert dict(made.absent) == {"a": 0}
    made = decode_csv(csv_format((ID, A), unknown="keep"), data)
    assert made.rows.column("_extra").to_pylist() == ['{"z":"1","y":null}'] * many
    made = decode_csv(csv_format((ID, A), unknown="quarantine"), data)
    assert made.rejects.column("reason").to_pylist() == ["unknown_column"] * many
    made = decode_csv(csv_format((ID, A), missing="quarantine"), data)
    assert made.rejects.column("reason").to_pylist() == ["absent_column"] * many
    made = decode_csv(csv_format((ID, column("a", "int64", required=True))), data)
    assert made.rejects.column("reason").to_pylist() == ["missing"] * many


@pytest.mark.parametrize(("encoding", "text"), [
    ("latin-1", "ü"), ("utf-16", "ü漢"), ("utf-16-le", "漢"), ("shift_jis", "漢"), ("cp1252", "€"),
])
def test_encodings(encoding: str, text: str) -> None:
    plug = csv_format((ID, A), encoding=encoding)
    assert plug.cut_by == "whole"
    made = decode_csv(plug, f"id,a\r\n{text},1\r\n\"{text}\nx\",2\r\n".encode(encoding))
    assert made.rows.to_pylist() == [{"id": text, "a": 1}, {"id": f"{text}\nx", "a": 2}]
    with pytest.raises(DataError) as error:
        decode_csv(csv_format((ID, A), encoding="ascii" if encoding == "latin-1" else "utf-32"), b"\xff\xff,\n")
    assert error.value.code in ("format.encoding", "format.header")


def test_options_are_refused_with_a_reason() -> None:
    for options in ({"delimiter": ";;"}, {"quote": "\n"}, {"encoding": "utf-9"}, {"decimal": "ü"}):
        with pytest.raises(ValidationError):
            CsvOptions(**options)  # type: ignore[arg-type]
    assert CsvOptions(delimiter="tab").delimiter == "\t"


# ------------------------------------------------------------------------------------------------- properties

PIECES = st.sampled_from(["a", "1", "2.5", '"', '""', ",", "\n", "\r\n", "\r", '"x"', '"y,\n"', " ", "é", "#", "NA", "\n,\n"])
TEXT = st.lists(PIECES, max_size=60).map("".join)


def by_hand(data: bytes, dialect: Any) -> list[tuple[int, int]]:
    """Records found one after the other, without any block."""
    place, found = 0, []
    while place < len(data):
        entry = record(data, place, dialect)
        if entry.end > entry.start:
            found.append((entry.start, entry.end))
        place = entry.next
    return found


def blocked(data: bytes, dialect: Any, final: bool) -> tuple[list[tuple[int, int]], int]:
    parts, end = split.split(data, dialect, final)
    found = []
    for part in parts:
        if isinstance(part, split.Block):
            found += list(zip(part.starts.tolist(), part.ends.tolist()))
        elif part.end > part.start:
            found.append((part.start, part.end))
    return found, end


@settings(max_examples=300, deadline=None)
@given(TEXT, st.booleans())
def test_blocks_are_the_records_read_one_by_one(text: str, commented: bool) -> None:
    dialect = csv_format((ID,), comment="#" if commented else None)._dialect()
    data = text.encode()
    assert blocked(data, dialect, True) == (by_hand(data, dialect), len(data))


@settings(max_examples=200, deadline=None)
@given(TEXT, TEXT)
def test_what_is_cut_never_changes_by_what_follows(text: str, more: str) -> None:
    """A record that `cut` calls whole stays as it is, whatever the file goes on with."""
    dialect = csv_format((ID,))._dialect()
    data = text.encode()
    found, end = blocked(data, dialect, False)
    assert found == [span for span in by_hand(data + more.encode(), dialect) if span[0] < end]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT, st.booleans())
def test_both_ways_agree_and_any_cut_gives_the_same(text: str, keep: bool) -> None:
    plug = csv_format((ID, A, column("d", "double", null=("NA",))), header=False, unknown="keep" if keep else "ignore")
    data = (text + "\n" + "x,1,2.5\n" * 40).encode()
    whole = decode_csv(plug, data)
    with singly():
        same(whole, decode_csv(plug, data))
    starts = [0, *whole.position.tolist()[1:], len(data)]
    parts = [plug.decode(Chunk(data[a:b], a, final=b == len(data)), no_query) for a, b in pairwise(starts[::7] + starts[-1:])]
    assert [row for part in parts for row in part.rows.to_pylist()] == whole.rows.to_pylist()
    assert [place for part in parts for place in part.position.tolist()] == whole.position.tolist()
    assert [(r["reason"], r["detail"], r["column"]) for part in parts for r in part.rejects.to_pylist()] == [
        (r["reason"], r["detail"], r["column"]) for r in whole.rejects.to_pylist()]


CELL = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
                 st.sampled_from(["", '"', ",", "\n", "\r\n", "NULL", "007", " x ", "#", "=1+1"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.sampled_from([{}, {"null": ["NULL"]}, {"delimiter": ";", "comment": "#"}]))
def test_text_survives_writing_and_reading(rows: list[tuple[Any, Any]], options: dict[str, Any]) -> None:
    plug = csv_format(strings("a", "b"), **options)
    table = pa.table({"a": pa.array([r[0] for r in rows], pa.string()), "b": pa.array([r[1] for r in rows], pa.string())})
    written = plug.encode(table)
    kept = [{"a": a, "b": b} for a, b in rows]
    assert decode_csv(plug, written).rows.to_pylist() == kept


def test_types_survive_writing_and_reading() -> None:
    rows = pa.table({
        "i": pa.array([2**63 - 1, -(2**63), None], pa.int64()), "d": pa.array([0.1, 1e300, None]), "b": [True, None, False],
        "n": pa.array([Decimal("1.50"), None, Decimal("-0.0000001")], pa.decimal128(20, 7)),
        "t": pa.array([0, 1_500_000, None], pa.timestamp("us", "UTC")), "day": pa.array([0, None, 1], pa.date32()),
        "x": pa.array([b"\0\xff", None, b"a"]), "l": pa.array([[1, None], [], None], pa.list_(pa.int64())),
    })
    kinds = ("int64", "double", "boolean", "decimal(20,7)", "timestamp", "date", "binary", "json")
    plug = csv_format(tuple(column(name, kind) for name, kind in zip(rows.column_names, kinds)))
    made = decode_csv(plug, plug.encode(rows))
    assert made.rejects.to_pylist() == []
    assert made.rows.drop(["l"]).to_pylist() == rows.drop(["l"]).to_pylist()
    assert made.rows.column("l").to_pylist() == ["[1,null]", "[]", None]


def test_nan_and_lonely_null_are_written_as_declared() -> None:
    rows = pa.table({"d": [1.5, None, math.nan]})
    assert csv_format(()).encode(rows) == b'd\n1.5\n""\nnan\n'
    assert csv_format((), nan="null", null=["NA"], decimal=",").encode(rows) == b'd\n"1,5"\nNA\nNA\n'
    assert csv_format((), header=False, delimiter="tab").encode(pa.table({"a": ["x\ty"], "b": [1]})) == b'"x\ty"\t1\n'
