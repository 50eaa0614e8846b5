"""Started, stopped, frozen, taken over, followed: a runner as a person and a machine handle it."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telling import CLOCK, at, balances, command, ended, lines, opened, quiet_end, rows, script, until, write

from mainstem import signals
from mainstem.clock import HandClock
from mainstem.project.place import locate
from mainstem.project.run import run

PIPELINE = """\
version: 1
pipeline: sensors
sources:
  readings:
    files: {path: "inbox/*.jsonl"%(complete)s}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!}
    time: {column: at, lateness: 10s%(idle)s}
steps:
  checked: {from: readings, check: [{that: value < 100}]}
  minutes:
    from: checked
    window: {size: 1m, by: [sensor], late: quarantine}
    select: count(*) AS n
outputs:
  every: {from: checked, delta: {table: every, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""


def pipeline(idle: str = "", complete: bool = False) -> str:
    return PIPELINE % {"idle": f", idle: {{{idle}}}" if idle else "", "complete": ", complete: true" if complete else ""}


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n % 90)} for n in range(first, last))


def append(file: Path, first: int, last: int) -> None:
    with (file.parent / "inbox" / "a.jsonl").open("a") as inbox:
        inbox.write(readings(first, last))


def count(file: Path, name: str = "every") -> int:
    return opened(file).read(name).num_rows


@pytest.fixture
def started() -> Iterator[list[Any]]:
    """Processes of a test; none outlives it."""
    processes: list[Any] = []
    yield processes
    for process in processes:
        quiet_end(process)


SLOW = {"MAINSTEM__EPOCH__ROWS": "200"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("follow", [False, True], ids=["run", "follow"])
def test_a_signal_finishes_the_epoch_and_it_goes_on_later(number: int, follow: bool, tmp_path: Path, started: list[Any]) -> None:
    total = 60_000
    file = write(tmp_path, pipeline(complete=not follow), inbox___a__jsonl=readings(0, total))
    process = command(file, "run", "--quiet", *(["--follow"] if follow else []), **SLOW)
    started.append(process)
    journals = tmp_path / ".mainstem/default/sensors/incarnations"
    until(lambda: len(list(journals.glob("*/prepared-*.json"))) >= 3)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == (0 if follow else 128 + number), err
    assert "Traceback" not in err
    stopped = opened(file).show_run("last")
    assert stopped["why"] == "stopped"
    assert 0 < stopped["rows"] < total
    published = count(file)
    assert published == (stopped["rows"] if follow else 0)           # a bounded run shows all of its rows or none
    assert all(json.loads(path.read_text())["until"] == 0 for path in (journals.parent / "lease").glob("lease-*.json"))
    result = opened(file).run(flush=True)
    assert balances(result.account)
    assert count(file) == total
    assert result.rows == total - stopped["rows"]
    assert sum(row["n"] for row in rows(file, "minutes")) == total


def test_a_second_signal_stops_at_once_and_nothing_is_lost(tmp_path: Path, started: list[Any]) -> None:
    file = write(tmp_path, pipeline(), inbox___a__jsonl=readings(0, 500))
    process = script(file, SLOW_COMMIT)
    started.append(process)
    until((tmp_path / "sleeping").exists)
    process.terminate()
    CLOCK.sleep(0.3)
    assert process.poll() is None                                    # it finishes its epoch, which takes 60 s here
    process.terminate()
    code, _, err = ended(process, 8)
    assert code == 128 + signal.SIGTERM, err
    opened(file).run()
    assert count(file) == 500


SLOW_COMMIT = """
import sys, time
from pathlib import Path
from mainstem import project, signals
def slow(name, facts):
    if name == "epoch.committing":
        Path("sleeping").write_text("")
        time.sleep(60)
with signals.listening(slow):
    project.open(sys.argv[1]).run(follow=True)
"""

FREEZING = """
import os, signal, sys
from pathlib import Path
from mainstem import project, signals
from mainstem.errors import MainstemError
def freeze(name, facts):
    if name == sys.argv[2] and not Path("frozen").exists():
        Path("frozen").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
with signals.listening(freeze):
    try:
        project.open(sys.argv[1]).run(each=True)
    except MainstemError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""
POINTS = ["epoch.planned", "epoch.ran", "epoch.prepared", "epoch.committing", "epoch.committed", "epoch.finished"]


@pytest.mark.parametrize("point", POINTS)
def test_a_sleeper_that_wakes_finds_itself_replaced(point: str, tmp_path: Path, started: list[Any]) -> None:
    file = write(tmp_path, pipeline(complete=True), inbox___a__jsonl=readings(0, 400))
    sleeper = script(file, FREEZING, point)
    started.append(sleeper)
    until((tmp_path / "frozen").exists)
    if point == "epoch.ran":
        refused = command(file, "run", "--quiet")
        started.append(refused)
        code, _, err = ended(refused)
        assert code == 5
        assert "run.held" in err
    opened(file).run(each=True, takeover=True)
    before = (count(file), rows(file, "minutes"))
    sleeper.send_signal(signal.SIGCONT)
    code, _, err = ended(sleeper)
    assert code == 5, err
    assert "run.fenced" in err
    opened(file).run(each=True)
    assert (count(file), rows(file, "minutes")) == before
    assert before[0] == 400
    assert sum(row["n"] for row in before[1]) == 400


def test_the_lease_of_a_dead_process_is_void(tmp_path: Path, started: list[Any]) -> None:
    file = write(tmp_path, pipeline(), inbox___a__jsonl=readings(0, 100))
    follower = command(file, "run", "--follow", "--quiet")
    started.append(follower)
    until(lambda: count(file) == 100)
    follower.kill()
    follower.communicate()
    append(file, 100, 200)
    opened(file).run()                                               # a living one's would be run.held
    assert count(file) == 200
    assert [one["why"] for one in opened(file).runs()] == ["hold", "died"]


def test_appended_rows_are_seen_by_a_follower(tmp_path: Path, started: list[Any]) -> None:
    file = write(tmp_path, pipeline(), inbox___a__jsonl=readings(0, 100))
    follower = command(file, "run", "--follow", "--quiet")
    started.append(follower)
    until(lambda: count(file) == 100)
    for number in range(3):
        append(file, 100 + number * 50, 150 + number * 50)
        until(lambda number=number: count(file) == 150 + number * 50)
    follower.terminate()
    assert ended(follower)[0] == 0
    assert len(rows(file, "minutes")) == 9                           # W = 249 - 10: three windows of three sensors


def follow(file: Path, clock: HandClock, step: Any, epochs: int, **flags: Any) -> list[tuple[int, int]]:
    """A follower on a clock of ours; (moment, rows) of each epoch. `step(epoch)` is called after each one."""
    seen: list[tuple[int, int]] = []
    said: dict[str, int] = {"rows": 0}

    def listen(name: str, facts: dict[str, Any]) -> None:
        if name == "run.progress":
            seen.append((clock.now(), facts["rows"] - said["rows"]))
            said["rows"] = facts["rows"]
            step(len(seen))

    with signals.listening(listen):
        run(locate(file, None, flags), follow=True, clock=clock, max_epochs=epochs)
    return seen


def test_an_epoch_ends_at_the_interval_or_when_it_is_full(tmp_path: Path) -> None:
    file = write(tmp_path, pipeline(), inbox___a__jsonl=readings(0, 50))
    clock = HandClock(2_000_000_000_000_000)

    def step(epoch: int) -> None:
        append(file, epoch * 50, epoch * 50 + 50 if epoch < 3 else 1000)

    seen = follow(file, clock, step, 6, epoch={"rows": 200, "interval": "5s"})
    waits = [round((there - here) / 1e6) for (here, _), (there, _) in itertools.pairwise(seen)]
    assert [count for _, count in seen][:3] == [50, 50, 50]
    assert waits[:2] == [5, 5]                                       # a few rows wait for the end of the interval
    assert waits[2:] == [0, 0, 0]                                    # a full epoch does not
    assert all(count > 100 for _, count in seen[3:])
    assert max(count for _, count in seen) < 400, seen


@pytest.mark.parametrize("rule", ["hold", "catch_up", "flush"])
def test_what_an_idle_source_does_to_open_windows(rule: str, tmp_path: Path) -> None:
    file = write(tmp_path, pipeline(f"after: 3s, then: {rule}"), inbox___a__jsonl=readings(0, 125))
    clock = HandClock(2_000_000_000_000_000)
    closed: list[int] = []

    def step(epoch: int) -> None:
        closed.append(count(file, "minutes"))
        if epoch == 2:
            assert rule != "hold"
            append(file, 125, 320)

    epochs = {"hold": 1, "catch_up": 3, "flush": 3}[rule]
    if rule == "hold":
        follow(file, clock, step, 1)
        follow_end = HandClock(clock.now())
        append(file, 125, 320)
        follow(file, follow_end, step, 1)
        assert closed == [3, 15]                                     # W = 124 - 10, then 319 - 10
    else:
        seen = follow(file, clock, step, epochs)
        assert (seen[1][0] - seen[0][0]) / 1e6 == pytest.approx(3, abs=0.5)
        assert seen[1][1] == 0
        assert closed == {"catch_up": [3, 6, 15], "flush": [3, 9, 15]}[rule]
    found = opened(file).quarantine(reason="late").num_rows + opened(file).quarantine(reason="woke_after_idle").num_rows
    assert found == (55 if rule == "flush" else 0)                   # flush closed [120, 180); hold and catch_up did not
    assert count(file) == 320


def test_a_real_follower_that_goes_idle_flushes_once(tmp_path: Path, started: list[Any]) -> None:
    file = write(tmp_path, pipeline("after: 1s, then: flush"), inbox___a__jsonl=readings(0, 125))
    follower = command(file, "run", "--follow", "--quiet", "--output", "json")
    started.append(follower)
    until(lambda: count(file, "minutes") == 9)
    CLOCK.sleep(1.5)
    follower.terminate()
    code, out, err = ended(follower)
    assert code == 0, err
    assert count(file, "minutes") == 9
    assert json.loads(out)["data" if "data" in json.loads(out) else "why"]
    assert os.environ.get("CI") is None or len(err) < 10_000
