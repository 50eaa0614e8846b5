"""Rows lost, doubled or invented on their way into a Delta table: found by the files' own footers, before anybody sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connectors_kit import delta, epoch, ids, keep, table

from mainstem.connectors.delta import datafile, merge
from mainstem.connectors.delta.sink import Delta
from mainstem.errors import Bug

Change = Callable[[pa.Table], pa.Table]


def drop(rows: pa.Table) -> pa.Table:
    return rows.slice(1)


def double(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, 1)])


def full(lake: Path, mode: str, **options: Any) -> Delta:
    """A table of two files with the ids 0 to 9."""
    out = delta(lake, mode, ("id",) if mode == "upsert" else (), **options)
    out.prepare()
    for number in (1, 2):
        assert out.commit(epoch(number), [out.stage(table(number * 5 - 5, 5), f"e{number}")]).rows == 5
    return out


def refused(out: Delta, staged: Any) -> str:
    """What the law says against a third commit; the table is as it was, also for somebody who opens it anew."""
    before = (out.version(), sorted(map(str, out.read().to_pylist())))
    with pytest.raises(Bug) as caught:
        out.commit(epoch(3), staged)
    assert caught.value.code == "law.broken"
    again = delta(out.root.parent, out.mode, out.key, table=out.root.name)
    assert (again.version(), sorted(map(str, again.read().to_pylist()))) == before
    return str(caught.value)


@pytest.mark.parametrize("change", [drop, double])
@pytest.mark.parametrize("partition_by", [[], ["name"]])
def test_a_staged_file_counts_the_rows_that_it_holds(
    partition_by: list[str], change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine holds this number against what its legs delivered."""
    out = delta(tmp_path / "lake", partition_by=partition_by)
    out.prepare()
    assert out.stage(table(0, 5), "fine").rows == 5
    true = datafile.write
    monkeypatch.setattr(datafile, "write", lambda path, rows, codec: true(path, change(rows), codec))
    assert out.stage(table(0, 5), "not").rows == change(table(0, 5)).num_rows != 5


@pytest.mark.parametrize("change", [drop, double])
@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_a_staged_file_that_is_another_one_by_now(mode: str, change: Change, tmp_path: Path) -> None:
    out = full(tmp_path / "lake", mode)
    staged = out.stage(table(8, 4), "e3")
    pq.write_table(change(pq.ParquetFile(staged.path).read()), staged.path)
    assert "there should be 4 rows" in refused(out, [staged])


def test_a_list_of_parts_that_lost_one(tmp_path: Path) -> None:
    out = full(tmp_path / "lake", "append", partition_by=["name"])
    staged = out.stage(table(10, 3), "e3")
    Path(staged.path).write_text("[]")
    assert "there should be 3 rows, there are 0" in refused(out, [staged])


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Any], Any]) -> list[int]:
    """One function of the merge answers something else, once."""
    true, done = getattr(merge, name), []

    def spoilt(*args: Any, **more: Any) -> Any:
        answer = true(*args, **more)
        changed = None if done else change(answer)
        if changed is None:
            return answer
        done.append(1)
        return changed

    monkeypatch.setattr(merge, name, spoilt)
    return done


def kept(change: Change) -> Callable[[Any], Any]:
    return lambda answer: (answer[0], change(answer[1]), *answer[2:]) if answer[1].num_rows else None


def another(meets: np.ndarray) -> np.ndarray:
    """One more row is taken for one of a changed key, and goes."""
    more = meets.copy()
    more[np.argmin(meets)] = True
    return more


def missed(meets: np.ndarray) -> Any:
    """A row of a changed key is overlooked and stays beside the new one."""
    if meets.sum() < 2:
        return None
    less = meets.copy()
    less[np.argmax(meets)] = False
    return less


@pytest.mark.parametrize(("name", "change"), [
    ("outdated", kept(drop)), ("outdated", kept(double)), ("outdated", lambda answer: (answer[0][1:], *answer[1:])),
    ("_meets", another), ("_meets", missed), ("_comparable", drop), ("_comparable", double),
    ("rewritten", lambda added: added[1:]), ("rewritten", lambda added: [*added, *added]),
], ids=["kept a row less", "kept a row more", "a file forgotten", "a row too many goes", "an old row stays", "a key overlooked",
        "a key twice", "a new file forgotten", "a new file twice"])
def test_an_upsert_that_loses_or_doubles_a_row(name: str, change: Callable[[Any], Any], tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids 3 to 6 change, which lie in both files, and 10 and 11 are new."""
    out = full(tmp_path / "lake", "upsert")
    staged = [out.stage(table(3, 4), "e3-a"), out.stage(table(10, 2), "e3-b")]
    with monkeypatch.context() as spoilt:
        done = spoil(spoilt, name, change)
        with pytest.raises(Bug, match=r"law\.broken"):
            out.commit(epoch(3), staged)
        assert done
    assert (out.version(), ids(out.read())) == (2, list(range(10)))
    assert out.commit(epoch(3), staged).rows == 6, "what was staged is still there"
    assert ids(out.read()) == list(range(12))


def test_a_change_that_is_lost_among_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = full(tmp_path / "lake", "upsert")
    staged = [out.stage(table(3, 4), "e3")]
    true = pa.TableGroupBy.aggregate

    def aggregate(self: Any, wanted: Any) -> Any:
        found = true(self, wanted)
        return found.slice(1) if ("__order", "count") in wanted else found

    monkeypatch.setattr(pa.TableGroupBy, "aggregate", aggregate)
    assert "rows of the changed keys: there should be 4 rows, there are 3" in refused(out, staged)


def test_a_merge_says_what_it_took_brought_and_replaced(tmp_path: Path) -> None:
    """So that a reader of the log alone can follow the number of rows from version to version."""
    out = full(tmp_path / "lake", "upsert")
    out.commit(epoch(3), [out.stage(table(3, 4), "e3-a"), out.stage(table(6, 5), "e3-b")])
    (facts,) = [entry["commitInfo"] for entry in out.log.entries(3) if "commitInfo" in entry]
    assert [facts[f"mainstem.{name}"] for name in ("staged", "changed", "replaced")] == ["9", "8", "7"]
    assert out.read().num_rows == 10 + 8 - 7
    for sink in (out, delta(tmp_path / "lake", "upsert", ("id",))):
        again = sink.commit(epoch(3), [])
        assert (again.version, again.rows, again.already) == (3, 9, True)


@pytest.mark.parametrize("change", [drop, double])
def test_a_compaction_that_loses_or_doubles_a_row(change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = delta(tmp_path / "lake")
    out.prepare()
    for number in range(9):
        out.commit(epoch(number + 1), [out.stage(table(number, 1), f"e{number}")])
    true = datafile.write_stream

    def write(path: Path, parts: Any, *rest: Any) -> Any:
        return true(path, [change(pa.concat_tables(parts))], *rest)

    with monkeypatch.context() as spoilt:
        spoilt.setattr(datafile, "write_stream", write)
        with pytest.raises(Bug, match=r"law\.broken"):
            out.maintain(keep([out.version()], 0, 1), 1)
    assert (out.version(), ids(out.read())) == (9, list(range(9)))
    assert out.maintain(keep([out.version()], 0, 1), 1)["compacted_files"] == 9
    assert ids(out.read()) == list(range(9))
