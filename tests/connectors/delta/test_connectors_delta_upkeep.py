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
from connectors_kit import delta, epoch, files, ids, table
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.connectors.delta import Delta
from mainstem.errors import DataError

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
    report = out.maintain([kept], 3_600_000_000, now())
    assert report == {"compacted_files": 30, "deleted_files": 0, "deleted_log_files": 0}
    assert out.read().column("id").to_pylist() == order == list(range(1, 31))
    assert len(files(out)) == 1
    assert out.last("p/i/out") == 30
    assert out.commit(epoch(30), []).already
    assert ids(out.read(kept)) == list(range(1, 31))
    assert DeltaTable(str(out.root)).to_pyarrow_table().num_rows == 30
    assert out.maintain([kept], 3_600_000_000, now())["compacted_files"] == 0


def test_partitions_are_compacted_each_for_itself(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", partition_by=["name"])
    out.prepare()
    for number in range(1, 11):
        out.commit(epoch(number), [out.stage(pa.concat_tables([table(number, 1, "a/b"), table(100 + number, 1, "c")]), f"{number:04d}")])
    assert out.maintain([], 0, now())["compacted_files"] == 20
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
    assert out.maintain([7, reader], 3_600_000_000, now())["deleted_files"] == 0, "a reader of an hour ago may still be at it"
    report = out.maintain([7], 0, now(), [waiting.path])
    assert report["deleted_files"] == 13 + 1
    assert not Path(orphan.path).exists()
    assert ids(out.read(7)) == list(range(1, 8))
    with pytest.raises(DataError, match=r"delta\.vacuumed"):
        out.read(reader)
    assert report["deleted_log_files"] == 5, "the log from the checkpoint before the kept version (5) on stays"
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
            out.maintain([out.version()], 0, now())
    assert ids(out.read()) == list(range(1, 101))
    assert len(os.listdir(out.root)) < 80
    assert len(os.listdir(out.root / "_delta_log")) < 80


def test_a_reader_beside_compaction_never_sees_another_number_of_rows(tmp_path: Path) -> None:
    out, other = delta(tmp_path / "lake"), delta(tmp_path / "lake")
    out.prepare()
    for number in range(1, 31):
        out.commit(epoch(number), [out.stage(table(number, 1), f"{number:012d}")])
        if number % 9 == 0:
            assert other.maintain([], 3_600_000_000, now())["compacted_files"] >= 8
        assert ids(out.read()) == list(range(1, number + 1))
