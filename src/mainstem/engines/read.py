"""The read task: one range of one source -> decoded rows with identity and time mark, and what could not be read."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem import plugs, signals
from mainstem.batch import AT, NONE, QUARANTINED, Fate, identity
from mainstem.clock import SystemClock, iso
from mainstem.engines import aside, coverage
from mainstem.engines.contract import EpochPlan, Fact
from mainstem.engines.kernels.duck import query
from mainstem.engines.law import name_of
from mainstem.engines.memory import sufficient
from mainstem.engines.selection import Selection
from mainstem.engines.site import Site
from mainstem.engines.tasks import Outcome, Raw, Task
from mainstem.plan.words import Node, Plan, Read, Time

_ticks = SystemClock()


def read_calls(plan: Plan, epoch: EpochPlan, site: Site, tables: Mapping[str, pa.Table]) -> list[Callable[[], Outcome]]:
    """One call per range of the epoch, in an order that every engine shares."""
    calls: list[Callable[[], Outcome]] = []
    for node in plan.of(Read):
        segments: defaultdict[int, int] = defaultdict(int)
        for range_ in epoch.ranges.get(node.name, []):
            segment = segments[range_["partition"]]
            segments[range_["partition"]] += 1
            calls.append(partial(run_read, site, epoch, node, len(calls), segment, range_, tables))
    return calls


def run_read(
    site: Site, epoch: EpochPlan, node: Node, number: int, segment: int, range_: Mapping[str, Any], tables: Mapping[str, pa.Table]
) -> Outcome:
    """Read exactly this range, decode, stamp, and carry the rows down to outputs and folds."""
    signals.tell("task.started", epoch=epoch.epoch, stage=node.name, task=number)
    assert isinstance(node.word, Read)
    with sufficient(node.name):
        partition = int(range_["partition"])
        task = Task(site, epoch, node.name, number, tables, (0, node.name, partition, segment), (node.name, partition, segment))
        source = site.source(node.name)
        slice_ = plugs.Range(**range_)
        running, made, taken, place = NONE, 0, 0, placer(source, slice_)
        form = site.format(node.name, node.word)
        for chunk in source.read(slice_):
            began = _ticks.monotonic()
            decoded = form.decode(chunk, query)
            coverage.check(form, chunk, decoded, functools.partial(place, partition))
            running = stamp(task, node, chunk, decoded, partition, running, place)
            made, taken = made + len(decoded.position), taken + len(chunk.data)
            task.seconds[node.name] += _ticks.monotonic() - began
        task.report.facts = [Fact(source=node.name, partition=partition, segment=segment, made=made, bytes=taken, largest=running)]
        return task.finish()


def placer(source: plugs.Source, range_: plugs.Range) -> Callable[[int, int], str]:
    """Where a position of this range lies, for a person."""
    return lambda partition, position: source.place({"partition": partition, "position": position, "ref": range_.ref})


def stamp(
    task: Task,
    node: Node,
    chunk: plugs.Chunk,
    decoded: plugs.Decoded,
    partition: int,
    running: int | None,
    place: Callable[[int, int], str],
    origin: int | None = None,
) -> int:
    """Give the decoded rows their identity and mark, set aside what has no good time, and carry the rest on.

    Returns the largest event time so far in this range. Undecodable rows and rows of the future do not move it. With
    `running` None (a replay) the rows get no mark: they are judged by the watermark alone.
    """
    assert isinstance(node.word, Read)
    time, epoch = node.word.time, task.epoch
    number = node.origin if origin is None else origin
    assert number is not None
    clock = None if chunk.clock is None else np.asarray(chunk.clock, np.int64)
    if decoded.rejects.num_rows:
        task.aside.append(
            aside.from_rejects(
                decoded.rejects,
                decoded.position,
                decoded.raw,
                node=node.name,
                origin=name_of(task.site.plan, number),
                partition=partition,
                epoch=epoch,
                clock=clock,
                place=place,
            )
        )
        for item in decoded.rejects.column("reason").value_counts().to_pylist():
            task.fates[Fate(number, node.name, QUARANTINED, item["values"])] += item["counts"]
    for kind, seen in (("unknown", decoded.unknown), ("absent", decoded.absent)):
        for column, first in seen.items():
            task.report.drift.append((node.name, f"{kind} column {column}", place(partition, int(decoded.position[first]))))
    rows, record = decoded.rows, np.asarray(decoded.record, np.int64)
    position = np.asarray(decoded.position, np.int64)
    if len(record) < len(position):                   # rising: otherwise it is every record
        position = position[record]
    times = marks = None
    if time is not None:
        clocks = clock[record] if clock is not None else np.full(len(record), epoch.clock, np.int64)
        times = event_times(rows, time.column)
        future = times > clocks + time.max_future
        good = (times != NONE) & ~future
        if running is not None:
            running, marks = _marks(times, np.minimum(times, clocks), good, running, time)
    whole = rows.append_column(AT, identity(number, partition, position, times, marks, record))
    task.raw = Raw(decoded.raw, clock, place)
    if time is not None and times is not None and not good.all():
        _no_good_time(task, node, whole, good, times, clocks, time)
        whole = whole.filter(pa.array(good))
    task.flow(node, Selection(whole))
    task.raw = None
    return NONE if running is None else running


def event_times(rows: pa.Table, column: str) -> np.ndarray:
    """Event time in microseconds, NONE where it is NULL."""
    values = rows.column(column)
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us", "UTC"))
    return pc.fill_null(values.cast(pa.int64()), NONE).to_numpy()  # type: ignore[no-any-return]


def _marks(times: np.ndarray, moves: np.ndarray, good: np.ndarray, running: int, time: Time) -> tuple[int, np.ndarray]:
    """The largest time before each row, less lateness, and the largest time after them all."""
    steps = np.where(good, moves, NONE)
    reach = np.maximum.accumulate(np.concatenate([[running], steps])) if len(steps) else np.array([running])
    if time.lateness is None:
        return int(reach[-1]), np.full(len(times), NONE, np.int64)
    return int(reach[-1]), np.where(reach[:-1] == NONE, NONE, reach[:-1] - time.lateness)


def _no_good_time(
    task: Task, node: Node, rows: pa.Table, good: np.ndarray, times: np.ndarray, clocks: np.ndarray, time: Time
) -> None:
    bad = np.flatnonzero(~good)
    reasons = ["bad_timestamp" if times[i] == NONE else "future_timestamp" for i in bad]
    details = [
        f"{time.column} is NULL"
        if times[i] == NONE
        else f"{time.column} {iso(int(times[i]))} is more than max_future past the clock {iso(int(clocks[i]))}"
        for i in bad
    ]
    found = rows.take(pa.array(bad))
    for name, values, kind in (
        ("_fate", [QUARANTINED] * len(bad), pa.string()),
        ("_reason", reasons, pa.string()),
        ("_rules", [[]] * len(bad), pa.list_(pa.string())),
        ("_detail", details, pa.string()),
    ):
        found = found.append_column(name, pa.array(values, kind))
    raw = task.raw
    assert raw is not None
    task.aside.append(
        aside.from_rows(
            found, node=node.name, names=task.origin_name, epoch=task.epoch, raw=raw.records, clock=raw.clock, place=raw.place
        )
    )
    origin = int(found.column(AT).combine_chunks().field("o")[0].as_py())
    for reason in set(reasons):
        task.fates[Fate(origin, node.name, QUARANTINED, reason)] += reasons.count(reason)
