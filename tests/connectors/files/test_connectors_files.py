"""Which bytes the files source reads, and which it has read already: identity by content, named outcomes, policies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from connectors_kit import PLENTY, Lines, Reader

from mainstem.clock import HandClock
from mainstem.connectors.files import Files, FilesOptions, known, spool
from mainstem.errors import DataError, RefusedError, SpecError
from mainstem.plugs import Budget


def positions(reader: Reader) -> list[tuple[int, int]]:
    return [(chunk.start >> 40, chunk.start & ((1 << 40) - 1)) for chunk in reader.all()]


def test_a_plain_file_is_complete_and_its_last_line_needs_no_end(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n3")
    reader = Reader(tmp_path, path="in/a.csv")
    chunks = reader.all()
    assert b"".join(chunk.data for chunk in chunks) == b"1\n2\n3"
    assert chunks[-1].final
    assert reader.source().bounded
    assert reader.seen is not None
    assert reader.seen.ended
    assert not FilesOptions(path="in/a.csv").growing
    assert all(FilesOptions(path=path).growing for path in ("in", "in/", "in/*.csv", "in/**/*.csv"))


def test_the_last_line_of_a_growing_file_waits_for_its_end_and_that_is_said_once(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n3")
    reader = Reader(tmp_path, path="in/")
    assert reader.text() == b"1\n2\n"
    assert reader.outcomes() == {"in/a.csv": "unfinished"}
    assert reader.text() == b""
    assert reader.outcomes() == {}
    with (inbox / "a.csv").open("ab") as file:
        file.write(b"0\n4\n")
    assert reader.text() == b"30\n4\n"
    assert reader.outcomes() == {}
    assert reader.seen is not None
    assert not reader.seen.ended
    assert reader.seen.drained == {0}


def test_complete_input_takes_the_waiting_line(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2")
    assert Reader(tmp_path, path="in/", complete=True).text() == b"1\n2"
    reader = Reader(tmp_path, path="in/")
    assert reader.text() == b"1\n"
    reader.options["complete"] = True
    assert reader.text() == b"2"
    assert reader.seen is not None
    assert reader.seen.ended


def test_time_complete_of_the_pipeline_makes_a_folder_complete(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2")
    reader = Reader(tmp_path, path="in/")
    object.__setattr__(reader.scope, "complete", True)
    assert reader.text() == b"1\n2"
    assert reader.source().bounded


def test_touched_renamed_and_moved_files_stay_read(inbox: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (inbox / f"{name}.csv").write_bytes(f"{name}1\n{name}2\n".encode())
    reader = Reader(tmp_path, path="in/**")
    assert reader.text() == b"a1\na2\nb1\nb2\nc1\nc2\n"
    os.utime(inbox / "a.csv", (1, 1))
    (inbox / "b.csv").rename(inbox / "z.csv")
    (inbox / "old").mkdir()
    (inbox / "c.csv").rename(inbox / "old" / "c.csv")
    assert reader.text() == b""
    assert reader.outcomes() == {"in/z.csv": "renamed", "in/old/c.csv": "renamed"}
    with (inbox / "z.csv").open("ab") as file:
        file.write(b"b3\n")
    assert positions(reader) == [(1, 6)], "a renamed file keeps its number, and only what was appended is read"


def test_the_same_content_under_another_name_is_reported_and_left(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    reader = Reader(tmp_path, path="in/")
    reader.text()
    (inbox / "b.csv").write_bytes(b"1\n2\n")
    (inbox / "c.csv").write_bytes(b"1\n3\n")
    assert reader.text() == b"1\n3\n"
    assert reader.outcomes() == {"in/b.csv": "duplicate"}
    with (inbox / "b.csv").open("ab") as file:
        file.write(b"9\n")
    assert reader.text() == b"9\n", "what is appended to a duplicate is new"
    (inbox / "a.csv").unlink()
    reader.text()
    (inbox / "d.csv").write_bytes(b"1\n2\n")
    assert reader.text() == b""
    assert reader.outcomes() == {"in/d.csv": "duplicate"}


def test_duplicates_read_reads_them_again(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n")
    (inbox / "b.csv").write_bytes(b"1\n")
    reader = Reader(tmp_path, path="in/", duplicates="read")
    assert reader.text() == b"1\n1\n"
    assert reader.outcomes() == {}


def test_large_files_that_differ_only_in_the_middle_are_not_the_same(inbox: Path, tmp_path: Path) -> None:
    content = bytearray(b"x" * 127 + b"\n") * (3 << 13)
    (inbox / "a.csv").write_bytes(content)
    content[(1 << 20) + 77_777] = ord("y")
    (inbox / "b.csv").write_bytes(content)
    reader = Reader(tmp_path, path="in/")
    assert len(reader.text()) == 2 * len(content)
    assert reader.outcomes() == {}


def test_a_rotated_log_goes_on_under_its_new_name_and_the_old_name_begins_anew(inbox: Path, tmp_path: Path) -> None:
    (inbox / "app.log").write_bytes(b"1\n2\n")
    reader = Reader(tmp_path, path="in/")
    reader.text()
    with (inbox / "app.log").open("ab") as file:
        file.write(b"3\n")
    (inbox / "app.log").rename(inbox / "app.log.1")
    (inbox / "app.log").write_bytes(b"4\n")
    assert sorted(chunk.data for chunk in reader.all()) == [b"3\n", b"4\n"]
    assert reader.outcomes() == {"in/app.log.1": "renamed"}


@pytest.mark.parametrize("content", [b"x\ny\n", b"x\n", b"x\ny\nzz\n"])
def test_replaced_content_is_never_skipped_or_doubled_in_silence(inbox: Path, tmp_path: Path, content: bytes) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    reader = Reader(tmp_path, path="in/")
    reader.text()
    before = reader.progress
    (inbox / "a.csv").write_bytes(content)
    with pytest.raises(RefusedError, match=r"source\.replaced"):
        reader.look()
    reader.options["replaced"] = "ignore"
    assert reader.text() == b""
    assert reader.outcomes() == {"in/a.csv": "replaced"}
    assert reader.text() == b""
    assert reader.outcomes() == {}
    reader.progress, reader.options["replaced"] = before, "reread"
    assert reader.text() == content
    assert reader.outcomes() == {"in/a.csv": "replaced"}
    assert reader.ranges[-1].start >> 40 == 1, "it is another file now"
    assert reader.text() == b""


def test_other_programs_temporary_files_are_left_alone(inbox: Path, tmp_path: Path) -> None:
    for name in (".a.csv.tmp", "_SUCCESS", "a.csv"):
        (inbox / name).write_bytes(name.encode() + b"\n")
    assert Reader(tmp_path, path="in/").text() == b"a.csv\n"


def test_globs(inbox: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "b.json", "x/c.csv", "x/y/d.csv", "x/y/e.csvx", ".hidden/f.csv"):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_bytes(name.encode() + b"\n")
    for pattern, expected in (("in/**/*.csv", ["a.csv", "x/c.csv", "x/y/d.csv"]), ("in/*", ["a.csv", "b.json"]),
                              ("in/x/?.csv", ["x/c.csv"]), ("in/[ab].*", ["a.csv", "b.json"]), ("in/*/y/*.csv", ["x/y/d.csv"]),
                              (str(inbox / "x" / "*.csv"), ["x/c.csv"])):
        project = tmp_path / "elsewhere"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(inbox, project / "in")
        assert Reader(project, path=pattern).text().decode().split() == expected, pattern


def test_young_files_wait(inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inbox / "a.csv").write_bytes(b"1\n")
    reader = Reader(tmp_path, path="in/", min_age="10s")
    clock = HandClock((inbox / "a.csv").stat().st_mtime_ns // 1000 + 9_000_000)
    monkeypatch.setattr(Files, "clock", clock)
    assert reader.text() == b""
    clock.sleep(2)
    assert reader.text() == b"1\n"


def test_numbers_follow_discovery_and_later_files_come_later(inbox: Path, tmp_path: Path) -> None:
    for name in ("m.csv", "b.csv"):
        (inbox / name).write_bytes(name.encode() + b"\n")
    reader = Reader(tmp_path, path="in/", partition="file")
    assert [chunk.start >> 40 for chunk in reader.all()] == [0, 1]
    (inbox / "a.csv").write_bytes(b"later\n")
    assert [chunk.start >> 40 for chunk in reader.all()] == [2]
    assert reader.seen is not None
    assert reader.seen.partitions == {0: "in/b.csv", 1: "in/m.csv", 2: "in/a.csv"}
    assert reader.seen.drained == {0, 1, 2}


def test_with_a_partition_per_file_an_unread_file_holds_the_watermark(inbox: Path, tmp_path: Path) -> None:
    for name in "abc":
        (inbox / f"{name}.csv").write_bytes(b"0123456789abcde\n" * 20_000)
        (inbox / f"{name}.csv").open("ab").write(name.encode() + b"\n")
    reader = Reader(tmp_path, path="in/", partition="file")
    reader.look(Budget(300_000, 320_002))
    assert reader.seen is not None
    assert set(reader.seen.partitions) == {0, 1, 2}
    assert reader.seen.drained == {0}
    assert {one.partition for one in reader.seen.ranges} == {0}
    reader.all()
    assert reader.seen.drained == {0, 1, 2}


def test_read_refuses_bytes_that_are_not_those_that_were_planned(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    reader = Reader(tmp_path, path="in/")
    reader.look()
    source, planned = reader.source(), reader.ranges[0]
    (inbox / "a.csv").write_bytes(b"1\n2\n3\n")
    assert source.read(planned)[0].data == b"1\n2\n", "appended: the planned bytes are still those"
    for content in (b"1\n3\n", b"1\n", b""):
        (inbox / "a.csv").write_bytes(content)
        with pytest.raises(DataError, match=r"source\.changed"):
            source.read(planned)
    (inbox / "a.csv").unlink()
    with pytest.raises(DataError, match=r"source\.changed"):
        source.read(planned)


def test_a_file_that_is_not_there_is_refused_with_a_suggestion(inbox: Path, tmp_path: Path) -> None:
    (inbox / "readings.csv").write_bytes(b"1\n")
    with pytest.raises(SpecError, match=r"source.no_file.*did you mean `readings.csv`"):
        Reader(tmp_path, path="in/reading.csv").look()
    with pytest.raises(SpecError, match="no folder"):
        Reader(tmp_path, path="other/reading.csv").look()
    assert Reader(tmp_path, path="in/*.json").text() == b"", "a glob may match nothing yet"


def test_place_says_where_a_record_is(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.csv").write_bytes(b"1\n2\n")
    reader = Reader(tmp_path, path="in/")
    reader.look()
    planned = reader.ranges[0]
    assert reader.source().place({"partition": 0, "position": planned.start + 2, "ref": planned.ref}) == "in/a.csv:2"
    assert reader.source().place({"partition": 0, "position": 5 << 40 | 7}) == "file 5:7"


def test_many_files_are_read_once_and_an_idle_look_opens_none(inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(700):
        (inbox / f"{number:05d}.csv").write_bytes(b"%d\n" % number)
    reader = Reader(tmp_path, path="in/")
    assert reader.text().split() == [b"%d" % number for number in range(700)]
    assert len(reader.ranges) < 20, "small files share a range"
    assert len(str(reader.progress)) < 50_000, "the bulk of the book is no part of every plan"
    with monkeypatch.context() as watched:
        watched.setattr(spool, "packing", lambda path, wanted: pytest.fail(f"{path} was opened though nobody touched it"))
        assert reader.text() == b""
    reader.source().acknowledge(reader.progress or {})
    assert len(list((tmp_path / "work" / "spool" / "src").glob("book-*"))) == 1
    (inbox / "00007.csv").open("ab").write(b"more\n")
    assert reader.text() == b"more\n"


def test_a_lost_or_damaged_book_is_a_clear_stop(inbox: Path, tmp_path: Path) -> None:
    for number in range(300):
        (inbox / f"{number:05d}.csv").write_bytes(b"%d\n" % number)
    reader = Reader(tmp_path, path="in/")
    reader.text()
    book = next((tmp_path / "work" / "spool" / "src").glob("book-*"))
    for damage in (lambda: book.write_bytes(book.read_bytes()[:-9]), book.unlink):
        known._cache.clear()
        damage()
        with pytest.raises(RefusedError, match=r"state\.damaged"):
            reader.look()


def test_a_folder_may_move_with_its_project(inbox: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(inbox, project / "in")
    (project / "in" / "a.csv").write_bytes(b"1\n")
    reader = Reader(project, path="in/")
    reader.text()
    moved = Reader(shutil.move(project, tmp_path / "moved"), path="in/")  # type: ignore[arg-type]
    moved.project = tmp_path / "moved"
    moved.progress = reader.progress
    moved.scope = type(moved.scope)(str(tmp_path / "moved"), "", str(tmp_path / "moved" / "work"), "p", "e", "src")
    assert moved.look(PLENTY) == []
    assert moved.notes == []


def test_whole_files_are_one_range_each_and_a_grown_one_is_another(inbox: Path, tmp_path: Path) -> None:
    (inbox / "a.json").write_bytes(b"[1]")
    (inbox / "b.json").write_bytes(b"[22]")
    reader = Reader(tmp_path, Lines("whole"), path="in/")
    chunks = reader.all()
    assert [(chunk.data, chunk.start >> 40) for chunk in chunks] == [(b"[1]", 0), (b"[22]", 1)]
    (inbox / "a.json").write_bytes(b"[1]\n")
    with pytest.raises(RefusedError, match=r"source\.replaced"):
        reader.look()


def test_a_follower_does_not_read_its_book_again_at_every_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mainstem.connectors.files import known

    loads: list[object] = []
    load = known.load
    monkeypatch.setattr(known, "load", lambda *args: loads.append(args) or load(*args))
    reader = Reader(tmp_path, path="in/*")
    source = reader.source()
    monkeypatch.setattr(reader, "source", lambda: source)
    (tmp_path / "in").mkdir()
    text = b""
    for number in range(200):
        path = tmp_path / f"in/{number:04d}"
        path.write_bytes(f"line {number}\n".encode())
        text += b"".join(bytes(chunk.data) for chunk in reader.look())
        path.unlink()
    assert text == b"".join(f"line {number}\n".encode() for number in range(200))
    assert len(loads) == 1
    fresh = Reader(tmp_path, path="in/*")
    fresh.progress = reader.progress
    (tmp_path / "in/again").write_bytes(b"line 7\n")
    assert fresh.look() == reader.look() == []
    assert fresh.notes[-1:] == reader.notes[-1:] == [("in/again", "duplicate")], "both know the same"
    assert fresh.progress == reader.progress
