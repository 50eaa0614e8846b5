"""A real process, killed with -9 at random moments, started again and again: its tables equal the unfailed run's.

Two hundred such kills are in tests/soak.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from crashing import killed_again_and_again


@pytest.mark.parametrize("each", [False, True], ids=["bounded", "following"])
def test_killed_at_random_moments(each: bool, tmp_path: Path) -> None:
    assert killed_again_and_again(tmp_path, seed=11 + each, kills=4, each=each) > 0
