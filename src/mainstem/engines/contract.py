"""What the protocol asks of an engine, and what a kernel is: the two contracts that every engine shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pyarrow as pa

from mainstem.batch import NONE, Fates
from mainstem.plan.words import Node, Plan
from mainstem.plugs import Budget

if TYPE_CHECKING:
    from mainstem.engines.selection import Selection
    from mainstem.engines.site import Site


@dataclass(frozen=True)
class Times:
    """What a kernel may know of time. All in microseconds of event time."""

    epoch: int
    before: int = NONE  # W(n-1) of this fold
    now: int = NONE  # W(n); FOREVER in a closing epoch
    clock: int = 0  # the plan's wall clock
    passed: frozenset[str] = frozenset()  # replay: dedupe nodes that these rows have passed already
    idled: Mapping[int, Sequence[int]] = field(default_factory=dict)  # origin -> partitions that have been idle once


@dataclass(frozen=True)
class Result:
    """What a kernel made of its rows. Counts come from queries of their own, never from a subtraction."""

    rows: pa.Table  # the node's columns and `_at`
    aside: pa.Table | None = None  # input rows with `_at` + batch.REASON_FIELDS
    fates: Fates = field(default_factory=Counter)  # filtered, quarantined, late, noted, held (after); delivered for intakes
    held_before: Counter[int] = field(default_factory=Counter)  # origin -> rows found in the state
    state: pa.Table | None = None  # rows to append to the state (or the whole state, if `replace`)
    replace: bool = False  # `state` takes the place of everything that was loaded
    notes: Mapping[str, int] = field(default_factory=dict)  # rows that were worth a remark


ANSWER = "="  # the input under which another engine's answer comes to a fold, beside the inputs of its node


class FoldKernel(Protocol):
    """What carries out the body of a fold: a module of engines/kernels.

    A state row is dead as soon as `_until <= W`; the engine hands over only rows that are alive at W(n-1) and drops a
    file once its largest `_until` has passed.
    """

    def schema(self, node: Node, inputs: Mapping[str, pa.Schema]) -> pa.Schema:
        """Of its state: `_kg` int16, `_until` int64, then its own columns. `inputs`: by name, without `_at`."""

    def run(self, node: Node, rows: Mapping[str, pa.Table], state: pa.Table, times: Times) -> Result:
        """One epoch. `rows`: by input, with `_at` and `_kg`, ordered by (o, p, n, c)."""

    def compact(self, node: Node, state: pa.Table, now: int) -> pa.Table:
        """The same state without what is dead at W = `now`, or what other rows of it say already."""


@dataclass(frozen=True)
class RowResult:
    """What a row-local kernel made of its rows. Counts come from queries of their own, never from a subtraction."""

    onward: Selection  # the node's columns and `_at`
    aside: pa.Table | None = None  # input rows with `_at` + batch.REASON_FIELDS
    fates: Fates = field(default_factory=Counter)  # filtered, quarantined; delivered where the intake is an end
    notes: Mapping[str, int] = field(default_factory=dict)  # evaluated/NULL counts of rules, changes ...


class RowKernel(Protocol):
    """What carries out a row-local word (Sql, Check, Map): a module of engines/kernels."""

    def run(self, node: Node, source: str, given: Selection, tables: Mapping[str, pa.Table], site: Site) -> RowResult:
        """The rows of one input, which is called `source`, with `_at`; `tables` by name. Raises what stops the epoch."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A data file that a task wrote: staged rows of an output, quarantine rows, or state."""

    kind: str  # output | aside | state
    node: str  # the Write node, "" for aside, the Fold node
    path: str  # absolute while an epoch runs, relative to the work folder in prepared-N
    rows: int
    bytes: int
    sha256: str
    low: int = 0  # state: key groups [low, high)
    high: int = 0
    until: int = 0  # state: largest `_until`


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What a read task found out about one range: goes to every target."""

    source: str
    partition: int
    segment: int  # order of the range within its partition in this epoch
    made: int  # records read
    largest: int  # largest min(event time, clock) of decoded, not-future rows; NONE if none
    bytes: int = 0  # of the chunks that the records were decoded from


class Report(msgspec.Struct, kw_only=True):
    """What a task did: the only thing that goes to the driver."""

    stage: str
    task: int
    facts: list[Fact] = []
    fates: list[tuple[int, str, str, str, int]] = []  # (origin, node, fate, reason, rows)
    held_before: list[tuple[int, str, int]] = []  # (origin, fold node, rows)
    made: list[tuple[str, int]] = []  # (node that is an origin, rows)
    files: list[File] = []
    replaced: list[str] = []  # state files whose place a new one takes
    notes: dict[str, dict[str, int]] = {}  # node -> counts
    seconds: dict[str, float] = {}  # node -> busy time
    drift: list[tuple[str, str, str]] = []  # (source, `unknown column x`, where it was first seen)
    released: dict[str, int] = {}  # fold -> largest bound that it let go (kept after a closing epoch)


class EpochPlan(msgspec.Struct, kw_only=True):
    """plan-N: everything that the epoch depends on, fixed before its first external effect."""

    epoch: int
    incarnation: str
    pipeline: str
    environment: str
    release: str
    clock: int
    ranges: dict[str, list[dict[str, Any]]]  # source -> plugs.Range as dict
    progress: dict[str, dict[str, Any]]  # source -> where the next epoch goes on
    carry: dict[str, dict[int, int]]  # source -> partition -> largest event time before this epoch
    marks: dict[str, int]  # fold -> W(n-1)
    live: dict[str, dict[int, str]]  # source -> partition -> live | drained | idle | left (engines/watermark)
    tables: dict[str, dict[str, Any]]  # table -> {path, version, hash}
    state: list[File] = []
    closing: bool = False
    publish: str = "epoch"  # epoch | run
    orders: list[dict[str, Any]] = []  # replay, discard
    idled: dict[str, list[int]] = {}  # source -> partitions that have been idle once: their late rows are told apart
    flushed: dict[str, int] = {}  # source -> watermark that an idle rule set
    outcomes: list[dict[str, Any]] = []  # named outcomes of whole files: {source, file, outcome, detail}


class Engine(Protocol):
    """Who carries out an epoch. The ONE action: read, compute, stage files."""

    name: str  # who carried out the newest epoch: local | spark

    def wants(self, rows: int, size: int) -> Budget:
        """How much one epoch should take, where a task takes about so many rows and bytes."""

    def begin(self, plan: Plan, epoch: EpochPlan, site: Site) -> None:
        """Perhaps begin to read for an epoch whose predecessor is still being carried out.

        `epoch` has its ranges, clock and tables; what comes from its predecessor (state, carry, marks) is filled in before
        it is planned and run. Nothing that is decided depends on it: files that nobody names are what a killed attempt leaves.
        """

    def run(self, plan: Plan, epoch: EpochPlan, site: Site) -> Sequence[Report]:
        """Carry out an epoch: the reports of every task, whose files lie staged and fsynced. Nothing of it is visible yet.

        An error of a task is raised here as it was there; what the other tasks staged nobody will name.
        """

    def close(self) -> None:
        """Let go of everything that the engine holds: threads, processes, files of an epoch that was begun and does not come."""
