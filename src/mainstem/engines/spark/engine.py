"""The engine on Spark: one job per epoch, stage after stage of `engines/stages`; only reports come back to the driver."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from mainstem.engines import stages, sweep
from mainstem.engines.contract import EpochPlan, Report
from mainstem.engines.site import Site
from mainstem.engines.spark import answer, wire, worker
from mainstem.engines.stages import Cut, Message
from mainstem.errors import MainstemError, TransientError
from mainstem.plan import words
from mainstem.plan.words import Plan
from mainstem.plugs import Budget

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Spark:
    """Places the tasks of an epoch on a Spark cluster. `tasks` fold tasks a stage; `memory`: bytes of one task."""

    name = "spark"

    def __init__(self, session: SparkSession, tasks: int, memory: int, owned: bool = True) -> None:
        self._session, self.tasks, self._memory, self._owned = session, tasks, memory, owned

    def wants(self, rows: int, size: int) -> Budget:
        """Large epochs, as every one is a job: each task takes what embedded a whole epoch takes."""
        return Budget(rows * self.tasks, size * self.tasks, self.tasks)

    def close(self) -> None:
        """Stop the session if it was started for this run."""
        if self._owned:
            self._session.stop()

    def begin(self, plan: Plan, epoch: EpochPlan, site: Site) -> None:
        """Nothing: Spark's tasks have enough to do with one epoch."""

    def run(self, plan: Plan, epoch: EpochPlan, site: Site) -> Sequence[Report]:
        """Read, compute and stage one epoch in one job, and in one more for each step that is not deterministic."""
        cut = Cut(plan, self.tasks, epoch.closing)
        work = worker.Work(words.encode(plan), site.place, site.code, msgspec.json.encode(epoch), self.tasks, self._memory)
        what, count = f"{site.place.pipeline}: epoch {epoch.epoch}", stages.reads(epoch)
        frame = self._session.range(0, count, 1, count).mapInArrow(partial(worker.read, work), wire.SCHEMA)
        for stage in range(1, cut.last + 1):
            if cut.keeps(stage - 1):
                handed = self._collected(frame, f"{what}, first part")
                handed += answer.answers(self._session, work, cut, stage, epoch, handed)
                targets = self._session.range(0, self.tasks, 1, self.tasks)
                frame = targets.mapInArrow(partial(worker.resume, work, stage, handed), wire.SCHEMA)
            else:
                frame = frame.repartitionById(self.tasks, "target").mapInArrow(partial(worker.fold, work, stage), wire.SCHEMA)
        messages = self._collected(frame, what)
        sweep.between(site.work)
        return [msgspec.json.decode(message.meta, type=Report) for message in messages if message.kind == stages.REPORT]

    def _collected(self, frame: Any, what: str) -> list[Message]:
        """Everything but rows; raises what a task of ours raised, or TransientError where Spark gave up."""
        from pyspark.errors import PySparkException

        self._session.sparkContext.setJobDescription(what)
        try:
            rows = frame.where(frame.kind != stages.TICK).select("target", "kind", "meta").collect()
        except PySparkException as error:
            raise _failed(error) from error
        messages = [Message(target, kind, bytes(meta)) for target, kind, meta in rows]
        for message in messages:
            if message.kind == stages.ERROR:
                raise stages.error_of(message.meta)
        return messages


def _failed(error: Exception) -> MainstemError:
    """What Spark gave up on, with the words of the task that failed last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("at ", "File ", "JVM stacktrace", "Traceback"))]
    return TransientError("engine.spark", "Spark gave up on a task of this epoch", why=" | ".join(told[-3:])[-800:],
                          fix="look at Spark's own log; nothing of the epoch was published, start again to try once more")
