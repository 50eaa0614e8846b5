"""The nodes of a pipeline without problems, put together to its plan: what an output needs, numbered, with legs and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mainstem.plan import legs, notes
from mainstem.plan.fingerprint import fingerprints
from mainstem.plan.reads import plain
from mainstem.plan.words import Fold, Limits, Node, Plan, Table, Write
from mainstem.spec.pipeline import Pipeline


def assemble(pipeline: Pipeline, nodes: Sequence[Node]) -> Plan:
    """The plan of a pipeline that has become these nodes."""
    known = {node.name: node for node in nodes}
    used, looked = _used(known)
    kept, origins = legs.numbered([node for node in nodes if node.name in used])
    tables = tuple(_table(pipeline, known, name) for name in (*pipeline.tables, *known) if name in looked)
    limits = pipeline.limits
    unread = [name for name in (*pipeline.sources, *pipeline.steps) if name not in used]
    unread += [name for name in pipeline.tables if name not in looked]
    plan = Plan(
        pipeline=pipeline.name,
        nodes=tuple(kept),
        tables=tables,
        origins=origins,
        legs=legs.legs(kept, origins),
        limits=Limits(share=limits.share, rows=limits.rows, then=limits.then) if limits else Limits(),
        description=pipeline.description,
        owner=pipeline.owner,
        prints=fingerprints(kept, tables),
    )
    return msgspec.structs.replace(plan, notes=(*(f"nobody reads `{name}`: it is not run" for name in unread), *notes.notes(plan)))


def _used(nodes: Mapping[str, Node]) -> tuple[set[str], set[str]]:
    """The nodes from which an output can be reached, and the tables that they look at."""
    used: set[str] = set()
    looked: set[str] = set()
    waiting = [node.name for node in nodes.values() if isinstance(node.word, Write)]
    while waiting:
        name = waiting.pop()
        if name in used:
            continue
        used.add(name)
        waiting += nodes[name].inputs
        for table in notes.tables_of(nodes[name]):
            looked.add(table)
            if table in nodes:
                waiting.append(table)
    return used, looked


def _table(pipeline: Pipeline, nodes: Mapping[str, Node], name: str) -> Table:
    table = pipeline.tables.get(name)
    if table is None:
        node = nodes[name]
        key = node.word.by if isinstance(node.word, Fold) else ()
        columns = plain(node.columns)
        return Table(name=name, source="", options={}, format="", format_options={}, key=key, columns=columns, latest=name)
    return Table(
        name=name,
        source=table.place.kind,
        options=dict(table.place.raw),
        format=table.format.kind if table.format else "",
        format_options=dict(table.format.raw) if table.format else {},
        key=table.key,
        columns=table.columns,
        refresh=table.refresh,
    )
