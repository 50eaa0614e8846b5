"""Killed at every numbered point of the protocol and at every k-th durable call: the tables equal the unfailed run's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from crashing import content, killed, make, run

from mainstem.testing import Crash, count_durable_calls, crash_at

POINTS = ["epoch.planned", "epoch.ran", "epoch.judged", "epoch.prepared", "epoch.committing", "epoch.committed", "epoch.finished",
          "epoch.acknowledged"]


@pytest.fixture(scope="module")
def unfailed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, bool], dict[str, Any]]:
    """What runs that nothing disturbed leave behind, by (outputs, each epoch published)."""
    found = {}
    for outputs in (1, 2):
        for each in (False, True):
            file = make(tmp_path_factory.mktemp("unfailed") / "p", outputs)
            result = run(file, each=each)
            assert result.epochs > 3
            found[outputs, each] = content(file)
            assert len(found[outputs, each]["minutes"]) > 50
            assert len(found[outputs, each]["quarantine"]) > 20
    assert found[2, False] == found[2, True]
    return found


@pytest.mark.parametrize("each", [False, True], ids=["bounded", "following"])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_kill_9_at_each_point(point: str, outputs: int, each: bool, tmp_path: Path, unfailed: Any) -> None:
    file = make(tmp_path / "p", outputs)
    times = 2 if point in ("epoch.committing", "epoch.committed") or each else 1
    if not each and point in ("epoch.planned", "epoch.ran", "epoch.judged", "epoch.prepared"):
        times = 3
    assert killed(file, point, times, each=each), f"{point} was not reached {times} times"
    run(file, each=each)
    assert content(file) == unfailed[outputs, each]


@pytest.mark.parametrize("each", [False, True], ids=["bounded", "following"])
@pytest.mark.parametrize("point", ["epoch.prepared", "epoch.committing", "epoch.committed"])
def test_kill_9_with_plain_files_beside_a_table(point: str, each: bool, tmp_path: Path, unfailed: Any) -> None:
    file = make(tmp_path / "p", second="files")
    assert killed(file, point, 2, each=each)
    run(file, each=each)
    assert content(file) == unfailed[2, each]


@pytest.mark.parametrize(("second", "shots"), [("delta", 24), ("files", 10)])
def test_every_kth_durable_call_by_a_crash_from_inside(second: str, shots: int, tmp_path: Path, unfailed: Any) -> None:
    origin = tmp_path / "origin"
    make(origin, second=second)
    with count_durable_calls() as calls:
        shutil.copytree(origin, tmp_path / "count")
        run(tmp_path / "count" / "pipeline.yaml", each=True)
    assert len(calls) > 60
    reached = 0
    for number in range(1, len(calls) + 1, max(1, len(calls) // shots)):
        folder = tmp_path / f"at-{number}"
        shutil.copytree(origin, folder)
        with pytest.raises(Crash), crash_at("durable", number):
            run(folder / "pipeline.yaml", each=True)
        reached += 1
        run(folder / "pipeline.yaml", each=True)
        assert content(folder / "pipeline.yaml") == unfailed[2, True], f"durable call {number} of {len(calls)}: {calls[number - 1]}"
        shutil.rmtree(folder)
    assert reached >= shots


@pytest.mark.parametrize("point", ["epoch.prepared", "epoch.committed"])
def test_a_step_that_is_not_deterministic_cannot_tear_two_outputs_apart(point: str, tmp_path: Path) -> None:
    file = make(tmp_path / "p", outputs=2, noisy=True, rows=600)
    assert killed(file, point, 2, each=True)
    run(file, each=True)
    from mainstem import project

    fresh = project.open(file).read("fresh")
    assert fresh.num_rows > 100
    by_minute: dict[Any, int] = {}
    for row in fresh.to_pylist():
        key = (row["sensor_id"], row["observed_at"].replace(second=0))
        by_minute[key] = by_minute.get(key, 0) + 1
    minutes = {(row["sensor_id"], row["window_start"]): row["n"] for row in project.open(file).read("minutes").to_pylist()}
    late = sum(1 for row in project.open(file).read("quarantine").to_pylist() if row["fate"] == "late" and row["node"] == "minutes")
    assert sum(by_minute.values()) == sum(minutes.values()) + late


def test_crashing_again_and_again_still_ends_well(tmp_path: Path, unfailed: Any) -> None:
    file = make(tmp_path / "p")
    for number in (3, 9, 15, 21):
        with pytest.raises(Crash), crash_at("durable", number):
            run(file)
    run(file)
    assert content(file) == unfailed[2, False]
