"""Where each column comes from: through every node, down to the columns of sources and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.plan import sql
from mainstem.plan.words import Check, Dedupe, Fold, Latest, Map, Node, Over, Plan, Sql, Whole

Origin = tuple[str, str]  # (node or table, column)
_MADE = ("episode", "state", "severity", "started_at", "changed_at", "rule")


def lineage(plan: Plan) -> dict[str, dict[str, tuple[Origin, ...]]]:
    """For every node, what each of its columns is made of, one node back; a source's columns are made of nothing."""
    columns = {node.name: [column.name for column in node.columns] for node in plan.nodes}
    tables = {table.name: [column.name for column in table.columns] for table in plan.tables}
    return {
        node.name: {name: tuple(sorted(origins)) for name, origins in _node(node, columns, tables).items()} for node in plan.nodes
    }


def trace(plan: Plan, node: str, column: str) -> tuple[Origin, ...]:
    """The columns of sources and tables behind one column of a node."""
    known = lineage(plan)
    found: set[Origin] = set()
    seen: set[Origin] = set()
    waiting: list[Origin] = [(node, column)]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        behind = known.get(place[0], {}).get(place[1], ())
        if place[0] not in known or (not behind and not plan.node(place[0]).inputs):
            found.add(place)
        waiting += behind
    return tuple(sorted(found))


def _node(node: Node, columns: Mapping[str, list[str]], tables: Mapping[str, list[str]]) -> dict[str, Any]:
    word = node.word
    same = {name: {(node.inputs[0], name)} for name in columns[node.name] if node.inputs and name in columns[node.inputs[0]]}
    if isinstance(word, Sql):
        found: dict[str, set[Origin]] = {name: set() for name in columns[node.name]}
        for branch in word.branches:
            relations = {branch.input: columns[branch.input], **{name: tables.get(name, []) for name in branch.tables}}
            for name, origins in zip(columns[node.name], sql.sources(branch.query, relations).values()):
                found[name] |= origins
        return found
    if isinstance(word, Check):
        asked = {name for rule in word.rules if rule.action == "flag" for name in sql.reads(rule.that)}
        flags = {(node.inputs[0], name) for name in asked}
        return {name: same.get(name, set()) | (flags if name == "_flags" else set()) for name in columns[node.name]}
    if isinstance(word, Map):
        every = {(node.inputs[0], name) for name in columns[node.inputs[0]]}
        return {name: same[name] if word.rows != "any" and name in same else every for name in columns[node.name]}
    if isinstance(word, Fold):
        return _fold(node, word, columns, same)
    return {name: same.get(name, set()) for name in columns[node.name]}


def _fold(node: Node, word: Fold, columns: Mapping[str, list[str]], same: dict[str, Any]) -> dict[str, Any]:
    body = word.body
    if isinstance(body, Dedupe | Latest):
        return same
    query = getattr(body, "query", None)
    if query is None:  # an alert: what it says of an episode comes from its condition
        asked = {(node.inputs[0], name) for name in ("_when", "_clear")}
        return {name: same.get(name, asked if name in _MADE else set()) for name in columns[node.name]}
    if isinstance(body, Whole) and body.engine:  # in a dialect that is not read here
        every = {(source, name) for source in node.inputs for name in columns[source]}
        return dict.fromkeys(columns[node.name], every)
    relations = {name: columns[name] for name in node.inputs} if isinstance(body, Whole) else {"rows": columns[node.inputs[0]]}
    found = sql.sources(query, relations)
    if isinstance(body, Over):
        found = {**{name: frozenset(origins) for name, origins in same.items()}, **{k: v for k, v in found.items() if k != "_row"}}
    back = {"rows": node.inputs[0]}
    return {
        name: {(back.get(relation, relation), column) for relation, column in found.get(name, ())} for name in columns[node.name]
    }
