"""`plan`: the plan as plain data, beside the plan that the running state was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.engines import journal
from mainstem.plan.explain import Explained, explain
from mainstem.project import release

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def explain_plan(opened: Opened) -> Explained:
    """What the plan is, and what running it would do to the state that is there."""
    home = journal.current(opened.work)
    numbers = home.epochs("prepared") if home else []
    running = release.plan_of(opened.work, home.prepared(numbers[-1]).release) if home and numbers else None
    return explain(opened.plan, running)
