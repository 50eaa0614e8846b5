"""Columns of a table, found by key and added to each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from mainstem import plugs
from mainstem.columns import ANY, UNKNOWN, Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.lower import reporting, single
from mainstem.plan.sql import quote
from mainstem.plan.words import Branch, Check, Node, Rule, Sql

FOUND = "_found"


class LookupOptions(plugs.Options):
    """A lookup finds at most one row: the table's key is unique, and the table is checked for it when it is read."""

    table: str = Field(description="the name of a table, or of a `latest` step (then as of the epoch before)")
    on: tuple[str, ...] | dict[str, str] = Field(description="key columns of the same name in both, or `column here: column there`")
    take: tuple[str, ...] | dict[str, str] = Field(
        default=(), description="columns of the table to add, or `name here: column there`; all but the key if absent"
    )
    unmatched: Literal["quarantine", "drop", "keep"] = Field(
        default="quarantine", description="a row whose key is in no row of the table; `keep` gives it NULLs"
    )
    many: bool = Field(default=False, description="a row may match several rows of the table and becomes that many")
    prefix: str = Field(
        default="", pattern=r"^([A-Za-z][A-Za-z0-9_]*)?$", description="put before the names of the columns that are added"
    )


class Lookup:
    """Sees the table at one version per epoch. NULL keys match nothing."""

    kind: ClassVar[str] = "lookup"
    Options: ClassVar[Any] = LookupOptions
    siblings: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def looks(options: LookupOptions) -> tuple[str, ...]:
        """The tables that this step looks at."""
        return (options.table,)

    @staticmethod
    def outline(options: LookupOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Columns:
        rows = lowering.inputs[0]
        known = options.take and lowering.sure("table", "take", "prefix") and options.table in lowering.tables
        taken = _taken(options, rows, lowering.tables[options.table], lowering) if known else None
        return (*rows.columns, *((ANY,) if taken is None else (column for _, column in taken)))

    @staticmethod
    def lower(options: LookupOptions, _siblings: Mapping[str, Any], lowering: plugs.Lowering) -> Sequence[Node]:
        rows = single(lowering)
        if rows is None:
            return []
        table = lowering.tables.get(options.table)
        if table is None:
            known = ", ".join(lowering.tables) or "none"
            lowering.problem(
                "lookup.unknown_table",
                f"there is no table `{options.table}`",
                at=("table",),
                why=f"tables are: {known}",
                fix="declare it under `tables:`; a stream is made one by a `latest` step",
            )
            table = plugs.Input(options.table, (ANY,), bounded=True, timed=False)
        pairs = _keys(options, rows, table, lowering)
        taken = _taken(options, rows, table, lowering) if pairs is not None or options.take else None
        if pairs is None or taken is None:
            return []
        name, left, right = lowering.name, quote(rows.name), quote(options.table)
        checked = options.unmatched != "keep"
        items = [f"{left}.{quote(column.name)} AS {quote(column.name)}" for column in rows.columns]
        items += [f"{right}.{quote(there)} AS {quote(column.name)}" for there, column in taken]
        if checked:
            items.append(f"({right}.{quote(pairs[0][1])} IS NOT NULL) AS {quote(FOUND)}")
        on = " AND ".join(f"{left}.{quote(here)} = {right}.{quote(there)}" for here, there in pairs)
        at = f"{left}.{quote(sql.AT)}"
        source = right
        if options.many:
            every = ", ".join(quote(column.name) for column in table.columns)
            cut = ", ".join(quote(there) for _, there in pairs)
            source = f'(SELECT *, row_number() OVER (PARTITION BY {cut} ORDER BY {every}) - 1 AS "_ord" FROM {right}) AS {right}'
            at = sql.child(at, f'coalesce({right}."_ord", 0)')
        query = f"SELECT {', '.join(items)}, {at} AS {quote(sql.AT)} FROM {left} LEFT JOIN {source} ON {on}"
        columns = (*rows.columns, *(column for _, column in taken))
        word = Sql(branches=(Branch(input=rows.name, query=query, tables=(options.table,)),), remakes=options.many)
        join = Node(
            name=f"{name}/join" if checked else name,
            step=name,
            word=word,
            inputs=(rows.name,),
            columns=(*columns, Column(FOUND, Type("boolean"))) if checked else columns,
        )
        if not checked:
            return [join]
        rule = Rule(name=f"in_{options.table}", that=quote(FOUND), action=options.unmatched, reason="unmatched")
        return [join, Node(name=name, step=name, word=Check(rules=(rule,), hide=(FOUND,)), inputs=(join.name,), columns=columns)]


def _pairs(given: tuple[str, ...] | dict[str, str]) -> list[tuple[str, str]]:
    return list(given.items()) if isinstance(given, dict) else [(name, name) for name in given]


def _keys(options: LookupOptions, rows: plugs.Input, table: plugs.Input, lowering: plugs.Lowering) -> list[tuple[str, str]] | None:
    """(column here, column there) of the key; None after a problem."""
    found: list[tuple[str, str]] = []
    wanted = _pairs(options.on)
    for place, (here, there) in enumerate(wanted):
        with reporting(lowering, "on", here if isinstance(options.on, dict) else place):
            mine, its = sql.key_column(here, rows.columns), sql.key_column(there, table.columns)
            if mine.type.name in ("float", "double") or its.type.name in ("float", "double"):
                raise SpecError(
                    "sql.float_key",
                    f"`{here}` is a {mine.type} and cannot be a key",
                    why="equal numbers may differ in their last digit, and NaN equals NaN",
                    fix="declare it decimal(p,s) or string",
                )
            alike = mine.type == its.type or (mine.type.integer and its.type.integer)
            if not alike and UNKNOWN not in (mine.type, its.type):
                raise SpecError(
                    "lookup.types",
                    f"`{here}` is {mine.type} here and `{there}` is {its.type} in `{options.table}`",
                    why="they would never be compared exactly",
                    fix="declare both alike",
                )
            found.append((mine.name, its.name))
    if len(found) < len(wanted):
        return None
    with reporting(lowering, "on"):
        if not found:
            raise SpecError("step.key", "`on` names no column", fix="write `on: [key]`")
        key = None if ANY in table.columns else lowering.key(options.table)
        missing = [name for name in key or () if name not in [there for _, there in found]]
        if not options.many and (missing or key == ()):
            why = f"{', '.join(missing)} is not compared" if missing else f"`{options.table}` declares no `key:`"
            raise SpecError(
                "lookup.many",
                f"a row could match several rows of `{options.table}`",
                why=why,
                fix="compare the full key, or say `many: true`",
            )
        return found
    return None


def _taken(
    options: LookupOptions, rows: plugs.Input, table: plugs.Input, lowering: plugs.Lowering
) -> list[tuple[str, Column]] | None:
    """(column there, column as it is called here); None after a problem."""
    compared = {there for _, there in _pairs(options.on)}
    wanted = _pairs(options.take) or [(column.name, column.name) for column in table.columns if column.name not in compared]
    taken: list[tuple[str, Column]] = []
    names = {column.name.lower() for column in rows.columns if column != ANY}
    for place, (here, there) in enumerate(wanted):
        with reporting(lowering, "take", *([here if isinstance(options.take, dict) else place] if options.take else [])):
            its = sql.key_column(there, table.columns)
            name = here if its == ANY else options.prefix + here
            if name.lower() in names:
                raise SpecError(
                    "step.clash",
                    f"`{name}` is already a column of `{rows.name}`",
                    fix=f"give it another name: `take: {{{options.table}_{there}: {there}}}`, or set `prefix:`",
                )
            names.add(name.lower())
            taken.append((its.name, Column(name, its.type, unit=its.unit, description=its.description)))
    return taken if len(taken) == len(wanted) else None
