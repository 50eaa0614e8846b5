"""The wish as data: what a pipeline file says, frozen, with the place of every word. No meaning yet: that is `plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mainstem.columns import Columns
from mainstem.spec.problems import Marks, Path


@dataclass(frozen=True)
class Plugged:
    """A connector or format with its options, validated by the plug's own model."""

    kind: str
    options: Any                          # the plug's Options, an instance
    raw: Mapping[str, Any]                # as written, `${env:}` resolved, `${secret:}` not; it validates again


@dataclass(frozen=True)
class Time:
    """The event time of a source. Durations in microseconds."""

    column: str
    lateness: int | None = None           # None: not judged, the input is complete
    max_future: int = 300_000_000
    idle: int | None = None               # `idle: {after: ...}`
    then: str = "hold"                    # `idle: {then: ...}`: hold | catch_up | flush
    complete: bool = False
    partition: str = "source"             # source | file


@dataclass(frozen=True)
class Source:
    """Consumed once, accounted for."""

    name: str
    place: Plugged
    format: Plugged | None
    columns: Columns
    time: Time | None = None
    unknown: str = "ignore"               # ignore | quarantine | keep
    missing: str = "null"                 # null | quarantine


@dataclass(frozen=True)
class Table:
    """Looked at, pinned to one version per epoch."""

    name: str
    place: Plugged
    format: Plugged | None
    key: tuple[str, ...]
    columns: Columns
    refresh: str = "on_change"            # pinned | on_change | every:<duration>


@dataclass(frozen=True)
class Step:
    """A verb with its inputs. Marks of its options: ("steps", name, kind, ...); of a sibling: ("steps", name, key)."""

    name: str
    inputs: tuple[str, ...]
    kind: str
    options: Any                          # as the step's Options validates it; None where nothing of it can be understood
    raw: Any                              # as written
    siblings: Mapping[str, Any] = field(default_factory=dict)    # the keys beside the kind that were written


@dataclass(frozen=True)
class Output:
    """Where rows go. `mode`, `key` and `by` stand in the connector's mapping and are cut out of its options."""

    name: str
    input: str
    place: Plugged
    mode: str = "append"                  # append | upsert | replace
    key: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    format: Plugged | None = None


@dataclass(frozen=True)
class Limits:
    """When set-aside rows stop the run: more than `share` of what was read, or more than `rows`."""

    share: float | None = None
    rows: int | None = None
    then: str = "warn"                    # warn | stop


@dataclass(frozen=True)
class Pipeline:
    """One pipeline file. Mappings keep the order of the file.

    With `broken` parts it is a draft: what is wrong is left out, and there is no plan of it.
    """

    version: int
    name: str
    description: str
    owner: str
    sources: Mapping[str, Source]
    tables: Mapping[str, Table]
    steps: Mapping[str, Step]
    outputs: Mapping[str, Output]
    limits: Limits | None
    file: str
    marks: Marks
    broken: frozenset[Path] = frozenset()
