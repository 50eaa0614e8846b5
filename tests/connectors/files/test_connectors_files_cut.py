"""Cutting: whatever the budget, every byte is in exactly one range, at record ends, in bounded memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from connectors_kit import Lines, Reader, Rows
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.connectors.files import cutting
from mainstem.plugs import Budget

LINE = st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").replace(b"!", b"") + b"\n")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(LINE, max_size=40), max_size=5), st.integers(1, 400), st.integers(1, 40),
       st.sampled_from(["source", "file"]))
def test_every_cut_gives_the_same_records(files: list[list[bytes]], budget: int, rows: int, partition: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "in").mkdir()
        for number, lines in enumerate(files):
            (project / "in" / f"{number}.txt").write_bytes(b"".join(lines))
        reader = Reader(project, partition=partition, path="in/", duplicates="read", compression="none")
        chunks = reader.all(Budget(rows, budget))
        assert b"".join(chunk.data for chunk in chunks) == b"".join(line for lines in files for line in lines)
        assert all(bytes(chunk.data).endswith(b"\n") for chunk in chunks)
        offsets = [0] * len(files)
        for chunk in chunks:
            number, offset = chunk.start >> 40, chunk.start & ((1 << 40) - 1)
            assert offset == offsets[number]
            offsets[number] += len(chunk.data)
        assert [one.start for one in reader.ranges] == sorted(one.start for one in reader.ranges)


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_a_growing_file_gives_the_same_records_however_it_was_written(content: bytes, stops: list[int]) -> None:
    content = content.replace(b"!", b"?") + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "in").mkdir()
        reader = Reader(project, path="in/", duplicates="read", compression="none")
        found = b""
        for stop in [*sorted(stops), len(content)]:
            (project / "in" / "a.txt").write_bytes(content[:stop])
            found += reader.text()
        assert found == content


def test_a_large_file_is_cut_into_several_ranges_per_epoch(tmp_path: Path) -> None:
    line = b"0123456789abcdef0123456789abcde\n"
    (tmp_path / "a.txt").write_bytes(line * 400_000)
    reader = Reader(tmp_path, path="a.txt")
    chunks = reader.look(Budget(100_000, 32 << 20))
    assert len(reader.ranges) >= 4
    assert 90_000 <= sum(len(chunk.data) for chunk in chunks) // len(line) <= 130_000
    chunks += reader.all(Budget(1 << 30, 2 << 20))
    assert b"".join(chunk.data for chunk in chunks) == line * 400_000
    assert [chunk.final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_bytes_before_the_first_record_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"header\n1\n2\n")
    chunk = Reader(tmp_path, Lines(skip=7), path="a.txt").all()[0]
    assert (chunk.data, chunk.start) == (b"1\n2\n", 7)
    (tmp_path / "b.txt").write_bytes(b"header\n")
    assert Reader(tmp_path, Lines(skip=7), path="b.txt").all() == []


def test_a_record_longer_than_a_range_is_one_range(tmp_path: Path) -> None:
    long = b"x" * 3_000_000 + b"\n"
    (tmp_path / "a.txt").write_bytes(b"1\n" + long + b"2\n")
    chunks = Reader(tmp_path, path="a.txt").all(Budget(1000, 1 << 20))
    assert b"".join(chunk.data for chunk in chunks) == b"1\n" + long + b"2\n"
    assert all(chunk.data.endswith(b"\n") for chunk in chunks)  # type: ignore[union-attr]


def test_a_record_without_an_end_is_named_and_what_is_before_it_is_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cutting, "_LONGEST", 1 << 16)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes(b"1\n" * 50_000 + b"x" * (1 << 22))
    (tmp_path / "in" / "b.txt").write_bytes(b"2\n")
    reader = Reader(tmp_path, path="in/", complete=True)
    chunks = reader.all(Budget(1000, 1 << 20))
    assert b"2\n" in [chunk.data for chunk in chunks]
    assert reader.outcomes() == {"in/a.txt": "record_too_long"}
    assert sum(len(chunk.data) for chunk in chunks if chunk.start >> 40 == 0) == 100_000


def test_files_cut_by_rows_are_cut_at_their_groups(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"abcd" * 35)
    (tmp_path / "in" / "b").write_bytes(b"abcd" * 3)
    reader = Reader(tmp_path, Rows(), path="in/")
    chunks = reader.all(Budget(80, 1 << 20))
    assert [(chunk.start >> 40, chunk.facts["first"], chunk.facts["count"], chunk.final) for chunk in chunks] == [
        (0, 0, 20, False), (0, 20, 15, True), (1, 0, 3, True)]
    assert all(chunk.data == b"" and chunk.path for chunk in chunks)
    big = Reader(tmp_path / "other", Rows(), path=str(tmp_path / "in" / "a"), complete=True).all(Budget(8, 1 << 20))
    assert sum(chunk.facts["count"] for chunk in big) == 35, "a group larger than the budget is cut inside"


def test_parquet_is_read_by_rows_through_its_format(tmp_path: Path) -> None:
    from mainstem.columns import Column, Type
    from mainstem.formats.parquet import Parquet, ParquetOptions

    pq.write_table(pa.table({"id": list(range(1000))}), tmp_path / "a.parquet", row_group_size=100)
    form = Parquet(ParquetOptions(), (Column("id", Type("int64")),))
    reader = Reader(tmp_path, form, path="a.parquet")
    chunks = reader.all(Budget(400, 32 << 20))
    assert len(chunks) == 10
    assert [row for chunk in chunks for row in form.decode(chunk, None).rows["id"].to_pylist()] == list(range(1000))  # type: ignore[arg-type]
    assert reader.source().place({"position": 7, "partition": 0, "ref": reader.ranges[0].ref}) == "a.parquet row 7"
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is not parquet")
    broken = Reader(tmp_path, form, path="bad.parquet")
    assert broken.all() == []
    assert broken.outcomes() == {"bad.parquet": "bad_format"}
