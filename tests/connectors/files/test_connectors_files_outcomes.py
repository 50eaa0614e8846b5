"""Files that are bad, empty, closed, strange or gone: each is a named outcome, said once, and costs only itself."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from connectors_kit import Lines, Reader

from mainstem.columns import Column, Type
from mainstem.formats.csv import Csv, CsvOptions
from mainstem.formats.parquet import Parquet, ParquetOptions
from mainstem.plugs import Budget


def test_files_that_vanish_and_come_back(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    reader = Reader(tmp_path, path="in/", duplicates="read")
    reader.text()
    (inbox / "a.csv").unlink()
    assert reader.text() == b""
    assert reader.outcomes() == {}, "it was read to its end: nothing is lost"
    (inbox / "a.csv").write_bytes(b"1\n2\n3\n")
    assert reader.text() == b"3\n", "a file that is back goes on where it was"
    (inbox / "a.csv").unlink()
    reader.text()
    (inbox / "a.csv").write_bytes(b"tomorrow\n")
    assert reader.text() == b"tomorrow\n", "a new delivery under the same name, with a pause between, is a new file"


def test_a_file_that_vanishes_before_it_was_read_is_named(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n")
    (inbox / "b.csv").write_bytes(b"22\n" * 300_000)
    reader = Reader(tmp_path, path="in/")
    reader.look(Budget(300_000, 400_000))
    (inbox / "b.csv").unlink()
    reader.text()
    assert reader.outcomes() == {"in/b.csv": "vanished"}


def test_a_plain_file_that_is_deleted_is_said_once_and_one_of_a_folder_is_not(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    plain, folder = Reader(tmp_path, path="in/a.csv"), Reader(tmp_path, path="in/", complete=True)
    assert (plain.text(), folder.text()) == (b"1\n2\n", b"1\n2\n")
    (inbox / "a.csv").unlink()
    assert (plain.text(), plain.outcomes()) == (b"", {"in/a.csv": "deleted"})
    assert (plain.text(), plain.outcomes()) == (b"", {})
    assert (folder.text(), folder.outcomes()) == (b"", {})           # whoever empties an inbox means it
    (inbox / "a.csv").write_bytes(b"1\n2\n3\n")
    assert (plain.text(), plain.outcomes()) == (b"3\n", {})
    (inbox / "a.csv").unlink()
    assert (plain.text(), plain.outcomes()) == (b"", {"in/a.csv": "deleted"})


def test_bad_files_cost_only_themselves_and_are_said_once(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n")
    (inbox / "bad.csv").write_bytes(b"!\n")
    (inbox / "empty.csv").write_bytes(b"")
    (inbox / "link.csv").symlink_to(inbox / "nowhere")
    (inbox / "secret.csv").write_bytes(b"2\n")
    (inbox / "z.csv").write_bytes(b"3\n")
    os.chmod(inbox / "secret.csv", 0)
    unreadable = not os.access(inbox / "secret.csv", os.R_OK)
    reader = Reader(tmp_path, path="in/")
    assert reader.text() == (b"1\n3\n" if unreadable else b"1\n2\n3\n")
    expected = {"in/bad.csv": "bad_format", "in/empty.csv": "empty"} | ({"in/secret.csv": "unreadable"} if unreadable else {})
    assert reader.outcomes() == expected
    assert reader.text() == b""
    assert reader.outcomes() == {}
    (inbox / "bad.csv").write_bytes(b"mended\n")
    (inbox / "empty.csv").write_bytes(b"filled\n")
    os.chmod(inbox / "secret.csv", 0o600)
    assert sorted(reader.text().splitlines()) == sorted([b"mended", b"filled", *([b"2"] if unreadable else [])])


def test_files_with_nothing_but_a_header_are_said_to_be_empty_and_read_when_they_grow(inbox: Path, tmp_path: Path) -> None:
    form = Csv(CsvOptions(), (Column("id", Type("int64")),))
    for name in ("a.csv", "b.csv"):
        (inbox / name).write_bytes(b"\xef\xbb\xbfid\n")
    reader = Reader(tmp_path, form, path="in/")
    assert reader.text() == b""
    assert reader.outcomes() == {"in/a.csv": "empty", "in/b.csv": "empty"}, "no duplicates of each other"
    assert reader.text() == b""
    assert reader.outcomes() == {}, "said once"
    (inbox / "b.csv").open("ab").write(b"7\n")
    assert reader.text() == b"7\n"
    pq.write_table(pa.table({"id": pa.array([], pa.int64())}), inbox / "c.parquet")
    rows = Reader(tmp_path / "other", Parquet(ParquetOptions(), ()), path=str(inbox / "*.parquet"))
    assert rows.look() == []
    assert rows.outcomes() == {str(inbox / "c.parquet"): "empty"}


def test_a_document_that_is_broken_inside_is_found_before_it_is_planned(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.json").write_bytes(b"?")
    (inbox / "b.json").write_bytes(b"[1]")
    reader = Reader(tmp_path, Lines("whole"), path="in/")
    assert reader.text() == b"[1]"
    assert reader.outcomes() == {"in/a.json": "bad_format"}


def test_a_file_with_a_strange_header_costs_only_itself(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"id,name\n1,x\n")
    (inbox / "b.csv").write_bytes(b"something,else\n1,2\n")
    (inbox / "c.csv").write_bytes(b"name,id\ny,2\n")
    (inbox / "d.csv").write_bytes(b"something,else\n3,4\n")
    reader = Reader(tmp_path, Csv(CsvOptions(), (Column("id", Type("int64")),)), path="in/")
    assert reader.text() == b"1,x\ny,2\n"
    assert reader.outcomes() == {"in/b.csv": "bad_format", "in/d.csv": "bad_format"}


def test_a_name_that_is_not_utf8_and_a_closed_folder_are_named_once(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n")
    (inbox / "ü.csv").write_bytes(b"2\n")
    with open(os.fsencode(inbox) + b"/bad-\xff.csv", "wb") as file:
        file.write(b"3\n")
    (inbox / "closed").mkdir(mode=0)
    reader = Reader(tmp_path, path="in/**")
    assert reader.text() == b"1\n2\n"
    closed = {} if os.access(inbox / "closed", os.R_OK) else {str(inbox / "closed"): "unreadable"}
    assert reader.outcomes() == {f"{inbox}/bad-\\xff.csv": "unreadable"} | closed
    assert reader.text() == b""
    assert reader.outcomes() == {}
