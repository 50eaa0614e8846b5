"""The embedded engine: tasks on threads of this process. DuckDB, Arrow and the Delta writer release the GIL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from mainstem import durable
from mainstem.engines import staging, watermark
from mainstem.engines.contract import EpochPlan, Report
from mainstem.engines.fold import Folding, marked, run_fold, scatter
from mainstem.engines.local.pool import Pool
from mainstem.engines.memory import share
from mainstem.engines.read import read_calls
from mainstem.engines.replay import run_replay, way
from mainstem.engines.site import Site
from mainstem.engines.tables import load_tables
from mainstem.engines.tasks import Outcome, Parcel
from mainstem.plan.words import Fold, Plan
from mainstem.plugs import Budget

Some = TypeVar("Some")


class Local:
    """Places tasks on `tasks` threads; one per process is enough."""

    name = "local"

    def __init__(self, tasks: int, memory: int = 0) -> None:
        """`memory`: bytes for all of a run (see engines/memory)."""
        self.tasks = tasks
        share(memory, tasks)
        self._pool = Pool(tasks)
        self._begun: dict[int, tuple[EpochPlan, Site, list[Future[Outcome]]]] = {}

    def wants(self, rows: int, size: int) -> Budget:
        """The usual epoch, in one range for each task."""
        return Budget(rows, size, self.tasks)

    def close(self) -> None:
        """Let the threads go, and what they read for an epoch that does not come."""
        for epoch in list(self._begun):
            self._drop(epoch)
        self._pool.close()

    def begin(self, plan: Plan, epoch: EpochPlan, site: Site) -> None:
        """Read what `epoch` reads while the one before it is carried out; `run` of the same plan takes the rows."""
        begun = self._begun.get(epoch.epoch)
        if begun is None or begun[0] is not epoch:
            self._drop(epoch.epoch)
            reads = read_calls(plan, epoch, site, load_tables(site, epoch))
            self._begun[epoch.epoch] = epoch, site, [self._pool.submit(epoch.epoch, call) for call in reads]

    def _drop(self, epoch: int) -> None:
        """Nobody takes what was begun: take its files away."""
        if epoch not in self._begun:
            return
        _, site, waiting = self._begun.pop(epoch)
        for future in [future for future in waiting if not future.cancel()]:
            if future.exception() is None:
                for file in future.result().report.files:
                    durable.discard(Path(file.path))
                    site.staged.discard(file.path)

    def run(self, plan: Plan, epoch: EpochPlan, site: Site) -> Sequence[Report]:
        """Read, compute and stage one epoch: every read task, then every fold in the order of the plan."""
        tables = load_tables(site, epoch)
        self.begin(plan, epoch, site)
        _, _, reads = self._begun.pop(epoch.epoch)
        outcomes = _results(reads) + self._all(epoch, run_replay(plan, epoch, site, tables))
        reports = [outcome.report for outcome in outcomes]
        facts = [fact for report in reports for fact in report.facts]
        marks = watermark.advance(plan, epoch, watermark.carry_on(epoch.carry, facts))
        replayed = way(plan, epoch)
        parcels: defaultdict[str, list[Parcel]] = defaultdict(list)
        _sort(parcels, outcomes, plan, watermark.before_segments(epoch.carry, facts))
        for node in plan.of(Fold):
            fold = Folding(site, epoch, node, marks[node.name], tables, replayed)
            done = self._all(epoch, self._fold(fold, parcels.pop(node.name, [])))
            reports += [outcome.report for outcome in done]
            _sort(parcels, done, plan, {})
        return reports

    def _all(self, epoch: EpochPlan, calls: Sequence[Callable[[], Some]]) -> list[Some]:
        return _results([self._pool.submit(epoch.epoch, call) for call in calls])

    def _fold(self, fold: Folding, parcels: Sequence[Parcel]) -> list[Callable[[], Outcome]]:
        tasks = self.tasks if fold.word.by else 1
        mine: defaultdict[int, list[Parcel]] = defaultdict(list)
        cuts = self._all(fold.epoch, [_call(scatter, fold.node, parcel.rows, tasks) for parcel in parcels])
        for parcel, parts in zip(parcels, cuts):
            for number, rows in parts:
                mine[number].append(Parcel(parcel.fold, parcel.input, rows, parcel.order))
        alive = {number for number in range(tasks) if fold.state(*staging.bounds(number, tasks))}
        return [_call(run_fold, fold, number, tasks, mine.get(number, [])) for number in sorted(alive | set(mine))]


def _results(waiting: Sequence[Future[Some]]) -> list[Some]:
    try:
        return [future.result() for future in waiting]
    finally:
        for future in waiting:
            future.cancel()


def _call(function: Callable[..., Some], *args: Any) -> Callable[[], Some]:
    return lambda: function(*args)


def _sort(
    parcels: defaultdict[str, list[Parcel]], outcomes: Sequence[Outcome], plan: Plan, before: Mapping[tuple[str, int, int], int]
) -> None:
    """Put parcels before their folds; the first fold on the way makes the marks of read rows final."""
    for outcome in outcomes:
        for parcel in outcome.parcels:
            parcels[parcel.fold].append(marked(parcel, plan, before))
