"""Fixtures that every layer shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Spark's event log."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="session")
def spark(events: Path) -> Iterator[Any]:
    """One Spark for all of a process: two cores of this machine. It is active, so that every run on Spark uses it."""
    from mainstem.engines.spark.launch import start

    conf = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri(), "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false"}
    session = start("local[2]", conf, "tests")
    yield session
    session.stop()
