"""What a name in a query means: relations, their columns, stars, and the aliases that SELECT gives."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from mainstem.columns import ANY, UNKNOWN, Column, Columns, Type
from mainstem.errors import SpecError
from mainstem.plan.sql import text
from mainstem.spec.names import RESERVED

AT_COLUMN = Column(
    text.AT,
    Type(
        "struct",
        fields=tuple(
            (name, Type(kind))
            for name, kind in (
                ("o", "int16"),
                ("p", "int32"),
                ("n", "int64"),
                ("c", "int64"),
                ("t", "int64"),
                ("wm", "int64"),
                ("i", "int32"),
            )
        ),
    ),
)
_RESERVED_OUTPUT = ("_flags", "_extra", "_changes")


@dataclass(frozen=True)
class Relation:
    """Something that a query may read."""

    name: str
    columns: Columns
    table: bool = False  # looked at, not consumed
    key: tuple[str, ...] | None = ()  # None: not known


@dataclass
class Bound:
    """A relation under the name that a query gives it."""

    alias: str
    relation: Relation
    merged: frozenset[str] = frozenset()  # columns that USING merged into those of the left side

    def find(self, name: str) -> Column | None:
        return next((column for column in self.relation.columns if column.name.lower() == name.lower()), None)

    def suppose(self, name: str) -> Column | None:
        """A column that may be there, in a relation of which not everything is known."""
        return Column(name, UNKNOWN) if ANY in self.relation.columns else None


@dataclass
class Scope:
    """The relations of one SELECT, in order, and what unnest in FROM adds."""

    bound: list[Bound] = field(default_factory=list)
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)  # alias of an unnest -> its column names
    aliases: dict[str, exp.Expression] = field(default_factory=dict)  # names that SELECT gives, in lower case

    def add(self, alias: str, relation: Relation, merged: Iterable[str] = ()) -> None:
        if any(alias.lower() == one.alias.lower() for one in self.bound):
            raise SpecError("sql.self_join", f"`{alias}` stands twice in FROM", fix=f"give one an alias: `{alias} AS other`")
        self.bound.append(Bound(alias, relation, frozenset(name.lower() for name in merged)))

    def resolve(self, node: exp.Column) -> tuple[Bound, Column] | None:
        """The relation and column that a name means; None for a name that SELECT or unnest gives; SpecError if nobody does."""
        parts = [part.name for part in node.parts]
        if len(parts) > 1:
            for one in self.bound:
                if one.alias.lower() == parts[0].lower():
                    return one, self._column(one, node.parts[1])
            if parts[0].lower() in self.extra:
                return None
        name = parts[0]  # a plain name, or a struct column and its field
        for one in self.bound:
            if found := one.find(name):
                return one, found
        if name.lower() in self.aliases or any(name.lower() in names for names in self.extra.values()):
            return None
        for one in self.bound:
            if found := one.suppose(name):
                return one, found
        raise unknown(name, self.names()).near(node.parts[0])

    def names(self) -> list[str]:
        return [column.name for one in self.bound for column in one.relation.columns] + list(self.aliases)

    def _column(self, one: Bound, part: exp.Identifier) -> Column:
        if found := one.find(part.name) or one.suppose(part.name):
            return found
        raise unknown(part.name, [column.name for column in one.relation.columns], one.relation.name).near(part)


def unknown(name: str, known: Sequence[str], relation: str = "") -> text.SqlError:
    """The error for a column that is not there."""
    close = difflib.get_close_matches(name.lower(), [one.lower() for one in known], 1, 0.6)
    near = next((one for one in known if close and one.lower() == close[0]), None)
    where = f" in `{relation}`" if relation else ""
    return text.SqlError(
        "sql.unknown_column",
        f"there is no column `{name}`{where}",
        why=f"there are {', '.join(dict.fromkeys(known))}",
        fix=f"did you mean `{near}`?" if near else "declare it on the source, or compute it in a step before",
    )


def columns_in(tree: exp.Expression) -> Iterator[exp.Column]:
    """Every column reference, without the variables of lambdas and list comprehensions."""
    bound: set[str] = set()
    for node in tree.find_all(exp.Lambda):
        bound |= {one.name.lower() for one in node.expressions}
    for node in tree.find_all(exp.Comprehension):
        inner = node.expression
        bound |= {one.name.lower() for one in (inner.expressions if isinstance(inner, exp.Tuple) else [inner])}
    for node in tree.find_all(exp.Column):
        if isinstance(node.this, exp.Star) or (not node.table and node.name.lower() in bound):
            continue
        yield node


def is_star(item: exp.Expression) -> bool:
    """Whether an item of SELECT is `*` or `relation.*`."""
    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))


def projections(select: exp.Select, scope: Scope, names: Sequence[str] = ()) -> list[tuple[str, exp.Expression]]:
    """What SELECT gives, star by star and name by name; every name is there, and no name is there twice.

    `names` are those of the first member of a UNION ALL: expressions of further members need none.
    """
    found: list[tuple[str, exp.Expression]] = []
    with text.gathering() as part:
        for item in select.expressions:
            with part():
                if is_star(item):
                    found += [(name, checked(tree, scope)) for name, tree in _star(item, scope)]
                    continue
                named = isinstance(item, exp.Alias | exp.Column | exp.Dot)
                name = output_name(item, scope) if named or len(found) >= len(names) else names[len(found)]
                found.append((name, item.unalias()))
                with part():
                    checked(item, scope)
                scope.aliases.setdefault(name.lower(), item.unalias())
        with part():
            distinct([name for name, _ in found])
    return found


def output_name(item: exp.Expression, scope: Scope | None = None) -> str:
    """The name of a column that SELECT gives; SpecError where it has none that a table could use."""
    if isinstance(item, exp.Alias):
        name = item.alias
    elif isinstance(item, exp.Column):
        known = scope.resolve(item) if scope is not None and len(item.parts) <= 2 else None
        name = known[1].name if known and known[1].name.lower() == item.name.lower() else item.name
    elif isinstance(item, exp.Dot):
        name = item.expression.name
    else:
        raise SpecError("sql.unnamed", f"`{text.render(item).lower()}` has no name", fix="write `... AS name`")
    usable(name)
    return str(name)


def usable(name: str) -> None:
    """SpecError for a name that a table, or a query over it, would trip over."""
    if name.startswith("_") and name not in _RESERVED_OUTPUT:
        better = name.lstrip("_") or "value"
        what = f"`{name}` cannot be the name of a column"
        raise SpecError("sql.hidden", what, why="names that begin with _ are ours", fix=f"call it `{better}`")
    if name.lower() in RESERVED:
        raise SpecError("sql.name", f"`{name}` is a reserved word of SQL", fix=f"call it `{name}_value`")
    if not name.strip() or name != name.strip() or any(ord(sign) < 32 or sign in '"`' for sign in name):
        raise SpecError("sql.name", f"{name!r} cannot be the name of a column", fix="use letters, digits and _")


def distinct(names: Sequence[str]) -> None:
    """SpecError if a name stands twice; tables do not tell case apart."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen and name != ANY.name:
            raise SpecError(
                "sql.duplicate_name",
                f"two columns are called `{name}`",
                why="a table does not tell case apart",
                fix="give one another name with AS, or leave it out with EXCLUDE",
            )
        seen.add(name.lower())


def _star(item: exp.Expression, scope: Scope) -> list[tuple[str, exp.Expression]]:
    star = item if isinstance(item, exp.Star) else item.this
    relation = "" if isinstance(item, exp.Star) else item.table.lower()
    if star.args.get("ilike"):
        raise SpecError(
            "sql.star",
            "a star with a pattern",
            why="which columns it means changes when the input does",
            fix="write the columns, or `* EXCLUDE (...)`",
        )
    chosen = [one for one in scope.bound if relation in ("", one.alias.lower())]
    if not chosen:
        raise unknown(f"{relation}.*", [one.alias + ".*" for one in scope.bound])
    without = {one.name.lower(): one.name for one in star.args.get("except_") or []}
    instead = {one.alias.lower(): one.this for one in star.args.get("replace") or []}
    renamed = {one.this.name.lower(): one.alias for one in star.args.get("rename") or []}
    given: list[tuple[str, exp.Expression]] = []
    for one in chosen:
        for column in one.relation.columns:
            key = column.name.lower()
            if key in without or (key in one.merged and not relation):
                continue
            tree = instead[key].copy() if key in instead else text.column(column.name, one.alias)
            given.append((renamed.get(key, column.name), tree))
    known = {column.name.lower() for one in chosen for column in one.relation.columns}
    for name in [*without, *instead, *renamed]:
        if name not in known:
            raise unknown(name, [column.name for one in chosen for column in one.relation.columns])
    return given


def inline(tree: exp.Expression, scope: Scope) -> exp.Expression:
    """The same with names that SELECT gives replaced by what they stand for, where no column has that name."""
    tree = tree.copy()
    for _ in range(8):  # an alias may use an alias
        found = [
            node
            for node in columns_in(tree)
            if len(node.parts) == 1 and node.name.lower() in scope.aliases and not any(one.find(node.name) for one in scope.bound)
        ]
        if not found:
            break
        for node in found:
            put = exp.Paren(this=scope.aliases[node.name.lower()].copy())
            if node is tree:
                tree = put
            else:
                node.replace(put)
    return tree


def checked(tree: exp.Expression, scope: Scope) -> exp.Expression:
    """The same tree, once every column in it is known to be there; SpecError with all that are not."""
    with text.gathering() as part:
        for node in columns_in(tree):
            with part():
                scope.resolve(node)
    return tree
