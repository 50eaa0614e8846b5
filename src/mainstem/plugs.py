"""The contracts of everything that plugs in (sources, sinks, formats, steps), and the registry that finds them.

A plug is one class with a `kind` (the word in the YAML), an `Options` model that is at once validation, editor schema and
manual row, and abilities that the plan reads. It is found through the entry points `mainstem.sources`, `mainstem.sinks`,
`mainstem.formats` and `mainstem.steps`, the built-in ones like anybody's. Nothing heavy is imported at module level in a
plug but pydantic.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from mainstem.columns import Columns
from mainstem.errors import Bug, SpecError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from mainstem.plan.words import Node


class Options(BaseModel):
    """What a user may write for one plug: closed, frozen, every field with a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)


# ---------------------------------------------------------------------------------------------------- formats

Query = Callable[..., "pa.Table"]     # query(sql, **tables) -> Table: the one way by which a format may use DuckDB


def no_query(sql: str, **_: Any) -> Any:
    """The `query` of a decode outside a task, where there is no DuckDB."""
    raise Bug("bug.query", "a format asked for SQL outside a task", why=sql)


@dataclass(frozen=True)
class Chunk:
    """Some whole records of one partition, as bytes, or as a file for formats that need random access."""

    data: bytes | memoryview          # whole records; empty where the format reads `path` itself
    start: int                        # position (`_at.n`) of the first byte, or of the first row for a row format
    final: bool = True                # nothing of this file follows
    path: str | None = None           # the file on disk, for formats that are not cut by bytes (parquet)
    facts: Mapping[str, Any] = field(default_factory=dict)      # what `Format.open` found (header, dialect)
    clock: np.ndarray | None = None   # arrival of each record, microseconds UTC, where the source stamps it
    clock_column: str | None = None   # ... or the name of the field in the record that holds it


@dataclass(frozen=True)
class Decoded:
    """What a format made of a chunk. Every record is in `rows` or in `rejects`, never in both, never in neither."""

    rows: pa.Table                    # the declared columns (+ `_extra` JSON text where `unknown: keep`)
    record: np.ndarray                # int64[rows]: index of the record of each row, rising
    rejects: pa.Table                 # REJECTS below
    position: np.ndarray              # int64[records]: `_at.n` of each record
    raw: pa.Array                     # binary[records]: the bytes of each record, without its line end
    unknown: Mapping[str, int] = field(default_factory=dict)    # undeclared fields seen -> index of the first record
    absent: Mapping[str, int] = field(default_factory=dict)     # declared fields missing -> index of the first record
    data: bytes | None = None         # what `position` and `raw` count, where it is not the chunk's own bytes (another encoding)


# rejects: record int64 (index), reason string (mainstem.reasons), detail string, column string (null if none)


class Format(Protocol):
    """Bytes to rows and back. Pure: the same chunk gives the same rows, on every engine, in any cut at record ends."""

    kind: ClassVar[str]
    Options: ClassVar[type[Options]]
    cut_by: ClassVar[str]             # "bytes": cut anywhere at record ends; "rows": by row groups; "whole": never
    encodes: ClassVar[bool]

    def __init__(self, options: Any, columns: Columns, unknown: str, missing: str) -> None: ...

    def open(self, path: str, head: bytes) -> Mapping[str, Any]:
        """Look at a file once, before it is read: {"skip": bytes before the first record, header ...}. JSON-able.

        `head` is its first 64 KiB. A row format adds {"rows": n}. Raises DataError when the file as a whole is bad.
        """

    def cut(self, data: memoryview, facts: Mapping[str, Any], final: bool) -> int:
        """How many leading bytes of `data` are whole records; 0 if not even one. `final`: nothing follows `data`."""

    def decode(self, chunk: Chunk, query: Query) -> Decoded:
        """Every record of a chunk, as a row or as a reject. Raises only where the chunk as a whole is bad (DataError)."""

    def encode(self, rows: pa.Table) -> bytes:
        """The rows as one file of this format."""

    def restore(self, data: bytes) -> pa.Table:
        """The rows of a file that `encode` wrote, in the declared columns. ValueError or DataError for any other file."""

    # optional, and then the sink `files` says how many rows its files have, and not how many it was given:
    # def counted(self, content: bytes) -> int
    #     How many rows a file has that `encode` made: by its bytes alone.
    # optional, and then every byte that was read is accounted for (engines/coverage):
    # def separates(self, chunk: Chunk, before: bytes, between: bytes, after: bytes) -> bool
    #     Whether the bytes before, between and after the records of a chunk are no records: line ends, blanks, comments ...


# ---------------------------------------------------------------------------------------------------- sources


@dataclass(frozen=True)
class Range:
    """A slice of one partition, fixed in plan-N; JSON-able through `dataclasses.asdict`."""

    partition: int
    start: int                        # position of its first record
    end: int                          # position behind its last record
    ref: Mapping[str, Any]            # the source's own: file, offset, facts of the format ...
    records: int | None = None        # how many records it holds, where the source knows before they are decoded
    bytes: int | None = None          # how many bytes its chunks have together, where they are bytes


@dataclass(frozen=True)
class Discovery:
    """What a source has to offer for one epoch."""

    ranges: tuple[Range, ...]
    progress: Mapping[str, Any]       # where to go on after these ranges; opaque, JSON-able, kept in prepared-N
    partitions: Mapping[int, str]     # every partition known so far, with its name
    drained: frozenset[int]           # partitions read to their present end once these ranges are read
    ended: bool                       # complete input: nothing more will ever come
    notes: tuple[Mapping[str, Any], ...] = ()   # named outcomes of whole files: {file, outcome, detail}


@dataclass(frozen=True)
class Budget:
    """How much one epoch should take: about so many rows and bytes, of each source in about so many ranges."""

    rows: int
    bytes: int
    ranges: int = 4                   # as many as tasks work at the same time, so that all are done at about the same time


class Source(Protocol):
    """A place where bytes come from. Called by one thread for `discover`, by many tasks for `read`."""

    kind: ClassVar[str]
    Options: ClassVar[type[Options]]
    resumes: ClassVar[bool]           # goes on from `progress`
    replays: ClassVar[bool]           # the same Range gives the same bytes again
    # optional `growing: bool` of its options: False where all that they name is complete input; True if they do not say

    def __init__(self, options: Any, format: Format, scope: Scope) -> None: ...

    @property
    def bounded(self) -> bool:
        """Its input is complete: it will end (then `discover` says `ended`)."""

    def discover(self, progress: Mapping[str, Any] | None, budget: Budget) -> Discovery:
        """What to read next after `progress` (None: from the start), in about `budget`."""

    def read(self, range: Range) -> Sequence[Chunk]:
        """Exactly the records of `range`, in order. Raises DataError if they are gone or changed."""

    def place(self, range_or_position: Mapping[str, Any]) -> str:
        """Where that is, for a person: `inbox/a.csv:1042`. A position may come with the `ref` of its range, or a `progress`."""

    def fetch(self, progress: Mapping[str, Any] | None, partition: int, position: int) -> Chunk | None:
        """The record at a position that lies before `progress`, alone; None if it cannot be had any more.

        Of a format that is not cut by bytes the chunk may hold its neighbours too: the record is the one of that position.
        """

    def acknowledge(self, progress: Mapping[str, Any]) -> None:
        """The epoch that ended at `progress` is finished everywhere; the source may forget."""


@dataclass(frozen=True)
class Scope:
    """Where a plug lives: folders and names that it may use. All paths absolute."""

    project: str                      # folder of mainstem.yaml (or of the pipeline file)
    lake: str                         # root of the tables
    work: str                         # state folder of this pipeline and incarnation; `work/spool` is the source's
    pipeline: str
    environment: str
    name: str                         # of the source or output
    partition: str = "source"         # files: the whole source is one partition, or each `file` is
    complete: bool = False            # `time.complete`: what a growing source has now is all there will be


# ---------------------------------------------------------------------------------------------------- sinks


@dataclass(frozen=True)
class Staged:
    """A finished data file that no reader can see yet."""

    path: str                         # absolute, where `Sink.stage` put it
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Transaction:
    """The identity under which a sink commits an epoch exactly once."""

    app: str                          # pipeline/incarnation/output
    version: int                      # the epoch
    release: str
    first: int                        # first epoch that this commit holds (== version unless `publish: run`)
    facts: Mapping[str, str] = field(default_factory=dict)      # goes into the commit's metadata
    fresh: bool = False               # a rebuild: these rows take the place of everything that was there


@dataclass(frozen=True)
class Committed:
    """What a sink says of a commit. The rows are counted by what is there, and not by what it was given: the law needs both."""

    version: int                      # the sink's own version that holds the transaction
    rows: int                         # rows that the commit added, counted from its own actions
    already: bool = False             # it had been committed before; nothing was written now


@dataclass(frozen=True)
class Keep:
    """What upkeep leaves where it is. Moments are microseconds UTC."""

    versions: Collection[int]         # that a manifest names: they stay readable
    since: int                        # what a reader could see at this moment or later stays
    staged: int                       # files that no commit took and that are younger: somebody may be about to
    paths: Collection[str] = ()       # staged files that are prepared and not committed yet, however old


class Sink(Protocol):
    """A place where rows go, all or nothing per epoch."""

    kind: ClassVar[str]
    Options: ClassVar[type[Options]]
    commits_with_epoch: ClassVar[bool]
    modes: ClassVar[tuple[str, ...]]  # of append, upsert, replace
    fixed_format: ClassVar[str | None]    # e.g. "parquet": what it stages, whatever the user says
    # optional `holds(options, columns, key)`, static: SpecError where rows of these columns cannot be stored; the plan asks it
    # optional `takes_format: ClassVar[bool]`: True: `format:` is needed and must encode; False: it is refused

    def __init__(self, options: Any, columns: Columns, mode: str, key: tuple[str, ...], format: Format | None,
                 scope: Scope) -> None: ...

    def prepare(self, add_columns: bool = False) -> str:
        """Make the destination if it is missing, check its schema; its identity (a table id).

        `add_columns`: it may get columns that it lacks (older rows have NULL there).
        """

    def stage(self, rows: pa.Table, name: str) -> Staged:
        """Write one data file (name unique: it has an attempt id), fsynced, invisible to readers."""

    def parts(self, file: Staged) -> Sequence[Staged]:
        """The data files behind a staged one that is only a list of them; none otherwise."""

    def commit(self, transaction: Transaction, files: Sequence[Staged]) -> Committed:
        """Make the files visible in one step; a transaction that is already there is success."""

    def last(self, app: str) -> int | None:
        """The newest epoch committed under `app`, None if there is none."""

    def identity(self) -> str | None:
        """The destination's id, None if it does not exist."""

    def writer(self) -> Mapping[str, str] | None:
        """The transaction's facts of the newest commit that a pipeline made: pipeline, environment, incarnation, epoch ..."""

    def version(self) -> int:
        """The newest version."""

    def taken(self, since: int) -> str:
        """What others took away from the rows that were there at a version, in a few words; "" if nothing."""

    def read(self, version: int | None = None) -> pa.Table:
        """All rows at a version (the newest if None)."""

    def maintain(self, keep: Keep, now_us: int, dry_run: bool = False) -> Mapping[str, int]:
        """Compact small files and delete what nobody needs; {what: how many files}, the same if it is only asked for.

        May run beside a writer and beside itself: whoever comes second leaves the rest for the next time.
        """


class Erasable(Sink, Protocol):
    """A sink that rows can be taken out of one by one. The quarantine lies in one (a Delta table)."""

    def forget(self, keys: pa.Table, now_us: int, dry_run: bool = False) -> int:
        """Take the rows with one of these keys out, for good; how many there were. `keys`: some of the columns."""


# ---------------------------------------------------------------------------------------------------- steps


class Binder(Protocol):
    """Types of expressions as the engine itself sees them. Injected by `project` (engines/kernels/binder)."""

    def describe(self, sql: str, inputs: Mapping[str, Columns]) -> Columns:
        """Column names and types of a query over these inputs; SpecError with DuckDB's own message otherwise."""


@dataclass(frozen=True)
class Input:
    """What a step may know of an input: its columns and its nature."""

    name: str
    columns: Columns
    bounded: bool                     # its input will end
    timed: bool                       # its rows have event time


class Lowering(Protocol):
    """What `plan/build` gives a step while it lowers itself (implemented in mainstem.plan.build)."""

    name: str                                     # the step's name
    inputs: tuple[Input, ...]                     # in the order of `from`
    tables: Mapping[str, Input]                   # lookups by name; `.key(name)` gives the declared key
    binder: Binder

    def key(self, table: str) -> tuple[str, ...] | None:
        """The declared key of a table; None where its declaration is broken."""

    def sure(self, *keys: str) -> bool:
        """Whether these options and siblings are as the user wants them: none of them is broken or may be written otherwise."""

    def problem(self, code: str, what: str, *, at: Sequence[str | int] = (), why: str = "", fix: str = "",
                spot: tuple[int, int] | None = None) -> None:
        """Report a problem at a path inside this step's options, or of a sibling; building goes on where it can.

        `spot` is a line and column (from 1) inside the text that stands there.
        """


class Step(Protocol):
    """A verb that a user can ask for; it lowers itself to the seven words (mainstem.plan.words)."""

    kind: ClassVar[str]
    Options: ClassVar[Any]                        # a model, or a list/str type for steps written short
    siblings: ClassVar[tuple[str, ...]]           # further keys beside the kind: ("select", "where", "having")

    @staticmethod
    def lower(options: Any, siblings: Mapping[str, Any], lowering: Lowering) -> Sequence[Node]:
        """The nodes of this step, in order; the last one has the step's name."""

    # optional, all static:
    # def looks(options) -> Sequence[str]: the tables that it looks at; they are in `lowering.tables`
    # def reads(options) -> Sequence[str]: what it reads where `from` is left out (SQL names it itself)
    # def outline(options, siblings, lowering) -> Columns: for `check` of a file with mistakes: the columns of a step with a
    #     problem, as far as they are known


# ---------------------------------------------------------------------------------------------------- registry

GROUPS = ("sources", "sinks", "formats", "steps")


@functools.cache
def _found(group: str) -> dict[str, Any]:
    return {point.name: point for point in sorted(entry_points(group=f"mainstem.{group}"), key=lambda p: p.name)}


class _Given:
    """Stands where an entry point would, for a plug that was handed in."""

    def __init__(self, name: str, plug: Any) -> None:
        self.name, self._plug = name, plug

    def load(self) -> Any:
        return self._plug


def register(group: str, plug: Any) -> None:
    """Know a plug in this process without installing it: for tests and notebooks. One of the same kind is replaced."""
    _found(group)[plug.kind] = _Given(plug.kind, plug)
    find.cache_clear()


def kinds(group: str) -> tuple[str, ...]:
    """The names of every plug of a group (`sources`, `sinks`, `formats`, `steps`)."""
    return tuple(_found(group))


@functools.cache
def find(group: str, kind: str) -> Any:
    """The plug class of this kind; SpecError with the known kinds and a suggestion otherwise."""
    points = _found(group)
    if kind not in points:
        close = difflib.get_close_matches(kind, points, 1)
        raise SpecError("spec.unknown_kind", f"there is no {group[:-1]} `{kind}`", why=f"known: {', '.join(points)}",
                        fix=f"did you mean `{close[0]}`?" if close else "see `mainstem catalog`")
    return points[kind].load()
