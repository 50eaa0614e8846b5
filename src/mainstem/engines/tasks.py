"""What one task does between two shuffles: rows in -> kernels -> files and rows for the next shuffle. The same on every engine.

A *read* task takes one range of one source; a *fold* task takes its key groups of one fold. Either then carries the rows
down every row-local reader until they reach an output (a file is staged) or the next fold (a parcel per fold).
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem import signals
from mainstem.batch import AT, DELIVERED, FOREVER, NONE, Fate, Fates, at, empty
from mainstem.clock import SystemClock
from mainstem.engines import aside, staging
from mainstem.engines.contract import ANSWER, EpochPlan, File, FoldKernel, Report, Result, RowKernel, RowResult, Times
from mainstem.engines.kernels import check, keys, sql
from mainstem.engines.kernels.made import born, noted
from mainstem.engines.law import broken, name_of
from mainstem.engines.memory import sufficient
from mainstem.engines.selection import Selection
from mainstem.engines.site import Site
from mainstem.plan.words import Alert, Check, Dedupe, Fold, Latest, Node, Over, Plan, Read, Session, Sql, Whole, Window, Write
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
        report, attempt = self.report, secrets.token_hex(6)
        for name, parts in self.rows.items():
            sink = self.site.sink(self.site.plan.node(name))
            self._stage(name, sink, pa.concat_tables(parts).drop_columns([AT]), attempt, "output")
        if self.aside:
            self._stage("quarantine", self.site.quarantine(), pa.concat_tables(self.aside), attempt, "aside")
        report.fates = [(*fate, count) for fate, count in sorted(self.fates.items()) if count]
        report.made = sorted(self.made.items())
        report.notes = {node: dict(counts) for node, counts in self.notes.items() if counts}
        report.seconds = dict(self.seconds)
        signals.tell("task.finished", epoch=self.epoch.epoch, stage=self.stage, task=self.number)
        return Outcome(report, self.parcels)

    def _stage(self, name: str, sink: Sink, rows: pa.Table, attempt: str, kind: str) -> None:
        began = _ticks.monotonic()
        label = f"{self.epoch.epoch:012d}-{self.stage.replace('/', '-')}-{self.number:04d}-{attempt}"
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


# ----------------------------------------------------------------------------------------------------- folds


def fold_kernel(node: Node) -> FoldKernel:
    """The kernel of a fold, imported when it is needed."""
    assert isinstance(node.word, Fold)
    match node.word.body:
        case Window():
            from mainstem.engines.kernels import window

            return window
        case Session():
            from mainstem.engines.kernels import session

            return session
        case Dedupe():
            from mainstem.engines.kernels import dedupe

            return dedupe
        case Latest():
            from mainstem.engines.kernels import latest

            return latest
        case Over():
            from mainstem.engines.kernels import over

            return over
        case Alert():
            from mainstem.engines.kernels import alert

            return alert
        case Whole():
            from mainstem.engines.kernels import whole

            return whole


def marked(parcel: Parcel, plan: Plan, before: Mapping[tuple[str, int, int], int]) -> Parcel:
    """The parcel as its fold may judge it: the marks of read rows raised by what came before their segment in its partition."""
    if parcel.raise_by is None:
        return parcel
    word = plan.node(parcel.raise_by[0]).word
    assert isinstance(word, Read)
    lateness, reached = (word.time.lateness if word.time else None), before.get(parcel.raise_by, NONE)
    rows = parcel.rows if lateness is None else _raised(parcel.rows, reached, lateness)
    return Parcel(parcel.fold, parcel.input, rows, parcel.order)


def _raised(rows: pa.Table, before: int, lateness: int) -> pa.Table:
    if before == NONE or not rows.num_rows:
        return rows
    marks = np.maximum(at(rows, "wm"), before - lateness)
    column = rows.column(AT).combine_chunks()
    parts = column.flatten()
    fields = list(column.type)
    index = column.type.get_field_index("wm")
    parts[index] = pa.array(marks)
    return rows.set_column(rows.column_names.index(AT), AT, pa.StructArray.from_arrays(parts, fields=fields))


def scatter(node: Node, rows: pa.Table, tasks: int) -> list[tuple[int, pa.Table]]:
    """Cut rows by the key groups of their fold into its tasks; adds `_kg`."""
    assert isinstance(node.word, Fold)
    groups = keys.key_groups(rows, node.word.by)
    rows = rows.append_column("_kg", pa.array(groups, pa.int16()))
    if tasks == 1 or not node.word.by:
        return [(0, rows)]
    target = staging.task_of(groups, tasks)
    return [(task, part) for task in range(tasks) if (part := rows.filter(pa.array(target == task))).num_rows]


@sufficient
def run_fold(
    site: Site,
    epoch: EpochPlan,
    node: Node,
    number: int,
    tasks: int,
    parcels: Sequence[Parcel],
    now: int,
    tables: Mapping[str, pa.Table],
    passed: frozenset[str] = frozenset(),
    only: frozenset[str] | None = None,
) -> Outcome:
    """One fold task: its part of the state, the rows that came for it, the kernel, and what is behind it."""
    signals.tell("task.started", epoch=epoch.epoch, stage=node.name, task=number)
    task = Task(site, epoch, node.name, number, tables, (1, node.name, number), only=only)
    began = _ticks.monotonic()
    assert isinstance(node.word, Fold)
    kernel, before = fold_kernel(node), epoch.marks.get(node.name, NONE)
    inputs = input_schemas(site, node)
    schema = kernel.schema(node, inputs)
    low, high = staging.bounds(number, tasks)
    files = [file for file in epoch.state if file.node == node.name]
    state = staging.load_state(site.work, files, low, high, before, schema)
    rows = {name: _gather(parcels, name, inputs[name]) for name in node.inputs}
    if answered := [parcel.rows for parcel in parcels if parcel.input == ANSWER]:
        rows[ANSWER] = pa.concat_tables(answered)
    idled = {site.plan.origins.index(source): partitions for source, partitions in epoch.idled.items()}
    result = kernel.run(node, rows, state, Times(epoch.epoch, before, now, epoch.clock, passed, idled))
    task.take(node, result)
    task.report.held_before = [(origin, node.name, count) for origin, count in sorted(result.held_before.items()) if count]
    rows_out, count = born(result.rows)
    task.notes[node.step].update(noted(result.rows))
    if node.origin is not None:
        task.made[node.name] += count
    _keep_state(task, node, kernel, result, files, (low, high), before, now)
    task.report.released = {node.name: _released(node.word, state, result.rows)}
    task.seconds[node.name] += _ticks.monotonic() - began
    task.flow(node, Selection(rows_out))
    return task.finish()


def _released(word: Fold, state: pa.Table, rows: pa.Table) -> int:
    """The largest bound that is closed once everything is let go: later rows are judged by it.

    For a dedupe that is what it remembers, so that a row whose key it forgot is late and not new.
    """
    if not isinstance(word.body, Dedupe):
        return int(at(rows, "t").max()) + 1 if rows.num_rows else NONE
    times = int(at(rows, "t").max()) + 2 * word.body.within if rows.num_rows else NONE
    until = state.column("_until").to_numpy() if state.num_rows else np.array([NONE])
    return max(times, int(until[until < FOREVER].max(initial=NONE)))


def _keep_state(
    task: Task,
    node: Node,
    kernel: FoldKernel,
    result: Result,
    files: Sequence[File],
    span: tuple[int, int],
    before: int,
    now: int,
) -> None:
    """Write what the epoch adds to the state of a fold; some older files may be written anew with it."""
    delta, replaced = result.state, [file for file in files if file.low < span[1] and file.high > span[0]]
    if not result.replace and (replaced := staging.worn(files, *span)):
        schema = kernel.schema(node, input_schemas(task.site, node))
        older = staging.load_state(task.site.work, replaced, *span, before, schema)
        delta = kernel.compact(node, pa.concat_tables([older, delta]) if delta is not None else older, now)
    task.report.replaced = [file.path for file in replaced]
    if delta is not None and delta.num_rows:
        file = staging.write_state(task.site.work, node.name, task.epoch.epoch, delta, *span)
        if file.rows != delta.num_rows:
            raise broken("rows of the state got lost", node.name, f"{delta.num_rows} are to be kept, the file has {file.rows}")
        staging.remember(task.site.work, file, delta)
        task.report.files.append(file)


def input_schemas(site: Site, node: Node) -> dict[str, pa.Schema]:
    """What each input of a fold brings: its needed columns, without `_at`."""
    assert isinstance(node.word, Fold)
    schemas = {}
    for name, needed in zip(node.inputs, node.word.needs):
        types = {column.name: column.type.arrow for column in site.plan.node(name).columns}
        schemas[name] = pa.schema([(column, types[column]) for column in needed])
    return schemas


def _gather(parcels: Sequence[Parcel], name: str, schema: pa.Schema) -> pa.Table:
    parts = [parcel.rows for parcel in sorted(parcels, key=lambda parcel: parcel.order) if parcel.input == name]
    if not parts:
        return empty(schema).append_column("_kg", pa.array([], pa.int16()))
    return pa.concat_tables(parts, promote_options="permissive")
