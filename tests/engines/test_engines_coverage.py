"""A decoder that loses, doubles or invents a record, whatever it says of itself, is found by the bytes that it was given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.columns import Column, parse_type
from mainstem.engines import coverage
from mainstem.errors import Bug
from mainstem.formats.csv import Csv, CsvOptions
from mainstem.formats.json import Json, JsonOptions
from mainstem.formats.parquet import Parquet, ParquetOptions
from mainstem.plugs import Chunk, Decoded

COLUMNS = (Column("id", parse_type("string")), Column("n", parse_type("int64"), required=True))
LINES = [b'{"id": "a", "n": 1}', b'{"id": "b", "n": "two"}', b'{"id": "c", "n": 3}', b'{"id": "d"', b'{"id": "e", "n": 5}']
CELLS = [b"a,1", b"b,two", b'"c\nc",3', b"d", b"e,5"]


def csv(**options: Any) -> Csv:
    return Csv(CsvOptions(**options), COLUMNS)


def json(**options: Any) -> Json:
    return Json(JsonOptions(**options), COLUMNS)


# name -> (format, bytes): five records each, the 2nd is set aside, the 4th too unless that would break the whole
BYTES: dict[str, tuple[Any, bytes]] = {
    "json lines": (json(), b"\n".join(LINES) + b"\n"),
    "json, the last line open": (json(), b"\n".join(LINES)),
    "json, blank lines and CRLF": (json(), b" \r\n" + b"\r\n\r\n".join(LINES) + b"\r\n  \n"),
    "json document": (json(layout="document"), b"[" + b" ,\n".join([*LINES[:3], b"{}", LINES[4]]) + b" ]\n"),
    "json in a document": (json(layout="document", records="a.b"),
                           b'{"x": [1], "a": {"b": [' + b",".join([*LINES[:3], b"{}", LINES[4]]) + b'], "c": 2}}'),
    "csv": (csv(header=["id", "n"]), b"\n".join(CELLS) + b"\n"),
    "csv, the last line open": (csv(header=["id", "n"]), b"\n".join(CELLS)),
    "csv, CRLF and blank lines": (csv(header=["id", "n"]), b"\r\n" + b"\r\n\r\n".join(CELLS) + b"\r\n\r\n"),
    "csv with comments": (csv(header=["id", "n"], comment="#"), b"# one\n" + b"\n# two, 2\n".join(CELLS) + b"\n#three"),
    "csv with its header": (csv(skip=1), b"\n".join([b"a report", b"", b"id,n", *CELLS]) + b"\n"),
    "csv in another encoding": (csv(encoding="utf-16"), b"\n".join([b"id,n", *CELLS, b""]).decode().encode("utf-16")),
}


def decoded(name: str) -> tuple[Any, Chunk, Decoded]:
    form, data = BYTES[name]
    chunk = Chunk(data, 7 << 40)
    made = form.decode(chunk, None)
    assert len(made.position) == 5
    assert made.rejects.num_rows == 2
    return form, chunk, made


def without(made: Decoded, index: int) -> Decoded:
    """As if the decoder had never seen this record."""
    keep = np.arange(len(made.position)) != index

    def renumbered(which: np.ndarray) -> np.ndarray:
        return np.array(which - (which > index))

    rows, refused = made.record != index, made.rejects.column("record").to_numpy()
    rejects = made.rejects.filter(pa.array(refused != index))
    return dataclasses.replace(
        made, rows=made.rows.filter(pa.array(rows)), record=renumbered(made.record[rows]), position=made.position[keep],
        raw=made.raw.filter(pa.array(keep)),
        rejects=rejects.set_column(0, "record", pa.array(renumbered(rejects.column("record").to_numpy()))))


def twice(made: Decoded, index: int) -> Decoded:
    """As if this record stood there twice."""
    record, refused = np.asarray(made.record), made.rejects.column("record").to_numpy()
    places = np.sort(np.append(np.arange(len(made.position)), index))
    moved, others = record + (record > index), refused + (refused > index)
    rows = np.sort(np.append(np.arange(len(record)), np.flatnonzero(record == index)))
    rejects = np.sort(np.append(np.arange(len(refused)), np.flatnonzero(refused == index)))
    numbers = [np.where(np.append(False, which[1:] == which[:-1]), 1, 0)[: len(which)] for which in (rows, rejects)]
    again = made.rejects.take(pa.array(rejects))
    return dataclasses.replace(
        made, rows=made.rows.take(pa.array(rows)), record=moved[rows] + numbers[0], position=made.position[places],
        raw=made.raw.take(pa.array(places)), rejects=again.set_column(0, "record", pa.array(others[rejects] + numbers[1])))


def invented(made: Decoded, index: int) -> Decoded:
    """A record of no bytes behind this one, where its line ends."""
    more, length = twice(made, index), len(made.raw[index].as_py())
    position, raw = np.array(more.position), more.raw.to_pylist()
    position[index + 1], raw[index + 1] = position[index] + length, b""
    return dataclasses.replace(more, position=position, raw=pa.array(raw, pa.binary()))


def parted(made: Decoded, index: int) -> Decoded:
    """The record taken for two: what belongs together is cut."""
    more, whole = twice(made, index), made.raw[index].as_py()
    position, raw = np.array(more.position), more.raw.to_pylist()
    position[index + 1], raw[index], raw[index + 1] = position[index] + 2, whole[:2], whole[2:]
    return dataclasses.replace(more, position=position, raw=pa.array(raw, pa.binary()))


def shortened(made: Decoded, index: int) -> Decoded:
    """The record lost its last byte."""
    raw = made.raw.to_pylist()
    raw[index] = raw[index][:-1]
    return dataclasses.replace(made, raw=pa.array(raw, pa.binary()))


def refused(form: Any, chunk: Chunk, made: Decoded) -> str:
    with pytest.raises(Bug) as caught:
        coverage.check(form, chunk, made, lambda position: f"at {position}")
    assert caught.value.code == "law.broken"
    assert f"at {chunk.start}" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", BYTES)
def test_an_honest_decoder_accounts_for_every_byte(name: str) -> None:
    assert coverage.check(*decoded(name), str) is None


@pytest.mark.parametrize("change", [without, twice, shortened, invented, parted])
@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("index", range(5))
def test_a_record_overlooked_doubled_shortened_invented_or_parted_is_found(index: int, name: str, change: Callable[..., Decoded]) -> None:
    form, chunk, made = decoded(name)
    assert refused(form, chunk, change(made, index))


@pytest.mark.parametrize("name", BYTES)
def test_all_records_overlooked_are_found(name: str) -> None:
    form, chunk, made = decoded(name)
    for _ in range(5):
        made = without(made, 0)
    assert "bytes that are no record's" in refused(form, chunk, made)


def test_bytes_without_a_record_are_fine() -> None:
    for form, data in ((json(), b""), (json(), b"\n \r\n"), (json(layout="document"), b' {"a": [ ]}'), (json(layout="document"), b"[]"),
                       (csv(header=["id", "n"]), b"\n\r\n"), (csv(), b"id,n\n"), (csv(comment="#", header=["id"]), b"#a\n#b")):
        chunk = Chunk(data, 0)
        made = dataclasses.replace(decoded("csv")[2], position=np.empty(0, np.int64), record=np.empty(0, np.int64),
                                   raw=pa.array([], pa.binary()))
        made = dataclasses.replace(made, rows=made.rows.slice(0, 0), rejects=made.rejects.slice(0, 0))
        assert coverage.check(form, chunk, made, str) is None


def test_a_row_in_the_place_of_another_is_found_though_the_counts_agree() -> None:
    form, chunk, made = decoded("json lines")
    for record in ([0, 0, 4], [0, 2, 3], [4, 2, 0], [0, 2, 9]):
        assert refused(form, chunk, dataclasses.replace(made, record=np.array(record)))
    rejects = made.rejects.set_column(0, "record", pa.array([1, 2]))
    assert refused(form, chunk, dataclasses.replace(made, rejects=rejects))
    assert refused(form, chunk, dataclasses.replace(made, rows=made.rows.slice(1)))
    assert refused(form, chunk, dataclasses.replace(made, raw=made.raw.slice(1)))


@pytest.fixture
def parquet(tmp_path: Path) -> tuple[Parquet, Chunk, Decoded]:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": [*"abcdefgh"], "n": [1, None, 3, None, 5, 6, 7, 8]}), path)
    form = Parquet(ParquetOptions(), COLUMNS)
    chunk = Chunk(b"", 7 << 40 | 2, False, str(path), form.open(str(path), b"") | {"first": 2, "count": 5})
    made = form.decode(chunk, None)
    assert (len(made.position), made.rejects.num_rows) == (5, 1)
    return form, chunk, made


def test_rows_of_a_file_are_counted_by_their_numbers(parquet: tuple[Parquet, Chunk, Decoded]) -> None:
    form, chunk, made = parquet
    coverage.check(form, chunk, made, str)
    for index in range(5):
        assert "5 rows were asked for" in refused(form, chunk, without(made, index))
        assert refused(form, chunk, twice(made, index))
    for index in (0, 3, 4, 5):
        assert refused(form, chunk, without(twice(made, 1), index))
    none = dataclasses.replace(made, rows=made.rows.slice(0, 0), record=made.record[:0], position=made.position[:0],
                               raw=made.raw.slice(0, 0), rejects=made.rejects.slice(0, 0))
    assert "it has 0" in refused(form, chunk, none)
