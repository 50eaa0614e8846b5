"""What one task does between two shuffles: rows in -> kernels -> files and rows for the next shuffle. The same on every engine.

A *read* task takes one range of one source; a *fold* task takes its key groups of one fold. Either then carries the rows
down every row-local reader until they reach an output (a file is staged) or the next fold (a parcel per fold).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem import signals
from mainstem.batch import AT, DELIVERED, Fate, Fates, at
from mainstem.clock import SystemClock, attempt
from mainstem.engines import aside
from mainstem.engines.contract import EpochPlan, File, Report, Result, RowKernel, RowResult
from mainstem.engines.kernels import check, sql
from mainstem.engines.kernels.made import born
from mainstem.engines.law import name_of
from mainstem.engines.selection import Selection
from mainstem.engines.site import QUARANTINE, Site
from mainstem.plan.words import Check, Fold, Node, Read, Sql, Write
from mainstem.plugs import Sink

_ticks = SystemClock()


@dataclass(frozen=True)
class Parcel:
    """Rows on their way into a fold: from which node, made by whom, in what order among the parcels."""

    fold: str
    input: str
    rows: pa.Table  # needed columns and `_at`
    order: tuple[Any, ...]  # (0, source, partition, segment) or (1, fold, task)
    raise_by: tuple[str, int, int] | None = None  # a read task's (source, partition, segment): its marks are not final


@dataclass
class Outcome:
    """What a task hands back: its report, and the parcels for the folds behind it."""

    report: Report
    parcels: list[Parcel] = field(default_factory=list)


@dataclass
class Raw:
    """The records of the chunk that a read task is working on, so that what it sets aside keeps its bytes."""

    records: pa.Array
    clock: np.ndarray | None
    place: Callable[[int, int], str]


class Task:
    """One task of one epoch. Not shared between threads."""

    def __init__(
        self,
        site: Site,
        epoch: EpochPlan,
        stage: str,
        number: int,
        tables: Mapping[str, pa.Table],
        order: tuple[Any, ...],
        raise_by: tuple[str, int, int] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self.site, self.epoch, self.stage, self.number = site, epoch, stage, number
        self.tables, self.order, self.raise_by = tables, order, raise_by
        self.only = only  # a replay goes only down these nodes
        self.fates: Fates = Counter()
        self.made: Counter[str] = Counter()
        self.notes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.report = Report(stage=stage, task=number)
        self.parcels: list[Parcel] = []
        self.aside: list[pa.Table] = []
        self.rows: defaultdict[str, list[pa.Table]] = defaultdict(list)  # Write node -> rows to stage
        self.raw: Raw | None = None

    # ------------------------------------------------------------------------------------------- down the plan

    def flow(self, node: Node, given: Selection) -> None:
        """Carry a node's rows to all of its readers."""
        if not given.count:
            return
        for reader in self.site.plan.readers(node.name):
            if self.only is not None and reader.name not in self.only:
                continue
            if isinstance(reader.word, Write):
                self.deliver(reader, given.rows)
                self.rows[reader.name].append(given.rows)
            elif isinstance(reader.word, Fold):
                self.send(reader, node.name, given.rows)
            else:
                self.flow(reader, self.local(reader, node.name, given))

    def local(self, node: Node, source: str, given: Selection) -> Selection:
        """One row-local word."""
        began = _ticks.monotonic()
        result = row_kernel(node).run(node, source, given, self.tables, self.site)
        if node.origin is not None:  # its intake is an end; the kernel counted what was delivered to it
            self.made[node.name] += born(result.onward.rows)[1]
        self.take(node, result)
        self.seconds[node.name] += _ticks.monotonic() - began
        return Selection(result.onward.table.replace_schema_metadata(None), result.onward.out)

    def send(self, fold: Node, source: str, rows: pa.Table) -> None:
        assert isinstance(fold.word, Fold)
        needed = fold.word.needs[fold.inputs.index(source)]
        self.parcels.append(Parcel(fold.name, source, rows.select([*needed, AT]), self.order, self.raise_by))

    def deliver(self, end: Node, rows: pa.Table) -> None:
        """Count what reaches an end, by origin."""
        for origin, count in by_origin(rows).items():
            self.fates[Fate(origin, end.name, DELIVERED, "")] += count

    def take(self, node: Node, result: Result | RowResult) -> None:
        """Keep what a kernel counted and set aside."""
        self.fates.update(result.fates)
        self.notes[node.name].update(result.notes)
        if result.aside is not None and result.aside.num_rows:
            raw = self.raw
            self.aside.append(
                aside.from_rows(
                    result.aside,
                    node=node.name,
                    names=self.origin_name,
                    epoch=self.epoch,
                    raw=raw.records if raw else None,
                    clock=raw.clock if raw else None,
                    place=raw.place if raw else None,
                    places=self.place_of,
                )
            )

    def origin_name(self, number: int) -> str:
        """The name of an origin number, for a person."""
        return name_of(self.site.plan, number)

    def place_of(self, origin: int, partition: int, position: int) -> str | None:
        """Where a record lies, of a row that left after a shuffle; None for a row that a step made."""
        name = self.origin_name(origin).removeprefix("replay:")
        if not isinstance(self.site.plan.node(name).word, Read):
            return None
        progress = self.epoch.progress.get(name)
        return self.site.source(name).place({"partition": partition, "position": position, "progress": progress})

    # --------------------------------------------------------------------------------------------------- the end

    def finish(self) -> Outcome:
        """Write the staged files and close the report."""
        report, mine = self.report, attempt()
        for name, parts in self.rows.items():
            sink = self.site.sink(self.site.plan.node(name))
            self._stage(name, sink, pa.concat_tables(parts).drop_columns([AT]), mine, "output")
        if self.aside:
            self._stage(QUARANTINE, self.site.quarantine(), pa.concat_tables(self.aside), mine, "aside")
        report.fates = [(*fate, count) for fate, count in sorted(self.fates.items()) if count]
        report.made = sorted(self.made.items())
        report.notes = {node: dict(counts) for node, counts in self.notes.items() if counts}
        report.seconds = dict(self.seconds)
        signals.tell("task.finished", epoch=self.epoch.epoch, stage=self.stage, task=self.number)
        return Outcome(report, self.parcels)

    def _stage(self, name: str, sink: Sink, rows: pa.Table, mine: str, kind: str) -> None:
        began = _ticks.monotonic()
        label = f"{self.epoch.epoch:012d}-{self.stage.replace('/', '-')}-{self.number:04d}-{mine}"
        staged = sink.stage(rows, label)
        self.site.staged.add(staged.path)
        self.report.files.append(
            File(kind=kind, node=name, path=staged.path, rows=staged.rows, bytes=staged.bytes, sha256=staged.sha256)
        )
        self.seconds[name] += _ticks.monotonic() - began


def row_kernel(node: Node) -> RowKernel:
    """The kernel of a row-local word; that of Map, which starts processes, is imported when it is needed."""
    if isinstance(node.word, Sql):
        return sql
    if isinstance(node.word, Check):
        return check
    from mainstem.engines.kernels import python

    return python


def by_origin(rows: pa.Table) -> dict[int, int]:
    """How many rows of each origin."""
    if not rows.num_rows:
        return {}
    origins = at(rows, "o")
    if origins[0] == origins[-1] and (origins == origins[0]).all():
        return {int(origins[0]): len(origins)}
    values, counts = np.unique(origins, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist()))
