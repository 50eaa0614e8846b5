"""Orders as files: pending, done, void, gathered; what they say survives gathering and every crash in it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mainstem import signals
from mainstem.engines import orders
from mainstem.testing import Crash, crash_at


def rows(*numbers: int, epoch: int = 1) -> pa.Table:
    count = len(numbers)
    return pa.table({"id": [f"r{n}" for n in numbers], "incarnation": ["i"] * count, "epoch": pa.array([epoch] * count, pa.int64()),
                     "raw": [b"x" * 100] * count})


def given(work: Path, number: int, kind: str = "replay", done: bool = True, incarnation: str = "i") -> orders.Order:
    order = orders.give(work, 1_000_000 * number, kind, "readings", "checked", rows(number), incarnation)
    if done and kind == "replay":
        orders.done(work, [{"id": order.id}])
    return order


def files(work: Path) -> list[str]:
    return sorted(path.name for path in (work / "orders").iterdir())


def test_what_is_pending_and_what_became_of_rows(tmp_path: Path) -> None:
    given(tmp_path, 1)
    given(tmp_path, 2, "discard")
    waiting = given(tmp_path, 3, done=False)
    assert orders.pending(tmp_path) == [waiting]
    assert orders.pending(tmp_path, "i") == [waiting]
    assert orders.pending(tmp_path, "j") == []
    assert orders.handled(tmp_path) == {("r1", "i", 1): "replayed", ("r2", "i", 1): "discarded", ("r3", "i", 1): "ordered"}
    orders.done(tmp_path, [{"id": waiting.id}, {"id": waiting.id}])
    assert orders.pending(tmp_path) == []


def test_thousands_of_orders_become_one_file_that_says_the_same(tmp_path: Path) -> None:
    for number in range(1200):
        given(tmp_path, number, "discard" if number % 3 else "replay")
    waiting = given(tmp_path, 5000, done=False)
    before = orders.handled(tmp_path)
    assert len(files(tmp_path)) == 1200 * 3 + 2
    assert orders.gather(tmp_path, 7, dry_run=True) == 1200 * 3
    assert len(files(tmp_path)) == 1200 * 3 + 2
    assert orders.gather(tmp_path, 7) == 1200 * 3
    assert len(files(tmp_path)) == 1 + 2
    assert orders.handled(tmp_path) == before
    assert len(before) == 1201
    assert orders.pending(tmp_path) == [waiting]
    assert orders.gather(tmp_path, 8) == 0, "there is nothing more to gather"
    given(tmp_path, 5001)
    orders.gather(tmp_path, 9)
    assert len(files(tmp_path)) == 1 + 2
    assert len(orders.handled(tmp_path)) == 1202
    gone = [("r1", "i", 1), ("r5001", "i", 1)]
    orders.gather(tmp_path, 10, forget=gone)
    assert set(orders.handled(tmp_path)) == set(before) - set(gone)
    assert orders.settled(tmp_path).column("at").to_pylist()[0] == 0


@pytest.mark.parametrize("count", range(1, 5))
def test_a_crash_while_they_are_gathered_changes_nothing(tmp_path: Path, count: int) -> None:
    for number in range(4):
        given(tmp_path, number)
    orders.gather(tmp_path, 1)
    given(tmp_path, 10, "discard")
    before = orders.handled(tmp_path)
    try:
        with crash_at("durable", count) as reached:
            orders.gather(tmp_path, 2)
    except Crash:
        assert reached.fired
    assert orders.handled(tmp_path) == before
    orders.gather(tmp_path, 3)
    orders.gather(tmp_path, 4)
    assert orders.handled(tmp_path) == before
    assert len([name for name in files(tmp_path) if not name.endswith(".tmp")]) == 1


def test_two_that_gather_at_once_lose_nothing(tmp_path: Path) -> None:
    for number in range(3):
        given(tmp_path, number)
    before, heard = orders.handled(tmp_path), list[str]()

    def meanwhile(name: str, facts: dict[str, object]) -> None:
        if name == "durable.link" and "settled" in str(facts["path"]) and not heard:
            heard.append(name)
            given(tmp_path, 7)
            orders.gather(tmp_path, 2)

    with signals.listening(meanwhile):
        orders.gather(tmp_path, 1)
    assert heard
    assert orders.handled(tmp_path) == before | {("r7", "i", 1): "replayed"}


def test_an_order_of_another_incarnation_or_of_a_step_that_is_gone_is_void(tmp_path: Path) -> None:
    said: list[str] = []
    with signals.listening(lambda name, facts: said.append(facts["message"]) if name == "log" else None):
        given(tmp_path, 1, done=False, incarnation="old")
        assert orders.due(tmp_path, "i", {"readings", "checked"}) is None
        orders.void_others(tmp_path, "i")
        assert len(said) == 1
        mine = given(tmp_path, 2, done=False)
        assert orders.due(tmp_path, "i", {"readings", "checked"}) == mine
        assert orders.due(tmp_path, "i", {"readings"}) is None
        orders.void_others(tmp_path, "i")
    assert len(said) == 2
    assert all("void" in message for message in said)
    assert orders.pending(tmp_path) == []
    assert orders.handled(tmp_path) == {}, "their rows are open"
    orders.gather(tmp_path, 3)
    assert files(tmp_path) == []
