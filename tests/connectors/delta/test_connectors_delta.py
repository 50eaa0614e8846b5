"""The Delta sink: what it stores, what it refuses, and that others read it (semantics J1, M9, P1-P9)."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from connectors_kit import EVERY_TYPE, columns, delta, epoch, everything, files, ids, table
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from mainstem.connectors.delta import shape
from mainstem.connectors.delta.log import Log, files_of
from mainstem.errors import DataError, RefusedError, SpecError


def as_text(rows: pa.Table) -> list[str]:
    return sorted(str(row) for row in rows.to_pylist())


def test_every_type_comes_back_exactly_and_null_empty_and_nan_stay_apart(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", pairs=EVERY_TYPE)
    out.prepare()
    rows = everything()
    assert out.commit(epoch(1), [out.stage(rows, "a")]).rows == 3
    found = out.read()
    expected = rows.set_column(2, "big", rows.column("big").cast(pa.decimal128(20, 0)))
    assert as_text(found) == as_text(expected)
    theirs = DeltaTable(str(tmp_path / "lake" / "t"))
    assert as_text(theirs.to_pyarrow_table()) == as_text(expected)
    assert (theirs.protocol().min_reader_version, theirs.protocol().min_writer_version) == (1, 2), "P4: no feature that readers lack"
    assert theirs.protocol().reader_features is None
    assert theirs.protocol().writer_features is None


def test_bounds_in_the_log_are_true_and_columns_with_nan_have_none(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    out.prepare()
    rows = pa.table({"id": pa.array([5, None, -3]), "name": ["a", "b" * 50, None], "value": [1.0, float("nan"), 2.0],
                     "at": pa.array([1, 2, 3], pa.timestamp("us", "UTC"))})
    out.commit(epoch(1), [out.stage(rows, "a"), out.stage(table(10, 2), "b")])
    log = (tmp_path / "lake" / "t" / "_delta_log" / f"{1:020d}.json").read_text().splitlines()
    stats = [json.loads(json.loads(line)["add"]["stats"]) for line in log if "add" in json.loads(line)]
    assert stats[0] == {"numRecords": 3, "minValues": {"id": -3, "at": "1970-01-01T00:00:00.000001Z"},
                        "maxValues": {"id": 5, "at": "1970-01-01T00:00:00.000003Z"}, "nullCount": {"id": 1, "name": 1, "at": 0}}
    assert stats[1]["minValues"]["value"] == 5.0
    assert stats[1]["maxValues"]["name"] == "a"
    engine = QueryBuilder().register("t", DeltaTable(str(tmp_path / "lake" / "t")))
    found = pa.table(engine.execute("SELECT count(*) AS n FROM t WHERE value > 1.5 OR id = 11 OR name = 'bbb'").read_all())
    assert found.column("n").to_pylist() == [4], "nothing is pruned that belongs to the answer (NaN is the largest)"


@pytest.mark.parametrize("kind", ["string", "int32", "date", "boolean"])
def test_partition_values_round_trip_for_us_and_for_others(tmp_path: Path, kind: str) -> None:
    values: dict[str, list[Any]] = {"string": ["a/b", "x=1", "50%", "two words", "ü..", "NULL", "__HIVE_DEFAULT_PARTITION__", None],
                                    "int32": [0, -7, None], "date": [dt.date(2026, 3, 29), None], "boolean": [True, False, None]}
    out = delta(tmp_path / "lake", pairs=(("id", "int64"), ("part", kind)), partition_by=["part"])
    out.prepare()
    parts = values[kind]
    rows = pa.table({"id": list(range(2 * len(parts))), "part": pa.array(parts * 2, out.schema.field("part").type)})
    staged = out.stage(rows, "a")
    assert staged.rows == rows.num_rows
    assert out.commit(epoch(1), [staged]).rows == rows.num_rows
    expected = sorted(zip(rows["id"].to_pylist(), rows["part"].to_pylist()))
    for found in (out.read(), DeltaTable(str(out.root)).to_pyarrow_table()):
        assert sorted(zip(found["id"].to_pylist(), found["part"].to_pylist())) == expected
    listed = files(out)
    assert sorted(map(str, (file.partition["part"] for file in listed))) == sorted(map(str, parts))
    assert all(pq.read_table(file.path)["part"].to_pylist() == [file.partition["part"]] * 2 for file in listed), \
        "a reader of the bare files sees the partition column"


def test_an_empty_partition_value_is_refused_before_anything_is_decided(tmp_path: Path) -> None:
    for mode, key in (("append", ()), ("upsert", ("id",))):
        out = delta(tmp_path / mode, mode, key, (("id", "int64"), ("part", "string")), partition_by=["part"])
        out.prepare()
        with pytest.raises(RefusedError, match=r"delta\.empty_partition.*part <> ''"):
            out.stage(pa.table({"id": [1, 2], "part": ["a", ""]}), "a")


@pytest.mark.parametrize(("pairs", "said"), [
    ((("id", "int64"), ("ID", "string")), "differ only by case"), ((("a b", "int64"),), "blanks"),
    ((("_change_type", "string"),), "readers of Delta"), ((), "no column left")])
def test_names_that_cannot_be_stored_are_refused_at_plan_time(tmp_path: Path, pairs: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        shape.check_columns("t", columns(*pairs) if pairs else (), (), ())


def test_types_that_cannot_be_stored_are_refused_at_plan_time() -> None:
    from mainstem.columns import Column, Type
    for kind, said in (("null", "CAST"), ("time", "time of day"), ("interval", "seconds"), ("timestamp_local", "zone")):
        for nested in (Type(kind), Type("list", item=Type(kind)), Type("struct", fields=(("x", Type(kind)),))):
            with pytest.raises(SpecError, match=said):
                shape.check_columns("t", (Column("a", nested), Column("b", Type("int64"))), (), ())


def test_partitions_and_keys_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for options, key, said in (({"partition_by": ["nope"]}, (), "no such column"), ({"partition_by": ["value"]}, (), "partitioned by text"),
                               ({}, ("value",), "no keys"), ({}, ("nope",), "no such column"),
                               ({"partition_by": ["id", "name", "value", "at"]}, (), "no column left")):
        with pytest.raises(SpecError, match=said):
            delta(tmp_path / "lake", "upsert", key, **options)


def test_reserved_words_and_unicode_are_names_like_any_other(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", pairs=(("select", "int64"), ("größe", "string"), ("a.b", "double")))
    out.prepare()
    out.commit(epoch(1), [out.stage(pa.table({"select": [1], "größe": ["x"], "a.b": [0.5]}), "a")])
    assert out.read().to_pylist() == [{"select": 1, "größe": "x", "a.b": 0.5}]
    assert DeltaTable(str(out.root)).to_pyarrow_table().to_pylist() == [{"select": 1, "größe": "x", "a.b": 0.5}]


def test_columns_are_matched_by_name_and_never_cast_with_loss(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", pairs=(("id", "int64"), ("n", "int32")))
    out.prepare()
    out.commit(epoch(1), [out.stage(pa.table({"n": pa.array([7], pa.int32()), "id": [1]}), "a")])
    assert out.read().to_pylist() == [{"id": 1, "n": 7}]
    for wrong in ({"id": [1.5], "n": [1]}, {"id": ["x"], "n": [1]}, {"id": [1], "n": [2**40]}, {"id": [1]}):
        with pytest.raises(DataError, match=r"delta\.cast"):
            out.stage(pa.table(wrong), "b")


def test_a_table_of_another_shape_is_refused_naming_both_types(tmp_path: Path) -> None:
    delta(tmp_path / "lake", pairs=(("id", "int64"), ("n", "int32"))).prepare()
    for pairs, said in (((("id", "int64"), ("n", "int64")), "n is int32 in the table and int64 in the pipeline"),
                        ((("id", "string"), ("n", "int32")), "id is int64 in the table and string"),
                        ((("id", "int64"), ("n", "int32"), ("more", "string")), "more string is not in the table"),
                        ((("id", "int64"), ("n", "int32"), ("N", "int32")), "only by case")):
        with pytest.raises((RefusedError, SpecError), match=said):
            delta(tmp_path / "lake", pairs=pairs).prepare()
    with pytest.raises(RefusedError, match="partitioned by nothing"):
        delta(tmp_path / "lake", pairs=(("id", "int64"), ("n", "int32")), partition_by=["n"]).prepare()
    delta(tmp_path / "lake", pairs=(("id", "int64"),)).prepare()


def test_a_nullable_column_is_added_when_told_and_older_rows_have_null_there(tmp_path: Path) -> None:
    old = delta(tmp_path / "lake", pairs=(("id", "int64"),))
    identity = old.prepare()
    old.commit(epoch(1), [old.stage(pa.table({"id": [1]}), "a")])
    new = delta(tmp_path / "lake", pairs=(("id", "int64"), ("more", "string")))
    assert new.prepare(add_columns=True) == identity
    new.commit(epoch(2), [new.stage(pa.table({"id": [2], "more": ["x"]}), "b")])
    expected = [{"id": 1, "more": None}, {"id": 2, "more": "x"}]
    assert sorted(new.read().to_pylist(), key=lambda row: row["id"]) == expected
    theirs = DeltaTable(str(new.root)).to_pyarrow_table().to_pylist()
    assert sorted(theirs, key=lambda row: row["id"]) == expected
    assert new.read(1).to_pylist() == [{"id": 1}]
    old.commit(epoch(3), [old.stage(pa.table({"id": [3]}), "c")])
    assert ids(new.read()) == [1, 2, 3], "a writer that does not know the column goes on"


def test_an_empty_commit_adds_no_file_but_keeps_the_transaction(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake")
    out.prepare()
    assert out.commit(epoch(1), []).rows == 0
    assert out.commit(epoch(2), [out.stage(table(0, 0), "a")]).rows == 0
    assert files(out) == []
    assert out.last("p/i/out") == 2
    assert out.read().num_rows == 0
    assert out.read().schema.names == ["id", "name", "value", "at"]


def test_other_writers_tables_are_read_and_their_features_refused(tmp_path: Path, data: Path) -> None:
    golden = data / "lake" / "delta-golden"
    for name, rows in (("basic-with-inserts-deletes-checkpoint", 41), ("data-reader-partition-values", 3), ("only-checkpoint-files", 25)):
        found = [path for path in golden.rglob("_delta_log") if path.parent.name == name or path.parent.parent.name == name]
        listed = files_of(Log(found[0].parent, 20).open())
        assert sum(file.rows for file in listed) == rows
        assert all(Path(file.path).is_file() for file in listed)
    vectors = next(path for path in golden.rglob("_delta_log") if "dv-partitioned-with-checkpoint" in str(path))
    with pytest.raises(DataError, match=r"delta\.deletion_vectors"):
        files_of(Log(vectors.parent, 20).open())


def test_a_table_made_by_delta_rs_is_written_to_and_read_back(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "lake" / "t"), table(0, 2).cast(delta(tmp_path / "x").schema))
    out = delta(tmp_path / "lake")
    out.prepare()
    out.commit(epoch(1), [out.stage(table(2, 2), "a")])
    write_deltalake(str(out.root), table(4, 2), mode="append")
    out.commit(epoch(2), [out.stage(table(6, 2), "b")])
    assert ids(out.read()) == list(range(8))
    assert pc.sum(DeltaTable(str(out.root)).to_pyarrow_table()["id"]).as_py() == 28


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lake" / "t").mkdir(parents=True)
    (tmp_path / "lake" / "t" / "notes.txt").write_text("keep me")
    with pytest.raises(RefusedError, match=r"delta\.not_a_table.*notes.txt"):
        delta(tmp_path / "lake").prepare()


def test_a_table_may_lie_anywhere(tmp_path: Path) -> None:
    out = delta(tmp_path / "lake", table=str(tmp_path / "else where" / "é"))
    out.prepare()
    out.commit(epoch(1), [out.stage(table(0, 2), "a")])
    assert ids(out.read()) == [0, 1]
    assert all(Path(file.path).is_file() for file in files(out))
    assert not (tmp_path / "lake").exists()
