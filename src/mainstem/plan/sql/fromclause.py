"""The FROM clause of row-local SQL: one stream that drives, tables joined on their full key, one unnest."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from sqlglot import exp

from mainstem.columns import Column
from mainstem.errors import SpecError
from mainstem.plan.sql import text
from mainstem.plan.sql.scope import Relation, Scope, checked, columns_in


class From:
    """What a SELECT reads: resolved, with every join known to be N:1. Raises SpecError or Across otherwise."""

    def __init__(self, select: exp.Select, inputs: Mapping[str, Relation], tables: Mapping[str, Relation]) -> None:
        self.inputs, self.looked = inputs, tables
        self.scope = Scope()
        self.tables: list[str] = []  # names of the tables that are joined
        self.joins: list[exp.Join] = []
        self.unnested: exp.Join | None = None
        self.ordinal = ""  # SQL of the number of an item that the unnest gives, from 1
        self._from(select)

    def _from(self, select: exp.Select) -> None:
        source = select.args.get("from_")
        if source is None:
            raise SpecError("sql.no_from", "the query reads nothing", fix=f"add `FROM {next(iter(self.inputs.values())).name}`")
        driver = self._relation(source.this)
        if driver.table:
            raise SpecError(
                "sql.from_table",
                f"FROM must name the stream, not the table `{driver.name}`",
                why="tables are looked at, streams are consumed",
                fix=f"write FROM the stream, then JOIN {driver.name}",
            )
        self.driver = source.this.alias_or_name
        self.source = source
        self.input = driver.name
        self.scope.add(self.driver, driver)
        for join in select.args.get("joins") or []:
            self._join(join)

    def _relation(self, tree: exp.Expression) -> Relation:
        if isinstance(tree, exp.Subquery):
            raise text.Across("sql.subquery", "a query inside the query", fix="make the inner query a step of its own")
        if not isinstance(tree, exp.Table) or not isinstance(tree.this, exp.Identifier):
            raise SpecError(
                "sql.not_a_relation",
                f"`{text.render(tree).lower()}` is no source, step or table",
                why="SQL in a pipeline reads only what the pipeline accounts for",
                fix="declare it under `sources:` or `tables:`",
            )
        name = tree.name.lower()
        found = None if tree.args.get("db") else self.inputs.get(name) or self.looked.get(name)
        if found is None:
            known = [one.name for one in (*self.inputs.values(), *self.looked.values())]
            raise text.SqlError(
                "sql.unknown_relation",
                f"there is no input `{text.render(tree).replace(chr(34), '')}`",
                why=f"this step reads {', '.join(one.name for one in self.inputs.values()) or 'nothing'}; tables are "
                f"{', '.join(one.name for one in self.looked.values()) or 'none'}",
                fix=_near(tree.name, known) or "name it in `from:`",
            ).near(tree.this)
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
            what = (
                "joins a stream with itself"
                if relation.name == self.input
                else f"joins two streams, `{self.input}` and `{relation.name}`"
            )
            raise text.Across(
                "sql.stream_join",
                f"the query {what}",
                why="their rows come at different times",
                fix="put both in windows, or make one a table with a `latest` step",
            )
        method = join.args.get("method") or ""
        if (
            method
            or join.kind not in ("", "INNER", "OUTER")
            or join.side not in ("", "LEFT")
            or not (join.args.get("on") or join.args.get("using"))
        ):
            words = " ".join(word for word in (method, join.side, join.kind) if word)
            raise SpecError(
                "sql.join_kind",
                f"a {words or 'comma'} join to the table `{relation.name}`",
                why="it could multiply rows, or bring rows of the table that no row of the stream asked for",
                fix=f"write JOIN or LEFT JOIN {relation.name} ON its key",
            )
        alias = join.this.alias_or_name
        keys = self._keys(join, alias, relation)
        missing = [name for name in relation.key or () if name.lower() not in keys]
        if missing or relation.key == ():
            raise SpecError(
                "sql.many",
                f"the join to `{relation.name}` is not on its full key",
                why="a row could match several rows of it: "
                + (f"{', '.join(missing)} is not compared" if missing else "it declares no `key:`"),
                fix="join on the full key, or use a `lookup` step with `many: true`",
            )
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
                if (
                    place
                    and place[0].alias == alias
                    and not any((its := self.scope.resolve(node)) and its[0].alias == alias for node in columns_in(other))
                ):
                    self._comparable(place, relation)
                    found.add(place[1].name.lower())
        return found

    def _comparable(self, place: tuple[object, Column] | None, relation: Relation) -> None:
        if place and place[1].type.name in ("float", "double"):
            raise SpecError(
                "sql.float_key",
                f"`{relation.name}.{place[1].name}` is a {place[1].type} and cannot be a key of a join",
                why="equal numbers may differ in their last digit, and NaN equals NaN",
                fix="declare it decimal(p,s) or string",
            )

    def _unnest(self, join: exp.Join) -> None:
        unnest = join.this
        if self.unnested is not None or len(unnest.expressions) != 1 or join.side == "LEFT" or unnest.args.get("offset"):
            raise SpecError(
                "sql.unnest",
                "this form of UNNEST is not in the language",
                fix="write one `, UNNEST(list) AS u(item)`, or `unnest(list) AS item` in SELECT",
            )
        alias = unnest.args.get("alias")
        names = [one.name for one in (alias.columns if alias else [])] or ["unnest"]
        table = alias.name if alias and alias.name else "unnest"
        checked(unnest, self.scope)
        unnest.set("alias", exp.TableAlias(this=text.identifier(table), columns=[text.identifier(names[0])]))
        unnest.set("offset", text.identifier("_ord"))
        self.scope.extra[table.lower()] = tuple(name.lower() for name in names)
        self.unnested = join
        self.ordinal = text.render(text.column("_ord", table))
        self.joins.append(join)

    def renamed(self, name: str) -> None:
        """Let the stream come from another node, under the same alias."""
        self.input = name
        self.source.this.set("this", text.identifier(name))

    @property
    def at(self) -> str:
        """SQL of the identity of the stream's row."""
        return f"{text.quote(self.driver)}.{text.quote(text.AT)}"

    def sql(self, joins: int | None = None) -> str:
        """` FROM ...` with the first `joins` joins (all if None)."""
        return f" {text.render(self.source)}" + "".join(joined(join) for join in self.joins[:joins])


def joined(join: exp.Join, kind: str = "") -> str:
    """SQL of one join; `kind` instead of its own."""
    if isinstance(join.this, exp.Unnest):
        return f" CROSS JOIN {text.render(join.this)}"
    word = kind or join.side
    using = join.args.get("using")
    condition = f"USING ({', '.join(text.quote(one.name) for one in using)})" if using else f"ON {text.render(join.args['on'])}"
    return f" {word} JOIN {text.render(join.this)} {condition}".replace("  ", " ")


def _near(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean `{close[0]}`?" if close else ""
