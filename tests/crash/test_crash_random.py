"""Killed with -9 at thirty random moments, with a step that is not deterministic; two hundred more are in tests/soak."""

from __future__ import annotations

from pathlib import Path

import pytest
from wearing import worn


@pytest.mark.parametrize(("seed", "shape", "outputs"), [(11, "bounded", 2), (12, "following", 2), (13, "each", 1), (14, "bounded", 1),
                                                        (15, "following", 3), (16, "flushed", 2)])
def test_killed_at_random_moments(seed: int, shape: str, outputs: int, tmp_path: Path) -> None:
    assert worn(tmp_path, seed, 5, shape, outputs).total() == 5
