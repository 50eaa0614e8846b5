"""Replay: rows of the quarantine enter again at Read, under the present release, in an ordinary epoch.

An order in plan-N names them by id. They go only down the legs where they were quarantined, pass unjudged every dedupe
that they had passed, neither move nor hold the watermark, and are late where their window has closed (design section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from mainstem.engines.contract import EpochPlan
from mainstem.engines.site import Site
from mainstem.engines.tasks import Outcome
from mainstem.plan.words import Plan


def run_replay(plan: Plan, epoch: EpochPlan, site: Site, tables: Mapping[str, pa.Table]) -> list[Callable[[], Outcome]]:
    """The read tasks of an epoch's replay orders."""
    return []
