"""The engine on Spark: one job per epoch, stage after stage of `engines/stages`; only reports come back to the driver."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from mainstem.engines import memory, stages, sweep
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


_NOISE = ("at ", "File ", "JVM stacktrace", "Traceback", "Driver stacktrace", "An error occurred while calling", "... ",
          "Caused by: java.io.EOFException", "^", "~")
_KILLED = ("Python worker exited unexpectedly", "ExecutorLostFailure", "exit code 137")


class Spark:
    """Places the tasks of an epoch on a Spark cluster. `tasks` fold tasks a stage; `share`: bytes of one task."""

    name = "spark"

    def __init__(self, session: SparkSession, tasks: int, share: int, owned: bool = True) -> None:
        self._session, self.tasks, self._share, self._owned = session, tasks, share, owned

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
        work = worker.Work(worker.VERSION, words.encode(plan), site.place, site.code, msgspec.json.encode(epoch), self.tasks,
                           self._share)
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
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        self._session.sparkContext.setJobDescription(what)
        try:
            rows = frame.where(frame.kind != stages.TICK).select("target", "kind", "meta").collect()
        except (PySparkException, Py4JError, ConnectionError) as error:       # Spark's own, those of its Java, and its end
            raise _failed(error) from error
        messages = [Message(target, kind, bytes(meta)) for target, kind, meta in rows]
        for message in messages:
            if message.kind == stages.ERROR:
                raise stages.error_of(message.meta)
        return messages


def _failed(error: Exception) -> MainstemError:
    """What Spark gave up on, with the words of the task that failed last."""
    lines = [line.strip(" \t:") for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(_NOISE)] or [type(error).__name__]
    if heap := [line for line in told if "java.lang.OutOfMemoryError" in line]:
        return memory.lacking("Java in an executor", f"{heap[0]}; `spark.executor.memory` is for Java alone")
    killed = any(sign in str(error) for sign in _KILLED)
    return TransientError(
        "engine.spark", "Spark gave up on a task of this epoch", why=" | ".join(line[:500] for line in dict.fromkeys((told[0], told[-1]))),
        fix="nothing of the epoch was published, start again to try once more; " + (
            "processes were killed, perhaps for want of memory: less `memory:`, more `spark.executor.memoryOverhead` or more `tasks`"
            if killed else "Spark's own log tells more"))
