"""Random pipelines over random dirty input: every engine, number of tasks and size of epochs gives the same tables and accounts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from conforming import ENGINE
from differing import differing

from mainstem.testing.conformance.drafts import ACROSS
from mainstem.testing.conformance.inputs import random_case

FRESH = random.SystemRandom().randrange(1000, 10**9)         # one that nobody has tried; the layer's line and a failure say which


@pytest.mark.parametrize("seed", range(10 if ENGINE == "local" else 25), ids="seed{}".format)
def test_every_engine_gives_what_one_task_gives(seed: int, tmp_path: Path) -> None:
    found = differing(seed, ENGINE, tmp_path)
    assert not found, "\n".join(found)


def test_and_so_it_does_for_a_seed_that_is_new(tmp_path: Path, record_property: Any) -> None:
    record_property("seed", FRESH)
    found = differing(FRESH, ENGINE, tmp_path)
    assert not found, "\n".join(found)


def test_the_random_cases_have_everything_in_them() -> None:
    cases = [random_case(random.Random(seed), "case") for seed in range(25)]
    texts = [case.pipeline for case in cases]
    words = ("check:", "else: drop", "dedupe:", "window:", "having:", "every:", "session:", "over:", "alert:", "latest:", "clean:",
             "many: true", "unmatched: keep", "UNION ALL", "unnest(", "TINYINT", "python:", "zone:", "mode: upsert, key: [k]", "mode: replace",
             "partition: file", "lateness: 0s", " JOIN prices p", "GROUP BY", "OVER (")
    assert [word for word in words if not any(word in text for text in texts)] == []
    assert len({kind for text in texts for kind in ACROSS if f"  {kind}_1:" in text}) > len(ACROSS) / 2
    assert max(text.count("delta:") for text in texts) > 5
    bytes_ = b"".join(content for case in cases for name, content in case.files.items() if name.startswith("events/"))
    assert all(dirt in bytes_ for dirt in (b'"many"', b"2200-01-01", b'"t": null', b"9223372036854775808", b'"new"'))
