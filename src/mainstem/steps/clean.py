"""Changes to values, each with a rule's name, written down on the row: what was, what is, and which rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from mainstem import plugs
from mainstem.columns import Column, Columns, Type
from mainstem.plan import sql
from mainstem.plan.lower import reporting, single
from mainstem.plan.sql import literal, quote
from mainstem.plan.words import Branch, Node
from mainstem.plan.words import Sql as SqlWord

_CHANGE = Type("struct", fields=tuple((name, Type("string")) for name in ("rule", "column", "was", "is")))
CHANGES = Column("_changes", Type("list", item=_CHANGE))


class CleanRule(plugs.Options):
    """One change. Rules run in order, and each sees what those before it left."""

    column: str = Field(description="the column to change; its type stays")
    set: str = Field(description="the new value, in SQL over the row: `temperature / 10`, `NULL`, `trim(name)`")
    where: str = Field(default="", description="only rows for which this is true; every row if absent")
    name: str = Field(
        default="", pattern=r"^([A-Za-z][A-Za-z0-9_.-]*)?$", description="how `_changes` calls the rule; `clean_<column>` if absent"
    )


class Clean:
    """Output: the columns of its input and `_changes`, a list of {rule, column, was, is}; NULL where nothing changed.

    The list travels with the row through the same epochs and checks, so the ledger of what was changed is exact:
    `SELECT id, unnest(_changes) AS change FROM cleaned` makes a table of it, and running twice changes nothing twice.
    """

    kind: ClassVar[str] = "clean"
    Options: ClassVar[Any] = list[CleanRule]
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def outline(_options: Any, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        return (*lowering.inputs[0].columns, CHANGES)

    @staticmethod
    def lower(options: list[CleanRule], _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        source = single(lowering)
        if source is None:
            return []
        if not options:
            lowering.problem("step.empty", "this step has no rule", fix="write `- {column: ..., set: ..., where: ...}`")
            return []
        columns: Columns = source.columns
        known = any(column.name == CHANGES.name for column in columns)
        given = [quote(column.name) for column in columns]
        start = [] if known else [f"CAST(NULL AS {CHANGES.type.duckdb}) AS {quote(CHANGES.name)}"]
        query = f"SELECT {', '.join([*given, *start])}, {quote(sql.AT)} FROM {quote(source.name)}"
        columns = columns if known else (*columns, CHANGES)
        names: set[str] = set()
        noted: list[tuple[str, str]] = []
        failed = False
        for place, rule in enumerate(options):
            layer = _layer(rule, place, source, columns, names, lowering)
            failed = failed or layer is None
            if layer is not None:
                items, zero = layer
                if zero:
                    noted.append((sql.DIV_ZERO, f"SELECT count(*) FILTER (WHERE {zero}) AS n FROM ({query})"))
                query = f"SELECT {items}, {quote(sql.AT)} FROM ({query})"
        if failed:
            return []
        word = SqlWord(branches=(Branch(input=source.name, query=query, noted=tuple(noted)),))
        return [Node(name=lowering.name, step=lowering.name, word=word, inputs=(source.name,), columns=columns)]


def _layer(
    rule: CleanRule, place: int, source: plugs.Input, columns: Columns, names: set[str], lowering: plugs.Lowering
) -> tuple[str, str] | None:
    """What SELECT gives once this rule is applied, and what is true where it divides by zero; None after a problem."""
    seen = sql.Relation(source.name, tuple(column for column in columns if column.name != CHANGES.name))
    column, new, condition = None, "", ""
    with reporting(lowering, place, "column"):
        column = sql.key_column(rule.column, seen.columns)
    with reporting(lowering, place, "set"):
        ((_, new, _),) = sql.computed([("set", rule.set)], seen, lowering.binder, to=column.type if column else None)
    with reporting(lowering, place, "where"):
        condition = "true"
        if rule.where:
            ((_, condition, _),) = sql.computed([("where", rule.where)], seen, lowering.binder, "boolean")
    if column is None or not new or not condition:
        return None
    name = rule.name or f"clean_{column.name}"
    if name in names:
        lowering.problem("step.name_twice", f"two rules are called `{name}`", at=(place,), fix="give one another name")
        return None
    names.add(name)
    old, value = quote(column.name), f"({new})"
    change = (
        f"{{'rule': {literal(name)}, 'column': {literal(column.name)}, 'was': CAST({old} AS VARCHAR), "
        f"'is': CAST({value} AS VARCHAR)}}"
    )
    ledger = quote(CHANGES.name)
    items = []
    for one in columns:
        if one is column:
            items.append(f"CASE WHEN {condition} THEN {value} ELSE {old} END AS {old}")
        elif one.name == CHANGES.name:
            items.append(
                f"CASE WHEN ({condition}) AND {value} IS DISTINCT FROM {old} THEN list_append(coalesce({ledger}, []), {change}) "
                f"ELSE {ledger} END AS {ledger}"
            )
        else:
            items.append(quote(one.name))
    zero = sql.zero(new)
    return ", ".join(items), f"({condition}) AND ({zero})" if zero else ""
