"""A plan told as plain data: the graph, the legs, types, guarantees and what depends on how epochs are cut. The CLI draws it."""

from __future__ import annotations

from dataclasses import dataclass

from mainstem.plan.diff import Change, diff
from mainstem.plan.guarantee import Guarantee, guarantees
from mainstem.plan.lineage import trace
from mainstem.plan.told import sentence
from mainstem.plan.words import Dedupe, Fold, Over, Plan, Session, Window, Write


@dataclass(frozen=True)
class Told:
    """One node: what it does in one line, and what comes out of it."""

    name: str
    step: str
    word: str  # Read, Sql, Map, Check, Fold or Write
    what: str
    inputs: tuple[str, ...]
    makes_rows: bool  # it is an origin: the next leg begins here
    columns: tuple[tuple[str, str, str], ...]  # (name, type, unit)
    print: str


@dataclass(frozen=True)
class Way:
    """One leg."""

    name: str
    origin: str
    end: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """What one stage of an epoch does, where tasks are placed on a cluster."""

    tasks: str  # how many, or what decides it
    steps: tuple[str, ...]
    shuffled: tuple[tuple[str, str], ...]  # (fold, the keys by which its rows come to their task)
    alone: tuple[tuple[str, str], ...]  # (fold that has one task only, why)
    kept: str = ""  # the step that is not deterministic, so that what it made is kept in files before anyone reads it


@dataclass(frozen=True)
class Explained:
    """Everything that `mainstem plan` shows."""

    pipeline: str
    description: str
    nodes: tuple[Told, ...]
    legs: tuple[Way, ...]
    tables: tuple[tuple[str, str, str], ...]  # (name, key, how it is refreshed)
    guarantees: tuple[Guarantee, ...]
    notes: tuple[str, ...]  # what depends on the epochs, and what is not run
    repair: str  # what can be done about late rows
    lineage: dict[str, dict[str, tuple[tuple[str, str], ...]]]  # output -> column -> (source or table, column)
    changes: tuple[Change, ...] = ()  # against the plan that is running, if one was given
    stages: tuple[Stage, ...] = ()  # on a cluster, if one was asked for


def explain(plan: Plan, running: Plan | None = None) -> Explained:
    """A plan as plain data; with `running`, also what the edit does to what runs now."""
    promised = guarantees(plan)
    nodes = tuple(
        Told(
            node.name,
            node.step,
            type(node.word).__name__,
            sentence(node),
            node.inputs,
            node.origin is not None,
            tuple((column.name, str(column.type), column.unit or "") for column in node.columns),
            plan.prints.get(node.name, ""),
        )
        for node in plan.nodes
    )
    ways = tuple(Way(leg.name, leg.origin, leg.end, leg.path) for leg in plan.legs)
    tables = tuple(
        (table.name, ", ".join(table.key), f"state of `{table.latest}` after the epoch before" if table.latest else table.refresh)
        for table in plan.tables
    )
    behind = {node.step: {column.name: trace(plan, node.name, column.name) for column in node.columns} for node in plan.of(Write)}
    return Explained(
        plan.pipeline,
        plan.description,
        nodes,
        ways,
        tables,
        promised,
        plan.notes,
        _repair(plan, promised),
        behind,
        diff(running, plan) if running is not None else (),
    )


def _repair(plan: Plan, promised: tuple[Guarantee, ...]) -> str:
    judging = [
        node
        for node in plan.of(Fold)
        if isinstance(node.word, Fold) and isinstance(node.word.body, Window | Session | Over | Dedupe)
    ]
    if not judging:
        return "no step of this pipeline judges time: no row is ever late"
    if all(one.rereadable for one in promised):
        return "late rows are kept; what they belong to can be rebuilt, because every source can be read again"
    return "late rows of this pipeline can be kept, not repaired: a source cannot be read again"
