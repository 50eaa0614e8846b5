"""SQL over an endless stream: only what gives f(a + b) = f(a) + f(b), however the rows are cut.

Project, filter, cast, unnest, UNION ALL, and joins to tables on their full key. Everything that looks across rows is
refused with the name of the step that does it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mainstem.columns import Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan.sql import text
from mainstem.plan.sql.scope import AT_COLUMN, Relation, Scope, checked, columns_in, inline, projections
from mainstem.plan.words import Branch
from mainstem.plugs import Binder

ORIGIN = "__origin__"                    # stands in a query for the number that plan/build gives the node
_PART = "/*origin*/"
_AT_STRUCT = AT_COLUMN.type.duckdb


class Across(SpecError):
    """It looks across rows: fine over bounded input read whole, refused on a stream."""


@dataclass(frozen=True)
class Rows:
    """Row-local SQL, lowered."""

    branches: tuple[Branch, ...]
    columns: Columns
    remakes: bool = False                # one row may become several
    before: Branch | None = None         # a filter of the parents, to be run and counted before the rows are remade
    before_columns: Columns = ()


_ACROSS = {
    "group": ("GROUP BY", "use a `window`, `session` or `latest` step"), "distinct": ("DISTINCT", "use a `dedupe` step"),
    "having": ("HAVING", "use a `window` step with `having:`"), "qualify": ("QUALIFY", "use an `over` or `latest` step"),
    "order": ("ORDER BY", "leave it out: a stream has no last row; sort where you read the output"),
    "limit": ("LIMIT", "leave it out; `mainstem run --limit N --show STEP` looks at the first rows"),
    "offset": ("OFFSET", "leave it out"), "windows": ("WINDOW", "use an `over` step"),
    "with_": ("WITH", "make a step of each query"), "pivots": ("PIVOT", "use a `window` step"),
}


def row_local(query: str, inputs: Sequence[Relation], tables: Mapping[str, Relation], binder: Binder, parents: str = "") -> Rows:
    """The branches of row-local SQL; Across if it looks across rows, SpecError if it is wrong in any other way.

    `parents` is the name that a node gets which filters rows before they are remade (`Rows.before`).
    """
    tree = text.parse(query)
    selects, by_name = _members(tree)
    known = {one.name.lower(): one for one in inputs}
    looked = {name.lower(): one for name, one in tables.items()}
    pieces = [_Piece(select, known, looked) for select in selects]
    for piece in pieces:
        piece.describe(binder)
    columns = _align(pieces, by_name, binder)
    remakes = any(piece.unnests for piece in pieces)
    first = pieces[0]
    if remakes and len(pieces) == 1 and first.filters_parent():
        before, before_columns = first.parent_filter(parents)
        return Rows((first.branch(columns, True),), columns, True, before, before_columns)
    return Rows(tuple(piece.branch(columns, remakes) for piece in pieces), columns, remakes)


def _members(tree: exp.Expression) -> tuple[list[exp.Select], bool]:
    """The SELECTs of a UNION ALL, and whether they are matched by name."""
    if isinstance(tree, exp.Subquery) and not tree.args.get("alias"):
        return _members(tree.this)
    if isinstance(tree, exp.Union):
        if tree.args.get("distinct"):
            raise Across("sql.across", "UNION looks across rows: it drops repeated ones", fix="write UNION ALL, then a `dedupe` step")
        _no_clauses(tree)
        left, left_by_name = _members(tree.this)
        right, right_by_name = _members(tree.expression)
        return left + right, left_by_name or right_by_name or bool(tree.args.get("by_name"))
    if isinstance(tree, (exp.Except, exp.Intersect)):
        raise Across("sql.across", f"{type(tree).__name__.upper()} looks across rows", fix="use a `lookup` with `unmatched: drop`")
    if not isinstance(tree, exp.Select):
        raise SpecError("sql.not_select", f"only SELECT is allowed in a step, not {type(tree).__name__.upper()}",
                        why="a step makes rows out of rows and does nothing else", fix="write `SELECT ... FROM ...`")
    return [tree], False


def _no_clauses(tree: exp.Expression) -> None:
    for clause, (name, fix) in _ACROSS.items():
        if tree.args.get(clause):
            raise Across("sql.across", f"{name} looks across rows", why="rows of a stream come without end", fix=fix)


class _Piece:
    """One SELECT of a row-local query."""

    def __init__(self, select: exp.Select, inputs: Mapping[str, Relation], tables: Mapping[str, Relation]) -> None:
        _no_clauses(select)
        if select.args.get("into") or select.args.get("laterals") or select.args.get("sample"):
            raise SpecError("sql.not_select", "only a plain SELECT is allowed in a step", fix="write `SELECT ... FROM ... WHERE ...`")
        self.tables: list[str] = []
        self.joins: list[exp.Join] = []
        self.unnested: exp.Join | None = None
        self.scope = Scope()
        self.inputs, self.looked = inputs, tables
        self._from(select)
        text.no_subquery(select)
        text.safe(select)
        self.items = [(name, checked(tree, self.scope)) for name, tree in projections(select, self.scope)]
        where = select.args.get("where")
        self.where = checked(inline(where.this, self.scope), self.scope) if where else None
        self._across()
        self.unnests = bool(self.unnested) or any(tree.find(exp.Explode) for _, tree in self.items)
        self.types: Columns = ()

    def _from(self, select: exp.Select) -> None:
        source = select.args.get("from_")
        if source is None:
            raise SpecError("sql.no_from", "the query reads nothing", fix=f"add `FROM {next(iter(self.inputs.values())).name}`")
        driver = self._relation(source.this)
        if driver.table:
            raise SpecError("sql.from_table", f"FROM must name the stream, not the table `{driver.name}`",
                            why="tables are looked at, streams are consumed", fix=f"write FROM the stream, then JOIN {driver.name}")
        self.driver = source.this.alias_or_name
        self.source = source
        self.input = driver.name
        self.scope.add(self.driver, driver)
        for join in select.args.get("joins") or []:
            self._join(join)

    def _relation(self, tree: exp.Expression) -> Relation:
        if isinstance(tree, exp.Subquery):
            raise Across("sql.subquery", "a query inside the query", fix="make the inner query a step of its own")
        if not isinstance(tree, exp.Table) or not isinstance(tree.this, exp.Identifier):
            raise SpecError("sql.not_a_relation", f"`{text.render(tree).lower()}` is no source, step or table", why="SQL in a pipeline reads "
                            "only what the pipeline accounts for", fix="declare it under `sources:` or `tables:`")
        name = tree.name.lower()
        found = None if tree.args.get("db") else self.inputs.get(name) or self.looked.get(name)
        if found is None:
            known = [one.name for one in (*self.inputs.values(), *self.looked.values())]
            raise text.SqlError("sql.unknown_relation", f"there is no input `{text.render(tree).replace(chr(34), '')}`",
                            why=f"this step reads {', '.join(one.name for one in self.inputs.values()) or 'nothing'}; tables are "
                            f"{', '.join(one.name for one in self.looked.values()) or 'none'}",
                            fix=_near(tree.name, known) or "name it in `from:`").near(tree.this)
        tree.set("this", text.identifier(found.name))
        if not tree.args.get("alias"):
            tree.set("alias", exp.TableAlias(this=text.identifier(tree.name)))
        return found

    def _join(self, join: exp.Join) -> None:
        if isinstance(join.this, exp.Unnest):
            self._unnest(join)
            return
        relation = self._relation(join.this)
        if not relation.table:
            what = "joins a stream with itself" if relation.name == self.input else f"joins two streams, `{self.input}` and `{relation.name}`"
            raise Across("sql.stream_join", f"the query {what}", why="their rows come at different times",
                         fix="put both in windows, or make one a table with a `latest` step")
        method = join.args.get("method") or ""
        if method or join.kind not in ("", "INNER", "OUTER") or join.side not in ("", "LEFT") or not (
                join.args.get("on") or join.args.get("using")):
            words = " ".join(word for word in (method, join.side, join.kind) if word)
            raise SpecError("sql.join_kind", f"a {words or 'comma'} join to the table `{relation.name}`",
                            why="it could multiply rows, or bring rows of the table that no row of the stream asked for",
                            fix=f"write JOIN or LEFT JOIN {relation.name} ON its key")
        alias = join.this.alias_or_name
        keys = self._keys(join, alias, relation)
        missing = [name for name in relation.key if name.lower() not in keys]
        if missing or not relation.key:
            raise SpecError("sql.many", f"the join to `{relation.name}` is not on its full key", why="a row could match several rows of it: "
                            + (f"{', '.join(missing)} is not compared" if missing else "it declares no `key:`"),
                            fix="join on the full key, or use a `lookup` step with `many: true`")
        self.tables.append(relation.name)
        self.joins.append(join)

    def _keys(self, join: exp.Join, alias: str, relation: Relation) -> set[str]:
        """The columns of the table that the join compares with an expression over the stream."""
        if using := join.args.get("using"):
            names = [one.name for one in using]
            for name in names:
                self.scope.resolve(exp.column(name))
            self.scope.add(alias, relation, names)
            for name in names:
                self._comparable(self.scope.resolve(exp.column(name, table=alias)), relation)
            return {name.lower() for name in names}
        self.scope.add(alias, relation)
        found: set[str] = set()
        condition = checked(text.safe(join.args["on"]), self.scope)
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            bare = part.unnest()
            if not isinstance(bare, exp.EQ):
                continue
            for mine, other in ((bare.left, bare.right), (bare.right, bare.left)):
                place = self.scope.resolve(mine) if isinstance(mine, exp.Column) else None
                if place and place[0].alias == alias and not any(
                        (its := self.scope.resolve(node)) and its[0].alias == alias for node in columns_in(other)):
                    self._comparable(place, relation)
                    found.add(place[1].name.lower())
        return found

    def _comparable(self, place: tuple[object, Column] | None, relation: Relation) -> None:
        if place and place[1].type.name in ("float", "double"):
            raise SpecError("sql.float_key", f"`{relation.name}.{place[1].name}` is a {place[1].type} and cannot be a key of a join",
                            why="equal numbers may differ in their last digit, and NaN equals NaN", fix="declare it decimal(p,s) or string")

    def _unnest(self, join: exp.Join) -> None:
        unnest = join.this
        if self.unnested is not None or len(unnest.expressions) != 1 or join.side == "LEFT" or unnest.args.get("offset"):
            raise SpecError("sql.unnest", "this form of UNNEST is not in the language", fix="write one `, UNNEST(list) AS u(item)`, "
                            "or `unnest(list) AS item` in SELECT")
        alias = unnest.args.get("alias")
        names = [one.name for one in (alias.columns if alias else [])] or ["unnest"]
        table = alias.name if alias and alias.name else "unnest"
        checked(unnest, self.scope)
        unnest.set("alias", exp.TableAlias(this=text.identifier(table), columns=[text.identifier(names[0])]))
        unnest.set("offset", text.identifier("_ord"))
        self.scope.extra[table.lower()] = tuple(name.lower() for name in names)
        self.unnested = join
        self.ordinal: exp.Expression = text.column("_ord", table)
        self.joins.append(join)

    def _across(self) -> None:
        for tree in [*(tree for _, tree in self.items), *([self.where] if self.where else [])]:
            if tree.find(exp.Window) or any(text.is_ranking(node) for node in tree.walk()):
                raise Across("sql.across", "OVER looks across rows", why="rows of a stream come without end", fix="use an `over` step")
            for node in text.aggregates(tree):
                raise Across("sql.across", f"`{text.function_name(node)}` looks across rows", why="rows of a stream come without end",
                             fix="use a `window` step")

    # ------------------------------------------------------------------------------------------- lowered

    def describe(self, binder: Binder) -> None:
        """Find the types of what SELECT gives; sums over integers stay int64."""
        described = binder.describe(self._render(self.items, None), self.relations())
        self.types = tuple(column for column in described if column.name != text.AT)
        for place, column in enumerate(self.types):
            if column.type.name in ("hugeint", "uhugeint"):
                self._cast(place, "BIGINT", Column(column.name, Type("int64")))
            refuse_type(self.types[place])

    def _cast(self, place: int, kind: str, column: Column) -> None:
        name, tree = self.items[place]
        self.items[place] = (name, text.cast(tree, kind))
        self.types = (*self.types[:place], column, *self.types[place + 1:])

    def relations(self) -> dict[str, Columns]:
        """What the query reads, as the binder wants it."""
        found = {one.relation.name: one.relation.columns for one in self.scope.bound}
        return {**found, self.input: (*found[self.input], AT_COLUMN)}

    def branch(self, columns: Columns, remakes: bool) -> Branch:
        """The query of this SELECT with the identity of its rows, and what it leaves out."""
        for place, column in enumerate(columns):
            if self.types[place].type != column.type:
                self._cast(place, column.type.duckdb, Column(column.name, column.type))
        items = [(column.name, tree) for column, (_, tree) in zip(columns, self.items, strict=True)]
        dropped = () if remakes else tuple(self._dropped())
        return Branch(input=self.input, query=self._render(items, self._identity() if remakes else None),
                      tables=tuple(dict.fromkeys(self.tables)), dropped=dropped)

    def _render(self, items: Sequence[tuple[str, exp.Expression]], identity: str | None) -> str:
        given = ", ".join(f"{text.render(tree)} AS {text.quote(name)}" for name, tree in items)
        extra = ""
        if identity is not None and self.unnests and not self.unnested:
            lists = [node.this for _, tree in items for node in tree.find_all(exp.Explode)]
            lengths = ", ".join(f"coalesce(len({text.render(one)}), 0)" for one in lists)
            longest = f"greatest({lengths})" if len(lists) > 1 else lengths
            extra = f", unnest(range({longest})) AS \"_ord\""
            inner = f"SELECT {given}{extra}, {text.quote(self.driver)}.{text.quote(text.AT)} AS \"_parent\"{self._rest()}"
            names = ", ".join(text.quote(name) for name, _ in items)
            return f"SELECT {names}, {identity} AS {text.quote(text.AT)} FROM ({inner})"
        at = identity or f"{text.quote(self.driver)}.{text.quote(text.AT)}"
        return f"SELECT {given}, {at} AS {text.quote(text.AT)}{self._rest()}"

    def _rest(self, joins: Sequence[exp.Join] | None = None, where: bool = True) -> str:
        rest = f" {text.render(self.source)}"
        for join in self.joins if joins is None else joins:
            rest += _join_text(join)
        if where and self.where is not None:
            rest += f" WHERE {text.render(self.where)}"
        return rest

    def _identity(self) -> str:
        """The identity of a row made out of one row: its parent's, with an ordinal and the number of this node."""
        if self.unnested:
            return child(f"{text.quote(self.driver)}.{text.quote(text.AT)}", f"({text.render(self.ordinal)} - 1)")
        if self.unnests:
            return child('"_parent"', '"_ord"')
        return child(f"{text.quote(self.driver)}.{text.quote(text.AT)}", "0")

    def _dropped(self) -> list[tuple[str, str]]:
        """One count query for each reason for which the query leaves rows out."""
        count = f"SELECT {text.quote(self.driver)}.{text.quote(text.AT)}.o AS o, count(*) AS n"
        found = []
        for place, join in enumerate(self.joins):
            if join.side != "LEFT":
                found.append(("no_match", count + self._rest(self.joins[:place], where=False) + _join_text(join, "ANTI") + " GROUP BY 1"))
        if self.where is not None:
            found.append(("where", f"{count}{self._rest(where=False)} WHERE ({text.render(self.where)}) IS NOT TRUE GROUP BY 1"))
        return found

    def filters_parent(self) -> bool:
        """Whether WHERE asks only about the parent, so that it can be counted on the parent's leg."""
        return self.where is not None and not self.tables and not any(
            self.scope.resolve(node) is None for node in columns_in(self.where))

    def parent_filter(self, name: str) -> tuple[Branch, Columns]:
        """The WHERE as a query of its own; what is left of this SELECT then reads its node, called `name`."""
        columns = self.scope.bound[0].relation.columns
        given = ", ".join(text.quote(column.name) for column in columns)
        query = f"SELECT {given}, {text.quote(text.AT)}{self._rest([])}"
        count = (f"SELECT {text.quote(self.driver)}.{text.quote(text.AT)}.o AS o, count(*) AS n{self._rest([], where=False)} "
                 f"WHERE ({text.render(self.where)}) IS NOT TRUE GROUP BY 1") if self.where is not None else ""
        branch = Branch(input=self.input, query=query, dropped=(("where", count),))
        self.where, self.input = None, name
        self.source.this.set("this", text.identifier(name))
        return branch, columns


def child(parent: str, order: str) -> str:
    """SQL for the identity of child number `order` (from 0) of the row whose identity is `parent`; see `numbered`."""
    order = order if order.isdigit() else (f"CASE WHEN {order} < 1048576 THEN {order} "
                                           "ELSE error('one row became more than 1048576 rows') END")
    return (f"{{'o': {ORIGIN}, 'p': {parent}.p{_PART}, 'n': {parent}.n, 'c': ({parent}.c << 20) + {order}, 't': {parent}.t, "
            f"'wm': {parent}.wm, 'i': {parent}.i}}::{_AT_STRUCT}")


def numbered(query: str, origin: int, several: bool) -> str:
    """A query with `child` in it once the number of its origin is known.

    `several`: rows of several origins meet in it, so theirs goes into the partition: equal positions stay apart.
    """
    part = r"'p': \1.p + (\1.o::INTEGER << 16)" if several else r"'p': \1.p"
    return re.sub(r"'p': ((?:\"(?:[^\"]|\"\")*\"\.?)+)\.p" + re.escape(_PART), part, query).replace(ORIGIN, str(origin))


def _join_text(join: exp.Join, kind: str = "") -> str:
    if isinstance(join.this, exp.Unnest):
        return f" CROSS JOIN {text.render(join.this)}"
    word = kind or join.side
    using = join.args.get("using")
    condition = f"USING ({', '.join(text.quote(one.name) for one in using)})" if using else f"ON {text.render(join.args['on'])}"
    return f" {word} JOIN {text.render(join.this)} {condition}".replace("  ", " ")


def _near(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def refuse_type(column: Column) -> None:
    """SpecError for a type that no table can hold."""
    if column.type.name == "null":
        raise SpecError("sql.null_type", f"`{column.name}` is NULL and nothing else", why="a column of no type cannot be stored",
                        fix=f"write CAST(NULL AS double) AS {column.name}")
    if column.type.name == "interval":
        raise SpecError("sql.interval", f"`{column.name}` is an interval", why="no table can store one",
                        fix="give seconds: epoch(b) - epoch(a)")


def _align(pieces: Sequence[_Piece], by_name: bool, binder: Binder) -> Columns:
    """The columns of the union: names of the first, types that all members fit."""
    first = pieces[0]
    if len(pieces) == 1:
        return first.types
    if by_name:
        names = list(dict.fromkeys(name for piece in pieces for name, _ in piece.items))
        for piece in pieces:
            mine = {name.lower(): (tree, column) for (name, tree), column in zip(piece.items, piece.types, strict=True)}
            missing = [name for name in names if name.lower() not in mine]
            if missing:
                raise SpecError("sql.union", f"a member of UNION ALL BY NAME has no column `{missing[0]}`",
                                fix=f"select it there too: CAST(NULL AS ...) AS {missing[0]}")
            piece.items = [(name, mine[name.lower()][0]) for name in names]
            piece.types = tuple(mine[name.lower()][1] for name in names)
    if any(len(piece.items) != len(first.items) for piece in pieces):
        raise SpecError("sql.union", "the members of UNION ALL have different numbers of columns",
                        why=", ".join(str(len(piece.items)) for piece in pieces), fix="select the same columns in each")
    if all(tuple(column.type for column in piece.types) == tuple(column.type for column in first.types) for piece in pieces):
        return first.types
    inputs: dict[str, Columns] = {}
    for piece in pieces:
        inputs.update(piece.relations())
    both = " UNION ALL ".join(f"SELECT * EXCLUDE ({text.quote(text.AT)}) FROM ({piece._render(piece.items, None)})" for piece in pieces)
    return tuple(Column(name.name, found.type) for name, found in zip(first.types, binder.describe(both, inputs), strict=True))
