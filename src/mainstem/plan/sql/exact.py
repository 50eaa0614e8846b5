"""Casts to whole numbers are exact, as everywhere else in a pipeline: what would be rounded fails instead.

Left to itself DuckDB makes 2 of CAST('1.5' AS BIGINT), and of 2.5 either 2 (a double) or 3 (a decimal). Who wants to round says
how: round, trunc, floor or ceil.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from mainstem.columns import Type
from mainstem.plan.sql import text

_INTEGER = re.compile(r"U?(TINYINT|SMALLINT|INT|INTEGER|BIGINT|HUGEINT|INT(8|16|32|64|128))", re.IGNORECASE)
_ROUNDING = {"round", "round_even", "trunc", "floor", "ceil", "ceiling"}
_FRACTION = "'[.][0-9]*[1-9]|[eE]-'"      # of a number's text: it has, or may have, more than a whole part


def exact(tree: exp.Expression, kind: Callable[[exp.Expression], Type | None], *, stops: bool = False) -> exp.Expression:
    """The same with every cast to a whole number failing on what is none; `kind` gives the type of an operand, None if unknown.

    `stops`: where a failure would stop the run rather than set a row aside, a cast of numbers with a fraction is refused:
    SpecError `sql.rounds`.
    """
    holder = exp.Paren(this=tree)
    with text.gathering() as part:
        for node in reversed(list(holder.find_all(exp.Cast))):       # inner ones first
            if not _INTEGER.fullmatch(node.to.sql(dialect="duckdb")) or _rounded(node.this):
                continue
            operand = kind(node.this)
            if operand is None:
                continue
            if operand.name in ("string", "json"):
                _guard(node, f'regexp_matches(CAST("_x" AS VARCHAR), {_FRACTION})')
            elif operand.name in ("float", "double") or (operand.name == "decimal" and operand.scale):
                with part():
                    if stops:
                        raise _refusal(node, operand)
                _guard(node, 'trunc("_x") <> "_x"')
    return holder.this


def _rounded(tree: exp.Expression) -> bool:
    """Whether the user has said how to round."""
    bare = tree.unnest()
    return text.function_name(bare) in _ROUNDING and not bare.args.get("decimals")


def _refusal(node: exp.Cast, operand: Type) -> text.SqlError:
    target, inner = node.to.sql(dialect="duckdb"), node.this.unnest().sql(dialect="duckdb")
    wrong = text.SqlError(
        "sql.rounds",
        f"a {operand.name} would be rounded to {'an' if target[0] in 'IU' else 'a'} {target}",
        why="casts are exact; here one that is not would stop the run",
        fix=f"say how to round: CAST(round({inner}) AS {target}), or trunc, floor, ceil",
    )
    place = next(node.find_all(exp.Column), None)
    return wrong.near(place.parts[-1]) if place is not None else wrong


def _guard(node: exp.Cast, fraction: str) -> None:
    """Let the cast fail where its operand has a fraction: by casting a text that says so."""
    word, target = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST", node.to.sql(dialect="duckdb")
    said = '''concat(CAST("_x" AS VARCHAR), ' is no whole number')'''
    case = text.trust(f'SELECT CASE WHEN {fraction} THEN {word}({said} AS {target}) ELSE {word}("_x" AS {target}) END').selects[0]
    for column in list(case.find_all(exp.Column)):
        column.replace(exp.Paren(this=node.this.copy()))
    node.replace(case)
