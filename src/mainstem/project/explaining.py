"""`plan`: the plan as plain data, beside the plan that the running state was made with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mainstem.engines import journal
from mainstem.engines.stages import placement
from mainstem.plan.explain import Explained, explain
from mainstem.project import engines, release
from mainstem.project.remarks import remarks

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def explain_plan(opened: Opened, engine: str | None = None) -> Explained:
    """What the plan is, and what running it would do to the state that is there; where tasks are placed, if not here."""
    home = journal.current(opened.work)
    numbers = home.epochs("prepared") if home else []
    running = release.plan_of(opened.work, home.prepared(numbers[-1]).release) if home and numbers else None
    explained = explain(opened.plan, running)
    explained = dataclasses.replace(explained, notes=(*explained.notes, *map(str, remarks(opened))))
    name = engines.known(engine or opened.settings.engine)
    engines.carries(opened, name)
    if name == "local":
        return explained
    return dataclasses.replace(explained, stages=placement(opened.plan, opened.settings.spark.tasks or opened.settings.tasks))
