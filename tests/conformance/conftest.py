"""The same cases on another engine: MAINSTEM_ENGINE=spark runs them on one Spark session, without the cuts of many tiny epochs."""

from __future__ import annotations

import pytest
from conforming import ENGINE

_TINY = {"500", "77x1", "7", "7000x3"}             # hundreds of epochs, each half a second of Spark's own


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ENGINE != "spark":
        return
    tiny = [item for item in items if _TINY & set(str(getattr(getattr(item, "callspec", None), "id", "")).split("-"))]
    config.hook.pytest_deselected(items=tiny)
    items[:] = [item for item in items if item not in tiny]


@pytest.fixture(scope="session", autouse=True)
def _one_session(request: pytest.FixtureRequest) -> None:
    """Every run of the layer uses this session: it is active, so nobody starts another one."""
    if ENGINE == "spark":
        request.getfixturevalue("spark")
