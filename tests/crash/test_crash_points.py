"""Killed with -9 at every numbered point of the protocol, with a step that is not deterministic: nothing is otherwise afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killing import AT_ONCE, SHAPES, child, journal_of, make, run
from remains import half_visible, remains, torn

from mainstem import signals

POINTS = [name for name in signals.SIGNALS if name.startswith("epoch.")]
CASES = [(shape, outputs, point) for shape in SHAPES for outputs in (1, 2) for point in POINTS if (shape, outputs) != ("flushed", 1)]
CASES += [(shape, 4, point) for shape in ("bounded", "following") for point in ("epoch.committing", "epoch.committed")]
AHEAD = {"bounded": POINTS[1:4], "following": POINTS[1:]}    # a bounded run commits when there is nothing more to read
Whole = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """What a run that nothing disturbed leaves behind, by shape and number of outputs."""
    known: dict[tuple[str, int, int], dict[str, Any]] = {}

    def find(shape: str, outputs: int, rows: int = 60) -> dict[str, Any]:
        if (shape, outputs, rows) not in known:
            file = make(tmp_path_factory.mktemp("unfailed") / "p", outputs, noisy=outputs > 1, rows=rows)
            assert run(file, shape).epochs > 1
            found = known[shape, outputs, rows] = remains(file)
            assert len(found["tables"]["spans"]) > 15
            assert len(found["quarantine"]) > 10
            assert len(found["account"]) == outputs + 1
            assert found["account"] == found["ledger"]
            assert bool(found["state"].get("spans")) == (shape != "flushed")
            assert outputs == 1 or not torn(file)
        return known[shape, outputs, rows]

    return find


def holds(file: Path, shape: str, outputs: int, whole: dict[str, Any]) -> None:
    """After a kill: no reader finds a part of anything; started again it ends as if nothing had been."""
    assert not half_visible(file, whole, shape in AT_ONCE)
    assert not child(file.parent, run, file, shape).killed
    assert remains(file) == whole
    assert outputs == 1 or not torn(file)


@pytest.mark.parametrize(("shape", "outputs", "point"), CASES)
def test_kill_9_at_each_point(point: str, outputs: int, shape: str, tmp_path: Path, whole: Whole) -> None:
    file = make(tmp_path / "p", outputs, noisy=outputs > 1)
    times = 1 if shape in AT_ONCE and point in ("epoch.finished", "epoch.acknowledged") else 2
    ended = child(file.parent, run, file, shape, point=point, times=times)
    assert ended.killed, f"{point} was not reached {times} times"
    assert ended.last == point
    holds(file, shape, outputs, whole(shape, outputs))


@pytest.mark.parametrize(("shape", "point"), [(shape, point) for shape, points in AHEAD.items() for point in points])
def test_kill_9_at_each_point_with_the_next_epoch_read_ahead(shape: str, point: str, tmp_path: Path, whole: Whole) -> None:
    file = make(tmp_path / "p", 2, noisy=True, rows=150)
    ended = child(file.parent, run_and_die_ahead, file, shape, point)
    assert ended.killed, f"{point} was not reached with the next epoch read"
    assert journal_of(file).epochs("plan") == [1]
    assert journal_of(file).epochs("prepared") == ([] if point in ("epoch.ran", "epoch.judged") else [1])
    assert list((tmp_path / "p/lake").rglob("part-000000000002-*.parquet")), "nothing was staged for the next epoch"
    holds(file, shape, 2, whole(shape, 2, 150))


def run_and_die_ahead(file: Path, shape: str, point: str) -> None:
    """Run, wait at that point of the first epoch until the second one's rows are staged, then die."""
    staged = threading.Event()

    def listen(name: str, facts: dict[str, Any]) -> None:
        if name == "task.finished" and facts["epoch"] == 2:
            staged.set()
        if name == point and facts["epoch"] == 1:
            assert staged.wait(20), "nothing was read ahead"
            os.kill(os.getpid(), signal.SIGKILL)

    with signals.listening(listen):
        run(file, shape)
