"""Looking at some rows of a step without writing anything that stays: a throw-away run of the part above it."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from mainstem.clock import SystemClock
from mainstem.errors import SpecError
from mainstem.plan.words import Node, Plan, Write
from mainstem.project.place import scratch

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.project.place import Opened


def above(plan: Plan, step: str) -> Plan:
    """The part of a plan that makes this step's rows, with a throw-away table behind it."""
    target = next((node for node in reversed(plan.nodes) if node.step == step and not isinstance(node.word, Write)), None)
    if target is None:
        steps = [node.step for node in plan.nodes if not isinstance(node.word, Write)]
        close = difflib.get_close_matches(step, steps, 1)
        raise SpecError(
            "look.unknown_step",
            f"there is no step {step!r}",
            fix=f"did you mean {close[0]!r}?" if close else f"steps: {', '.join(dict.fromkeys(steps))}",
        )
    wanted: set[str] = set()

    def climb(name: str) -> None:
        if name not in wanted:
            wanted.add(name)
            for parent in plan.node(name).inputs:
                climb(parent)

    climb(target.name)
    nodes = [node for node in plan.nodes if node.name in wanted]
    end = Node(
        name="look!",
        step="look",
        word=Write(sink="delta", options={"table": "look"}),
        inputs=(target.name,),
        columns=target.columns,
    )
    from mainstem.plan.legs import legs

    kept = (*nodes, end)
    made = legs(kept, plan.origins)
    return Plan(pipeline=plan.pipeline, nodes=kept, tables=plan.tables, origins=plan.origins, legs=made)


def look(opened: Opened, step: str, limit: int) -> pa.Table:
    """At most `limit` rows of the step, from the first records of the input; windows are closed at the end of them."""
    from mainstem.engines import journal
    from mainstem.engines.epoch import Epochs
    from mainstem.engines.lease import Lease
    from mainstem.engines.local.engine import Local
    from mainstem.engines.planning import Planner, Wish
    from mainstem.engines.site import Site
    from mainstem.plugs import Budget

    plan, clock = above(opened.plan, step), SystemClock()
    with scratch("look") as folder:
        place = dataclasses.replace(opened.place, lake=str(Path(folder, "lake")), work=str(Path(folder, "work")))
        Path(place.work).mkdir()
        site = Site(plan, place, code=tuple(opened.settings.python_folders))
        home = journal.begin(Path(place.work), clock.now(), "look")
        lease, engine = Lease(home.folder, clock), Local(1, opened.settings.memory)
        try:
            epochs = Epochs(site, engine, home, lease, clock)
            planner = Planner(site, clock, Wish(flush=True, budget=Budget(max(limit * 4, 1000), 1 << 20)))
            sink = site.sink(plan.node("look!"))
            for _ in range(50):
                planned = planner.next(epochs.number, home.incarnation, "look", epochs.head)
                if planned is None:
                    break
                epochs.run(epochs.plan(planned))
                if sum(file.rows for n in home.epochs("prepared") for file in home.prepared(n).outputs.get("look!", [])) >= limit:
                    break
            epochs.mark_last()
            epochs.finish()
            return sink.read().slice(0, limit)
        finally:
            engine.close()
            lease.release()
