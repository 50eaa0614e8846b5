"""An order to replay meets a crash, a reset, a rebuild or an edit: it is carried out once, or void and said to be; never left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from telling import at, edit, lines, opened, rows, settled, states, write

from mainstem import signals
from mainstem.engines import orders
from mainstem.testing import Crash, count_durable_calls, crash_at

PIPELINE = """\
version: 1
pipeline: ordered
sources:
  readings:
    files: {path: in.jsonl}
    format: json
    columns: {sensor: string!, at: timestamp!, n: int64!}
    time: {column: at, lateness: 10s}
tables:
  places: {files: {path: places.csv}, format: csv, key: [sensor], columns: {sensor: string!, house: string!}}
steps:
  located: {from: readings, lookup: {table: places, on: [sensor], take: [house], unmatched: quarantine}}
  minutes:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: count(*) AS n
outputs:
  located: {from: located, delta: {table: located, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""
PLACES = "sensor,house\ns0,north\n"
MARK = ".done"


def ready(folder: Path) -> Path:
    """Forty readings, one of them of a sensor that was nowhere and now is somewhere."""
    records = [{"sensor": "s9" if n == 10 else "s0", "at": at(n), "n": n} for n in range(40)]
    file = write(folder, PIPELINE, places__csv=PLACES, in__jsonl=lines(records))
    opened(file).run()
    assert states(file) == {"open": 1}
    (folder / "places.csv").write_text(PLACES + "s9,east\n")
    return file


def work(file: Path) -> Path:
    return file.parent / ".mainstem/default/ordered"


@contextmanager
def warned() -> Iterator[list[str]]:
    found: list[str] = []

    def listen(name: str, facts: dict[str, Any]) -> None:
        if name == "log" and facts["level"] == "warning":
            found.append(facts["message"])

    with signals.listening(listen):
        yield found


def left_behind(file: Path) -> None:
    """An order that nobody carried out."""
    with pytest.raises(Crash), crash_at("epoch.planned"):
        opened(file).replay()
    assert len(orders.pending(work(file))) == 1


def done_but_not_marked(file: Path, copy: Path) -> None:
    """Killed between the manifest of the replay's epoch and the mark that it is done."""
    other = ready(copy)
    with count_durable_calls() as calls:
        opened(other).replay()
    times = [path.endswith(MARK) for name, path in calls if name == "durable.link"].index(True) + 1
    with pytest.raises(Crash), crash_at("durable.link", times) as reached:
        opened(file).replay()
    assert reached.facts["path"].endswith(MARK)
    assert len(orders.pending(work(file))) == 1
    assert len(rows(file, "located")) == 40


@pytest.mark.parametrize("accept", [None, "reset", "rebuild"])
def test_an_order_that_was_carried_out_is_not_carried_out_again(accept: str | None, tmp_path: Path) -> None:
    file = ready(tmp_path / "p")
    done_but_not_marked(file, tmp_path / "copy")
    with warned() as said:
        opened(file).run(accept=accept)
    assert orders.pending(work(file)) == []
    assert not [message for message in said if "void" in message]
    assert sorted(row["n"] for row in rows(file, "located")) == list(range(40))
    assert settled(file)
    assert states(file) == ({} if accept == "rebuild" else {"replayed": 1, "open": 1})      # the open one: its window is closed
    opened(file).run()
    assert len(rows(file, "located")) == 40


def test_after_a_rebuild_an_order_is_void_and_its_rows_come_once(tmp_path: Path) -> None:
    file = ready(tmp_path)
    left_behind(file)
    with warned() as said:
        opened(file).run(accept="rebuild")
    assert any("a replay of 1 rows" in message and "is void" in message for message in said)
    assert orders.pending(work(file)) == []
    assert sorted(row["n"] for row in rows(file, "located")) == list(range(40))
    assert states(file) == {}
    assert opened(file).replay() == {"ordered": 0, "replayed": 0, "taken_by": ""}
    with warned() as again:
        opened(file).run()
    assert not again
    assert len(rows(file, "located")) == 40


def test_after_a_reset_an_order_is_void_and_its_rows_are_open_again(tmp_path: Path) -> None:
    file = ready(tmp_path)
    left_behind(file)
    edit(file, "size: 1m", "size: 2m")
    with warned() as said:
        opened(file).run(accept="reset")
    assert any("is void" in message for message in said)
    assert states(file) == {"open": 1}
    assert opened(file).replay()["replayed"] == 1
    assert sorted(row["n"] for row in rows(file, "located")) == list(range(40))
    assert settled(file)


def test_an_order_whose_step_was_taken_out_is_void_and_stops_nothing(tmp_path: Path) -> None:
    file = ready(tmp_path)
    left_behind(file)
    next(work(file).glob("incarnations/*/plan-*2.json")).unlink(missing_ok=True)
    edit(file, "  located: {from: readings, lookup", "  placed: {from: readings, lookup")
    edit(file, "from: located\n    window", "from: placed\n    window")
    edit(file, "located: {from: located", "located: {from: placed")
    for plan in sorted(work(file).glob("incarnations/*/plan-*.json"))[-1:]:
        plan.unlink()                                    # as if it had been given and not planned yet
    with warned() as said:
        opened(file).run()
    assert any("has no `located` any more" in message for message in said)
    assert orders.pending(work(file)) == []
    assert states(file) == {"open": 1}
