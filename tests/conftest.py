"""Fixtures that every layer shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real and hostile files; skips where it is absent, fails in CI."""
    folder = Path(os.environ.get("MAINSTEM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"test data not found: {folder} is no folder; set MAINSTEM_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
