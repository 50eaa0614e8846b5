"""What one task of a fold does: its part of the state and the rows that came for it -> kernel -> state, and rows that go on.

Rows come in parcels. `marked` makes the time marks of read rows final, `scatter` cuts them by the key groups of the tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mainstem import signals
from mainstem.batch import AT, FOREVER, NONE, at, empty
from mainstem.clock import SystemClock
from mainstem.engines import staging
from mainstem.engines.contract import ANSWER, EpochPlan, File, FoldKernel, Result, Times
from mainstem.engines.kernels import keys
from mainstem.engines.kernels.made import born, noted
from mainstem.engines.law import broken
from mainstem.engines.memory import sufficient
from mainstem.engines.replay import Way
from mainstem.engines.selection import Selection
from mainstem.engines.site import Site
from mainstem.engines.tasks import Outcome, Parcel, Task
from mainstem.plan.words import Alert, Dedupe, Fold, Latest, Node, Over, Plan, Read, Session, Whole, Window

_ticks = SystemClock()


@dataclass(frozen=True)
class Folding:
    """A fold in one epoch, as all of its tasks see it."""

    site: Site
    epoch: EpochPlan
    node: Node
    now: int  # W(n) of the fold
    tables: Mapping[str, pa.Table]
    replayed: Way | None = None

    @property
    def word(self) -> Fold:
        """The fold itself."""
        assert isinstance(self.node.word, Fold)
        return self.node.word

    @property
    def before(self) -> int:
        """W(n-1) of the fold."""
        return self.epoch.marks.get(self.node.name, NONE)

    def state(self, low: int, high: int) -> list[File]:
        """The files that hold state of the key groups [low, high), the oldest first."""
        return [file for file in self.epoch.state if file.node == self.node.name and file.low < high and file.high > low]

    def schema(self) -> pa.Schema:
        """Of the state."""
        return fold_kernel(self.node).schema(self.node, input_schemas(self.site, self.node))


def run_fold(fold: Folding, number: int, tasks: int, parcels: Sequence[Parcel]) -> Outcome:
    """One fold task: its part of the state, the rows that came for it, the kernel, and what is behind it."""
    site, epoch, node, way = fold.site, fold.epoch, fold.node, fold.replayed
    signals.tell("task.started", epoch=epoch.epoch, stage=node.name, task=number)
    with sufficient(node.name):
        task = Task(site, epoch, node.name, number, fold.tables, (1, node.name, number), only=way.only if way else None)
        began = _ticks.monotonic()
        inputs, span = input_schemas(site, node), staging.bounds(number, tasks)
        state = staging.load_state(site.work, fold.state(*span), *span, fold.before, fold.schema())
        rows = {name: _gather(parcels, name, inputs[name]) for name in node.inputs}
        if answered := [parcel.rows for parcel in parcels if parcel.input == ANSWER]:
            rows[ANSWER] = pa.concat_tables(answered)
        idled = {site.plan.origins.index(source): partitions for source, partitions in epoch.idled.items()}
        times = Times(epoch.epoch, fold.before, fold.now, epoch.clock, way.passed if way else frozenset(), idled)
        result = fold_kernel(node).run(node, rows, state, times)
        task.take(node, result)
        task.report.held_before = [(origin, node.name, count) for origin, count in sorted(result.held_before.items()) if count]
        rows_out, count = born(result.rows)
        task.notes[node.step].update(noted(result.rows))
        if node.origin is not None:
            task.made[node.name] += count
        _keep_state(task, fold, result, span)
        task.report.released = {node.name: _released(fold.word, state, result.rows)}
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


def _keep_state(task: Task, fold: Folding, result: Result, span: tuple[int, int]) -> None:
    """Write what the epoch adds to the state of a fold; some older files may be written anew with it."""
    work, node, delta, replaced = fold.site.work, fold.node, result.state, fold.state(*span)
    if not result.replace and (replaced := staging.worn(replaced, *span)):
        older = staging.load_state(work, replaced, *span, fold.before, fold.schema())
        delta = fold_kernel(node).compact(node, pa.concat_tables([older, delta]) if delta is not None else older, fold.now)
    task.report.replaced = [file.path for file in replaced]
    if delta is not None and delta.num_rows:
        file = staging.write_state(work, node.name, fold.epoch.epoch, delta, *span)
        if file.rows != delta.num_rows:
            raise broken("rows of the state got lost", node.name, f"{delta.num_rows} are to be kept, the file has {file.rows}")
        staging.remember(work, file, delta)
        task.report.files.append(file)


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


def input_schemas(site: Site, node: Node) -> dict[str, pa.Schema]:
    """What each input of a fold brings: its needed columns, without `_at`."""
    assert isinstance(node.word, Fold)
    schemas = {}
    for name, needed in zip(node.inputs, node.word.needs):
        types = {column.name: column.type.arrow for column in site.plan.node(name).columns}
        schemas[name] = pa.schema([(column, types[column]) for column in needed])
    return schemas


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


def _gather(parcels: Sequence[Parcel], name: str, schema: pa.Schema) -> pa.Table:
    parts = [parcel.rows for parcel in sorted(parcels, key=lambda parcel: parcel.order) if parcel.input == name]
    if not parts:
        return empty(schema).append_column("_kg", pa.array([], pa.int16()))
    return pa.concat_tables(parts, promote_options="permissive")
