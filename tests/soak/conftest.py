"""The soak tests stand on the kits of the crash tests, the stories and the conformance tests, and run only when they are named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("crash", "stories", "conformance")]


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """They take an hour: a run of all tests leaves them out."""
    return None if any("soak" in str(argument) for argument in config.invocation_params.args) else True
