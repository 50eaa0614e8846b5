"""SQL over an endless stream: only what gives f(a + b) = f(a) + f(b), however the rows are cut.

Project, filter, cast, unnest, UNION ALL, and joins to tables on their full key. Everything that looks across rows is
refused with the name of the step that does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from mainstem.columns import ANY, Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan.sql import text
from mainstem.plan.sql.exact import exact
from mainstem.plan.sql.fromclause import From, joined
from mainstem.plan.sql.identity import child
from mainstem.plan.sql.scope import AT_COLUMN, Relation, checked, columns_in, inline, projections
from mainstem.plan.sql.text import Across
from mainstem.plan.sql.types import refuse_type, type_of, typed
from mainstem.plan.words import Branch
from mainstem.plugs import Binder


@dataclass(frozen=True)
class Rows:
    """Row-local SQL, lowered."""

    branches: tuple[Branch, ...]
    columns: Columns
    remakes: bool = False  # one row may become several
    before: Branch | None = None  # a filter of the parents, to be run and counted before the rows are remade
    before_columns: Columns = ()


_ACROSS = {
    "group": ("GROUP BY", "use a `window`, `session` or `latest` step"),
    "distinct": ("DISTINCT", "use a `dedupe` step"),
    "having": ("HAVING", "use a `window` step with `having:`"),
    "qualify": ("QUALIFY", "use an `over` or `latest` step"),
    "order": ("ORDER BY", "leave it out: a stream has no last row; sort where you read the output"),
    "limit": ("LIMIT", "leave it out; `mainstem run --limit N --show STEP` looks at the first rows"),
    "offset": ("OFFSET", "leave it out"),
    "windows": ("WINDOW", "use an `over` step"),
    "with_": ("WITH", "make a step of each query"),
    "pivots": ("PIVOT", "use a `window` step"),
}


def row_local(query: str, inputs: Sequence[Relation], tables: Mapping[str, Relation], binder: Binder, parents: str = "") -> Rows:
    """The branches of row-local SQL; Across if it looks across rows, SpecError if it is wrong in any other way.

    `parents` is the name that a node gets which filters rows before they are remade (`Rows.before`).
    """
    known = {one.name.lower(): one for one in inputs}
    looked = {name.lower(): one for name, one in tables.items()}
    pieces: list[_Piece] = []
    with text.gathering() as part:
        selects, by_name = _members(text.parse(query, part))
        for select in selects:
            names = [name for name, _ in pieces[0].items] if pieces and not by_name else []
            with part():
                pieces.append(_Piece(select, known, looked, names))
    for piece in pieces:
        piece.describe(binder)
    if len(pieces) > 1 and any(column == ANY for piece in pieces for column in piece.types):
        return Rows((), (ANY,))  # what is not known cannot be aligned
    columns = _align(pieces, by_name, binder)
    for column in columns:
        refuse_type(column)
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
            raise Across(
                "sql.across", "UNION looks across rows: it drops repeated ones", fix="write UNION ALL, then a `dedupe` step"
            )
        _no_clauses(tree)
        left, left_by_name = _members(tree.this)
        right, right_by_name = _members(tree.expression)
        return left + right, left_by_name or right_by_name or bool(tree.args.get("by_name"))
    if isinstance(tree, (exp.Except, exp.Intersect)):
        raise Across("sql.across", f"{type(tree).__name__.upper()} looks across rows", fix="use a `lookup` with `unmatched: drop`")
    if not isinstance(tree, exp.Select):
        raise SpecError(
            "sql.not_select",
            f"only SELECT is allowed in a step, not {type(tree).__name__.upper()}",
            why="a step makes rows out of rows and does nothing else",
            fix="write `SELECT ... FROM ...`",
        )
    return [tree], False


def _no_clauses(tree: exp.Expression) -> None:
    for clause, (name, fix) in _ACROSS.items():
        if tree.args.get(clause):
            raise Across("sql.across", f"{name} looks across rows", why="rows of a stream come without end", fix=fix)


class _Piece:
    """One SELECT of a row-local query."""

    def __init__(
        self, select: exp.Select, inputs: Mapping[str, Relation], tables: Mapping[str, Relation], names: Sequence[str]
    ) -> None:
        _no_clauses(select)
        if any(select.args.get(clause) for clause in ("into", "laterals", "sample")):
            raise SpecError(
                "sql.not_select", "only a plain SELECT is allowed in a step", fix="write `SELECT ... FROM ... WHERE ...`"
            )
        self.reads = From(select, inputs, tables)
        scope = self.reads.scope
        text.no_subquery(select)
        text.safe(select)
        where = select.args.get("where")
        with text.gathering() as part:
            with part():
                self.items = projections(select, scope, names)
            with part():
                self.where = checked(inline(where.this, scope), scope) if where else None
        self._across()
        self.unnests = self.reads.unnested is not None or any(tree.find(exp.Explode) for _, tree in self.items)
        self.types: Columns = ()

    def _across(self) -> None:
        endless = "rows of a stream come without end"
        for tree in [*(tree for _, tree in self.items), *([self.where] if self.where else [])]:
            if tree.find(exp.Window) or any(text.is_ranking(node) for node in tree.walk()):
                raise Across("sql.across", "OVER looks across rows", why=endless, fix="use an `over` step")
            for node in text.aggregates(tree):
                what = f"`{text.function_name(node)}` looks across rows"
                raise Across("sql.across", what, why=endless, fix="use a `window` step")

    def describe(self, binder: Binder) -> None:
        """Find the types of what SELECT gives; sums over integers stay int64."""
        self._exact(binder)
        described = typed(self.query, self.items, self.relations(), binder)
        self.types = tuple(self._meant(place, column) for place, column in enumerate(described) if column.name != text.AT)
        if len(self.types) != len(self.items) or any(
            node.expressions for _, tree in self.items for node in tree.find_all(exp.Explode)
        ):
            raise SpecError(
                "sql.unnest",
                "this form of unnest is not in the language",
                why="it makes columns out of a struct, or goes through lists in lists",
                fix="write `unnest(list) AS item`; the fields of a struct are `s.field`",
            )
        for place, column in enumerate(self.types):
            if column.type.name in ("hugeint", "uhugeint"):
                self._cast(place, "BIGINT", Column(column.name, Type("int64")))

    def _exact(self, binder: Binder) -> None:
        def kind(operand: exp.Expression) -> Type | None:
            return type_of(lambda: binder.describe(self.query([("x", operand)]), self.relations()))

        self.items = [(name, exact(tree, kind)) for name, tree in self.items]
        self.where = exact(self.where, kind) if self.where is not None else None
        for join in self.reads.joins:
            if join.args.get("on"):
                join.set("on", exact(join.args["on"], kind))

    def _meant(self, place: int, column: Column) -> Column:
        """A column that is passed on as it is keeps its unit and description."""
        tree = self.items[place][1] if place < len(self.items) else None
        found = self.reads.scope.resolve(tree) if isinstance(tree, exp.Column) else None
        if found is None or found[1].type != column.type:
            return column
        return Column(column.name, column.type, unit=found[1].unit, description=found[1].description)

    def _cast(self, place: int, kind: str, column: Column) -> None:
        name, tree = self.items[place]
        self.items[place] = (name, text.cast(tree, kind))
        self.types = (*self.types[:place], column, *self.types[place + 1 :])

    def relations(self) -> dict[str, Columns]:
        """What the query reads, as the binder wants it."""
        found = {one.relation.name: one.relation.columns for one in self.reads.scope.bound}
        return {**found, self.reads.input: (*found[self.reads.input], AT_COLUMN)}

    def branch(self, columns: Columns, remakes: bool) -> Branch:
        """The query of this SELECT with the identity of its rows, and what it leaves out."""
        for place, column in enumerate(columns):
            if self.types[place].type != column.type:
                self._cast(place, column.type.duckdb, Column(column.name, column.type))
        items = [(column.name, tree) for column, (_, tree) in zip(columns, self.items, strict=True)]
        query = self.remaking(items) if remakes else self.query(items)
        tables = tuple(dict.fromkeys(self.reads.tables))
        dropped = () if remakes else tuple(self._dropped())
        return Branch(input=self.reads.input, query=query, tables=tables, dropped=dropped, noted=self._noted())

    def query(self, items: Sequence[tuple[str, exp.Expression]], identity: str = "") -> str:
        """The query with the identity of the parent, or another one."""
        at = f"{identity or self.reads.at} AS {text.quote(text.AT)}"
        return f"SELECT {_shown(items)}, {at}{self.reads.sql()}{self._filter()}"

    def remaking(self, items: Sequence[tuple[str, exp.Expression]]) -> str:
        """The query whose rows get an identity of their own: the parent's, with an ordinal."""
        if self.reads.unnested:
            return self.query(items, child(self.reads.at, f"({self.reads.ordinal} - 1)"))
        lists = [text.render(node.this) for _, tree in items for node in tree.find_all(exp.Explode)]
        if not lists:
            return self.query(items, child(self.reads.at, "0"))
        lengths = [f"coalesce(len({one}), 0)" for one in lists]
        longest = f"greatest({', '.join(lengths)})" if len(lists) > 1 else lengths[0]
        inner = f'{_shown(items)}, unnest(range({longest})) AS "_ord", {self.reads.at} AS "_parent"'
        names = ", ".join(text.quote(name) for name, _ in items)
        identity = child('"_parent"', '"_ord"')
        return f"SELECT {names}, {identity} AS {text.quote(text.AT)} FROM (SELECT {inner}{self.reads.sql()}{self._filter()})"

    def _filter(self) -> str:
        return f" WHERE {text.render(self.where)}" if self.where is not None else ""

    def _dropped(self) -> Iterator[tuple[str, str]]:
        """One count query for each reason for which the query leaves rows out."""
        for place, join in enumerate(self.reads.joins):
            if join.side != "LEFT":
                yield "no_match", f"{self._count()}{self.reads.sql(place)}{joined(join, 'ANTI')} GROUP BY 1"
        if self.where is not None:
            yield "where", self._left_out(self.reads.sql())

    def _noted(self) -> tuple[tuple[str, str], ...]:
        """A count of the rows in which a division by zero made a NULL."""
        zero = text.zero(inline(tree, self.reads.scope) for _, tree in self.items)
        query = f"SELECT count(*) FILTER (WHERE {zero}) AS n{self.reads.sql()}{self._filter()}"
        return ((text.DIV_ZERO, query),) if zero else ()

    def _count(self) -> str:
        return f"SELECT {self.reads.at}.o AS o, count(*) AS n"

    def _left_out(self, reads: str) -> str:
        assert self.where is not None
        return f"{self._count()}{reads} WHERE ({text.render(self.where)}) IS NOT TRUE GROUP BY 1"

    def filters_parent(self) -> bool:
        """Whether WHERE asks only about the parent, so that it can be counted on the parent's leg."""
        if self.where is None or self.reads.tables:
            return False
        return all(self.reads.scope.resolve(node) is not None for node in columns_in(self.where))

    def parent_filter(self, name: str) -> tuple[Branch, Columns]:
        """The WHERE as a query of its own; what is left of this SELECT then reads its node, called `name`."""
        columns = self.reads.scope.bound[0].relation.columns
        given = ", ".join(text.quote(column.name) for column in columns)
        query = f"SELECT {given}, {text.quote(text.AT)}{self.reads.sql(0)}{self._filter()}"
        branch = Branch(input=self.reads.input, query=query, dropped=(("where", self._left_out(self.reads.sql(0))),))
        self.where = None
        self.reads.renamed(name)
        return branch, columns


def _shown(items: Sequence[tuple[str, exp.Expression]]) -> str:
    return ", ".join(f"{text.render(tree)} AS {text.quote(name)}" for name, tree in items)


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
                raise SpecError(
                    "sql.union",
                    f"a member of UNION ALL BY NAME has no column `{missing[0]}`",
                    fix=f"select it there too: CAST(NULL AS ...) AS {missing[0]}",
                )
            piece.items = [(name, mine[name.lower()][0]) for name in names]
            piece.types = tuple(mine[name.lower()][1] for name in names)
    if any(len(piece.items) != len(first.items) for piece in pieces):
        raise SpecError(
            "sql.union",
            "the members of UNION ALL have different numbers of columns",
            why=", ".join(str(len(piece.items)) for piece in pieces),
            fix="select the same columns in each",
        )
    if all(tuple(column.type for column in piece.types) == tuple(column.type for column in first.types) for piece in pieces):
        return first.types
    inputs: dict[str, Columns] = {}
    for piece in pieces:
        inputs.update(piece.relations())
    both = " UNION ALL ".join(f"SELECT * EXCLUDE ({text.quote(text.AT)}) FROM ({piece.query(piece.items)})" for piece in pieces)
    return tuple(Column(name.name, found.type) for name, found in zip(first.types, binder.describe(both, inputs), strict=True))
