"""On a real standalone cluster: equal to the embedded engine, whatever dies while it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import killing
import pytest
from cluster import Cluster, Driver, driver
from deltalake import DeltaTable
from eventlog import jobs
from remains import remains, torn

from mainstem import project

pytestmark = pytest.mark.timeout(300)
ROWS = 300
FLAGS = {"epoch": {"rows": 60, "interval": "1s"}, "engine": {"spark": {"tasks": 2}}, "tasks": 2}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster-events")


@pytest.fixture(scope="module")
def on(cluster: Cluster, log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("driver") / "faults"
    speculation = {"spark.speculation": "true", "spark.speculation.quantile": "0.5", "spark.speculation.multiplier": "2",
                   "spark.speculation.minTaskRuntime": "2s", "spark.speculation.efficiency.enabled": "false"}
    with driver(cluster, folder, **speculation, **{"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(),
                                    "spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false"}) as running:
        yield running


def run(file: Path, engine: str = "spark", **wishes: Any) -> int:
    """A run of few epochs; how many."""
    return project.open(file, flags=FLAGS).run(engine=engine, **wishes).epochs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], dict[str, Any]]:
    """What the embedded engine leaves behind."""
    known: dict[bool, dict[str, Any]] = {}

    def find(noisy: bool) -> dict[str, Any]:
        if noisy not in known:
            file = killing.make(tmp_path_factory.mktemp("embedded") / "p", 2, noisy=noisy, rows=ROWS)
            assert run(file, "local") > 1
            known[noisy] = remains(file)
            assert len(known[noisy]["tables"]["spans"]) > 50
            assert known[noisy]["state"]["spans"]
        return known[noisy]

    return find


def test_equal_on_a_cluster(on: Driver, whole: Any, tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p", 2, rows=ROWS)
    assert on(run, file) > 1
    assert remains(file) == whole(False)


FAULTS: dict[str, tuple[bool, list[tuple[str, str, str, int]]]] = {      # name -> noisy; signal, stage, fault, how often
    "an executor in each stage": (False, [("task.finished", "readings", "kill_executor", 1),
                                          ("task.finished", "fresh", "kill_executor", 1),
                                          ("task.started", "spans", "kill_executor", 1)]),
    "the step that is not deterministic": (True, [("task.finished", "fresh", "kill_executor", 1), ("task.started", "fresh", "fail", 2)]),
    "who reads what it made": (True, [("task.finished", "spans", "fail", 2), ("task.started", "spans", "kill_task", 1)]),
    "a host": (True, [("task.finished", "fresh", "kill_host", 1)]),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_dies_or_fails_changes_nothing(what: str, cluster: Cluster, on: Driver, whole: Any, tmp_path: Path) -> None:
    noisy, faults = FAULTS[what]
    file = killing.make(tmp_path / "p", 2, noisy=noisy, rows=ROWS)
    for fault in faults:
        on.order(*fault)
    assert on(run, file) > 1
    assert on.done()
    assert remains(file) == whole(noisy)
    assert not noisy or not torn(file)
    if what == "a host":
        assert cluster.lost() == 1
        cluster.add()


def test_two_attempts_of_a_task_are_never_mixed(on: Driver, whole: Any, log: Path, tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p", 2, noisy=True, rows=ROWS)
    file.write_text(file.read_text().replace("pipeline: crashing", "pipeline: twice"))
    on.order("task.finished", "fresh", "sleep")                   # its files are written, and another attempt is quicker
    assert on(run, file) > 1
    tasks = [task for job in jobs(log, "twice: ") for stage in job.stages.values() for task in stage]
    assert [task["Task Info"]["Attempt"] for task in tasks if task["Task Info"]["Speculative"]] == [1]
    assert not torn(file)
    assert remains(file) == whole(True)
    assert unlisted(file), "the slower attempt left nothing behind"
    project.open(file, flags=FLAGS | {"retention": {"staged": "1us", "versions": "1us"}}).maintain()
    assert not unlisted(file)
    assert remains(file) == whole(True)


def unlisted(file: Path) -> list[str]:
    """Files of the table `fresh` that no version of it has."""
    folder = file.parent / "lake" / "fresh"
    listed = {Path(path).name for path in DeltaTable(str(folder)).file_uris()}
    return [path.name for path in folder.rglob("*.parquet") if path.name not in listed and "_delta_log" not in path.parts]
