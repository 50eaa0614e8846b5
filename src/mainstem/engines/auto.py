"""Small epochs in this process, large ones on a cluster: which of the two is decided by the bytes that an epoch reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mainstem.engines.contract import Engine, EpochPlan, Report
from mainstem.engines.site import Site
from mainstem.engines.stages import asks
from mainstem.plan.words import Plan
from mainstem.plugs import Budget

_RECORD = 100                             # bytes of a record where only their number is known


class Auto:
    """An embedded engine, and one that is started when the first large epoch comes. Both have the same number of tasks."""

    def __init__(self, small: Engine, large: Callable[[], Engine], tasks: int, above: int) -> None:
        """`above`: bytes of input from which on an epoch is large; `tasks`: of the large engine, which need not run yet."""
        self._small, self._open, self._tasks, self._above = small, large, tasks, above
        self._large: Engine | None = None
        self.name = small.name

    def wants(self, rows: int, size: int) -> Budget:
        """Large epochs where much is waiting; what is there takes part in it, be it little."""
        return Budget(rows * self._tasks, size * self._tasks, self._tasks)

    def begin(self, plan: Plan, epoch: EpochPlan, site: Site) -> None:
        """Read ahead what will be computed here."""
        if size_of(epoch) < self._above:
            self._small.begin(plan, epoch, site)

    def run(self, plan: Plan, epoch: EpochPlan, site: Site) -> Sequence[Report]:
        """The epoch by the engine that its size asks for."""
        engine = self._small
        if size_of(epoch) >= self._above or (epoch.closing and any(map(asks, plan.nodes))):
            self._large = self._large or self._open()
            engine = self._large
        self.name = engine.name
        return engine.run(plan, epoch, site)

    def close(self) -> None:
        """Close what was opened."""
        self._small.close()
        if self._large is not None:
            self._large.close()


def size_of(epoch: EpochPlan) -> int:
    """About how many bytes the epoch reads."""
    ranges = [one for ranges in epoch.ranges.values() for one in ranges]
    return sum(int(one["bytes"]) if one.get("bytes") is not None else _RECORD * int(one.get("records") or 0) for one in ranges)
