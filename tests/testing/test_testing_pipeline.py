"""The kit on a whole pipeline: rules, SQL, a lookup and a user's function under crashes and in any cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mainstem import project
from mainstem.testing import Crash, crash_at
from mainstem.testing.collect import Collect
from mainstem.testing.scripted import register

PIPELINE = """\
version: 1
pipeline: kit
sources:
  readings:
    scripted:
      per_epoch: %(cut)d
      partitions:
        a: [{k: a, t: "2026-01-01T00:00:01Z", v: "1"}, "junk", {k: a, t: "2026-01-01T00:00:09Z", v: "x"},
            {k: b, t: "2026-01-01T00:01:09Z", v: "100"}, %(crash)s {k: z, t: "2026-01-01T00:01:10Z", v: "3"}]
        b: [{k: b, t: "2026-01-01T00:00:02Z", v: "7"}, {k: b, t: "2026-01-01T00:00:03Z", v: "8"}]
    format: json
    columns: {k: string!, t: timestamp!, v: string}
    time: {column: t, lateness: 10s}
tables:
  houses:
    files: {path: houses.csv}
    format: csv
    key: [k]
    columns: {k: string!, house: string!}
steps:
  typed:
    from: readings
    sql: SELECT k, t, v::INTEGER AS v FROM readings
  checked:
    from: typed
    check:
      - that: v < 50
      - {name: lucky, that: v <> 7, else: flag}
  located:
    from: checked
    lookup: {table: houses, on: [k], take: [house], unmatched: quarantine}
  mapped:
    from: located
    python: {call: "mine:without_eight", rows: fewer}
outputs:
  mapped: {from: mapped, collect: {list: mapped}}
"""
CODE = """\
import pyarrow.compute as pc

def without_eight(rows):
    return rows.filter(pc.not_equal(rows["v"], 8))
"""


@pytest.fixture(autouse=True)
def _kinds() -> None:
    register()
    Collect.shelves.clear()


def make(folder: Path, cut: int = 100, crash: str = "") -> project.Pipeline:
    folder.mkdir()
    (folder / "kit.yaml").write_text(PIPELINE % {"cut": cut, "crash": crash})
    (folder / "houses.csv").write_text("k,house\na,north\nb,south\n")
    (folder / "mine.py").write_text(CODE)
    return project.open(folder / "kit.yaml")


def content(pipeline: project.Pipeline) -> tuple[list[Any], list[Any]]:
    rows = sorted((row["k"], row["v"], row["house"], tuple(row["_flags"])) for row in Collect.rows("kit", "mapped"))
    aside = sorted((row["node"], row["reason"], tuple(row["rules"] or ()), row["place"])
                   for row in pipeline.quarantine().to_pylist())
    return rows, aside


EXPECTED = ([("a", 1, "north", ()), ("b", 7, "south", ("lucky",))],
            [("checked", "rule", ("v_lt_50",), "readings[a] step 3"),
             ("located", "unmatched", ("in_houses",), "readings[a] step 4"),
             ("readings", "not_json", (), "readings[a] step 1"), ("typed", "expression", (), "readings[a] step 2")])


@pytest.mark.parametrize("cut", [1, 100])
def test_every_row_has_its_fate_in_any_cut(tmp_path: Path, cut: int) -> None:
    pipeline = make(tmp_path / "p", cut)
    result = pipeline.run()
    assert content(pipeline) == EXPECTED
    (leg,) = result.account
    assert (leg["made"], leg["delivered"], leg["filtered"], leg["quarantined"]) == (7, 2, 1, 4)
    assert leg["reasons"]["filtered: mapped: python_filter"] == 1


@pytest.mark.parametrize("point", ["script", "epoch.ran", "epoch.prepared", "epoch.committed"])
def test_a_crash_changes_nothing_in_the_end(tmp_path: Path, point: str) -> None:
    pipeline = make(tmp_path / "p", 2, "{crash: true}," if point == "script" else "")
    if point == "script":
        with pytest.raises(Crash):
            pipeline.run()
    else:
        with pytest.raises(Crash), crash_at(point) as reached:
            pipeline.run()
        assert reached.fired
    pipeline.run(takeover=True)
    rows, aside = content(pipeline)
    assert rows == EXPECTED[0]
    assert [row[:3] for row in aside] == [row[:3] for row in EXPECTED[1]]
