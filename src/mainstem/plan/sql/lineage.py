"""Which columns of which relations each column of a query is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from mainstem.plan.sql import text
from mainstem.plan.sql.scope import columns_in, is_star

Made = dict[str, frozenset[tuple[str, str]]]  # column -> (relation, column) that it comes from


def sources(query: str, relations: Mapping[str, Sequence[str]]) -> Made:
    """What every column of a query of ours comes from; `relations` gives the columns of what it reads."""
    tree = text.trust(query)
    known: dict[str, Made] = {
        name.lower(): {column: frozenset([(name, column)]) for column in columns} for name, columns in relations.items()
    }
    return _query(tree, known)


def _query(tree: exp.Expression, known: Mapping[str, Made]) -> Made:
    if isinstance(tree, exp.Subquery):
        return _query(tree.this, known)
    inner = dict(known)
    for one in tree.args["with_"].expressions if tree.args.get("with_") else []:
        inner[one.alias.lower()] = _query(one.this, inner)
    if isinstance(tree, exp.SetOperation):
        left, right = _query(tree.this, inner), _query(tree.expression, inner)
        return {name: mine | other for (name, mine), other in zip(left.items(), right.values())}
    return _select(tree, inner) if isinstance(tree, exp.Select) else {}


def _select(select: exp.Select, known: Mapping[str, Made]) -> Made:
    scope: dict[str, Made] = {}
    places = [select.args["from_"].this] if select.args.get("from_") else []
    for place in [*places, *(join.this for join in select.args.get("joins") or [])]:
        name = place.alias_or_name.lower()
        if isinstance(place, exp.Table):
            scope[name] = known.get(place.name.lower(), {})
        elif isinstance(place, exp.Unnest):
            made = _of(place, scope)
            scope[name] = {column.name: made for column in place.args["alias"].columns}
        else:
            scope[name] = _query(place, known)
    found: Made = {}
    for item in select.expressions:
        if is_star(item):
            only = item.table.lower() if isinstance(item, exp.Column) else ""
            for name, columns in scope.items():
                if only in ("", name):
                    found.update(columns)
            continue
        found[item.alias_or_name] = _of(item, scope, found)
    found.pop(text.AT, None)
    return found


def _of(
    tree: exp.Expression, scope: Mapping[str, Made], before: Mapping[str, frozenset[tuple[str, str]]] | None = None
) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for node in columns_in(tree):
        parts = [part.name for part in node.parts]
        if len(parts) > 1 and parts[0].lower() in scope:
            found |= _pick(scope[parts[0].lower()], parts[1])
            continue
        hits = [made for columns in scope.values() if (made := _pick(columns, parts[0]))]
        found |= hits[0] if hits else _pick(before or {}, parts[0])
    return frozenset(found)


def _pick(columns: Mapping[str, frozenset[tuple[str, str]]], name: str) -> frozenset[tuple[str, str]]:
    return next((made for column, made in columns.items() if column.lower() == name.lower()), frozenset())
