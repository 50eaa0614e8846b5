"""The seven words, the plan made of them, and its JSON form (`plan.json` of a release).

`Read Sql Map Check Fold Join Write`: what a user can ask for lowers itself to these, and engines know nothing else. A plan
is data: frozen, comparable, complete; explaining, diffing and running are readers of it. (Join, for streams, comes with
the stream joins; a lookup is a Sql that joins a table, followed by a Check.)
"""

from __future__ import annotations

from typing import Any

import msgspec

from mainstem.columns import Columns


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of the plan: immutable, compared by value, encoded as JSON."""


class Time(Frozen, frozen=True, kw_only=True):
    """The event time of a source. Durations in microseconds."""

    column: str
    lateness: int | None = None           # None: not judged, the input is complete
    max_future: int = 300_000_000
    idle_after: int | None = None
    idle_then: str = "hold"               # hold | catch_up | flush
    complete: bool = False                # the user says that a growing source's present content is all
    partition: str = "source"             # source | file


class Read(Frozen, frozen=True, kw_only=True, tag="read"):
    """Batches with positions from a source, decoded by a format. The node's columns are the declared ones."""

    source: str                           # kind of the connector
    options: dict[str, Any]
    format: str
    format_options: dict[str, Any]
    declared: Columns                     # with zones, formats, null texts; the node's columns plus nothing
    time: Time | None = None
    unknown: str = "ignore"               # ignore | quarantine | keep (as JSON text in `_extra`)
    missing: str = "null"                 # null | quarantine


class Branch(Frozen, frozen=True, kw_only=True):
    """One row-local query over one input and any number of tables."""

    input: str
    query: str                            # DuckDB SQL: the node's columns in order, then `_at`
    tables: tuple[str, ...] = ()
    # (reason, SQL giving (o, n)): how many rows of each origin the query leaves out, counted on their own
    dropped: tuple[tuple[str, str], ...] = ()
    # (what, SQL giving n): rows to be counted in the notes of the step, `div_zero`: a division by zero made a NULL in them
    noted: tuple[tuple[str, str], ...] = ()


class Sql(Frozen, frozen=True, kw_only=True, tag="sql"):
    """Row-local SQL. Relations in the queries are named after the inputs and tables, quoted."""

    branches: tuple[Branch, ...]
    remakes: bool = False                 # its rows are not its input rows (unnest, many-lookup, a meeting): an origin


class Map(Frozen, frozen=True, kw_only=True, tag="map"):
    """A Python function over Arrow, run in a child process."""

    call: str                             # module:function
    rows: str                             # same | fewer | any
    timeout: int                          # microseconds for one call
    memory: int                           # bytes the child may use
    deterministic: bool = True


class Rule(Frozen, frozen=True, kw_only=True):
    """A predicate; NULL means "not evaluated" and passes."""

    name: str
    that: str                             # DuckDB SQL over the input's columns
    action: str = "quarantine"            # quarantine | flag | drop | stop
    reason: str = "rule"                  # `unmatched` for the rule that a lookup makes


class Check(Frozen, frozen=True, kw_only=True, tag="check"):
    """Split by predicates into good and set aside, all in one pass. `flag` rules append their name to `_flags`.

    `hide` lists columns of the input that only the rules need and the output no longer has.
    """

    rules: tuple[Rule, ...]
    hide: tuple[str, ...] = ()


class Window(Frozen, frozen=True, kw_only=True, tag="window"):
    """Fixed windows [start, start + size), one every `every` (== size: tumbling), floor-divided from the epoch + offset."""

    size: int
    every: int
    offset: int = 0
    zone: str | None = None               # calendar days in this zone (then size counts days * 86_400_000_000)
    # DuckDB SQL over relation `rows` (needed columns, `window_start`, `window_end` as timestamptz, `_at`; one row per
    # input row and window): by columns, window_start, window_end, then the select
    query: str
    late: str = "quarantine"              # quarantine | drop
    fill: bool = False
    # with `fill`: SQL over an empty relation `rows` that gives the one row of the select without rows (count 0, sum NULL);
    # empty: NULL in every column of the select
    blank: str = ""


class Session(Frozen, frozen=True, kw_only=True, tag="session"):
    """Rows of one key less than `gap` apart. Over `rows` (needed columns, `session_start`, `session_end`, `closes_at`)."""

    gap: int
    query: str                            # by columns, session_id, session_start, session_end, closes_at, then the select
    late: str = "quarantine"


class Dedupe(Frozen, frozen=True, kw_only=True, tag="dedupe"):
    """The first row of a key within a horizon of event time passes, the others are duplicates."""

    within: int
    null: str = "quarantine"              # quarantine | keep: rows with a NULL key column


class Latest(Frozen, frozen=True, kw_only=True, tag="latest"):
    """A table of the newest row per key by the `order` columns (event time if empty), then by arrival."""

    order: tuple[str, ...] = ()


class Over(Frozen, frozen=True, kw_only=True, tag="over"):
    """Rolling columns over the rows of the same key within `range` before each row, itself included."""

    range: int
    query: str                            # over `rows` (all columns, `_at`, `_row` int64): _row, then the select as new columns
    late: str = "quarantine"


class Alert(Frozen, frozen=True, kw_only=True, tag="alert"):
    """Episodes of a condition per key: a row when it fires and one when it is resolved.

    The rows it reads have the by columns plus two booleans made by a Sql before it: `_when` and `_clear`.
    Rows made: by columns, episode (string), state (firing | resolved), severity, started_at, changed_at, rule.
    """

    rule: str
    hold: int = 0                         # `for:` the condition must hold so long before it fires
    severity: str = "warning"
    notify: tuple[str, ...] = ()
    values: tuple[str, ...] = ()          # input columns copied into the episode row


class Whole(Frozen, frozen=True, kw_only=True, tag="whole"):
    """SQL that looks across rows of bounded input: held until the closing epoch, then run once per task."""

    query: str                            # over relations named after the inputs
    # how the answer shows that no row got lost, where it can: `groups`: its last column, which is not the node's, counts the rows
    # of each group; `rows`: every row of the input makes one row; empty: it cannot
    counted: str = ""
    reason: str = ""                      # why it is cut so, or runs in one task
    engine: str = ""                      # who answers, in its own dialect: `spark`; empty: the task that holds the rows


Body = Window | Session | Dedupe | Latest | Over | Alert | Whole


class Fold(Frozen, frozen=True, kw_only=True, tag="fold"):
    """Keyed state over event time. `by` cuts rows into key groups; () means one task."""

    body: Body
    by: tuple[str, ...]
    # per input: the columns that the body needs; only these are shuffled and kept in state
    needs: tuple[tuple[str, ...], ...]
    order: str = "position"               # position (source rows) | made (rows of folds: epoch, time, by columns)


class Write(Frozen, frozen=True, kw_only=True, tag="write"):
    """Rows to a sink, tied to the epoch."""

    sink: str
    options: dict[str, Any]
    mode: str = "append"                  # append | upsert | replace
    key: tuple[str, ...] = ()
    format: str | None = None
    format_options: dict[str, Any] = {}


Word = Read | Sql | Map | Check | Fold | Write


class Node(Frozen, frozen=True, kw_only=True):
    """One word in its place."""

    name: str                             # unique; the last node of a step has the step's name, others `step/part`
    step: str                             # the source, step or output in the YAML that it came from
    word: Word
    inputs: tuple[str, ...] = ()
    columns: Columns = ()                 # what comes out, without `_at`
    origin: int | None = None             # its number in `Plan.origins` if it makes rows


class Table(Frozen, frozen=True, kw_only=True):
    """Something that is looked at, pinned to one version per epoch."""

    name: str
    source: str
    options: dict[str, Any]
    format: str
    format_options: dict[str, Any]
    key: tuple[str, ...]
    columns: Columns
    refresh: str = "on_change"            # pinned | on_change | every:<duration>
    latest: str | None = None             # the `latest` step whose table it is, as of the epoch before


class Leg(Frozen, frozen=True, kw_only=True):
    """The way of the rows of one origin to one end; `path` is every node between them."""

    origin: str
    end: str                              # a Write, or a node that makes rows of its own
    path: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.origin} -> {self.end}"


class Limits(Frozen, frozen=True, kw_only=True):
    """When set-aside rows stop the run: more than `share` of what was read, or more than `rows`."""

    share: float | None = None
    rows: int | None = None
    then: str = "warn"                    # warn | stop


class Plan(Frozen, frozen=True, kw_only=True):
    """A pipeline, typed and complete. Nodes are in topological order."""

    pipeline: str
    nodes: tuple[Node, ...]
    tables: tuple[Table, ...] = ()
    origins: tuple[str, ...] = ()
    legs: tuple[Leg, ...] = ()
    limits: Limits = Limits()
    description: str = ""
    owner: str = ""
    prints: dict[str, str] = {}           # node -> fingerprint of what its data depends on
    notes: tuple[str, ...] = ()           # what depends on how epochs are cut, and the like

    def node(self, name: str) -> Node:
        """The node of this name; KeyError if there is none."""
        return next(node for node in self.nodes if node.name == name)

    def readers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read this one, in order."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def of(self, *words: type) -> tuple[Node, ...]:
        """The nodes with one of these words."""
        return tuple(node for node in self.nodes if isinstance(node.word, words))

    def sources_of(self, name: str) -> tuple[str, ...]:
        """The Read nodes that reach this node."""
        node = self.node(name)
        if isinstance(node.word, Read):
            return (name,)
        return tuple(dict.fromkeys(source for parent in node.inputs for source in self.sources_of(parent)))


def encode(plan: Plan) -> bytes:
    """The plan as JSON: equal plans give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(plan, order="sorted"), indent=1)


def decode(text: bytes) -> Plan:
    """The plan that `encode` wrote."""
    return msgspec.json.decode(text, type=Plan)
