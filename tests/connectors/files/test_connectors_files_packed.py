"""Packed files: unpacked once, verified whole, all members, nothing of a cut one, and no bombs (semantics 2-L, 2-O)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from connectors_kit import Reader

from mainstem.errors import DataError


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zst(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("pack", [gz, zst])
def test_packed_files_are_read_whole_with_all_their_members(inbox: Path, tmp_path: Path, pack) -> None:
    (inbox / "a").write_bytes(pack(b"1\n2\n3"))
    (inbox / "b").write_bytes(pack(b"4\n5") + pack(b"6\n7\n"))
    reader = Reader(tmp_path, path="in/")
    chunks = reader.all()
    assert [chunk.data for chunk in chunks] == [b"1\n2\n3", b"4\n56\n7\n"], "what is packed is finished: its last line counts"
    assert all(chunk.final for chunk in chunks)
    assert reader.outcomes() == {}


@pytest.mark.parametrize("pack", [gz, zst])
@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:len(b) // 2], lambda b: b + b"junk",
                                    lambda b: b[:len(b) // 2] + bytes([b[len(b) // 2] ^ 255]) + b[len(b) // 2 + 1:]])
def test_a_cut_or_damaged_file_gives_no_row_and_costs_only_itself(inbox: Path, tmp_path: Path, pack, damage) -> None:
    content = b"".join(b"%d\n" % (number * number) for number in range(2000))
    whole = pack(content)
    (inbox / "a").write_bytes(damage(whole))
    (inbox / "b").write_bytes(pack(b"good\n"))
    reader = Reader(tmp_path, path="in/")
    assert reader.text() == b"good\n"
    assert reader.outcomes() == {"in/a": "corrupt"}
    assert not list((tmp_path / "work" / "spool" / "src").glob(".*.tmp"))
    (inbox / "a").write_bytes(whole)
    assert reader.text() == content, "delivered again, it is read"


@pytest.mark.parametrize("pack", [gz, zst])
def test_a_file_that_unpacks_to_too_much_is_stopped_by_what_comes_out(inbox: Path, tmp_path: Path, pack) -> None:
    (inbox / "bomb").write_bytes(pack(b"\0" * (8 << 20)))
    (inbox / "fine").write_bytes(pack(b"1\n"))
    reader = Reader(tmp_path, path="in/")
    assert reader.text() == b"1\n"
    assert reader.outcomes() == {"in/bomb": "too_large"}
    large = Reader(tmp_path / "other", path=str(inbox / "fine") , max_unpacked="1B", complete=True)
    assert large.text() == b""
    assert list(large.outcomes().values()) == ["too_large"]


def test_a_packed_twin_of_a_plain_file_is_a_duplicate(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    (inbox / "a.csv.gz").write_bytes(gz(b"1\n2\n"))
    reader = Reader(tmp_path, path="in/")
    assert reader.text() == b"1\n2\n"
    assert reader.outcomes() == {"in/a.csv.gz": "duplicate"}


def test_an_appended_member_yields_only_its_rows(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.gz").write_bytes(gz(b"1\n"))
    reader = Reader(tmp_path, path="in/")
    reader.text()
    (inbox / "a.gz").open("ab").write(gz(b"2\n"))
    assert reader.text() == b"2\n"
    (inbox / "a.gz").rename(inbox / "b.gz")
    assert reader.text() == b""
    assert reader.outcomes() == {"in/b.gz": "renamed"}


def test_what_was_unpacked_is_dropped_when_read_and_made_again_when_asked_for(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.gz").write_bytes(gz(b"1\n2\n"))
    reader = Reader(tmp_path, path="in/")
    reader.text()
    spool = tmp_path / "work" / "spool" / "src"
    assert len(list(spool.glob("*.raw"))) == 1
    reader.source().acknowledge(reader.progress or {})
    assert not list(spool.glob("*.raw"))
    assert reader.source().read(reader.ranges[0])[0].data == b"1\n2\n"
    next(spool.glob("*.raw")).unlink()
    (inbox / "a.gz").write_bytes(gz(b"1\n3\n"))
    with pytest.raises(DataError, match=r"source\.changed"):
        reader.source().read(reader.ranges[0])


def test_compression_can_be_switched_off(inbox: Path, tmp_path: Path) -> None:
    content = gz(b"1\n") + b"\n"
    (inbox / "a").write_bytes(content)
    assert Reader(tmp_path, path="in/", compression="none").text() == content
