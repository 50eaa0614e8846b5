"""An engine that carries out `engines/stages` in this process: every message goes over the wire, in any order, some tasks twice."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from mainstem import durable
from mainstem.engines import stages, sweep
from mainstem.engines.contract import EpochPlan, Report
from mainstem.engines.site import Site
from mainstem.engines.spark import wire
from mainstem.engines.stages import Cut, Message
from mainstem.plan.words import Plan
from mainstem.plugs import Budget


class Staged:
    """As a cluster would do it: tasks know only their messages, and an attempt may be thrown away and repeated."""

    def __init__(self, tasks: int, seed: int = 0) -> None:
        self.tasks, self.rng = tasks, random.Random(seed)
        self.repeated = self.kept = 0

    name = "staged"

    def wants(self, rows: int, size: int) -> Budget:
        return Budget(rows, size, self.tasks)

    def begin(self, plan: Plan, epoch: EpochPlan, scope: Site) -> None: ...

    def close(self) -> None: ...

    def run(self, plan: Plan, epoch: EpochPlan, scope: Site) -> Sequence[Report]:
        cut = Cut(plan, self.tasks)
        reads = [partial(stages.read_stage, scope, epoch, cut, number) for number in range(stages.reads(epoch))]
        sent = self._all(cut, scope, 0, reads)
        for stage in range(1, cut.last + 1):
            mine: defaultdict[int, list[Message]] = defaultdict(list)
            for message in sent:
                mine[message.target].append(message)
            folds = [partial(stages.fold_stage, scope, epoch, cut, stage, target, mine[target]) for target in range(self.tasks)]
            sent = self._all(cut, scope, stage, folds)
        for message in sent:
            if message.kind == stages.ERROR:
                raise stages.error_of(message.meta)
        sweep.between(scope.work)
        return [msgspec.json.decode(message.meta, type=Report) for message in sent if message.kind == stages.REPORT]

    def _all(self, cut: Cut, site: Site, stage: int, tasks: Sequence[Callable[[], Iterator[Message]]]) -> list[Message]:
        """Every task's messages as they come over the wire, shuffled; of a task that runs twice only the second attempt counts."""
        found: list[Message] = []
        folder: Path = durable.folder(site.work / sweep.BETWEEN)
        for number, task in enumerate(self.rng.sample(tasks, len(tasks))):
            if self.rng.random() < 0.2:
                list(task())
                self.repeated += 1
            messages: Iterable[Message] = task()
            if cut.keeps(stage):
                self.kept += 1
                messages = stages.keep(folder, messages)
            found += wire.from_batches(wire.to_batches(stages.careful(number, messages)))
        self.rng.shuffle(found)
        return found
