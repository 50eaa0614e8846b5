"""A pipeline that runs is edited: what may go on goes on, what cannot is refused until somebody says how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, command, edit, ended, lines, opened, rows, write

from mainstem.errors import MainstemError
from mainstem.testing import Crash, crash_at

PIPELINE = """\
version: 1
pipeline: edited
sources:
  readings:
    files: {path: "inbox/*.jsonl"}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!}
    time: {column: at, lateness: 10s}
steps:
  checked: {from: readings, check: [{that: value < 95}]}
  fresh: {from: checked, dedupe: {by: [sensor, value], within: 10s}}
  minutes:
    from: fresh
    window: {size: 1m, by: [sensor], late: quarantine}
    select: count(*) AS n
  tens:
    from: fresh
    window: {size: 10m, by: [sensor], late: quarantine}
    select: count(*) AS n
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  tens: {from: tens, delta: {table: tens, mode: append}}
"""


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n % 97)} for n in range(first, last))


def begun(folder: Path, each: bool = False) -> Path:
    """A pipeline with state: rows in open windows of both kinds."""
    file = write(folder, PIPELINE, inbox___a__jsonl=readings(0, 700))
    assert opened(file, epoch={"rows": 300}).run(each=each).why == "hold"
    return file


def total(file: Path, name: str) -> int:
    return sum(row["n"] for row in rows(file, name))


def good(first: int, last: int) -> int:
    return sum(n % 97 < 95 for n in range(first, last))


def test_a_breaking_edit_is_refused_by_name_and_exit_code(tmp_path: Path) -> None:
    file = begun(tmp_path)
    before = rows(file, "minutes")
    edit(file, "size: 1m", "size: 2m")
    shown = opened(file).plan()
    assert [(change.node, change.kind) for change in shown.changes if change.kind == "breaking"] == [("minutes", "breaking")]
    code, _, err = ended(command(file, "run", "--quiet"))
    assert code == 1
    for word in ("run.breaking", "minutes", "--accept reset", "--accept rebuild"):
        assert word in err
    assert rows(file, "minutes") == before


@pytest.mark.parametrize("each", [False, True])
def test_reset_keeps_positions_and_the_state_of_unchanged_steps(each: bool, tmp_path: Path) -> None:
    file = begun(tmp_path, each)
    edit(file, "size: 1m", "size: 2m")
    before = rows(file, "minutes")
    result = opened(file).run(accept="reset")
    assert result.rows == 0                                               # nothing is read again
    assert rows(file, "minutes") == before                                # and readers still see what was there
    assert opened(file).run().rows == 0                                   # the edit is accepted once
    (tmp_path / "inbox/b.jsonl").write_text(readings(700, 1400))
    again = opened(file).run(flush=True)
    assert again.rows == 700
    assert balances(again.account)
    assert total(file, "tens") == good(0, 1400)                           # its open window went on
    lost = [row for row in rows(file, "minutes") if row["window_start"].minute * 60 < 690]
    assert total(file, "minutes") < good(0, 1400)                         # what the changed window held is gone
    assert all((row["window_end"] - row["window_start"]).seconds == 60 for row in lost[:3])


def test_rebuild_equals_a_clean_run(tmp_path: Path) -> None:
    file = begun(tmp_path / "a")
    (tmp_path / "a/inbox/b.jsonl").write_text(readings(700, 1400))
    edit(file, "size: 1m", "size: 2m")
    opened(file).run(accept="rebuild")
    clean = write(tmp_path / "b", file.read_text(), inbox___a__jsonl=readings(0, 700), inbox___b__jsonl=readings(700, 1400))
    opened(clean).run()
    for name in ("minutes", "tens"):
        assert rows(file, name) == rows(clean, name)
        assert rows(file, name)
    assert opened(file).read("quarantine").num_rows == opened(clean).read("quarantine").num_rows
    assert opened(file).run().rows == 0


def test_reset_tells_first_and_then_begins_anew(tmp_path: Path) -> None:
    file = begun(tmp_path)
    told = opened(file).reset(dry_run=True)
    assert told["held_rows"] > 0
    assert told["state_files"] > 0
    assert opened(file).run().rows == 0                                   # telling changed nothing
    before = rows(file, "minutes")
    opened(file).reset()
    assert rows(file, "minutes") == before                                # tables stay until the next run replaces them
    assert opened(file).run().rows == 700
    assert rows(file, "minutes") == before


def test_an_epoch_in_flight_ends_under_the_release_that_planned_it(tmp_path: Path) -> None:
    file = begun(tmp_path)
    (tmp_path / "inbox/b.jsonl").write_text(readings(700, 800))
    with pytest.raises(Crash), crash_at("epoch.planned") as reached:
        opened(file).run()
    assert reached.fired
    old = opened(file).build()["release"]
    edit(file, "value < 95", "value < 90")
    result = opened(file).run()
    assert result.release != old
    assert result.rows == 100
    found = [row for row in opened(file).quarantine().to_pylist() if row["event_time"].minute * 60 + row["event_time"].second >= 700]
    assert {row["release"] for row in found} == {old}
    assert len(found) == 100 - good(700, 800)                             # judged by the old rule
    (tmp_path / "inbox/c.jsonl").write_text(readings(800, 900))
    opened(file).run()
    later = [row for row in opened(file).quarantine().to_pylist() if row["release"] == result.release]
    assert len(later) == sum(n % 97 >= 90 for n in range(800, 900))


@pytest.mark.parametrize(("old", "new", "kind"), [
    ("value < 95", "value < 90", "compatible"),
    ("lateness: 10s", "lateness: 20s", "compatible"),
    ("description: none", "description: none", "same"),
    ("select: count(*) AS n\n  tens", "select: count(*) AS n, max(value) AS top\n  tens", "breaking"),
    ("within: 10s", "within: 20s", "compatible"),
    ("by: [sensor], late: quarantine}\n    select: count(*) AS n\noutputs", "by: [], late: quarantine}\n    select: count(*) AS n\noutputs",
     "breaking"),
    ("size: 1m", "size: 1m, every: 30s", "breaking"),
])
def test_plan_shows_the_class_of_an_edit_and_run_acts_by_it(old: str, new: str, kind: str, tmp_path: Path) -> None:
    file = begun(tmp_path)
    if kind != "same":
        edit(file, old, new)
    shown = opened(file).plan()
    classes = {change.kind for change in shown.changes} - {"same"}
    assert ("breaking" in classes) == (kind == "breaking")
    assert bool(classes) == (kind != "same")
    (tmp_path / "inbox/b.jsonl").write_text(readings(700, 800))
    code: Any = ""
    try:
        opened(file).run()
    except MainstemError as error:
        code = error.code
    assert code == ("run.breaking" if kind == "breaking" else "")


def test_a_crash_within_a_reset_loses_neither_state_nor_positions(tmp_path: Path) -> None:
    for number in range(2, 10):
        file = begun(tmp_path / str(number))
        edit(file, "size: 1m", "size: 2m")
        (file.parent / "inbox/b.jsonl").write_text(readings(700, 1400))
        with pytest.raises(Crash), crash_at("durable.link", number) as reached:
            opened(file).run(accept="reset")
        assert reached.fired
        opened(file).run(accept="reset", flush=True)
        assert total(file, "tens") == good(0, 1400), f"link {number}: {reached.facts}"
