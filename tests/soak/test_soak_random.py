"""Five hundred random pipelines on each engine, from a seed that is new every time (`make soak`)."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from differing import differing

from mainstem.engines.spark.launch import needs
from mainstem.errors import SpecError

FIRST = int(os.environ.get("MAINSTEM_FIRST_SEED", random.SystemRandom().randrange(1000, 10**9)))
BLOCKS, EACH = 20, 25


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("engine", ["local", "spark"])
def test_random_pipelines(engine: str, block: int, tmp_path: Path, request: pytest.FixtureRequest, record_property: Any) -> None:
    if engine == "spark":
        try:
            needs()
        except SpecError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        request.getfixturevalue("spark")
    if not block:
        record_property("first_seed", FIRST)
    for seed in range(FIRST + block * EACH, FIRST + (block + 1) * EACH):
        found = differing(seed, engine, tmp_path / str(seed))
        assert not found, "\n".join(found)
        shutil.rmtree(tmp_path / str(seed))
