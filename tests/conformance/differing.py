"""Whether an engine, with other epochs and another number of tasks, gives what one task of this process gives for a random case."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from mainstem.testing.conformance import differences, run_case
from mainstem.testing.conformance.inputs import random_case


def settings(rng: random.Random, engine: str) -> tuple[dict[str, Any], bool]:
    """Other epochs and another number of tasks than a run in one piece has; and whether each epoch is published."""
    flags: dict[str, Any] = {"tasks": 3, "epoch": {"rows": rng.randrange(15, 90)}}
    if engine != "local":
        flags = {"epoch": {"rows": rng.randrange(40, 200)}, "engine": {engine: {"tasks": rng.randrange(1, 4)}}}
    return flags, rng.random() < 0.5


def differing(seed: int, engine: str, folder: Path) -> list[str]:
    """How the answer of an engine differs from that of one task in this process, over the pipeline that a seed makes."""
    rng = random.Random(seed)
    case = random_case(rng, f"seed {seed}")
    wanted = run_case(case, "local", folder / "one", {"tasks": 1})
    flags, each = settings(rng, engine)
    found = differences(wanted, run_case(case, engine, folder / "other", flags, each=each))
    return [f"seed {seed}, {engine} with {flags}, each={each}:", case.pipeline, *found] if found else []
