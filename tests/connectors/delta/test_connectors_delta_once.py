"""Exactly once into Delta: repeats, crashes, lost answers, other writers (semantics F2, F4, F5, F9, pain 4, 9, 20)."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from connectors_kit import delta, epoch, files, ids, table
from deltalake import DeltaTable

from mainstem import signals
from mainstem.connectors.delta import Delta, log
from mainstem.errors import RefusedError, TransientError
from mainstem.plugs import Staged
from mainstem.testing import Crash, count_durable_calls, crash_at


def ready(lake: Path, **options: Any) -> tuple[Delta, list[Staged]]:
    """A table with epoch 1 in it, and the staged files of epoch 2."""
    out = delta(lake, **options)
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 2), "e1")])
    return out, [out.stage(table(2, 2), "e2-a"), out.stage(table(4, 1), "e2-b")]


def test_staged_rows_are_invisible_until_one_commit_shows_them_all(tmp_path: Path) -> None:
    out, staged = ready(tmp_path / "lake")
    assert ids(out.read()) == [0, 1]
    assert len(DeltaTable(str(out.root)).file_uris()) == 1
    done = out.commit(epoch(2), staged)
    assert (done.version, done.rows, done.already) == (2, 3, False)
    assert ids(out.read()) == [0, 1, 2, 3, 4]
    assert ids(out.read(1)) == [0, 1]
    assert out.version() == 2
    assert [(file.rows, Path(file.path).name) for file in files(out, 2)] == [
        (2, "part-e1.parquet"), (2, "part-e2-a.parquet"), (1, "part-e2-b.parquet")]


def test_an_epoch_that_is_there_is_success_whoever_asks(tmp_path: Path) -> None:
    out, staged = ready(tmp_path / "lake")
    out.commit(epoch(2), staged)
    out.commit(epoch(1, "other"), [out.stage(table(9, 1), "x")])
    for sink in (out, delta(tmp_path / "lake")):
        for number, version, rows in ((2, 2, 3), (1, 1, 2)):
            done = sink.commit(epoch(number), staged)
            assert (done.version, done.rows, done.already) == (version, rows, True)
    assert out.version() == 3
    assert out.last("p/i/out") == 2
    assert out.last("other") == 1
    assert out.last("nobody") is None


def test_the_commit_names_release_incarnation_and_epoch(tmp_path: Path) -> None:
    out, staged = ready(tmp_path / "lake")
    out.commit(epoch(5, first=2), staged)
    info = DeltaTable(str(out.root)).history(1)[0]
    assert {name: value for name, value in info.items() if name.startswith("mainstem.")} == {
        "mainstem.app": "p/i/out", "mainstem.epoch": "5", "mainstem.first": "2", "mainstem.release": "release-1",
        "mainstem.incarnation": "i"}


@pytest.mark.parametrize("partition_by", [[], ["name"]])
def test_a_crash_before_any_durable_call_leaves_all_or_nothing(tmp_path: Path, partition_by: list[str]) -> None:
    out, staged = ready(tmp_path / "unfailed", partition_by=partition_by, checkpoint_every=2)
    with count_durable_calls() as calls:
        out.commit(epoch(2), staged)
    assert len(calls) > 3
    for number in range(1, len(calls) + 1):
        lake = tmp_path / f"at-{number}"
        out, staged = ready(lake, partition_by=partition_by, checkpoint_every=2)
        with pytest.raises(Crash), crash_at("durable", number):
            out.commit(epoch(2), staged)
        assert ids(delta(lake, partition_by=partition_by).read()) in ([0, 1], [0, 1, 2, 3, 4]), calls[number - 1]
        again = delta(lake, partition_by=partition_by, checkpoint_every=2)
        assert again.commit(epoch(2), staged).rows == 3
        assert again.commit(epoch(3), [again.stage(table(5, 1), "e3")]).rows == 1
        assert ids(again.read()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("count", range(1, 6))
def test_a_crash_while_the_table_is_made_or_a_file_is_staged_is_mended_by_doing_it_again(tmp_path: Path, count: int) -> None:
    out = delta(tmp_path / "lake")

    def work() -> None:
        out.prepare()
        for number in range(10):
            out.stage(table(0, 1), f"first-{number}")

    with pytest.raises(Crash), crash_at("durable", count):
        work()
    again = delta(tmp_path / "lake")
    identity = again.prepare()
    assert again.commit(epoch(1), [again.stage(table(0, 1), "second")]).rows == 1
    assert again.identity() == identity
    assert ids(again.read()) == [0]


def test_a_lost_answer_is_found_by_looking_not_by_writing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, staged = ready(tmp_path / "lake")
    through = log.Log.commit

    def times_out(self: Any, *arguments: Any) -> bool:
        monkeypatch.setattr(log.Log, "commit", through)
        assert through(self, *arguments)
        raise TransientError("delta.commit_failed", "the answer was lost")

    monkeypatch.setattr(log.Log, "commit", times_out)
    done = out.commit(epoch(2), staged)
    assert (done.version, done.rows, done.already) == (2, 3, True)
    assert ids(out.read()) == [0, 1, 2, 3, 4]

    def fails(self: Any, *arguments: Any) -> bool:
        raise TransientError("delta.commit_failed", "nothing went through")

    monkeypatch.setattr(log.Log, "commit", fails)
    with pytest.raises(TransientError, match="nothing went through"):
        out.commit(epoch(3), [])


def test_after_a_crash_between_two_tables_the_second_catches_up(tmp_path: Path) -> None:
    first, files = ready(tmp_path / "lake", table="one")
    second, more = ready(tmp_path / "lake", table="two")
    first.commit(epoch(2), files)
    for sink, staged, already in ((first, files, True), (second, more, False)):
        assert sink.commit(epoch(2), staged).already is already
    assert ids(first.read()) == ids(second.read()) == [0, 1, 2, 3, 4]


def test_a_table_that_was_deleted_or_made_anew_is_not_written_to(tmp_path: Path) -> None:
    out, staged = ready(tmp_path / "lake")
    identity = out.identity()
    shutil.rmtree(out.root)
    assert out.identity() is None
    assert out.last("p/i/out") is None
    with pytest.raises(RefusedError, match=r"sink\.reset"):
        out.commit(epoch(2), staged)
    other = delta(tmp_path / "lake")
    assert other.prepare() != identity
    with pytest.raises(RefusedError, match=r"sink\.reset"):
        out.commit(epoch(2), staged)


def test_a_rebuild_takes_the_place_of_everything_in_one_commit(tmp_path: Path) -> None:
    out, _ = ready(tmp_path / "lake")
    done = out.commit(epoch(1, "p/j/out", fresh=True), [out.stage(table(7, 2), "new")])
    assert done.rows == 2
    assert ids(out.read()) == [7, 8]
    assert ids(out.read(done.version - 1)) == [0, 1]
    assert out.commit(epoch(1, "p/j/out", fresh=True), []).already


def test_writers_of_several_pipelines_lose_no_commit(tmp_path: Path) -> None:
    delta(tmp_path / "lake").prepare()
    failed: list[BaseException] = []

    def write(app: int) -> None:
        try:
            out = delta(tmp_path / "lake")
            for number in range(1, 13):
                out.commit(epoch(number, f"app-{app}"), [out.stage(table(app * 100 + number, 1), f"{app}-{number}")])
        except Exception as error:  # noqa: BLE001 (it is reported below)
            failed.append(error)

    threads = [threading.Thread(target=write, args=(app,)) for app in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert ids(delta(tmp_path / "lake").read()) == sorted(app * 100 + number for app in range(4) for number in range(1, 13))


def test_two_writers_of_one_epoch_write_it_once(tmp_path: Path) -> None:
    delta(tmp_path / "lake").prepare()
    gate = threading.Barrier(2)
    results = []

    def write(name: str) -> None:
        out = delta(tmp_path / "lake")
        for number in range(1, 9):
            staged = [out.stage(table(number, 1, name), f"{name}-{number}")]
            gate.wait()
            results.append((number, out.commit(epoch(number), staged).already))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids(delta(tmp_path / "lake").read()) == list(range(1, 9))
    assert sorted(results) == sorted((number, already) for number in range(1, 9) for already in (False, True))


def test_everything_is_on_disk_before_the_commit_counts(tmp_path: Path) -> None:
    """Files and their names before the log entry; the log entry and its name before the call returns."""
    said: list[tuple[str, str]] = []
    out, staged = ready(tmp_path / "lake")
    with signals.listening(lambda name, facts: said.append((name, os.path.basename(facts.get("path", ""))))):
        staged.append(out.stage(table(9, 1), "late"))
        out.commit(epoch(2), staged)
    assert said == [("durable.create", "part-late.parquet"), ("durable.fsync", "part-late.parquet"), ("durable.fsync", "t"),
                    ("durable.commit", "t"), ("durable.fsync", f"{2:020d}.json"), ("durable.fsync", "_delta_log")]


def test_a_damaged_log_is_a_clear_stop(tmp_path: Path) -> None:
    out, _ = ready(tmp_path / "lake")
    log = out.root / "_delta_log" / f"{1:020d}.json"
    log.write_text(log.read_text()[:-20])
    with pytest.raises(Exception, match=r"delta\.unreadable"):
        delta(tmp_path / "lake").read()


def test_a_staged_file_is_what_its_record_says(tmp_path: Path) -> None:
    import hashlib

    _, staged = ready(tmp_path / "lake", partition_by=["name"])
    for file in staged:
        content = Path(file.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    assert sum(part["rows"] for file in staged for part in json.loads(Path(file.path).read_bytes())) == 3


def meanwhile(act: Any) -> Any:
    """Do something in the last moment before a commit, once: what another writer does."""
    heard: list[str] = []

    def listen(name: str, _: dict[str, Any]) -> None:
        if name == "durable.commit" and not heard:
            heard.append(name)
            act()

    return signals.listening(listen)


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_merge_is_made_anew_when_another_writer_was_quicker(tmp_path: Path, mode: str) -> None:
    """What goes was chosen from a snapshot: on top of a newer one the other writer's row of the same key would stay."""
    out = delta(tmp_path / "lake", mode, ["id"])
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 3), "e1")])
    staged = [out.stage(table(2, 3, "mine"), "e2")]
    other = delta(tmp_path / "lake")
    with meanwhile(lambda: other.commit(epoch(1, "other"), [other.stage(table(4, 2, "theirs"), "x")])):
        done = out.commit(epoch(2), staged)
    found = {row["id"]: row["name"] for row in out.read().to_pylist()}
    assert ids(out.read()) == [0, 1, 2, 3, 4, 5]
    assert found == {0: "a", 1: "a", 2: "mine", 3: "mine", 4: "mine", 5: "theirs"}
    assert (done.version, done.rows, done.already) == (3, 3, False)


def test_a_rebuild_takes_the_place_of_what_came_in_the_last_moment_too(tmp_path: Path) -> None:
    out, staged = ready(tmp_path / "lake")
    other = delta(tmp_path / "lake")
    with meanwhile(lambda: other.commit(epoch(1, "other"), [other.stage(table(9, 1), "x")])):
        out.commit(epoch(1, "p/new/out", fresh=True), staged)
    assert ids(out.read()) == [2, 3, 4]


def test_the_same_merge_by_two_writers_at_once_is_applied_once(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", "upsert", ["id"])
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 3), "e1")])
    staged = [out.stage(table(2, 3, "mine"), "e2")]
    twin = delta(tmp_path / "lake", "upsert", ["id"])
    with meanwhile(lambda: twin.commit(epoch(2), staged)):
        done = out.commit(epoch(2), staged)
    assert done.already
    assert ids(out.read()) == [0, 1, 2, 3, 4]
    assert out.version() == 2
