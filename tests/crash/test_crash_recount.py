"""After a kill the law holds from outside, too: a script that imports nothing of mainstem recounts input and tables (2-S 3)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from crashing import killed, make, run

TOOL = Path(__file__).parents[2] / "tools/recount.py"


def recount(file: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, str(TOOL), str(file.parent), str(file)], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize(("point", "times", "each"), [
    ("epoch.ran", 3, True), ("epoch.prepared", 3, True), ("epoch.committing", 4, True), ("epoch.committed", 4, True),
    ("epoch.committed", 1, False), ("epoch.finished", 2, True)])
def test_a_recount_from_outside_agrees_after_a_kill(point: str, times: int, each: bool, outputs: int, tmp_path: Path) -> None:
    file = make(tmp_path / "p", outputs)
    assert killed(file, point, times, each=each)
    run(file, each=each)
    code, told = recount(file)
    assert code == 0, told
    assert f"{outputs + 1} legs" in told
    assert int(told.split()[0]) > 1500
