"""Every test here has a Spark, and the small dirty pipeline of the crash tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

for room in ("crash", "connectors"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))


@pytest.fixture(scope="session", autouse=True)
def _one_session(spark: Any) -> None:
    """The session is there before the first test."""
