"""On a real standalone cluster: equal to the embedded engine, whatever dies while it computes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import killing
import pytest
from cluster import SOURCES, Cluster, Driver, driver
from deltalake import DeltaTable
from eventlog import jobs
from remains import remains, texts, torn

from mainstem import project
from mainstem.errors import TransientError

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
    with driver(cluster.master, folder, **speculation, **{"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(),
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


def test_a_task_that_dies_every_time_ends_the_run_and_the_next_one_goes_on(on: Driver, whole: Any, tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p", 2, noisy=True, rows=ROWS)
    on.order("task.finished", "spans", "kill_task", 30)
    with pytest.raises(TransientError) as found:
        on(run, file, each=True)
    on.forget()
    assert found.value.code == "engine.spark"
    assert "Python worker exited unexpectedly" in found.value.why
    assert "want of memory" in found.value.fix
    assert on(run, file) > 1
    assert remains(file) == whole(True)
    assert not torn(file)


def test_executors_get_mainstem_in_an_archive(cluster: Cluster, whole: Any, tmp_path: Path) -> None:
    file = killing.make(tmp_path / "p", 2, rows=ROWS)
    text = file.read_text().replace("  spans:\n    from: fresh", WHERE + "  spans:\n    from: fresh")
    file.write_text(text.replace("from: fresh, delta: {table: fresh", "from: located, delta: {table: fresh"))
    (file.parent / "where.py").write_text("import mainstem\nimport pyarrow as pa\n\n\ndef add(rows):\n"
                                          "    return rows.append_column('file', pa.array([mainstem.__file__] * rows.num_rows))\n")
    conf = {"spark.archives": f"{archive(tmp_path)}#environment", "spark.pyspark.python": "./environment/bin/python",
            "spark.cores.max": "1", "spark.executor.memory": "512m", "spark.driver.host": "127.0.0.1"}
    (file.parent / "mainstem.yaml").write_text(json.dumps(
        {"version": 1, "engine": {"spark": {"master": cluster.master, "tasks": 2, "conf": conf}}}))
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(SOURCES)}
    done = subprocess.run([sys.executable, "-m", "mainstem.cli", "run", str(file)], env=environment, capture_output=True, text=True,
                          timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    rows = project.open(file).read("fresh")
    assert all("/worker-" in path and "/environment/" in path for path in rows.column("file").to_pylist())
    assert texts(rows.drop_columns(["file"]), False) == whole(False)["tables"]["fresh"]
    assert texts(project.open(file).read("spans"), False) == whole(False)["tables"]["spans"]


WHERE = """\
  located:
    from: fresh
    python: {call: "where:add", rows: same, columns: {sensor_id: string, observed_at: timestamp, temperature: double, seq: int64,
             file: string}}
"""


def archive(folder: Path) -> Path:
    """An environment that has mainstem in it, packed; what mainstem needs stays where it is on this host, to keep it small."""
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    packages = next(environment.glob("lib/python3*/site-packages"))
    shutil.copytree(SOURCES / "mainstem", packages / "mainstem", ignore=shutil.ignore_patterns("__pycache__"))
    about = Path(str(metadata.distribution("mainstem").locate_file("")))
    for path in about.glob("mainstem-*.dist-info"):
        shutil.copytree(path, packages / path.name)
    (packages / "needed.pth").write_text(f"{about}\n")
    return Path(shutil.make_archive(str(folder / "environment"), "gztar", environment))
