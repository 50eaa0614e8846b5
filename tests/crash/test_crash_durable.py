"""Crashed from inside at every so-manieth durable call (create, link, fsync, commit), then opened again: nothing is otherwise.

Every single one, and as a kill -9 from outside, is in tests/soak.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import AT_ONCE, SHAPES, afresh, crashed, make, run
from remains import half_visible, remains

STRIDE = 13                               # of about 150 durable calls; each shape and number of outputs begins at another


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_so_manieth_durable_call(shape: str, outputs: int, tmp_path: Path) -> None:
    file = make(tmp_path / "p", outputs)
    run(file, shape)
    whole = remains(file)
    assert all(whole["tables"].values())
    assert len(whole["quarantine"]) > 10
    assert bool(whole["state"].get("spans")) == (shape != "flushed")
    times, reached = 1 + (list(SHAPES).index(shape) * 2 + outputs) % STRIDE, 0
    while crashed("durable", times, run, afresh(file), shape):
        assert not half_visible(file, whole, shape in AT_ONCE)
        run(file, shape)
        assert remains(file) == whole, f"durable call {times}"
        times, reached = times + STRIDE, reached + 1
    assert reached * STRIDE > 100
