"""A hash of everything that a node's data depends on, and of nothing else.

Descriptions, units, owners, comments, names of steps on the way, the order of rules and of UNION ALL's members, timeouts
and notification channels change no fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mainstem.columns import Columns
from mainstem.plan.sql.names import quote
from mainstem.plan.words import Alert, Branch, Check, Fold, Map, Node, Read, Sql, Table

_DECLARED = (
    "name",
    "type",
    "required",
    "format",
    "zone",
    "nonexistent",
    "ambiguous",
    "null",
    "coerce",
    "precision",
    "path",
    "decimal",
)


def fingerprints(nodes: Sequence[Node], tables: Sequence[Table]) -> dict[str, str]:
    """The print of every node (16 hex digits); nodes come in topological order."""
    prints: dict[str, str] = {}
    looked = {table.name: table for table in tables}
    for node in nodes:
        facts = [
            type(node.word).__name__,
            _word(node, prints, looked),
            _types(node.columns),
            [prints[name] for name in node.inputs] if not isinstance(node.word, Sql) else [],
        ]
        prints[node.name] = digest(facts)
    return prints


def digest(facts: Any) -> str:
    """16 hex digits of plain data; mappings count the same in any order."""
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:16]


def _word(node: Node, prints: Mapping[str, str], tables: Mapping[str, Table]) -> Any:
    word = node.word
    if isinstance(word, Read):
        return [
            word.source,
            word.options,
            word.format,
            word.format_options,
            declared(word.declared),
            word.time,
            word.unknown,
            word.missing,
        ]
    if isinstance(word, Sql):
        return [sorted(digest(_branch(branch, prints, tables)) for branch in word.branches), word.remakes]
    if isinstance(word, Check):
        return [sorted((rule.name, rule.that, rule.action, rule.reason) for rule in word.rules), sorted(word.hide)]
    if isinstance(word, Map):
        return [word.call, word.rows, word.deterministic]
    if isinstance(word, Fold):
        body = msgspec.to_builtins(word.body)
        if isinstance(word.body, Alert):
            body["notify"] = []
        if "query" in body:
            body["query"] = _unnamed(body["query"], node.inputs, prints)
        body.pop("reason", None)
        return [body, word.by, word.needs, word.order]
    return [word.sink, word.options, word.mode, word.key, word.format, word.format_options]


def _branch(branch: Branch, prints: Mapping[str, str], tables: Mapping[str, Table]) -> Any:
    query = _unnamed(branch.query, (branch.input,), prints)
    return [query, prints[branch.input], [(name, table(tables[name], prints)) for name in branch.tables if name in tables]]


def table(one: Table, prints: Mapping[str, str]) -> Any:
    """What rows that look at a table depend on, beside its content."""
    if one.latest:
        return ["latest", prints.get(one.latest, one.latest)]
    return [one.source, one.options, one.format, one.format_options, sorted(one.key), declared(one.columns), one.refresh]


def declared(columns: Columns) -> Any:
    """What a declared column means, without unit and description."""
    return [[str(getattr(column, name)) for name in _DECLARED] for column in columns]


def _types(columns: Columns) -> Any:
    return [(column.name, str(column.type)) for column in columns]


def _unnamed(query: str, inputs: Sequence[str], prints: Mapping[str, str]) -> str:
    """A query with the names of its inputs replaced by their prints, so that renaming a step changes nothing."""
    for name in inputs:
        query = query.replace(quote(name), quote("#" + prints.get(name, name)))
    return query
