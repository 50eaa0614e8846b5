"""The driver killed with -9, its Java with it: in the middle of a job and at the points of the protocol. It goes on on either engine."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import killing
import pytest
from cluster import PLANTED, SOURCES
from killing import Ended, child
from remains import half_visible, remains, torn

from mainstem import project
from mainstem.clock import SystemClock

ROWS = 100
FLAGS = {"epoch": {"rows": 30, "interval": "1s"}, "tasks": 2, "engine": {"spark": {"master": "local[2]", "tasks": 2, "conf": {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}}}}
POINTS = ("epoch.planned", "epoch.ran", "epoch.judged", "epoch.prepared", "epoch.committed", "epoch.finished")


def run(file: Path, engine: str) -> None:
    """A run that is published epoch by epoch. Who drives it writes down which process is its Java."""
    if engine == "spark" and "MAINSTEM_FAULTS" in os.environ:
        from mainstem.engines.spark.launch import start

        settings: Any = FLAGS["engine"]
        session = start("local[2]", settings["spark"]["conf"], "killed")
        (file.parent / "java").write_text(str(session.sparkContext._gateway.proc.pid))
    project.open(file, flags=FLAGS).run(engine=engine, each=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the embedded engine leaves behind."""
    file = killing.make(tmp_path_factory.mktemp("embedded") / "p", 2, noisy=True, rows=ROWS)
    run(file, "local")
    return remains(file)


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs it in a process of its own that is killed at a point, or by an order to its tasks."""
    faults = tmp_path / "faults"
    faults.mkdir()

    def run_and_kill(file: Path, point: str, order: str = "") -> Ended:
        monkeypatch.setenv("MAINSTEM_FAULTS", str(faults))
        monkeypatch.setenv("PYTHONPATH", f"{PLANTED}{os.pathsep}{SOURCES}")
        if order:
            (faults / order).touch()
        ended = child(file.parent, functools.partial(with_environment, dict(os.environ)), file, point=point)
        assert not list(faults.iterdir())
        return ended

    return run_and_kill


def with_environment(environment: dict[str, str], file: Path) -> None:
    """A child of a server that was started earlier has the environment of that time."""
    os.environ.update(environment)
    run(file, "spark")


def gone(file: Path) -> bool:
    """Whether the Java of the killed driver is no more: nobody computes on."""
    clock, pid = SystemClock(), int((file.parent / "java").read_text())
    deadline = clock.monotonic() + 20
    while clock.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        clock.sleep(0.05)
    return False


@pytest.mark.parametrize(("number", "point"), [*enumerate((*POINTS, "in the job"))])
def test_kill_9_and_on(number: int, point: str, killed: Any, whole: dict[str, Any], tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p", 2, noisy=True, rows=ROWS)
    ended = killed(file, point) if point in POINTS else killed(file, "", "task.finished~spans~kill_driver~1")
    assert ended.killed
    assert gone(file)
    assert not half_visible(file, whole, at_once=False)
    run(file, ("spark", "local")[number % 2])
    assert remains(file) == whole
    assert not torn(file)
