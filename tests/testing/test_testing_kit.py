"""The kit: scripts play as written, crashes happen where asked and stay, the list sink commits each epoch once."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem import durable, plugs, signals
from mainstem.columns import Column, parse_type
from mainstem.testing import Crash, HandClock, count_durable_calls, crash_at
from mainstem.testing.collect import Collect
from mainstem.testing.scripted import CRASH, DRAINED, END, PAUSE, Scripted, arrival, register

BUDGET = plugs.Budget(1000, 1 << 20)


def scope(folder: Path) -> plugs.Scope:
    return plugs.Scope(str(folder), str(folder / "lake"), str(folder / "work"), "p", "default", "readings")


def scripted(folder: Path, partitions: dict[str, list[Any]], **how: Any) -> Scripted:
    return Scripted(Scripted.Options.model_validate({"partitions": partitions, **how}), None, scope(folder))  # type: ignore[arg-type]


def play(source: Scripted, most: int = 20) -> list[tuple[list[list[bytes]], list[int], bool]]:
    """Epoch after epoch: (records of every range, drained partitions, ended)."""
    seen, progress = [], None
    for _ in range(most):
        found = source.discover(progress, BUDGET)
        lines = [bytes(chunk.data).splitlines() for range_ in found.ranges for chunk in source.read(range_)]
        seen.append((lines, sorted(found.drained), found.ended))
        progress = dict(found.progress)
        if found.ended:
            break
    return seen


def test_a_script_is_cut_where_it_says(tmp_path: Path) -> None:
    source = scripted(tmp_path, {"a": [{"v": 1}, PAUSE, {"v": 2}, "raw", END], "b": [{"v": 3}, DRAINED, {"v": 4}]})
    assert play(source) == [
        ([[b'{"v": 1}'], [b'{"v": 3}']], [1], False),
        ([[b'{"v": 2}', b"raw"], [b'{"v": 4}']], [0, 1], True),
    ]


def test_the_same_records_have_the_same_positions_in_any_cut(tmp_path: Path) -> None:
    script = [{"v": number, "pad": "ü" * number} for number in range(7)]
    found = []
    for per_epoch in (1, 2, 7):
        source, progress, places = scripted(tmp_path, {"a": script}, per_epoch=per_epoch), None, []
        while not (step := source.discover(progress, BUDGET)).ended or step.ranges:
            progress = dict(step.progress)
            for range_ in step.ranges:
                (chunk,) = source.read(range_)
                at = chunk.start
                for line in bytes(chunk.data).splitlines(keepends=True):
                    places.append((at, line))
                    at += len(line)
                assert at == range_.end
        found.append(places)
    assert found[0] == found[1] == found[2]
    assert source.place({"partition": 0, "position": found[0][3][0]}) == "readings[a] step 3"


def test_records_arrive_when_the_script_says(tmp_path: Path) -> None:
    source = scripted(tmp_path, {"a": [arrival(5_000_000), {"v": 1}, {"arrival": "1970-01-01T00:00:09Z"}, {"v": 2}]})
    (range_,) = source.discover(None, BUDGET).ranges
    (chunk,) = source.read(range_)
    assert chunk.clock is not None
    assert chunk.clock.tolist() == [5_000_000, 9_000_000]


def test_a_crash_in_the_script_happens_once(tmp_path: Path) -> None:
    source = scripted(tmp_path, {"a": [{"v": 1}, CRASH, {"v": 2}]})
    (range_,) = source.discover(None, BUDGET).ranges
    with pytest.raises(Crash):
        source.read(range_)
    (chunk,) = scripted(tmp_path, {"a": [{"v": 1}, CRASH, {"v": 2}]}).read(range_)
    assert bytes(chunk.data) == b'{"v": 1}\n{"v": 2}\n'


def test_an_incomplete_script_never_ends(tmp_path: Path) -> None:
    found = play(scripted(tmp_path, {"a": [{"v": 1}]}, complete=False), most=3)
    assert [(len(lines), ended) for lines, _, ended in found] == [(1, False), (0, False), (0, False)]


def test_a_registered_kind_is_found() -> None:
    register()
    assert plugs.find("sources", "scripted") is Scripted
    assert plugs.find("sinks", "collect") is Collect
    assert "scripted" in plugs.kinds("sources")
    assert "files" in plugs.kinds("sources")


# ------------------------------------------------------------------------------------------------------ crashes


def test_a_crash_comes_at_the_time_asked_and_no_except_exception_stops_it() -> None:
    with pytest.raises(Crash), crash_at("epoch.committed", times=2, output="b") as reached:  # noqa: PT012
        for epoch in range(5):
            for output in "ab":
                try:
                    signals.at("epoch.committed", epoch=epoch, output=output)
                except Exception:  # noqa: BLE001
                    pytest.fail("swallowed")
    assert reached.fired
    assert reached.facts == {"epoch": 1, "output": "b"}


def test_after_a_crash_nothing_durable_goes_through(tmp_path: Path) -> None:
    with pytest.raises(Crash), crash_at("epoch.judged"):  # noqa: PT012
        try:
            signals.at("epoch.judged", epoch=1)
        finally:
            with pytest.raises(Crash):
                durable.publish(tmp_path / "cleanup", b"x")
    assert list(tmp_path.iterdir()) == []
    durable.publish(tmp_path / "later", b"x")


def test_every_durable_call_can_be_counted_and_crashed_at(tmp_path: Path) -> None:
    with count_durable_calls() as calls:
        durable.publish(tmp_path / "a", b"x")
    assert [name for name, _ in calls] == ["durable.create", "durable.fsync", "durable.link", "durable.fsync"]
    for number in range(1, len(calls) + 1):
        with pytest.raises(Crash), crash_at("durable", times=number) as reached:
            durable.publish(tmp_path / f"b{number}", b"x")
        assert reached.fired
        assert (tmp_path / f"b{number}").exists() == (number == 4)


def test_a_point_that_is_not_reached_is_seen() -> None:
    with crash_at("epoch.planned", times=3) as reached:
        signals.at("epoch.planned", epoch=1)
    assert (reached.fired, reached.count) == (False, 1)
    with pytest.raises(KeyError), crash_at("epoch.plan"):
        pass


def test_a_crash_comes_out_of_a_thread() -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            signals.at("task.started", stage="s", task=0)
        except Crash as crash:
            caught.append(crash)

    with crash_at("task.started"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_a_kill_is_a_real_one(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        from pathlib import Path
        from mainstem import durable, signals
        from mainstem.testing import kill_from_environment
        import gc
        kill_from_environment()
        gc.collect()
        for number in range(5):
            signals.at("epoch.judged", epoch=number)
            durable.publish(Path({str(tmp_path)!r}) / str(number), b"x")
    """)
    done = subprocess.run([sys.executable, "-c", script], env={"MAINSTEM_KILL_AT": "epoch.judged:3"}, check=False, timeout=20)
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_the_hand_clock_moves_when_told() -> None:
    clock = HandClock(10)
    clock.sleep(2)
    assert clock.now() == 2_000_010


# ---------------------------------------------------------------------------------------------------- list sink


@pytest.mark.parametrize("lasting", [False, True])
def test_each_epoch_is_committed_once(tmp_path: Path, lasting: bool) -> None:
    def sink() -> Collect:
        options = Collect.Options.model_validate({"list": "seen", "durable": lasting})
        return Collect(options, (Column("v", parse_type("int64")),), "append", (), None, scope(tmp_path))  # type: ignore[arg-type]

    one = sink()
    assert one.identity() is None
    assert one.prepare() == one.identity()
    assert one.read().num_rows == 0
    files = [one.stage(pa.table({"v": [number, number + 1]}), f"part-{number}") for number in (1, 3)]
    first = plugs.Transaction("p/i/o", 1, "r", 1)
    assert one.commit(first, files[:1]) == plugs.Committed(1, 2)
    assert sink().commit(first, files[:1]) == plugs.Committed(1, 2, already=True)
    assert sink().commit(plugs.Transaction("p/i/o", 2, "r", 2), files[1:]) == plugs.Committed(2, 2)
    assert sink().read()["v"].to_pylist() == [1, 2, 3, 4]
    assert sink().read(1)["v"].to_pylist() == [1, 2]
    assert (sink().last("p/i/o"), sink().last("other"), sink().version()) == (2, None, 2)
    anew = sink().stage(pa.table({"v": [9]}), "anew")
    sink().commit(plugs.Transaction("p/j/o", 1, "r", 1, {"pipeline": "p", "incarnation": "j"}, fresh=True), [anew])
    assert sink().read()["v"].to_pylist() == [9]
    assert sink().read(2)["v"].to_pylist() == [1, 2, 3, 4]
    assert sink().writer() == {"pipeline": "p", "incarnation": "j"}
    if not lasting:
        assert [row["v"] for row in Collect.rows("p", "seen")] == [9]
        Collect.shelves.clear()
