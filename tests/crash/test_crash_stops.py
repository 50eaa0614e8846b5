"""Ctrl-C and SIGTERM at random moments, once or twice: nothing half-visible, and it goes on when started again."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from killing import AT_ONCE, SHAPES, child, make, run
from remains import half_visible, remains, torn

from mainstem.clock import SystemClock

CLOCK = SystemClock()
MOMENTS = 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("shape", ["bounded", "following"])
def test_a_signal_at_random_moments(shape: str, number: signal.Signals, tmp_path: Path) -> None:
    rng = random.Random(int(number) * 10 + list(SHAPES).index(shape))
    clean = make(tmp_path / "clean", noisy=True, rows=150)
    began = CLOCK.monotonic()
    assert not child(clean.parent, run, clean, shape).killed
    span = CLOCK.monotonic() - began
    file, whole, stopped = make(tmp_path / "p", noisy=True, rows=150), remains(clean), 0
    for moment in range(MOMENTS):
        ended = child(file.parent, run, file, shape, meanwhile=asked(number, rng.uniform(0.2, 0.8) * span, again=moment % 2 == 1))
        assert ended.code in (0, 128 + number, -number), ended.said
        stopped += ended.last != "run.finished" or ended.code != 0
        assert not half_visible(file, whole, shape in AT_ONCE)
    assert not child(file.parent, run, file, shape).killed
    assert remains(file) == whole
    assert not torn(file)


def asked(number: signal.Signals, seconds: float, again: bool) -> Any:
    """Send the signal after so long, and perhaps once more at once, which says to stop now."""

    def send(process: Any) -> None:
        for wait in (seconds, 0.02) if again else (seconds,):
            CLOCK.sleep(wait)
            if process.is_alive():
                os.kill(process.pid, number)

    return send
