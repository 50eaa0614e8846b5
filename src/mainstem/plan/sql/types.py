"""Types of queries: asked of the engine, every wrong item told, and left open where something is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from mainstem.columns import ANY, UNKNOWN, Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan.sql import text
from mainstem.plan.sql.lineage import sources
from mainstem.plan.sql.scope import Relation, usable
from mainstem.plugs import Binder

Items = Sequence[tuple[str, exp.Expression]]


def typed(query: Callable[[Items], str], items: Items, inputs: Mapping[str, Columns], binder: Binder) -> Columns:
    """What the query of these items gives; SpecError with what is wrong in each of them."""
    wrong = None
    found: Columns = ()
    try:
        found = binder.describe(query(items), inputs)
    except SpecError as error:
        wrong = error
    if wrong is not None or any(column.type == UNKNOWN for column in found):       # it stops at the first one, or gives up
        with text.gathering() as part:
            for item in items:
                with part():
                    binder.describe(query([item]), inputs)
    if wrong is not None:
        raise wrong
    return found


def type_of(describe: Callable[[], Columns]) -> Type | None:
    """The type of the one column that is described; None where it cannot be."""
    try:
        return describe()[0].type
    except SpecError:
        return None


def outline(query: str, input: Relation, binder: Binder) -> Columns:
    """What a wrong query gives by its SELECT over one relation: names, and types as far as they are known."""
    try:
        tree = text.read(query)[0]
    except (SpecError, IndexError):
        return (ANY,)
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    found: dict[str, Column] = {}
    for item in tree.expressions if isinstance(tree, exp.Select) else [exp.Star()]:
        given: Sequence[Column] = ()
        if isinstance(item, exp.Alias):
            given = _alone(item, input, binder)
        elif isinstance(item, exp.Star) and not item.args.get("except_") and not tree.args.get("joins"):
            given = input.columns
        else:
            given = [one for one in input.columns if one.name.lower() == item.alias_or_name.lower()]
        for column in given or (ANY,):
            found.setdefault(column.name.lower(), column)
    return tuple(found.values())


def _alone(item: exp.Alias, input: Relation, binder: Binder) -> Columns:
    """What one item gives; nothing if its name cannot stay."""
    try:
        usable(item.alias)
    except SpecError:
        return ()
    try:
        (column,) = binder.describe(f"SELECT {text.render(item)} FROM {text.quote(input.name)}", {input.name: input.columns})
        refuse_type(column)
    except SpecError:
        return (Column(item.alias, UNKNOWN),)
    return (column,)


def refuse_type(column: Column) -> None:
    """SpecError for a type that no table can hold."""
    if column.type.name == "null":
        raise SpecError(
            "sql.null_type",
            f"`{column.name}` is NULL and nothing else",
            why="a column of no type cannot be stored",
            fix=f"write CAST(NULL AS double) AS {column.name}",
        )
    if column.type.name == "interval":
        raise SpecError(
            "sql.interval", f"`{column.name}` is an interval", why="no table can store one", fix="give seconds: epoch(b) - epoch(a)"
        )


class OpenBinder:
    """A binder for files with mistakes: what is made of a column of unknown type has an unknown type, and no error."""

    def __init__(self, binder: Binder) -> None:
        self._binder = binder

    def describe(self, sql: str, inputs: Mapping[str, Columns]) -> Columns:
        """As `Binder.describe`; a relation with the column ANY has every column that the query names."""
        if not any(column.type == UNKNOWN for columns in inputs.values() for column in columns):
            return self._binder.describe(sql, inputs)
        tree = text.trust(sql)
        relations = {name: list(dict.fromkeys(columns)) for name, columns in inputs.items()}
        known = {column.name.lower() for columns in relations.values() for column in columns if column.type != UNKNOWN}
        aliases = {node.alias_or_name.lower() for node in tree.find_all(exp.Table, exp.Subquery, exp.Unnest)}
        named = {part.name: None for node in tree.find_all(exp.Column) for part in node.parts}
        vague = [name for name in named if name.lower() not in known | aliases]
        for columns in relations.values():
            if ANY in columns:
                there = {column.name.lower() for column in columns}
                columns += [Column(name, UNKNOWN) for name in vague if name.lower() not in there]
        try:
            found = self._binder.describe(sql, {name: tuple(columns) for name, columns in relations.items()})
        except SpecError:
            if not vague:
                raise
            return tuple(Column(name, UNKNOWN) for name in tree.named_selects)
        made = sources(sql, {name: [column.name for column in columns] for name, columns in relations.items()})
        unsure = {(name, column.name) for name, columns in relations.items() for column in columns if column.type == UNKNOWN}
        return tuple(Column(one.name, UNKNOWN) if made.get(one.name, frozenset()) & unsure else one for one in found)
