"""Upserts, replacement, and the upkeep of a Delta table (pain 19, P8, 2-S upsert rows)."""

from __future__ import annotations

import datetime as dt
import os
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from connectors_kit import delta, epoch, files, ids, keep, table
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem import signals
from mainstem.connectors.delta import Delta, datafile
from mainstem.errors import DataError, TransientError
from mainstem.plugs import Keep

PAIRS = (("house", "string"), ("room", "int64"), ("value", "int64"))
KEYS = st.tuples(st.sampled_from(["a", "b", "", None]), st.sampled_from([1, 2, None]))


def changes(rows: list[tuple[tuple[Any, Any], int]]) -> pa.Table:
    return pa.table({"house": pa.array([key[0] for key, _ in rows], pa.string()),
                     "room": pa.array([key[1] for key, _ in rows], pa.int64()),
                     "value": pa.array([value for _, value in rows], pa.int64())})


def content(out: Delta) -> dict[tuple[Any, Any], int]:
    rows = out.read().to_pylist()
    found = {(row["house"], row["room"]): row["value"] for row in rows}
    assert len(found) == len(rows), "one row per key"
    return found


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.lists(st.tuples(KEYS, st.integers(0, 99)), max_size=6), min_size=1, max_size=3), min_size=1, max_size=4))
def test_upserts_keep_the_last_row_of_every_key(tmp_path_factory: pytest.TempPathFactory, epochs: Any) -> None:
    out = delta(tmp_path_factory.mktemp("lake"), "upsert", ("house", "room"), PAIRS)
    out.prepare()
    expected: dict[tuple[Any, Any], int] = {}
    for number, tasks in enumerate(epochs, 1):
        staged = [out.stage(changes(rows), f"{number}-{index}") for index, rows in enumerate(tasks)]
        done = out.commit(epoch(number), staged)
        assert done.rows == sum(map(len, tasks)), "delivered are the rows of the change files"
        expected |= {key: value for rows in tasks for key, value in rows}
        assert content(out) == expected
        assert out.commit(epoch(number), staged).already


def test_an_upsert_of_new_keys_twice_in_one_epoch_is_one_row(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", "upsert", ("id",))
    out.prepare()
    out.commit(epoch(1), [out.stage(pa.concat_tables([table(1, 1, "old"), table(1, 1, "new")]), "a"), out.stage(table(1, 1, "last"), "b")])
    assert out.read().column("name").to_pylist() == ["last"]
    assert DeltaTable(str(out.root)).to_pyarrow_table().num_rows == 1


@pytest.mark.parametrize(("kind", "first", "second"), [
    ("date", dt.date(1970, 1, 1), dt.date(2026, 3, 1)), ("boolean", False, True), ("string", "", "a"),
    ("timestamp", dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 3, 1, tzinfo=dt.UTC)), ("binary", b"", b"a"),
    ("decimal(10,2)", Decimal("0.00"), Decimal("1.25")), ("int8", 0, 1),
])
def test_a_column_of_any_type_can_be_a_key_and_null_is_a_value_of_its_own(tmp_path: Path, kind: str, first: Any, second: Any) -> None:
    out = delta(tmp_path / "lake", "upsert", ("key",), (("key", kind), ("value", "int64")))
    out.prepare()
    keys = [first, second, None]
    for number in (1, 2):
        rows = pa.table({"key": pa.array(keys, out.columns[0].type.arrow), "value": pa.array([number, 10 * number, 100 * number])})
        out.commit(epoch(number), [out.stage(rows, str(number))])
    assert {row["key"]: row["value"] for row in out.read().to_pylist()} == {first: 2, second: 20, None: 200}
    assert out.read().num_rows == 3


def test_an_upsert_rewrites_only_the_files_that_hold_its_keys(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", "upsert", ("id",), partition_by=["name"])
    out.prepare()
    out.commit(epoch(1), [out.stage(pa.concat_tables([table(0, 10, "a"), table(10, 10, "b")]), "x")])
    before = {file.path for file in files(out)}
    out.commit(epoch(2), [out.stage(table(3, 1, "a"), "y")])
    assert len(before & {file.path for file in files(out)}) == 1
    out.commit(epoch(3), [out.stage(table(3, 1, "b"), "z")])
    assert ids(out.read()) == list(range(20))
    assert out.read().filter(pa.compute.field("id") == 3).column("name").to_pylist() == ["b"], "a row may change its partition"


def test_replace_takes_out_everything_with_the_same_values(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", "replace", ("name",))
    out.prepare()
    out.commit(epoch(1), [out.stage(pa.concat_tables([table(0, 3, "a"), table(3, 3, "b")]), "x")])
    assert out.commit(epoch(2), [out.stage(table(10, 2, "a"), "y")]).rows == 2
    assert ids(out.read()) == [3, 4, 5, 10, 11]
    whole = delta(tmp_path / "lake", "replace", (), table="whole")
    whole.prepare()
    whole.commit(epoch(1), [whole.stage(table(0, 3), "x")])
    whole.commit(epoch(2), [whole.stage(table(7, 1), "y")])
    assert ids(whole.read()) == [7]


def now() -> int:
    return time.time_ns() // 1000 + 10_000_000


def test_compaction_keeps_rows_order_transactions_and_old_versions(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    out.prepare()
    for number in range(1, 31):
        out.commit(epoch(number), [out.stage(table(number, 1), f"{number:012d}")])
    order = out.read().column("id").to_pylist()
    kept = out.version()
    report = out.maintain(keep([kept], 3_600_000_000, now()), now())
    assert (report["compacted_files"], report["deleted_files"]) == (30, 0)
    assert report["deleted_log_files"] == 20, "the log from the checkpoint before the kept version on stays"
    assert out.read().column("id").to_pylist() == order == list(range(1, 31))
    assert len(files(out)) == 1
    assert out.last("p/i/out") == 30
    assert out.commit(epoch(30), []).already
    assert ids(out.read(kept)) == list(range(1, 31))
    assert DeltaTable(str(out.root)).to_pyarrow_table().num_rows == 30
    assert out.maintain(keep([kept], 3_600_000_000, now()), now())["compacted_files"] == 0


def test_partitions_are_compacted_each_for_itself(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", partition_by=["name"])
    out.prepare()
    for number in range(1, 11):
        out.commit(epoch(number), [out.stage(pa.concat_tables([table(number, 1, "a/b"), table(100 + number, 1, "c")]), f"{number:04d}")])
    assert out.maintain(keep([], 0, now()), now())["compacted_files"] == 20
    assert sorted(file.partition["name"] for file in files(out)) == ["a/b", "c"]
    assert ids(out.read()) == [*range(1, 11), *range(101, 111)]
    assert DeltaTable(str(out.root)).to_pyarrow_table().num_rows == 20


def test_vacuum_spares_kept_versions_waiting_files_and_recent_readers(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", checkpoint_every=5)
    out.prepare()
    for number in range(1, 21):
        out.commit(epoch(number), [out.stage(table(number, 1), f"{number:04d}")])
    waiting, orphan = out.stage(table(99, 1), "waiting"), out.stage(table(98, 1), "orphan")
    reader = out.version()
    first = out.maintain(keep([7, reader], 3_600_000_000, now()), now())
    assert first["deleted_files"] == 0, "a reader of an hour ago may still be at it"
    assert first["deleted_log_files"] == 5, "the log from the checkpoint before the kept version (5) on stays"
    report = out.maintain(keep([7], 0, now(), [waiting.path]), now())
    assert report["deleted_files"] == 13 + 1
    assert not Path(orphan.path).exists()
    assert ids(out.read(7)) == list(range(1, 8))
    with pytest.raises(DataError, match=r"delta\.vacuumed"):
        out.read(reader - 1)
    assert ids(out.read(reader)) == list(range(1, 21)), "nothing but upkeep came after it"
    with pytest.raises(DataError, match=r"delta\.unreadable"):
        out.read(3)
    out.commit(epoch(21), [waiting])
    assert ids(out.read()) == [*range(1, 21), 99]
    assert ids(delta(tmp_path / "lake").read(7)) == list(range(1, 8))


def test_many_small_epochs_with_upkeep_stay_few_files(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    out.prepare()
    for number in range(1, 101):
        staged = [out.stage(table(number, 1), f"{number:012d}")]
        out.commit(epoch(number), staged)
        if number % 25 == 0:
            out.maintain(keep([out.version()], 0, now()), now())
    assert ids(out.read()) == list(range(1, 101))
    assert len(os.listdir(out.root)) < 80
    assert len(os.listdir(out.root / "_delta_log")) < 80


def test_a_reader_beside_compaction_never_sees_another_number_of_rows(tmp_path: Path) -> None:
    out, other = delta(tmp_path / "lake"), delta(tmp_path / "lake")
    out.prepare()
    for number in range(1, 31):
        out.commit(epoch(number), [out.stage(table(number, 1), f"{number:012d}")])
        if number % 9 == 0:
            assert other.maintain(keep([], 3_600_000_000, now()), now())["compacted_files"] >= 8
        assert ids(out.read()) == list(range(1, number + 1))


def many(out: Delta, count: int) -> None:
    out.prepare()
    for number in range(1, count + 1):
        out.commit(epoch(number), [out.stage(table(number, 1), f"{number:012d}")])


def test_what_left_the_table_and_what_never_entered_it_have_ages_of_their_own(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    many(out, 10)
    leftover = Path(out.stage(table(99, 1), "leftover").path)
    at = now()
    young = at - 3_600_000_000
    assert out.maintain(Keep([], at, young), at)["deleted_files"] == 10, "compacted away, and no reader is waited for"
    assert leftover.exists(), "somebody may be about to commit it"
    assert out.maintain(Keep([], young, at), at)["deleted_files"] == 1
    assert not leftover.exists()
    assert ids(out.read()) == list(range(1, 11))


def test_a_kept_version_is_read_with_the_upkeep_after_it_so_its_small_files_can_go(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    many(out, 10)
    kept = out.version()
    at = now()
    out.maintain(keep([kept], 0, at), at)
    assert len(list(out.root.glob("*.parquet"))) == 1
    assert out.version() > kept
    assert ids(out.read(kept)) == list(range(1, 11))
    out.commit(epoch(11), [out.stage(table(11, 1), "e11")])
    assert ids(out.read(kept)) == list(range(1, 11))
    assert ids(delta(tmp_path / "lake").read()) == list(range(1, 12))


def test_files_that_left_stay_for_their_readers_though_the_log_that_says_so_is_gone(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", checkpoint_every=5)
    many(out, 20)
    small, at = set(out.root.glob("*.parquet")), now()
    out.maintain(keep([out.version()], 3_600_000_000, at), at)
    for number in range(21, 61):
        out.commit(epoch(number), [out.stage(table(number, 1), f"{number:012d}")])
        at += 60_000_000
        if number % 10 == 0:
            out.maintain(keep([out.version()], 3_600_000_000, at), at)
    assert out.log.versions()[0] > 25, "the log of the first compaction is gone"
    assert all(path.exists() for path in small), "it is not yet an hour ago"
    assert len(os.listdir(out.log.folder)) < 30
    at += 3_600_000_000
    out.maintain(keep([out.version()], 3_600_000_000, at), at)
    assert not any(path.exists() for path in small)
    assert ids(out.read()) == list(range(1, 61))
    assert DeltaTable(str(out.root)).metadata().configuration["delta.deletedFileRetentionDuration"] == "interval 3600 seconds"


def test_a_retention_that_somebody_wrote_into_the_table_stays(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", properties={"delta.deletedFileRetentionDuration": "interval 30 days"})
    many(out, 3)
    out.maintain(keep([], 60_000_000, now()), now())
    assert DeltaTable(str(out.root)).metadata().configuration["delta.deletedFileRetentionDuration"] == "interval 30 days"


def test_a_dry_run_says_what_upkeep_then_does_and_does_nothing(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", checkpoint_every=5)
    many(out, 20)
    out.stage(table(99, 1), "leftover")
    before = sorted(path.name for path in out.root.rglob("*"))
    at, version = now(), out.version()
    said = out.maintain(keep([version], 0, at), at, dry_run=True)
    assert said["compacted_files"] == 20
    assert said["deleted_files"] == 1
    assert said["deleted_log_files"] > 10
    assert sorted(path.name for path in out.root.rglob("*")) == before
    assert out.maintain(keep([version], 0, at), at)["compacted_files"] == 20
    assert out.maintain(keep([version], 0, at), at, dry_run=True) == dict.fromkeys(said, 0)


def test_rows_are_forgotten_for_good_and_all_others_stay_in_their_order(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    out.prepare()
    for number in range(5):
        out.commit(epoch(number + 1), [out.stage(table(number * 10, 10), f"{number:012d}")])
    version, before = out.version(), {file.path for file in files(out)}
    keys = pa.table({"id": pa.array([3, 11, 12, *range(20, 30), 777], pa.int64()), "name": ["a"] * 13 + ["other"]})
    assert out.forget(keys, now(), dry_run=True) == 13
    assert out.version() == version
    assert out.forget(keys, now()) == 13
    wanted = [number for number in range(50) if number not in {3, 11, 12, *range(20, 30)}]
    assert out.read().column("id").to_pylist() == out.read(version).column("id").to_pylist() == wanted
    assert len(before & {file.path for file in files(out)}) == 2, "only files that held such a row are written anew"
    assert out.last("p/i/out") == 5
    assert out.commit(epoch(5), []).already
    assert out.forget(keys, now()) == 0
    at = now()
    out.maintain(keep([version], 0, at), at)
    assert not any(Path(path).exists() for path in before - {file.path for file in files(out)}), "nothing of them is left"
    assert out.forget(pa.table({"id": pa.array([None], pa.int64())}), now()) == 0


def test_forgetting_beside_a_writer_loses_none_of_its_rows(tmp_path: Path) -> None:
    out, other = delta(tmp_path / "lake"), delta(tmp_path / "lake")
    many(out, 4)
    quick = other.stage(table(100, 3), "other")
    heard: list[str] = []

    def meanwhile(name: str, _: object) -> None:
        if name == "durable.commit" and not heard:
            heard.append(name)
            other.commit(epoch(1, "other"), [quick])

    with signals.listening(meanwhile):
        assert out.forget(pa.table({"id": pa.array([2, 3], pa.int64())}), now()) == 2
    assert heard
    assert ids(out.read()) == [1, 4, 100, 101, 102]


def test_a_disk_that_is_too_full_to_compact_is_freed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = delta(tmp_path / "lake")
    many(out, 10)
    leftover = Path(out.stage(table(99, 1), "leftover").path)

    def full(*_: Any) -> None:
        raise TransientError("disk.full", "the disk is full", where="here", fix="make room")

    monkeypatch.setattr(datafile, "write_stream", full)
    with pytest.raises(TransientError):
        out.maintain(keep([], 0, now()), now())
    assert not leftover.exists()
    assert ids(out.read()) == list(range(1, 11))
