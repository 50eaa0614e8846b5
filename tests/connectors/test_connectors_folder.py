"""Plain file outputs: every commit is one folder, there whole or not at all, and never twice."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from connectors_kit import columns, epoch, ids, keep, table

from mainstem.columns import Column, Type
from mainstem.connectors.folder import Folder, FolderOptions
from mainstem.errors import DataError, RefusedError, SpecError
from mainstem.plugs import Scope, Staged, find
from mainstem.testing import Crash, count_durable_calls, crash_at


def sink(project: Path, kind: str = "parquet", pairs: Any = (), **form: Any) -> Folder:
    scope = Scope(str(project), str(project / "lake"), str(project / "work"), "p", "test", "out")
    plug = find("formats", kind)
    return Folder(FolderOptions(path="out/t"), columns(*pairs), "append", (),
                  plug(plug.Options.model_validate(form), columns(*pairs), "ignore", "null"), scope)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_rows_come_back_in_every_format(tmp_path: Path, kind: str) -> None:
    out = sink(tmp_path, kind)
    assert out.identity() is None
    assert out.prepare() == out.prepare() == out.identity()
    first, second = out.stage(table(0, 3), "e1-a-1"), out.stage(table(3, 2), "e1/b 2")
    assert out.read().num_rows == 0, "what is staged is invisible"
    done = out.commit(epoch(1), [first, second])
    assert (done.version, done.rows, done.already) == (1, 5, False)
    assert out.commit(epoch(2), [out.stage(table(5, 1), "e2")]).version == 2
    assert ids(out.read()) == [0, 1, 2, 3, 4, 5]
    assert ids(out.read(1)) == [0, 1, 2, 3, 4]
    assert out.read().schema.types == [column.type.arrow for column in columns()]
    assert sorted(path.name for path in (tmp_path / "out" / "t" / "0000000001").iterdir()) == [
        "_commit.json", f"part-e1-a-1.{kind}", f"part-e1-b-2.{kind}"]
    assert list((tmp_path / "out" / "t" / ".staged").iterdir()) == []
    record = json.loads((tmp_path / "out" / "t" / "0000000002" / "_commit.json").read_text())
    assert (record["app"], record["epoch"], record["rows"], record["release"]) == ("p/i/out", 2, 1, "release-1")


def test_a_transaction_that_is_there_is_success_and_a_lower_one_too(tmp_path: Path) -> None:
    out = sink(tmp_path)
    out.prepare()
    assert out.last("p/i/out") is None
    out.commit(epoch(1), [out.stage(table(0, 1), "a")])
    staged = [out.stage(table(1, 2), "b")]
    out.commit(epoch(3, first=2), staged)
    for again, version, rows in ((3, 2, 2), (2, 2, 2), (1, 1, 1)):
        done = sink(tmp_path).commit(epoch(again), staged)
        assert (done.version, done.rows, done.already) == (version, rows, True)
    assert sink(tmp_path).last("p/i/out") == 3
    assert sink(tmp_path).last("other") is None
    assert ids(sink(tmp_path).read()) == [0, 1, 2]


def test_a_crash_before_any_durable_call_leaves_all_or_nothing(tmp_path: Path) -> None:
    def ready(folder: Path) -> tuple[Folder, list[Staged]]:
        out = sink(folder)
        out.prepare()
        out.commit(epoch(1), [out.stage(table(0, 1), "a")])
        return out, [out.stage(table(1, 2), "b"), out.stage(table(3, 2), "c")]

    out, staged = ready(tmp_path / "unfailed")
    with count_durable_calls() as calls:
        out.commit(epoch(2), staged)
    assert len(calls) > 3
    for number in range(1, len(calls) + 1):
        folder = tmp_path / f"at-{number}"
        out, staged = ready(folder)
        with pytest.raises(Crash), crash_at("durable", number):
            out.commit(epoch(2), staged)
        assert ids(sink(folder).read()) in ([0], [0, 1, 2, 3, 4]), calls[number - 1]
        again = sink(folder)
        assert again.commit(epoch(2), staged).rows == 4
        assert ids(again.read()) == [0, 1, 2, 3, 4]
        assert again.last("p/i/out") == 2


def test_writers_of_several_pipelines_take_turns(tmp_path: Path) -> None:
    sink(tmp_path).prepare()

    def write(app: str) -> None:
        out = sink(tmp_path)
        for number in range(1, 11):
            out.commit(epoch(number, app), [out.stage(table(0, 1, app), f"{app}-{number}")])

    threads = [threading.Thread(target=write, args=(app,)) for app in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out = sink(tmp_path)
    assert out.version() == 20
    assert sorted(out.read().column("name").to_pylist()) == ["a"] * 10 + ["b"] * 10


def test_a_rebuild_takes_the_place_of_everything(tmp_path: Path) -> None:
    out = sink(tmp_path)
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 3), "a")])
    out.commit(epoch(1, "p/j/out", fresh=True), [out.stage(table(9, 1), "b")])
    assert ids(out.read()) == [9]
    assert ids(sink(tmp_path).read()) == [9]
    assert [name for name in os.listdir(tmp_path / "out" / "t") if not name.startswith(".")] == ["0000000002"]


def test_other_folders_and_other_shapes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "t").mkdir(parents=True)
    (tmp_path / "out" / "t" / "mine.txt").write_text("keep me")
    with pytest.raises(RefusedError, match=r"files\.not_ours.*mine.txt"):
        sink(tmp_path).prepare()
    (tmp_path / "out" / "t" / "mine.txt").unlink()
    sink(tmp_path).prepare()
    for other in (sink(tmp_path, "csv"), sink(tmp_path, pairs=(("id", "string"),))):
        with pytest.raises(RefusedError, match=r"files\.schema"):
            other.prepare()
    with pytest.raises(SpecError, match=r"files\.format"):
        Folder(FolderOptions(path="x"), columns(), "append", (), None, sink(tmp_path).scope)


def test_a_folder_that_was_deleted_is_not_filled_again_in_silence(tmp_path: Path) -> None:
    import shutil

    out = sink(tmp_path)
    out.prepare()
    staged = [out.stage(table(0, 1), "a")]
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(RefusedError, match=r"sink\.reset"):
        out.commit(epoch(1), staged)


def test_maintenance_deletes_leftovers_and_no_visible_file(tmp_path: Path) -> None:
    out = sink(tmp_path)
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 1), "a")])
    orphan, waiting = out.stage(table(1, 1), "orphan"), out.stage(table(2, 1), "waiting")
    now = Path(orphan.path).stat().st_mtime_ns // 1000 + 10_000_000
    assert out.maintain(keep([], 60_000_000, now), now) == {"deleted_files": 0}
    assert out.maintain(keep([], 1_000_000, now, [waiting.path]), now) == {"deleted_files": 1}
    out.commit(epoch(2), [waiting])
    assert ids(out.read()) == [0, 2]


@pytest.mark.parametrize(("kind", "form"), [("csv", {"delimiter": ";", "decimal": ","}), ("json", {"nan": "string"}), ("parquet", {})])
def test_nan_and_nested_values_come_back(tmp_path: Path, kind: str, form: dict[str, Any]) -> None:
    out = sink(tmp_path, kind, (("v", "double"), ("tags", "list<string>"), ("spot", "struct<x: int64, at: timestamp>")), **form)
    out.prepare()
    spots = [{"x": 2**53 + 1, "at": dt.datetime(2026, 3, 1, tzinfo=dt.UTC)}, {"x": None, "at": None}, None]
    rows = pa.table({"v": [float("nan"), 0.5, None], "tags": [["a", None, ""], [], None],
                     "spot": pa.array(spots, columns(("s", "struct<x: int64, at: timestamp>"))[0].type.arrow)})
    out.commit(epoch(1), [out.stage(rows, "a")])
    assert str(out.read().to_pylist()) == str(rows.to_pylist())


@pytest.mark.parametrize("kind", [Type("null"), Type("interval"), Type("list", item=Type("interval")),
                                  Type("struct", fields=(("a", Type("null")),))])
def test_a_type_that_files_have_no_word_for_is_refused_before_anything_is_written(tmp_path: Path, kind: Type) -> None:
    plug = find("formats", "csv")
    with pytest.raises(SpecError, match=r"odd.*files\.columns"):
        Folder(FolderOptions(path="out"), (Column("odd", kind),), "append", (), plug(plug.Options(), (), "ignore", "null"),
               Scope(str(tmp_path), "", "", "p", "e", "out"))


@pytest.mark.parametrize(("kind", "damage"), [("csv", b"id,name\n"), ("json", b'{"id":1'), ("parquet", b"")])
def test_a_file_that_was_changed_is_named(tmp_path: Path, kind: str, damage: bytes) -> None:
    out = sink(tmp_path, kind)
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 2), "a")])
    (path,) = out.files()
    path.write_bytes(damage + (b"x,y\n" if kind == "csv" else b""))
    with pytest.raises(DataError, match=r"files\.damaged") as met:
        out.read()
    assert met.value.where == str(path)


def test_null_empty_and_nan_stay_apart_in_csv(tmp_path: Path) -> None:
    out = sink(tmp_path, "csv", (("s", "string"), ("v", "double")))
    out.prepare()
    rows = pa.table({"s": [None, "", "a,\"b\"\n"], "v": pa.array([None, float("nan"), 1.5])})
    out.commit(epoch(1), [out.stage(rows, "a")])
    found = out.read()
    assert found.column("s").to_pylist() == [None, "", "a,\"b\"\n"]
    assert str(found.column("v").to_pylist()) == "[None, nan, 1.5]"


@pytest.mark.parametrize(("change", "rows"), [(lambda rows: rows.slice(1), 4), (lambda rows: pa.concat_tables([rows, rows]), 10)],
                         ids=["a row less", "twice"])
@pytest.mark.parametrize(("kind", "form"), [("csv", {}), ("json", {}), ("json", {"layout": "document"}), ("parquet", {})])
def test_a_staged_file_counts_the_rows_that_it_holds(
    kind: str, form: dict[str, Any], change: Any, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine holds this number against what its legs delivered: a format that loses or doubles rows is found."""
    out = sink(tmp_path, kind, **form)
    out.prepare()
    assert out.stage(table(0, 5, "two\nlines"), "fine").rows == 5
    plug, true = type(out.format), type(out.format).encode
    monkeypatch.setattr(plug, "encode", lambda self, given: true(self, change(given)))
    assert out.stage(table(0, 5, "two\nlines"), "not").rows == rows


def test_a_commit_looks_at_no_more_than_the_one_before_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    truly, read = os.listdir, Path.read_bytes
    monkeypatch.setattr(os, "listdir", lambda path: seen.append("listed") or truly(path))
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(path.name) or read(path))
    out = sink(tmp_path)
    out.prepare()
    looks = []
    for number in range(1, 31):
        staged = [out.stage(table(number, 1), f"{number:04d}")]
        seen.clear()
        assert out.commit(epoch(number), staged).version == number
        looks.append(sorted(seen))
    assert looks[5] == looks[-1]
    assert "listed" not in looks[-1]
    again = sink(tmp_path)
    assert (again.last("p/i/out"), again.last("nobody"), again.version()) == (30, None, 30)
    other = sink(tmp_path)
    other.commit(epoch(31), [other.stage(table(31, 1), "other")])
    assert again.last("p/i/out") == 31, "what somebody else committed is seen"
    assert again.commit(epoch(12), []).version == 12
    assert ids(again.read()) == list(range(1, 32))
