"""The expression lists of windows, sessions, rolling columns and conditions, made into whole queries over `rows`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mainstem.columns import ANY, UNKNOWN, Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan.functions import FUNCTIONS
from mainstem.plan.sql import text
from mainstem.plan.sql.exact import exact
from mainstem.plan.sql.scope import AT_COLUMN, Relation, Scope, checked, columns_in, distinct, inline, is_star, output_name
from mainstem.plan.sql.types import Items, refuse_type, type_of, typed
from mainstem.plugs import Binder

ROWS = "rows"
HAVING = "_having"
ZERO = "_div_zero"
_ARRIVAL = ("t", "o", "p", "n", "c")


@dataclass(frozen=True)
class Query:
    """A query over the relation `rows`, what comes out of it, and the input columns that it needs."""

    sql: str
    columns: Columns
    needs: tuple[str, ...]
    blank: str = ""  # over no rows at all: the select of a window in which nothing happened


def grouped(
    select: str,
    having: str,
    by: Sequence[str],
    fixed: Sequence[Column],
    made: Sequence[tuple[str, str]],
    columns: Columns,
    binder: Binder,
) -> Query:
    """One row per `by` and `fixed`: the query behind a window or a session.

    `fixed` are columns that the kernel adds to `rows`; `made` are further ones computed from them (name, SQL), which come
    first behind the by columns. The last column is `_having` where there is a `having`.
    """
    scope = Scope()
    scope.add(ROWS, Relation(ROWS, (*columns, *fixed)))
    keys = [key_column(name, columns) for name in by]
    with text.gathering() as part:
        with part():
            items = _items(select, scope)
        with part("having"):
            condition = _condition(having, scope)
    free = {name.lower() for name in (*(key.name for key in keys), *(column.name for column in fixed))}
    with text.gathering() as part:
        for name, tree in [*items, *([("having", condition)] if condition is not None else [])]:
            with part("having" if tree is condition else ""):
                _only_aggregates(name, tree, free)
    fixed_names = [column.name for column in fixed]
    group = [f"{text.quote(ROWS)}.{text.quote(name)}" for name in (*(key.name for key in keys), *fixed_names)]
    head = [(key.name, f"{text.quote(ROWS)}.{text.quote(key.name)}") for key in keys]
    head += list(made)
    head += [(name, f"{text.quote(ROWS)}.{text.quote(name)}") for name in fixed_names]
    body = [(name, ordered(text.safe(tree))) for name, tree in items]
    zero = text.zero(tree for _, tree in body)
    if condition is not None:
        body.append((HAVING, ordered(text.safe(condition))))
        zero = zero and f"({text.render(body[-1][1])}) AND ({zero})"
    distinct([name for name, _ in head] + [name for name, _ in body])
    needs = _needs([tree for _, tree in body], columns, [key.name for key in keys])

    def query(given: Sequence[tuple[str, exp.Expression]]) -> str:
        shown = ", ".join(
            [f"{sql} AS {text.quote(name)}" for name, sql in head]
            + [f"{text.render(tree)} AS {text.quote(name)}" for name, tree in given]
        )
        return f"SELECT {shown} FROM {text.quote(ROWS)}" + (f" GROUP BY {', '.join(group)}" if group else "")

    sql, described, settled = _typed(query, body, len(head), (*pick(columns, needs), *fixed, AT_COLUMN), binder, zero)
    keyed = any(_is_free(node, free) for _, tree in body for node in columns_in(tree))
    shown = ", ".join(f"{text.render(tree)} AS {text.quote(name)}" for name, tree in settled)
    return Query(sql, described, needs, "" if keyed else f"SELECT {shown} FROM {text.quote(ROWS)}")


def rolling(select: str, by: Sequence[str], range_us: int, columns: Columns, binder: Binder) -> Query:
    """New columns for every row, over the rows of its key within `range_us` before it: `_row`, then the select."""
    scope = Scope()
    scope.add(ROWS, Relation(ROWS, columns))
    keys = [key_column(name, columns) for name in by]
    items = _items(select, scope)
    distinct([column.name for column in columns] + [name for name, _ in items])
    body = []
    for name, tree in items:
        holder = exp.Paren(this=ordered(text.safe(tree)))
        for node in list(text.aggregates(holder)):
            whole = node
            while isinstance(whole.parent, (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
                whole = whole.parent
            window = exp.Window(this=whole.copy(), alias=exp.to_identifier("w"), over="OVER")
            whole.replace(window)
        body.append((name, holder.this))
    needs = _needs([tree for _, tree in body], columns, [key.name for key in keys])
    partition = f"PARTITION BY {', '.join(text.quote(key.name) for key in keys)} " if keys else ""
    frame = f"RANGE BETWEEN {range_us} PRECEDING AND CURRENT ROW"

    def query(given: Sequence[tuple[str, exp.Expression]]) -> str:
        shown = ", ".join(f"{text.render(tree)} AS {text.quote(name)}" for name, tree in given)
        return f'SELECT "_row", {shown} FROM {text.quote(ROWS)} WINDOW "w" AS ({partition}ORDER BY ("{text.AT}").t {frame})'

    zero = text.zero(tree for _, tree in body)
    sql, described, _ = _typed(query, body, 1, (*columns, Column("_row", Type("int64")), AT_COLUMN), binder, zero)
    return Query(sql, described[1:], needs)


def computed(
    items: Sequence[tuple[str, str]], input: Relation, binder: Binder, want: str = "", to: Type | None = None
) -> list[tuple[str, str, Type]]:
    """Expressions over one row, as (name, DuckDB SQL, type); `want` names the type that each must have, `to` one to cast it to."""
    scope = Scope()
    scope.add(input.name, input)
    with text.gathering() as part:
        trees = [(name, checked(text.predicate(sql, part), scope)) for name, sql in items]


    def kind(operand: exp.Expression) -> Type | None:
        query = f"SELECT {text.render(operand)} AS x FROM {text.quote(input.name)}"
        return type_of(lambda: binder.describe(query, {input.name: input.columns}))

    cast = [(name, text.cast(tree, to.duckdb) if to and to != UNKNOWN else tree) for name, tree in trees]
    trees = [(name, exact(_bare(text.safe(tree), scope), kind)) for name, tree in cast]
    shown = ", ".join(f"{text.render(tree)} AS {text.quote(str(place))}" for place, (_, tree) in enumerate(trees))
    found = binder.describe(f"SELECT {shown} FROM {text.quote(input.name)}", {input.name: input.columns})
    for (name, tree), column in zip(trees, found, strict=True):
        if want and column.type.name not in (want, "null", "unknown"):
            raise SpecError(
                "sql.not_boolean" if want == "boolean" else "sql.type",
                f"`{text.render(tree).replace(chr(34), '')}` is {column.type}, not {want}",
                where=name,
                fix="compare it with something" if want == "boolean" else "cast it",
            )
    return [(name, text.render(tree), column.type) for (name, tree), column in zip(trees, found, strict=True)]


def zero(sql: str) -> str:
    """SQL that is true where this expression of ours divides by zero; empty if it cannot."""
    return text.zero(text.trust(f"SELECT {sql}").selects)


def reads(sql: str) -> tuple[str, ...]:
    """The names of the columns that an expression reads."""
    return tuple(dict.fromkeys(node.parts[0].name for node in columns_in(text.predicate(sql))))


def key_column(name: str, columns: Columns) -> Column:
    """The input column of this name; SpecError with a suggestion if there is none."""
    from mainstem.plan.sql.scope import unknown

    for column in columns:
        if column.name.lower() == name.lower():
            return column
    if ANY in columns:
        return Column(name, UNKNOWN)
    raise unknown(name, [column.name for column in columns])


def pick(columns: Columns, names: Sequence[str]) -> Columns:
    """These columns, in the order of the input."""
    return tuple(column for column in columns if column.name in names)


def _items(select: str, scope: Scope) -> list[tuple[str, exp.Expression]]:
    known: list[tuple[str, exp.Expression]] = []
    with text.gathering() as part:
        for item in text.expressions(select, part):
            with part():
                if is_star(item):
                    raise SpecError(
                        "sql.star", "a star in the select of this step", fix="write the expressions: avg(x) AS x, count(*) AS n"
                    )
                name, tree = output_name(item, scope), inline(item.unalias(), scope)
                with part():
                    _within(checked(tree, scope))
                scope.aliases.setdefault(name.lower(), tree)
                known.append((name, tree))
    return known


def _within(tree: exp.Expression) -> None:
    """SpecError for what looks beyond the group."""
    ranking = next((node for node in tree.walk() if text.is_ranking(node)), None)
    beyond = tree.find(exp.Window) or tree.find(exp.Explode) or ranking
    if beyond is not None:
        what = "unnest" if isinstance(beyond, exp.Explode) else "OVER"
        raise SpecError(
            "sql.beyond",
            f"{what} in the select of this step",
            why="its answer would depend on which groups end together",
            fix="make it a `sql` or `over` step after this one",
        )


def _condition(having: str, scope: Scope) -> exp.Expression | None:
    if not having:
        return None
    with text.gathering() as part:
        found = text.expressions(having, part)
        if len(found) != 1:
            raise SpecError("sql.predicate", "one condition is wanted in `having`", fix="join conditions with AND")
        return checked(inline(found[0].unalias(), scope), scope)


def _only_aggregates(name: str, tree: exp.Expression, free: set[str]) -> None:
    """SpecError for a column that is neither aggregated nor a key."""
    for node in columns_in(tree):
        if _is_free(node, free):
            continue
        parent = node.parent
        while parent is not None and not (text.is_aggregate(parent) or isinstance(parent, (exp.Filter, exp.WithinGroup))):
            parent = parent.parent
        if parent is None:
            raise SpecError(
                "sql.not_aggregated",
                f"`{node.name}`{f' in `{name}`' if name != node.name else ''} is not in an aggregate",
                why="a group has many rows and this would be one of them",
                fix=f"write first({node.name}) or avg({node.name}), or add it to `by:`",
            )


def _is_free(node: exp.Column, free: set[str]) -> bool:
    """Whether a column has one value in a group."""
    return any(part.name.lower() in free for part in node.parts[:2])


def ordered(tree: exp.Expression, arrival: Sequence[exp.Expression] = ()) -> exp.Expression:
    """The same with the order of arrival wherever an aggregate's answer depends on the order of rows.

    `arrival` are the expressions of that order, if it is another than that of the hidden column.
    """
    holder = exp.Paren(this=tree)
    for node in list(holder.find_all(exp.Func)):
        known = FUNCTIONS.get(text.function_name(node))
        if not text.is_aggregate(node) or known is None or not known.ordered:
            continue
        place = "expression" if node.args.get("expression") is not None else "this"
        if isinstance(node, exp.Anonymous):
            last = node.expressions[-1]
            node.set("expressions", [*node.expressions[:-1], _by_arrival(last, arrival)])
        elif isinstance(node, exp.GroupConcat):
            node.set("this", _by_arrival(node.this, arrival))
        else:
            node.set(place, _by_arrival(node.args[place], arrival))
    return holder.this


def _by_arrival(argument: exp.Expression, arrival: Sequence[exp.Expression]) -> exp.Expression:
    inner = argument.this if isinstance(argument, exp.Order) else argument
    if isinstance(inner, exp.Distinct):
        if isinstance(argument, exp.Order):
            return argument
        return exp.Order(this=inner, expressions=[exp.Ordered(this=one.copy(), nulls_first=False) for one in inner.expressions])
    keys = list(argument.expressions) if isinstance(argument, exp.Order) else []
    places = arrival or [text.at_field(field) for field in _ARRIVAL]
    return exp.Order(this=inner, expressions=[*keys, *(exp.Ordered(this=place.copy(), nulls_first=False) for place in places)])


def _needs(trees: Sequence[exp.Expression], columns: Columns, by: Sequence[str]) -> tuple[str, ...]:
    read = {ANY.name, *(name.lower() for name in by)}
    for tree in trees:
        for node in columns_in(tree):
            read |= {part.name.lower() for part in node.parts[:2]}
    return tuple(column.name for column in columns if column.name.lower() in read)


def _whole_numbers(query: Callable[[Items], str], body: Items, head: int, inputs: Columns, binder: Binder) -> Items:
    """The items with exact casts; a group cannot be set aside, so a cast that would round is refused."""

    def kind(operand: exp.Expression) -> Type | None:
        return type_of(lambda: binder.describe(query([("x", operand)]), {ROWS: inputs})[head:])

    made = []
    with text.gathering() as part:
        for name, tree in body:
            with part("having" if name == HAVING else ""):
                made.append((name, exact(tree, kind, stops=True)))
    return made


def _typed(
    query: Callable[[Items], str], body: Items, head: int, inputs: Columns, binder: Binder, zero: str
) -> tuple[str, Columns, Items]:
    """The query with every type settled, its columns, and what its select has become.

    Where a row may divide by zero the query says so in a last column `_div_zero`, which is no column of the step: it is counted.
    """
    body = _whole_numbers(query, body, head, inputs, binder)
    described = typed(query, body, {ROWS: inputs}, binder)
    wide = [place for place, column in enumerate(described) if column.type.name in ("hugeint", "uhugeint")]
    if wide:
        body = [(name, text.cast(tree, "BIGINT") if place + head in wide else tree) for place, (name, tree) in enumerate(body)]
        described = tuple(Column(column.name, Type("int64")) if place in wide else column for place, column in enumerate(described))
    for column in described:
        if column.name != HAVING:
            refuse_type(column)
    hidden = [(ZERO, text.trust(f"SELECT {zero}").selects[0])] if zero else []
    return query([*body, *hidden]), tuple(described), body


def _bare(tree: exp.Expression, scope: Scope) -> exp.Expression:
    """The same with columns named without their relation, so that it can stand in any query over them."""
    for node in list(columns_in(tree)):
        if len(node.parts) > 1 and any(one.alias.lower() == node.parts[0].name.lower() for one in scope.bound):
            parts = [part.copy() for part in node.parts[1:]]
            put: exp.Expression = exp.Column(this=parts[0])
            for part in parts[1:]:
                put = exp.Dot(this=put, expression=part)
            if node is tree:
                return put
            node.replace(put)
    return tree
