"""SQL over bounded input that looks across rows: held until the end, then run once, cut by keys where that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mainstem.columns import Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan.functions import FUNCTIONS
from mainstem.plan.sql import text
from mainstem.plan.sql.exact import exact
from mainstem.plan.sql.exprs import ordered
from mainstem.plan.sql.scope import Relation, columns_in, distinct, is_star, output_name
from mainstem.plan.sql.types import refuse_type, type_of
from mainstem.plugs import Binder

_COUNT = "_rows"  # the number of rows of a group
_ROW = "_row"  # the number of a row in order of arrival, where an aggregate needs it


@dataclass(frozen=True)
class Held:
    """A query over input read whole."""

    sql: str
    columns: Columns
    by: tuple[str, ...]  # the same columns in every input; () is one task
    needs: tuple[tuple[str, ...], ...]  # per input
    reason: str
    counted: str = ""  # groups | rows: what says that no row got lost (plan/words: Whole)


def relations(query: str) -> tuple[str, ...]:
    """The relations that a query of a pipeline names, without those that it makes itself."""
    return tuple(dict.fromkeys(name for tree in text.read(query) for name in _relations(tree)))


def asked(query: str) -> tuple[str, ...]:
    """The relations that a reader's query names: it may call any function of DuckDB, but only read. SpecError otherwise."""
    trees = text.read(query)
    if len(trees) != 1 or not isinstance(trees[0], exp.Query | exp.Describe | exp.Summarize | exp.Pivot | exp.Values):
        raise SpecError(
            "read.bad_query",
            "this is not one query",
            why="here things are only read, and one query has one answer",
            fix="write one SELECT, FROM, DESCRIBE or SUMMARIZE",
        )
    return _relations(trees[0])


def _relations(tree: exp.Expression) -> tuple[str, ...]:
    made = {one.alias.lower() for one in tree.find_all(exp.CTE)}
    return tuple(
        dict.fromkeys(
            one.name for one in tree.find_all(exp.Table) if one.name.lower() not in made and isinstance(one.this, exp.Identifier)
        )
    )


def renamed(query: str, names: Mapping[str, str]) -> str:
    """A query of ours with relations under other names."""
    tree = text.trust(query)
    for one in tree.find_all(exp.Table):
        if one.name in names:
            if not one.args.get("alias"):
                one.set("alias", exp.TableAlias(this=text.identifier(one.name)))
            one.set("this", text.identifier(names[one.name]))
    return text.render(tree)


def whole(
    query: str, inputs: Sequence[Relation], tables: Mapping[str, Relation], partition_by: Sequence[str], binder: Binder
) -> Held:
    """A query over bounded inputs, by which keys it can be cut, and why."""
    tree = text.parse(query)
    if not isinstance(tree, exp.Query):
        raise SpecError(
            "sql.not_select",
            f"only SELECT is allowed in a step, not {type(tree).__name__.upper()}",
            why="a step makes rows out of rows and does nothing else",
            fix="write `SELECT ... FROM ...`",
        )
    known = {one.name.lower(): one for one in inputs}
    made = {one.alias.lower() for one in tree.find_all(exp.CTE)}
    read = [one for one in tree.find_all(exp.Table) if one.name.lower() not in made]
    for one in read:
        _admit(one, known, tables)
    (by, reason), counted = _cut(tree, known, partition_by), _counted(tree)
    for select in tree.find_all(exp.Select):
        _repeatable(select)
        for item in select.expressions if select is tree or select.parent is tree else []:
            if not is_star(item):
                output_name(item)
    tree = exact(text.safe(tree), lambda operand: _kind(operand, tree, known, binder), stops=True)
    needs = tuple(_needs(tree, read, one, by) for one in inputs)
    arrival = [_arrival(select, read) for select in list(tree.find_all(exp.Select))]
    for one in read:
        _project(one, known[one.name.lower()], needs[list(known).index(one.name.lower())], any(one is other for other in arrival))
    if counted == "groups":
        tree = tree.select(exp.alias_(exp.Count(this=exp.Star()), _COUNT, quoted=True))
    rendered = text.render(tree)
    relations_ = {one.name: one.columns for one in inputs}
    described = binder.describe(rendered, relations_)
    distinct([column.name for column in described])
    shown = []
    columns = []
    for column in described[:-1] if counted == "groups" else described:
        wide = column.type.name in ("hugeint", "uhugeint")
        columns.append(Column(column.name, Type("int64")) if wide else column)
        refuse_type(columns[-1])
        name = text.quote(column.name)
        shown.append(f"CAST({name} AS BIGINT) AS {name}" if wide else name)
    if any(sql != text.quote(column.name) for sql, column in zip(shown, columns, strict=True)):
        shown += [text.quote(_COUNT)] if counted == "groups" else []
        rendered = f"SELECT {', '.join(shown)} FROM ({rendered})"
    return Held(rendered, tuple(columns), by, needs, reason, counted)


def _counted(tree: exp.Query) -> str:
    """Where every row of the one input is in a group, or makes a row, its groups or its rows can be counted; empty if not."""
    clauses = ("joins", "where", "having", "qualify", "distinct", "laterals", "sample")
    if not isinstance(tree, exp.Select) or _uncut(tree) or any(tree.args.get(clause) for clause in clauses):
        return ""
    if tree.find(exp.Explode, exp.Pivot, exp.Rollup, exp.Cube, exp.GroupingSets):
        return ""
    group = tree.args.get("group")
    return "groups" if group or any(True for item in tree.expressions for _ in text.aggregates(item)) else "rows"


def _kind(operand: exp.Expression, tree: exp.Expression, known: Mapping[str, Relation], binder: Binder) -> Type | None:
    """The type of an expression, asked of the SELECT around it."""
    around = operand.find_ancestor(exp.Select)
    if around is None:
        return None
    asked = exp.Select(**{key: value.copy() for key in ("from_", "group") if (value := around.args.get(key)) is not None})
    for key in ("joins", "laterals"):
        asked.set(key, [one.copy() for one in around.args.get(key) or []])
    asked.set("expressions", [exp.alias_(operand.copy(), "x")])
    if tree.args.get("with_"):
        asked.set("with_", tree.args["with_"].copy())
    return type_of(lambda: binder.describe(text.render(asked), {one.name: one.columns for one in known.values()}))


def _admit(one: exp.Table, known: Mapping[str, Relation], tables: Mapping[str, Relation]) -> None:
    if not isinstance(one.this, exp.Identifier) or one.args.get("db"):
        raise SpecError(
            "sql.not_a_relation",
            f"`{text.render(one).lower()}` is no source, step or table",
            why="SQL in a pipeline reads only what the pipeline accounts for",
            fix="declare it under `sources:` or `tables:`",
        )
    if one.name.lower() in known:
        return
    if one.name.lower() in {name.lower() for name in tables}:
        raise SpecError(
            "sql.table_in_whole",
            f"`{one.name}` is a table, and this query looks across rows",
            why="what looks across rows is held to the end; tables are looked at while rows come",
            fix="add its columns with a `lookup` step before",
        )
    raise SpecError(
        "sql.unknown_relation",
        f"there is no input `{one.name}`",
        why=f"this step reads {', '.join(known) or 'nothing'}",
        fix="name it in `from:`",
    )


def _repeatable(select: exp.Select) -> None:
    """SpecError where the order of rows decides and nobody says what it is."""
    if (select.args.get("limit") or select.args.get("offset")) and not select.args.get("order"):
        raise SpecError(
            "sql.limit", "LIMIT without ORDER BY", why="which rows it keeps would be chance", fix="add ORDER BY a unique key"
        )
    for window in select.find_all(exp.Window):
        if text.is_ranking(window.this.unnest()) and not window.args.get("order") and not window.args.get("alias"):
            raise SpecError(
                "sql.order_needed",
                f"`{text.function_name(window.this)}` without ORDER BY in OVER",
                why="its answer would be chance",
                fix="write OVER (PARTITION BY ... ORDER BY ...)",
            )


def _needs(tree: exp.Expression, read: Sequence[exp.Table], input: Relation, by: Sequence[str]) -> tuple[str, ...]:
    """The columns of an input that the query may read: by name, or all of them where a star could mean it."""
    mine = [one for one in read if one.name.lower() == input.name.lower()]
    for one in mine:
        select = one.find_ancestor(exp.Select)
        if select is not None and any(is_star(item) for item in select.expressions):
            return tuple(column.name for column in input.columns)
    names = {part.name.lower() for node in columns_in(tree) for part in node.parts}
    names |= {one.name.lower() for join in tree.find_all(exp.Join) for one in join.args.get("using") or []}
    names |= {name.lower() for name in by}
    found = tuple(column.name for column in input.columns if column.name.lower() in names)
    return found or (input.columns[0].name,)


def _arrival(select: exp.Select, read: Sequence[exp.Table]) -> exp.Table | None:
    """Make aggregates that depend on the order of rows follow their arrival; the relation that has to bring it."""
    need = [
        node
        for item in select.expressions
        for node in item.find_all(exp.Func)
        if text.is_aggregate(node)
        and (known := FUNCTIONS.get(text.function_name(node)))
        and known.ordered
        and node.find_ancestor(exp.Select) is select
    ]
    if not need:
        return None
    source = select.args["from_"].this if select.args.get("from_") else None
    plain = isinstance(source, exp.Table) and any(source is one for one in read) and not select.args.get("joins")
    if plain:
        for item in select.expressions:
            for node in [one for one in need if any(one is other for other in item.walk())]:
                put = ordered(node.copy(), [text.column(_ROW)])
                if node is item:
                    select.set("expressions", [put if one is item else one for one in select.expressions])
                else:
                    node.replace(put)
        return source
    for node in need:
        if not node.find(exp.Order):
            raise SpecError(
                "sql.order_needed",
                f"`{text.function_name(node)}` without ORDER BY",
                why="over a join or an inner query there is no order of arrival",
                fix=f"write {text.function_name(node)}(x ORDER BY ...)",
            )
    return None


def _project(one: exp.Table, input: Relation, needs: Sequence[str], arrival: bool) -> None:
    """Put a query of the needed columns in the place of the relation, so that a star never means the hidden ones."""
    shown: list[exp.Expression] = [text.column(name) for name in needs]
    if arrival:  # the kernel hands the rows over in order of arrival
        shown.append(exp.alias_(exp.Window(this=exp.RowNumber(), over="OVER"), _ROW, quoted=True))
    inner = exp.Select(expressions=shown, from_=exp.From(this=exp.Table(this=text.identifier(input.name))))
    alias = one.args.get("alias") or exp.TableAlias(this=text.identifier(one.name))
    one.replace(exp.Subquery(this=inner, alias=alias))


# ---------------------------------------------------------------------------------------------- the cut


def _cut(tree: exp.Query, known: Mapping[str, Relation], partition_by: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The columns by which the work can be cut without changing its answer, and why these."""
    if partition_by:
        for name in partition_by:
            for one in known.values():
                if all(column.name != name for column in one.columns):
                    what = f"`{one.name}` has no column `{name}`"
                    raise SpecError("sql.partition_by", what, fix="`partition_by` names columns of every input")
        return tuple(partition_by), "cut as `partition_by` says"
    if reason := _uncut(tree):
        return (), f"one task: {reason}"
    assert isinstance(tree, exp.Select)
    sources = {
        one.alias_or_name.lower(): known[one.name.lower()]
        for one in (tree.args["from_"].this, *(join.this for join in tree.args.get("joins") or []))
    }
    if {one.name for one in known.values()} - {one.name for one in sources.values()}:
        return (), "one task: it does not read all of its inputs"
    limits = _limits(tree, sources)
    if not limits:
        return (), "one task: nothing in the query says what belongs together"
    common = {name for name in set.intersection(*limits) if _alike(name, sources)}
    by = tuple(column.name for column in next(iter(sources.values())).columns if column.name.lower() in common)
    return (by, f"cut by {', '.join(by)}") if by else ((), "one task: its rows have no key in common")


def _uncut(tree: exp.Query) -> str:
    """Why a query of this form cannot be cut; empty if it may."""
    if not isinstance(tree, exp.Select):
        return "a union of queries"
    if tree.args.get("with_") or any(node is not tree for node in tree.find_all(exp.Query)):
        return "there is a query inside the query"
    if tree.args.get("limit") or tree.args.get("offset"):
        return "LIMIT looks at all rows"
    places = [tree.args["from_"].this if tree.args.get("from_") else None, *(join.this for join in tree.args.get("joins") or [])]
    return "" if all(isinstance(one, exp.Table) for one in places) else "it reads more than its inputs"


def _limits(tree: exp.Select, sources: Mapping[str, Relation]) -> list[set[str]]:
    """For each clause that looks across rows, the columns in which rows agree that it looks at together."""
    joins = tree.args.get("joins") or []
    limits = [_joined(join, sources) for join in joins]
    # beside an outer join a column of the other side is NULL for rows of different keys: only the first relation's may count
    first = next(iter(sources)) if any(join.side for join in joins) else ""
    if first and any(join.side != "LEFT" for join in joins if join.side):
        first = "!"
    limits += [_named(window.args.get("partition_by") or [], sources, first) for window in tree.find_all(exp.Window)]
    grouped = _grouped(tree, sources, first)
    return limits if grouped is None else [*limits, grouped]


def _alike(name: str, sources: Mapping[str, Relation]) -> bool:
    """Whether every relation has this column, with one type."""
    types = [str(column.type) for one in sources.values() for column in one.columns if column.name.lower() == name]
    return len(types) == len(sources) and len(set(types)) == 1


def _joined(join: exp.Join, sources: Mapping[str, Relation]) -> set[str]:
    """Columns that both sides of a join have under one name and that it compares."""
    if join.args.get("using"):
        return {one.name.lower() for one in join.args["using"]}
    condition = join.args.get("on")
    mine = join.this.alias_or_name.lower()
    found = set()
    for part in [] if condition is None else condition.flatten() if isinstance(condition, exp.And) else [condition]:
        bare = part.unnest()
        if not (isinstance(bare, exp.EQ) and isinstance(bare.left, exp.Column) and isinstance(bare.right, exp.Column)):
            continue
        tables = {bare.left.table.lower(), bare.right.table.lower()}
        if bare.left.name.lower() == bare.right.name.lower() and len(tables) == 2 and mine in tables and tables <= set(sources):
            found.add(bare.left.name.lower())
    return found


def _named(trees: Sequence[exp.Expression], sources: Mapping[str, Relation], first: str) -> set[str]:
    """The plain columns among these expressions; with `first` only those that are written as its columns."""
    known = {column.name.lower() for one in sources.values() for column in one.columns}
    return {
        tree.name.lower()
        for tree in trees
        if isinstance(tree, exp.Column) and tree.name.lower() in known and (not first or tree.table.lower() == first)
    }


def _grouped(tree: exp.Select, sources: Mapping[str, Relation], first: str) -> set[str] | None:
    """The plain columns of GROUP BY or DISTINCT; None where the query has neither."""
    group, unique = tree.args.get("group"), tree.args.get("distinct")
    if group is not None:
        if any(group.args.get(word) for word in ("grouping_sets", "cube", "rollup", "totals")):
            return set()
        return _named(_group_items(tree, group, sources), sources, first)
    if tree.args.get("having") or any(True for item in tree.expressions for _ in text.aggregates(item)):
        return set()
    if unique is not None:
        on = unique.args.get("on")
        return _named(on.expressions if on is not None else [item.unalias() for item in tree.expressions], sources, first)
    return None


def _group_items(tree: exp.Select, group: exp.Expression, sources: Mapping[str, Relation]) -> list[exp.Expression]:
    """What GROUP BY names, with positions and names of the SELECT replaced by what they stand for."""
    if group.args.get("all"):
        return [item.unalias() for item in tree.expressions if not any(text.aggregates(item))]
    items = {item.alias_or_name.lower(): item.unalias() for item in tree.expressions}
    found = []
    for one in group.expressions:
        if isinstance(one, exp.Literal) and not one.is_string and int(one.this) <= len(tree.expressions):
            found.append(tree.expressions[int(one.this) - 1].unalias())
        elif isinstance(one, exp.Column) and not one.table and not _named([one], sources, ""):
            found.append(items.get(one.name.lower(), one))
        else:
            found.append(one)
    return found
