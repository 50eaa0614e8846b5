"""What runs in Spark's Python workers: the site rebuilt once per process, then the stages of `engines/stages`, message by message."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import msgspec
import pyarrow as pa

from mainstem import durable
from mainstem.engines import memory, stages, sweep
from mainstem.engines.contract import EpochPlan
from mainstem.engines.site import Place, Site
from mainstem.engines.spark import wire
from mainstem.engines.stages import Cut, Message
from mainstem.errors import SpecError
from mainstem.plan import words

VERSION = metadata.version("mainstem")
_SITES = 2                                # plans that a worker keeps open: the present one, and the one it recovers


@dataclass(frozen=True)
class Work:
    """All that a task needs besides its number; goes to the workers with every stage."""

    version: str                          # of mainstem in the driver
    plan: bytes
    place: Place
    code: tuple[str, ...]
    epoch: bytes
    tasks: int
    memory: int                           # bytes of one task


_sites: OrderedDict[tuple[bytes, str], Site] = OrderedDict()


def read(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The read tasks whose numbers come in."""
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield from _sent(work, 0, number % work.tasks, partial(stages.read_stage, number=number))


def fold(work: Work, stage: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One target of a stage of folds, from what was shuffled to it."""
    from pyspark import TaskContext

    context = TaskContext.get()
    assert context is not None
    yield from _folded(work, stage, context.partitionId(), wire.from_batches(batches))


def resume(work: Work, stage: int, handed: Sequence[Message], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The targets that come in, from what the job before kept for them."""
    for batch in batches:
        for target in batch.column(0).to_pylist():
            yield from _folded(work, stage, target, (message for message in handed if message.target == target))


def _folded(work: Work, stage: int, target: int, messages: Iterable[Message]) -> Iterator[pa.RecordBatch]:
    yield from _sent(work, stage, target, partial(stages.fold_stage, depth=stage, target=target, messages=messages))


def _sent(work: Work, stage: int, here: int, does: Callable[[Site, EpochPlan, Cut], Iterator[Message]]) -> Iterator[pa.RecordBatch]:
    yield from wire.to_batches(stages.careful(here, _done(work, stage, does)))


def _done(work: Work, stage: int, does: Callable[[Site, EpochPlan, Cut], Iterator[Message]]) -> Iterator[Message]:
    site, epoch, cut = _opened(work)
    messages = does(site, epoch, cut)
    yield from stages.keep(durable.folder(Path(work.place.work) / sweep.BETWEEN), messages) if cut.keeps(stage) else messages


def _opened(work: Work) -> tuple[Site, EpochPlan, Cut]:
    if work.version != VERSION:
        raise SpecError("engine.version", f"an executor has mainstem {VERSION}, the driver has {work.version}",
                        where=f"{platform.node()}: {sys.prefix}", fix="give executors the environment of the driver (docs/spark.md)")
    memory.share(work.memory, 1, os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0])
    key = (work.plan, work.place.work)
    if key not in _sites:
        _sites[key] = Site(words.decode(work.plan), work.place, code=work.code)
        while len(_sites) > _SITES:
            _sites.popitem(last=False)
    site, epoch = _sites[key], msgspec.json.decode(work.epoch, type=EpochPlan)
    return site, epoch, Cut(site.plan, work.tasks, epoch.closing)
