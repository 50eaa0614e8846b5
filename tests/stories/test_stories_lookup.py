"""Tables that rows are looked up in: one version an epoch, on record, the same when it is run again; no key twice (E1, E2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, lines, opened, rows, write

from mainstem.engines import journal
from mainstem.errors import DataError
from mainstem.testing import Crash, crash_at

PIPELINE = """\
version: 1
pipeline: rated
sources:
  readings:
    files: {path: "inbox/*.jsonl", complete: true}
    format: json
    columns: {sensor: string!, at: timestamp!, n: int64!}
    time: {column: at, lateness: 10s}
tables:
  rates: {files: {path: rates.csv}, format: csv, key: [sensor], columns: {sensor: string!, rate: int64!}%s}
steps:
  rated: {from: readings, lookup: {table: rates, on: [sensor], unmatched: quarantine}}
outputs:
  rated: {from: rated, delta: {table: rated}}
"""


def records(first: int, count: int = 60) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "n": n} for n in range(first, first + count))


def rates(folder: Path, rate: int) -> None:
    (folder / "rates.csv").write_text("sensor,rate\n" + "".join(f"s{n},{rate}\n" for n in range(3)))


def made(folder: Path, refresh: str = "") -> Path:
    file = write(folder, PIPELINE % (f", refresh: {refresh}" if refresh else ""), inbox___0__jsonl=records(0))
    rates(folder, 1)
    return file


def found(file: Path) -> dict[int, set[int]]:
    """Rate -> the tens of the readings that got it."""
    by: dict[int, set[int]] = {}
    for row in rows(file, "rated"):
        by.setdefault(row["rate"], set()).add(row["n"] // 10)
    return by


def versions(folder: Path) -> list[str]:
    """The content of the table that each epoch was planned with, as the journal has it."""
    home = journal.current(next((folder / ".mainstem").glob("*/rated")))
    assert home is not None
    return [home.plan(number).tables["rates"]["hash"] for number in home.epochs("plan")]


@pytest.mark.parametrize(("refresh", "later"), [("", 1000), ("on_change", 1000), ("pinned", 1), ('"every:1h"', 1)])
def test_an_epoch_sees_one_version_and_refresh_says_when_it_is_another(refresh: str, later: int, tmp_path: Path) -> None:
    file = made(tmp_path, refresh)
    assert balances(opened(file).run().account)
    rates(tmp_path, 1000)
    (tmp_path / "inbox" / "1.jsonl").write_text(records(60))
    opened(file).run()
    assert found(file) == ({1: set(range(12))} if later == 1 else {1: set(range(6)), 1000: set(range(6, 12))})
    assert len(set(versions(tmp_path))) == (1 if later == 1 else 2), "which one it was is on record"


@pytest.mark.parametrize("point", ["epoch.planned", "epoch.ran", "epoch.judged"])
def test_an_epoch_that_is_run_again_sees_the_version_that_it_was_planned_with(point: str, tmp_path: Path) -> None:
    file = made(tmp_path)
    flags: dict[str, Any] = {"epoch": {"rows": 20}}
    with pytest.raises(Crash), crash_at(point, 2) as reached:
        opened(file, **flags).run(each=True)
    assert reached.fired
    begun = len(versions(tmp_path))
    rates(tmp_path, 1000)
    assert balances(opened(file, **flags).run(each=True).account)
    hashes, home = versions(tmp_path), journal.current(tmp_path / ".mainstem" / "default" / "rated")
    assert home is not None
    assert [one == hashes[0] for one in hashes] == [number < begun for number in range(len(hashes))]
    old = sum(home.prepared(number).rows for number in range(1, begun + 1))
    assert [row["rate"] for row in sorted(rows(file, "rated"), key=lambda row: row["n"])] == [1] * old + [1000] * (60 - old)
    assert 0 < old < 60


def test_a_key_that_comes_twice_stops_before_anything_is_read_and_multiplies_nothing(tmp_path: Path) -> None:
    file = made(tmp_path)
    with (tmp_path / "rates.csv").open("a") as table:
        table.write("s1,7\n")
    with pytest.raises(DataError) as caught:
        opened(file).run()
    assert caught.value.code == "table.duplicate_key"
    assert "sensor = 's1'" in str(caught.value)
    assert "rates.csv" in str(caught.value)
    assert not list(tmp_path.rglob("plan-*.json"))
    assert not list((tmp_path / "lake").rglob("part-*.parquet"))
    rates(tmp_path, 1)
    assert balances(opened(file).run().account)
    assert len(rows(file, "rated")) == 60
