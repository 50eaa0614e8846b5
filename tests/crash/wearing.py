"""A real process, killed with -9 at random moments and started again, until it is done: how many kills hit it, and where."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from killing import AT_ONCE, afresh, child, killed_after, make, run
from remains import half_visible, remains, torn

from mainstem.clock import SystemClock


def worn(folder: Path, seed: int, kills: int, shape: str, outputs: int = 2, rows: int = 150) -> Counter[str]:
    """Kill one pipeline that many times before it is done, anew whenever it gets there; after which points of the protocol.

    Readers never find a part of anything, and every time it is done it equals the run that nothing disturbed.
    """
    file, clock = make(folder / "p", outputs, noisy=True, rows=rows, seed=seed), SystemClock()
    began = clock.monotonic()
    assert not child(file.parent, run, file, shape).killed
    span = clock.monotonic() - began
    whole, rng, hits = remains(file), random.Random(seed), Counter[str]()
    assert min(len(rows) for rows in whole["tables"].values()) > 2
    afresh(file)
    for _ in range(10 * kills):
        ended = killed_after(file, rng.uniform(0, span), shape) if hits.total() < kills else child(file.parent, run, file, shape)
        where = f"seed {seed}, after {hits.total()} kills"
        if ended.killed:
            hits[ended.point or "before the run"] += 1
            assert not half_visible(file, whole, shape in AT_ONCE), where
            continue
        assert remains(file) == whole, where
        assert outputs == 1 or not torn(file), where
        if hits.total() == kills:
            return hits
        afresh(file)
    raise AssertionError(f"only {hits.total()} of {kills} kills hit it, seed {seed}")
