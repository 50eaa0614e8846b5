"""One epoch in stages, for engines whose tasks run in other processes: what a task gets, does and hands on.

The first stage reads, each further one computes the folds of one depth. Between two stages every message goes to a target:
rows to the task that has their key group, facts to every task, so that each computes the same watermark; reports travel with
them to the end. A message that is lost or doubled breaks the law.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from mainstem import errors
from mainstem.clock import attempt
from mainstem.engines import staging, watermark
from mainstem.engines.contract import EpochPlan, Fact
from mainstem.engines.fold import Folding, marked, run_fold, scatter
from mainstem.engines.read import read_calls
from mainstem.engines.replay import run_replay, way
from mainstem.engines.site import Site
from mainstem.engines.tables import load_tables
from mainstem.engines.tasks import Outcome, Parcel
from mainstem.errors import MainstemError, TransientError
from mainstem.plan.explain import Stage
from mainstem.plan.words import Fold, Map, Node, Plan, Whole

ROWS, KEPT, FACT, REPORT, ERROR, TICK = "rows", "kept", "fact", "report", "error", "tick"
_LARGEST = 1 << 30  # bytes of rows in one message


@dataclass(frozen=True)
class Message:
    """What one task hands to another: rows of a parcel (or the file that has them), a fact, a report, an error; or only that it
    is done (`tick`).
    """

    target: int
    kind: str
    meta: bytes = b""
    rows: pa.Table | None = None


class Label(msgspec.Struct, frozen=True, array_like=True):
    """A parcel without its rows. `order` ends with the number of the message, so that rows come together as they were made."""

    fold: str
    input: str
    order: list[Any]
    raise_by: tuple[str, int, int] | None


class Cut:
    """How a plan is cut for `tasks` tasks a stage."""

    def __init__(self, plan: Plan, tasks: int, closing: bool = False) -> None:
        self.plan, self.tasks, self.closing = plan, tasks, closing
        self._stage: dict[str, int] = {}      # node -> the stage that makes its rows
        for node in plan.nodes:
            self._stage[node.name] = max((self._stage[name] for name in node.inputs), default=0) + isinstance(node.word, Fold)
        folds = plan.of(Fold)
        last = max((self._stage[fold.name] for fold in folds), default=0)
        self.folds = [tuple(fold for fold in folds if self._stage[fold.name] == number) for number in range(1, last + 1)]

    @property
    def last(self) -> int:
        """The number of the last stage; the reads are stage 0."""
        return len(self.folds)

    def keeps(self, stage: int) -> bool:
        """Whether a step of this stage is not deterministic and a later one reads it: then what it made is kept in files first.

        Otherwise a task that is carried out once more for one reader could show it other rows than another reader has seen.
        """
        restless = any(isinstance(node.word, Map) and not node.word.deterministic for node in self.of(stage))
        return stage < self.last and (restless or bool(self.asked(stage + 1)))

    def asked(self, stage: int) -> tuple[Node, ...]:
        """The folds of a stage that the cluster's own SQL answers, now that all input is there."""
        return tuple(fold for fold in self.folds[stage - 1] if self.closing and asks(fold))

    def of(self, stage: int) -> tuple[Node, ...]:
        """The nodes whose rows are made in a stage."""
        return tuple(node for node in self.plan.nodes if self._stage[node.name] == stage)

    def home(self, fold: Node) -> int | None:
        """The one task of a fold without keys, None for one that is cut by its keys."""
        assert isinstance(fold.word, Fold)
        return None if fold.word.by else self.plan.of(Fold).index(fold) % self.tasks


def asks(node: Node) -> bool:
    """Whether the cluster's own SQL answers this step."""
    return isinstance(node.word, Fold) and isinstance(node.word.body, Whole) and bool(node.word.body.engine)


def placement(plan: Plan, tasks: int) -> tuple[Stage, ...]:
    """The stages of a plan, for a person."""
    cut = Cut(plan, tasks)
    return tuple(_told(cut, number) for number in range(cut.last + 1))


def _told(cut: Cut, number: int) -> Stage:
    folds = cut.folds[number - 1] if number else ()
    alone = tuple((fold.name, _why_alone(fold)) for fold in folds if cut.home(fold) is not None)
    shuffled = tuple((fold.name, ", ".join(fold.word.by)) for fold in folds if isinstance(fold.word, Fold) and fold.word.by)
    restless = next((node.name for node in cut.of(number) if isinstance(node.word, Map) and not node.word.deterministic), "")
    many = f"{cut.tasks}, {cut.tasks} times 1/{cut.tasks} of the 256 key groups" if number else "one for each range of the input"
    return Stage(many, tuple(node.name for node in cut.of(number)), shuffled, alone, restless if cut.keeps(number) else "")


def _why_alone(fold: Node) -> str:
    if asks(fold):
        return "Spark's own SQL answers it, by Spark's own plan, and this task takes the answer; not portable"
    if isinstance(fold.word, Fold) and isinstance(fold.word.body, Whole):
        return "SQL over the whole input without GROUP BY or join keys to cut it by; say `partition_by:` where it can be cut"
    return "it has no `by:`: all of its rows belong together"


def reads(epoch: EpochPlan) -> int:
    """How many tasks the first stage has; at least one, that tells the others to begin."""
    return max(1, sum(map(len, epoch.ranges.values())) + bool(epoch.orders))


def read_stage(site: Site, epoch: EpochPlan, cut: Cut, number: int) -> Iterator[Message]:
    """Read one range, and hand its rows to the folds."""
    tables = load_tables(site, epoch)
    calls = [*read_calls(site.plan, epoch, site, tables), *run_replay(site.plan, epoch, site, tables)]
    for call in calls[number : number + 1]:
        outcome = call()
        yield from _on(cut, outcome, number % cut.tasks)
        for fact in outcome.report.facts:
            yield from (Message(target, FACT, msgspec.json.encode(fact)) for target in range(cut.tasks))
    yield from (Message(target, TICK) for target in range(cut.tasks))


def fold_stage(site: Site, epoch: EpochPlan, cut: Cut, depth: int, target: int, messages: Iterable[Message]) -> Iterator[Message]:
    """Compute one target's part of every fold of this depth."""
    facts, parcels, later = [], [], [Message(target, TICK)]
    folds = cut.folds[depth - 1]
    names = {fold.name for fold in folds}
    for message in map(_opened, messages):
        if message.kind == ROWS and (label := msgspec.json.decode(message.meta, type=Label)).fold in names:
            assert message.rows is not None
            parcels.append(Parcel(label.fold, label.input, message.rows, tuple(label.order), label.raise_by))
        elif message.kind == FACT:
            facts.append(msgspec.json.decode(message.meta, type=Fact))
            later.append(message)
        elif message.kind != TICK:
            later.append(message)
    yield from (message for message in later if depth < cut.last or message.kind in (REPORT, ERROR))
    if any(message.kind == ERROR for message in later):
        return                                        # this epoch is over: only say why
    tables, replayed = load_tables(site, epoch), way(site.plan, epoch)
    marks = watermark.advance(site.plan, epoch, watermark.carry_on(epoch.carry, facts))
    before = watermark.before_segments(epoch.carry, facts)
    for fold in folds:
        home = cut.home(fold)
        if home is not None and home != target:
            continue
        number, tasks = (target, cut.tasks) if home is None else (0, 1)
        mine = [marked(parcel, site.plan, before) for parcel in parcels if parcel.fold == fold.name]
        folding = Folding(site, epoch, fold, marks[fold.name], tables, replayed)
        if mine or folding.state(*staging.bounds(number, tasks)):
            yield from _on(cut, run_fold(folding, number, tasks, mine), target)


def _on(cut: Cut, outcome: Outcome, here: int) -> Iterator[Message]:
    """The report, and every parcel cut for the tasks of its fold."""
    yield Message(here, REPORT, msgspec.json.encode(outcome.report))
    numbers = itertools.count()
    for parcel in outcome.parcels:
        node = cut.plan.node(parcel.fold)
        home = cut.home(node)
        for target, rows in scatter(node, parcel.rows, cut.tasks if home is None else 1):
            for piece in _pieces(rows):
                label = Label(parcel.fold, parcel.input, [*parcel.order, next(numbers)], parcel.raise_by)
                yield Message(target if home is None else home, ROWS, msgspec.json.encode(label), piece)


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """A message is one blob, and Arrow counts the bytes of these with 32 bits."""
    if rows.nbytes <= _LARGEST or rows.num_rows < 2:
        yield rows
        return
    middle = rows.num_rows // 2
    yield from _pieces(rows.slice(0, middle))
    yield from _pieces(rows.slice(middle))


class Kept(msgspec.Struct, frozen=True):
    """Rows that lie in a file until the next job of the epoch takes them."""

    path: str
    label: bytes


def keep(folder: Path, messages: Iterable[Message]) -> Iterator[Message]:
    """The messages with their rows in files of this attempt, for another job of the same epoch."""
    for message in messages:
        if message.rows is None:
            yield message
            continue
        yield Message(message.target, KEPT, msgspec.json.encode(Kept(between(folder, message.rows), message.meta)))


def between(folder: Path, rows: pa.Table) -> str:
    """Rows in a file that only this epoch needs; its path."""
    path = folder / f"{attempt()}.arrow"
    with path.open("xb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
    return str(path)


def _opened(message: Message) -> Message:
    if message.kind != KEPT:
        return message
    kept = msgspec.json.decode(message.meta, type=Kept)
    with pa.memory_map(kept.path) as file:
        return Message(message.target, ROWS, kept.label, pa.ipc.open_file(file).read_all())


class Raised(msgspec.Struct, frozen=True):
    """An error of ours on its way from a task to the driver."""

    kind: str
    code: str
    what: str
    where: str
    why: str
    fix: str


def careful(here: int, messages: Iterable[Message]) -> Iterator[Message]:
    """The messages of a task; an error that trying again cannot mend becomes the last of them."""
    try:
        yield from messages
    except TransientError:
        raise
    except MainstemError as error:
        told = Raised(type(error).__name__, error.code, error.what, error.where, error.why, error.fix)
        yield Message(here, ERROR, msgspec.json.encode(told))


def error_of(meta: bytes) -> MainstemError:
    """The error as the task raised it."""
    told = msgspec.json.decode(meta, type=Raised)
    kind: type[MainstemError] = getattr(errors, told.kind)
    return kind(told.code, told.what, where=told.where, why=told.why, fix=told.fix)
