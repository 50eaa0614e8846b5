"""What the property tests share: a source that plays a script, sinks in memory, and a run of the whole engine over both.

A script is a list of moves, one per `discover`: how many records each partition hands out, what is there in all, how far the
clock moves. Everything above it (planner, protocol, watermark, law, kernels, journal) is the real thing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from mainstem import project
from mainstem.clock import HandClock
from mainstem.engines import journal, law
from mainstem.engines.contract import Engine
from mainstem.engines.epoch import Epochs
from mainstem.engines.lease import Lease
from mainstem.engines.local.engine import Local
from mainstem.engines.planning import Planner, Wish
from mainstem.engines.site import QUARANTINE, Site
from mainstem.plan.words import Plan, Read, Write
from mainstem.plugs import Budget, Chunk, Committed, Discovery, Range, Staged
from mainstem.testing.conformance.inputs import line

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGIN = 1_780_000_000 * SECOND - 1_780_000_000 * SECOND % DAY  # a midnight UTC, in microseconds

SEEDS = int(os.environ.get("MAINSTEM_SEEDS", "0"))  # 1000 for a night; a few without it


def seeds(few: int) -> range:
    """How many random inputs a property is tried on."""
    return range(SEEDS or few)


Row = Mapping[str, Any]
Partitions = Mapping[int, Sequence[Row]]


@dataclass(frozen=True)
class Move:
    """One look at the source: what it hands out, what is there, and what time it is then."""

    take: Mapping[int, int] = field(default_factory=dict)  # partition -> records
    there: Mapping[int, int] | None = None  # partition -> end offset; None: all of the input
    wait: float = 0.0  # seconds that pass before it
    segments: int = 1  # ranges per partition


@dataclass
class Scripted:
    """A source with partitions of JSON lines, played move by move; after the last one it has nothing new, or has ended."""

    partitions: Partitions
    moves: Sequence[Move]
    ends: bool = True
    clock: HandClock = field(default_factory=lambda: HandClock(BEGIN + 30 * DAY))
    arrival: Callable[[int, Row], int] | None = None
    acknowledged: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = {part: [line(row) for row in rows] for part, rows in self.partitions.items()}
        self.offsets = {part: [0, *itertools.accumulate(len(one) for one in lines)] for part, lines in self.lines.items()}
        self._asked = -1

    @property
    def bounded(self) -> bool:
        return self.ends

    def discover(self, progress: Mapping[str, Any] | None, budget: Budget) -> Discovery:
        step = int(progress["step"]) if progress else 0
        done = {int(part): int(count) for part, count in (progress["done"] if progress else {}).items()}
        over = step >= len(self.moves)
        move = Move() if over else self.moves[step]
        if step != self._asked:
            self.clock.sleep(move.wait)
            self._asked = step
        there = {part: len(lines) for part, lines in self.lines.items()} if move.there is None or over else dict(move.there)
        ranges: list[Range] = []
        for part, count in sorted(move.take.items()):
            first, last = done.get(part, 0), min(done.get(part, 0) + count, len(self.lines[part]))
            done[part] = last
            cuts = [first + (last - first) * k // move.segments for k in range(move.segments + 1)]
            ranges += [
                Range(part, self.offsets[part][a], self.offsets[part][b], {"first": a, "last": b},
                      bytes=self.offsets[part][b] - self.offsets[part][a])
                for a, b in itertools.pairwise(cuts)
                if b > a
            ]
        drained = frozenset(part for part, end in there.items() if done.get(part, 0) >= end)
        finished = over and all(done.get(part, 0) >= len(lines) for part, lines in self.lines.items())
        after = {"step": step if over else step + 1, "done": {str(part): count for part, count in sorted(done.items())}}
        return Discovery(tuple(ranges), after, {part: f"p{part}" for part in there}, drained, ended=self.ends and finished)

    def read(self, range: Range) -> Sequence[Chunk]:
        first, last = range.ref["first"], range.ref["last"]
        import numpy as np

        stamps = None
        if self.arrival is not None:
            stamps = np.array(
                [self.arrival(range.partition, row) for row in self.partitions[range.partition][first:last]], np.int64
            )
        return [Chunk(b"".join(self.lines[range.partition][first:last]), range.start, clock=stamps)]

    def place(self, range_or_position: Mapping[str, Any]) -> str:
        return f"p{range_or_position['partition']}:{range_or_position.get('position', range_or_position.get('start'))}"

    def acknowledge(self, progress: Mapping[str, Any]) -> None:
        self.acknowledged.append(progress)


class Kept:
    """A sink that keeps its commits in memory, in order and under which epochs; what is staged lies in files, as it must."""

    kind = "kept"
    fixed_format = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staged: dict[str, pa.Table] = {}
        self.commits: list[tuple[int, list[str]]] = []
        self._names = itertools.count()

    def prepare(self, add_columns: bool = False) -> str:
        return "kept"

    def stage(self, rows: pa.Table, name: str) -> Staged:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = str(self.folder / f"{name}-{next(self._names)}")
        content = path.encode()
        Path(path).write_bytes(content)
        self.staged[path] = rows
        return Staged(path, rows.num_rows, len(content), hashlib.sha256(content).hexdigest())

    def commit(self, transaction: Any, files: Sequence[Staged]) -> Committed:
        if self.commits and transaction.version <= self.commits[-1][0]:
            return Committed(len(self.commits), sum(self.staged[path].num_rows for path in self.commits[-1][1]), already=True)
        self.commits.append((transaction.version, [file.path for file in files]))
        return Committed(len(self.commits), sum(file.rows for file in files))

    def last(self, app: str) -> int | None:
        return self.commits[-1][0] if self.commits else None

    def identity(self) -> str | None:
        return "kept"

    def writer(self) -> None:
        return None

    def parts(self, file: Staged) -> Sequence[Staged]:
        return ()

    def taken(self, since: int) -> str:
        return ""

    def rows(self) -> list[dict[str, Any]]:
        return [row for _, paths in self.commits for path in paths for row in self.staged[path].to_pylist()]


@dataclass
class Ran:
    """What a whole run left behind."""

    outputs: dict[str, list[dict[str, Any]]]
    aside: list[dict[str, Any]]
    account: dict[str, dict[str, Any]]
    epochs: int
    why: str
    marks: list[dict[str, int]]
    plan: Plan

    def content(self, name: str) -> Counter[str]:
        """The rows of an output as a multiset of texts."""
        return Counter(json.dumps(row, default=str, sort_keys=True) for row in self.outputs[name])

    def late(self, node: str | None = None) -> Counter[tuple[int, int]]:
        """(partition, position) of the late rows."""
        return Counter(
            (row["partition"], row["position"]) for row in self.aside if row["fate"] == "late" and node in (None, row["node"])
        )

    def set_aside(self) -> Counter[tuple[Any, ...]]:
        """Everything that was set aside, without what depends on the cut (epoch, release) and ranks of made rows."""
        sources = {node.name for node in self.plan.of(Read)}
        return Counter(
            (
                row["fate"],
                row["node"],
                row["reason"],
                row["origin"],
                row["partition"],
                row["position"] if row["origin"] in sources else 0,
            )
            for row in self.aside
        )

    def legs(self) -> dict[str, dict[str, int]]:
        """The account without the reasons."""
        return {
            leg: {key: value for key, value in row.items() if key not in ("reasons", "held_before")}
            for leg, row in self.account.items()
        }


SOURCE = """\
version: 1
pipeline: {name}
sources:
  events:
    generator: {{}}                    # its place is taken by a script
    format: json
    columns: {{t: timestamp!, k: string, v: int64, seq: int64, x: double}}
    time: {{column: t, lateness: {lateness}, max_future: {future}{idle}}}
"""


def source(lateness: str = "10s", future: str = "5m", idle: str = "", name: str = "property") -> str:
    """The head of a pipeline: one source of events (t, k, v, seq, x)."""
    return SOURCE.format(name=name, lateness=lateness, future=future, idle=f", idle: {idle}" if idle else "")


_compiled: dict[str, Plan] = {}


def compiled(text: str, files: Mapping[str, str] | None = None) -> Plan:
    """The plan of a pipeline text; every problem of it is an assertion."""
    key = text + repr(sorted((files or {}).items()))
    if key not in _compiled:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (files or {}).items():
                Path(folder, name).write_text(content)
            path = Path(folder, "p.yaml")
            path.write_text(text)
            pipeline = project.open(path)
            assert not pipeline.check(), "\n".join(map(str, pipeline.check())) + "\n" + text
            _compiled[key] = pipeline.compiled
    return _compiled[key]


@dataclass
class Bench:
    """One incarnation in a folder, with sources and sinks that outlive a restart of the engine."""

    plan: Plan
    folder: Path
    sources: Mapping[str, Any]
    tasks: int = 2
    clock: HandClock = field(default_factory=lambda: HandClock(BEGIN + 30 * DAY))
    wish: Wish = field(default_factory=lambda: Wish(budget=Budget(10_000, 1 << 20)))
    tables: Mapping[str, pa.Table] = field(default_factory=dict)  # written as NAME.csv into the folder
    ahead: bool = False  # read for the next epoch while one is carried out, as a run does
    engine: Callable[[int], Engine] = Local

    def __post_init__(self) -> None:
        names = [*(node.name for node in self.plan.of(Write)), QUARANTINE]
        self.sinks = {name: Kept(self.folder / "staged" / name.replace("/", "-")) for name in names}
        self.work = self.folder / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables.items():
            csv.write_csv(table, self.folder / f"{name}.csv")
        self.home = journal.current(self.work) or journal.begin(self.work, self.clock.now(), "property test")

    def site(self) -> Site:
        from mainstem.engines.site import Place

        place = Place(project=str(self.folder), lake=str(self.folder / "lake"), work=str(self.work), pipeline=self.plan.pipeline)
        site = Site(self.plan, place)
        for name, source in self.sources.items():
            site.once(f"source/{name}", lambda source=source: source)
        for name, sink in self.sinks.items():
            site.once("sink/quarantine!" if name == QUARANTINE else f"sink/{name}", lambda sink=sink: sink)
        return site

    def run(self, restart: random.Random | None = None, most: int = 200, idle_looks: int = 0) -> Ran:
        """Epoch after epoch to the end of the script; with `restart` the engine is thrown away between some of them.

        Run again after a crash it goes on. The account is that of every epoch that was decided, as the journal has it.
        `idle_looks`: how often to look again after nothing was found (an endless source), a second apart.
        """
        marks: list[dict[str, int]] = []
        ran, quiet, why = 0, 0, "end"
        while True:
            engine, lease = self.engine(self.tasks), Lease(self.home.folder, self.clock, takeover=True)
            try:
                epochs = Epochs(self.site(), engine, self.home, lease, self.clock)
                self._recover(epochs)
                planner = Planner(epochs.site, self.clock, self.wish)
                again = False
                while not again and ran < most:
                    plan = planner.next(epochs.number, self.home.incarnation, "scripted", epochs.head)
                    if plan is None:
                        why = "end" if planner.ended(epochs.head) or self.wish.flush else "hold"
                        if why == "end" or quiet >= idle_looks:
                            break
                        quiet += 1
                        self.clock.sleep(1)
                        continue
                    plan = epochs.plan(plan)
                    for following in planner.ahead(plan) if self.ahead else ():
                        epochs.begin(plan)
                        epochs.begin(following)
                    prepared = epochs.run(plan)
                    ran += 1
                    marks.append(dict(prepared.marks))
                    epochs.finish()
                    again = restart is not None and restart.random() < 0.4
                if not again:
                    epochs.mark_last()
                    epochs.finish()
                    break
            finally:
                engine.close()
                lease.release()
        assert ran < most, "the script never came to an end"
        account: dict[str, dict[str, Any]] = {}
        for number in self.home.epochs("prepared"):
            law.add(account, self.home.prepared(number).account)
        outputs = {node.step: self.sinks[node.name].rows() for node in self.plan.of(Write)}
        return Ran(outputs, self.sinks[QUARANTINE].rows(), account, ran, why, marks, self.plan)

    def _recover(self, epochs: Epochs) -> None:
        """Finish what a crash left: publish what is decided, and run again what is only planned."""
        epochs.finish()
        plans = self.home.epochs("plan")
        if plans and plans[-1] > (epochs.head.epoch if epochs.head else 0):
            epochs.run(self.home.plan(plans[-1]))
            epochs.finish()


def play(
    plan: Plan,
    folder: Path,
    partitions: Partitions,
    moves: Sequence[Move],
    *,
    tasks: int = 2,
    ends: bool = True,
    restart: random.Random | None = None,
    follow: bool = False,
    now: int = BEGIN + 30 * DAY,
    idle_looks: int = 0,
    tables: Mapping[str, pa.Table] | None = None,
    arrival: Callable[[int, Row], int] | None = None,
    flush: bool = False,
    ahead: bool = False,
    engine: Callable[[int], Engine] = Local,
) -> Ran:
    """Run a plan whose one source is a script, in a folder of its own."""
    clock = HandClock(now)
    (name,) = (node.name for node in plan.of(Read))
    script = Scripted(partitions, moves, ends, clock, arrival)
    bench = Bench(
        plan,
        Path(tempfile.mkdtemp(dir=folder)),
        {name: script},
        tasks,
        clock,
        Wish(follow=follow, flush=flush, budget=Budget(10_000, 1 << 20)),
        tables or {},
        ahead,
        engine,
    )
    return bench.run(restart, idle_looks=idle_looks)
