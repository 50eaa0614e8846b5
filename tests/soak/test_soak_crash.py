"""Killed with -9 before every single durable call, and at two hundred random moments: nothing is otherwise (`make soak`).

Runs of every shape with every kind of output and a step that is not deterministic, and the commands that change what a run goes
on from; every file of the state damaged in every way.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from changing import CHANGES, prepared
from damaging import DAMAGES, STAGES, damaged
from killing import AT_ONCE, SHAPES, afresh, child, make, run
from remains import half_visible, remains, torn
from wearing import worn

KILLS, SEEDS = 10, 20                          # two hundred in all


@pytest.mark.timeout(900)
@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_killed_before_every_single_durable_call(shape: str, outputs: int, tmp_path: Path) -> None:
    file = make(tmp_path / "p", outputs, noisy=True)
    run(file, shape)
    whole, times, hits = remains(file), 1, Counter[str]()
    assert all(whole["tables"].values())
    while (ended := child(file.parent, run, afresh(file), shape, point="durable", times=times)).killed:
        assert not half_visible(file, whole, shape in AT_ONCE), f"durable call {times}"
        assert not child(file.parent, run, file, shape).killed
        assert remains(file) == whole, f"durable call {times}"
        assert outputs == 1 or not torn(file), f"durable call {times}"
        times, hits = times + 1, hits + Counter([ended.last])
    assert hits.total() > 100
    print(f"\n{shape}, {outputs} outputs: killed before each of {hits.total()} durable calls: {dict(hits)}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_random_moments(seed: int, tmp_path: Path) -> None:
    shape, outputs = list(SHAPES)[seed % 4], seed % 5 % 4 + 1
    hits = worn(tmp_path, seed, KILLS, shape, outputs, rows=300)
    assert hits.total() == KILLS
    print(f"\nseed {seed}, {shape}, {outputs} outputs: {KILLS} kills, after: {dict(hits)}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", CHANGES)
def test_a_command_that_is_killed_and_given_again(what: str, tmp_path: Path) -> None:
    change, file = CHANGES[what], make(tmp_path / "p")
    prepared(file, change)
    shutil.copytree(tmp_path / "p", tmp_path / "kept")
    change.command(file)
    change.after(file)
    whole, times = remains(file), 1
    while True:
        shutil.rmtree(tmp_path / "p")
        shutil.copytree(tmp_path / "kept", tmp_path / "p")
        if not child(file.parent, change.command, file, point="durable", times=times).killed:
            break
        change.command(file)
        change.after(file)
        assert remains(file) == whole, f"durable call {times} of {what}"
        times += 1
    assert times > change.least
    print(f"\n{what}: killed before each of {times - 1} durable calls")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_whatever_file_of_the_state_is_damaged(stage: str, damage: str, tmp_path: Path) -> None:
    stopped, wrong = damaged(tmp_path, stage, [damage])
    assert not wrong, "\n".join(wrong)
    assert stopped > 3
