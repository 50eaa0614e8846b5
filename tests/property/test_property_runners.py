"""Two runners of one pipeline, frozen and woken at every point of the protocol (2-S 6): one plan per epoch, and the loser exits 5."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted import BEGIN, SECOND, line

from mainstem import project, signals
from mainstem.errors import ConcurrencyError

FLAGS = {"epoch": {"rows": 60}, "tasks": 2}
PIPELINE = """\
version: 1
pipeline: raced
sources:
  events:
    files: {path: events.jsonl}
    format: json
    columns: {t: timestamp!, k: string!, v: int64!}
    time: {column: t, lateness: 10s}
steps:
  good:
    from: events
    check: [{name: small, that: v < 170}]
  minutes:
    from: good
    window: {size: 1m, by: [k], late: quarantine}
    select: count(*) AS n, sum(v) AS total
outputs:
  good: {from: good, delta: {table: good}}
  minutes: {from: minutes, delta: {table: minutes}}
"""
# the points of the protocol, and the moments just before a record of the journal gets its name
POINTS = [
    "epoch.planned",
    "epoch.ran",
    "epoch.judged",
    "epoch.prepared",
    "epoch.committing",
    "epoch.committed",
    "epoch.finished",
    "epoch.acknowledged",
    "durable.link plan-",
    "durable.link prepared-",
    "durable.link manifest-",
    "durable.commit",
]


def make(folder: Path) -> Path:
    folder.mkdir()
    rows = [{"t": BEGIN + n * SECOND, "k": f"k{n % 3}", "v": n} for n in range(180)]
    (folder / "events.jsonl").write_bytes(b"".join(line(row) for row in rows))
    (folder / "raced.yaml").write_text(PIPELINE)
    return folder / "raced.yaml"


def content(file: Path) -> dict[str, Counter[str]]:
    pipeline = project.open(file, flags=FLAGS)
    found = {}
    for name in ("good", "minutes", "quarantine"):
        rows = pipeline.read(name)
        names = [column for column in rows.column_names if column not in ("epoch", "incarnation", "release", "clock")]
        found[name] = Counter(json.dumps(row, default=str, sort_keys=True) for row in rows.select(names).to_pylist())
    return found


def plans(file: Path) -> dict[str, str]:
    """The hash of every plan-N of the one incarnation."""
    found = sorted((file.parent / ".mainstem").rglob("plan-0*.json"))
    assert len({path.parent for path in found}) <= 1          # none yet while the tables are made
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def unfailed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Counter[str]]]:
    """The project as it is before any run, and what a run that nobody disturbs makes of it."""
    folder = tmp_path_factory.mktemp("raced")
    make(folder / "origin")
    shutil.copytree(folder / "origin", folder / "alone")
    result = project.open(folder / "alone" / "raced.yaml", flags=FLAGS).run(each=True)
    assert result.epochs >= 3
    found = content(folder / "alone" / "raced.yaml")
    assert len(found["good"]) == 170
    assert len(found["quarantine"]) == 10
    assert len(found["minutes"]) == 9
    return folder / "origin", found


class Runner:
    """A runner in a thread that freezes at the `times`-th passing of a point and goes on when it is woken."""

    def __init__(self, file: Path, point: str, times: int, **wishes: Any) -> None:
        self.point, self.times, self.passed = point, times, 0
        self.frozen, self.woken = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        self.result: Any = None

        def run() -> None:
            try:
                self.result = project.open(file, flags=FLAGS).run(each=True, **wishes)
            except BaseException as error:  # noqa: BLE001  whatever ended it is what the test looks at
                self.error = error

        self.thread = threading.Thread(target=run)

    def hear(self, name: str, facts: dict[str, Any]) -> None:
        if threading.current_thread() is not self.thread:
            return
        said = f"{name} {Path(facts['path']).name}" if name == "durable.link" else name
        if said.startswith(self.point):
            self.passed += 1
            if self.passed == self.times:
                self.frozen.set()
                assert self.woken.wait(60)

    def wait(self) -> None:
        """Until it is frozen, or has ended without coming there."""
        while not self.frozen.wait(0.05):
            assert self.thread.is_alive(), f"{self.point} was not reached: {self.error or self.result}"

    def wake(self) -> None:
        self.woken.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@contextmanager
def racing(*runners: Runner) -> Iterator[None]:
    with contextmanager(_listen)(runners):
        try:
            yield
        finally:
            for runner in runners:
                runner.woken.set()
                if runner.thread.ident:
                    runner.thread.join(60)


def _listen(runners: tuple[Runner, ...]) -> Iterator[None]:
    def hear(name: str, facts: dict[str, Any]) -> None:
        for runner in runners:
            runner.hear(name, facts)

    with signals.listening(hear):
        yield


def lost(runner: Runner) -> None:
    """It stopped because another was ahead, and says so with exit code 5."""
    assert isinstance(runner.error, ConcurrencyError), f"{runner.point}: {runner.error or runner.result}"
    assert runner.error.exit_code == 5
    assert runner.error.code == "run.fenced"


@pytest.mark.parametrize("point", POINTS)
def test_a_sleeper_that_was_overtaken_stops_when_it_wakes(point: str, tmp_path: Path, unfailed: Any) -> None:
    origin, wanted = unfailed
    file = Path(shutil.copytree(origin, tmp_path / "p")) / "raced.yaml"
    sleeper = Runner(file, point, 2)
    with racing(sleeper):
        sleeper.thread.start()
        sleeper.wait()
        before = plans(file)
        with pytest.raises(ConcurrencyError) as caught:
            project.open(file, flags=FLAGS).run(each=True)
        assert (caught.value.code, caught.value.exit_code) == ("run.held", 5)
        result = project.open(file, flags=FLAGS).run(each=True, takeover=True)
        assert result.why == "end"
        assert content(file) == wanted, "before the sleeper wakes"
        there = plans(file)
        sleeper.wake()
    lost(sleeper)
    assert content(file) == wanted, "after the sleeper woke"
    assert plans(file) == there, "the sleeper made a plan"
    assert before.items() <= there.items(), "a plan was made twice"
    assert [int(name[5:17]) for name in there] == list(range(1, len(there) + 1))
    again = project.open(file, flags=FLAGS).run(each=True)
    assert (again.why, again.rows) == ("end", 0)


@pytest.mark.parametrize("point", ["epoch.planned", "epoch.ran", "epoch.prepared", "epoch.committing", "durable.link manifest-"])
def test_both_sleep_and_the_overtaken_one_wakes_first(point: str, tmp_path: Path, unfailed: Any) -> None:
    """The new owner is frozen at the same kind of point when the old one wakes in the middle of its work."""
    origin, wanted = unfailed
    file = Path(shutil.copytree(origin, tmp_path / "p")) / "raced.yaml"
    first, second = Runner(file, "epoch.ran", 2), Runner(file, point, 1, takeover=True)
    with racing(first, second):
        first.thread.start()
        first.wait()
        second.thread.start()
        second.wait()
        first.wake()
        lost(first)
        second.wake()
    assert second.error is None
    assert second.result.why == "end"
    assert content(file) == wanted
    numbers = [int(name[5:17]) for name in plans(file)]
    assert numbers == list(range(1, len(numbers) + 1))
