"""What steps share while they lower themselves: turning refusals into problems with a place, and the commonest nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mainstem.columns import ANY, Column, Columns
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.words import Body, Branch, Fold, Node, Sql
from mainstem.plugs import Input, Lowering


@contextlib.contextmanager
def reporting(lowering: Lowering, *at: str | int) -> Iterator[None]:
    """Report a SpecError raised inside, with its `others`, as problems at this path of the step, and go on behind the block."""
    try:
        yield
    except SpecError as first:
        for error in (first, *first.others):
            place = (error.key,) if error.key else at
            lowering.problem(error.code, error.what, at=place, why=error.why, fix=error.fix, spot=getattr(error, "spot", None))


def single(lowering: Lowering) -> Input | None:
    """The one input of a step; a problem and None if it has none or several."""
    if len(lowering.inputs) == 1:
        return lowering.inputs[0]
    names = ", ".join(one.name for one in lowering.inputs) or "nothing"
    lowering.problem(
        "step.inputs",
        f"this step reads exactly one input, not {names}",
        fix="bring them together before it: sql: SELECT * FROM a UNION ALL SELECT * FROM b",
    )
    return None


def timed(lowering: Lowering, input: Input) -> bool:
    """Whether the input has event time; a problem if not."""
    if not input.timed:
        lowering.problem(
            "time.none",
            f"`{lowering.name}` needs event time and `{input.name}` has none",
            why="without it nothing says when a row happened",
            fix="add `time: {column: ...}` to the source",
        )
    return input.timed


def keys(lowering: Lowering, input: Input, names: Sequence[str], *at: str | int) -> tuple[Column, ...] | None:
    """The columns of these names; a problem for each that is not there or cannot be a key, and None."""
    found: list[Column] = []
    for place, name in enumerate(names):
        with reporting(lowering, *at, place):
            column = sql.key_column(name, input.columns)
            if column.type.name in ("list", "struct", "json"):
                raise SpecError(
                    "step.key",
                    f"`{name}` is a {column.type} and cannot be a key",
                    why="keys are compared and hashed",
                    fix="take a field of it in a `sql` step before",
                )
            if column in found:
                raise SpecError("step.key", f"`{name}` stands twice", fix="write it once")
            found.append(column)
    return tuple(found) if len(found) == len(names) else None


def relation(input: Input) -> sql.Relation:
    """An input as SQL sees it."""
    return sql.Relation(input.name, input.columns)


def project(input: str, items: Sequence[tuple[str, str]], rest: str = "") -> str:
    """A query over one input: columns as (name, SQL) and the identity of the row."""
    given = "".join(f"{text} AS {sql.quote(name)}, " for name, text in items)
    return f"SELECT {given}{sql.quote(sql.AT)} FROM {sql.quote(input)}{rest}"


def kept(columns: Columns) -> list[tuple[str, str]]:
    """These columns as they are, for `project`."""
    return [(column.name, sql.quote(column.name)) for column in columns]


def where(name: str, step: str, input: str, columns: Columns, condition: str) -> Node:
    """A node that keeps the rows for which the condition is true and counts the others."""
    count = f"SELECT {sql.quote(sql.AT)}.o AS o, count(*) AS n FROM {sql.quote(input)} WHERE ({condition}) IS NOT TRUE GROUP BY 1"
    query = project(input, kept(columns), f" WHERE {condition}")
    return Node(
        name=name,
        step=step,
        inputs=(input,),
        columns=columns,
        word=Sql(branches=(Branch(input=input, query=query, dropped=(("where", count),)),)),
    )


def groups(
    lowering: Lowering,
    kind: str,
    by: Columns,
    siblings: Mapping[str, Any],
    fixed: Columns,
    made: Sequence[tuple[str, str]],
    body: Callable[[sql.Query], Body],
) -> list[Node]:
    """The nodes of a step whose `select` gives one row per group: a `where` before its fold, a `having` behind it.

    `fixed` are the columns that the kernel adds to a group, `made` further ones computed from them (name, SQL); `body` makes the
    fold's own part from the query.
    """
    (source,), name, rows = lowering.inputs, lowering.name, lowering.inputs[0].name
    nodes: list[Node] = []
    if siblings.get("where"):
        with reporting(lowering, "where"):
            ((_, condition, _),) = sql.computed([("where", siblings["where"])], relation(source), lowering.binder, "boolean")
            rows = f"{name}/where"
            nodes.append(where(rows, name, source.name, source.columns, condition))
    having, names = siblings.get("having") or "", tuple(column.name for column in by)
    with reporting(lowering, "select"):
        if not siblings.get("select"):
            raise SpecError("step.select", f"a {kind} needs a `select`", fix="write `select: count(*) AS rows`")
        query = sql.grouped(siblings["select"], having, names, fixed, made, source.columns, lowering.binder)
        fold = f"{name}/{kind}" if having else name
        word = Fold(body=body(query), by=names, needs=(query.needs,))
        nodes.append(Node(name=fold, step=name, inputs=(rows,), columns=query.columns, word=word))
        if having:
            nodes.append(where(name, name, fold, query.columns[:-1], sql.quote(sql.HAVING)))
        return nodes
    return []


def outline(lowering: Lowering, by: Sequence[str], siblings: Mapping[str, Any], made: Columns, fixed: Columns) -> Columns:
    """The columns of such a step as far as they are sure: by columns, `made`, `fixed`, the select."""
    if not lowering.sure("by", "select"):
        return (ANY,)
    rows = sql.Relation("rows", (*lowering.inputs[0].columns, *fixed))
    selected = sql.outline(f"SELECT {siblings['select']}", rows, lowering.binder)
    return (*(sql.key_column(name, rows.columns) for name in by), *made, *fixed, *selected)
