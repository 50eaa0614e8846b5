"""SQL text to syntax trees and back: parsing, the gate that every text passes, and arithmetic as semantics.md 2-I has it.

sqlglot is imported in this package and nowhere else. Trees are rendered with every name quoted, so that no word that SQL
reserves can change the meaning of a column name.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.parser import Parser
from sqlglot.tokens import TokenType

from mainstem.errors import SpecError
from mainstem.plan.functions import FUNCTIONS, REFUSED, suggestion
from mainstem.plan.sql.names import quote as quote

AT = "_at"  # batch.AT; not imported, because batch brings pyarrow
_DUCKDB = Dialect.get_or_raise("duckdb")
# of these sqlglot makes another function: a zone becomes a unit
_FUNCTIONS = {name: made for name, made in _DUCKDB.parser().FUNCTIONS.items() if name != "TIME_BUCKET"}
DIV_ZERO = "div_zero"  # the note that counts divisions by zero
_ZERO_SAFE = {"divide", "fmod"}


class SqlError(SpecError):
    """A SpecError that knows its place in the text: line and column from 1."""

    spot: tuple[int, int] | None = None

    def near(self, node: Any) -> SqlError:
        """The same, at the place of a token or of a name in a tree."""
        meta = getattr(node, "meta", None)
        if meta is None:  # a token; the text was parsed one line lower
            self.spot = (node.line - 1, node.col - (node.end - node.start))
        elif "line" in meta:
            self.spot = (meta["line"] - 1, meta["col"] - (meta["end"] - meta["start"]))
        return self


class Across(SpecError):
    """It looks across rows: fine over bounded input read whole, refused on a stream."""


Part = Callable[..., contextlib.AbstractContextManager[Any]]
strictly: Part = contextlib.nullcontext


@contextlib.contextmanager
def gathering() -> Iterator[Part]:
    """Goes on behind every part that is wrong, and raises all SpecErrors as one at the end: the first, with the `others`.

    `part("having")` says that what is wrong in it stands under this key of the step.
    """
    found: list[SpecError] = []

    @contextlib.contextmanager
    def part(key: str = "") -> Iterator[None]:
        try:
            yield
        except Across:
            raise
        except SpecError as error:
            for one in (error, *error.others):
                one.key = one.key or key
                found.append(one)

    try:
        with part():
            yield part
    except Across:
        if not found:
            raise
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


def parse(text: str, part: Part = strictly) -> exp.Expression:
    """The tree of one SQL statement that has passed the gate: allowed functions, no parameters; SpecError otherwise.

    Functions that are not allowed are a `part` of what may be wrong, so that columns can be judged beside them.
    """
    return _parse("\n" + text, part)


def trust(text: str) -> exp.Expression:
    """The tree of a query that we wrote ourselves: it may use what users may not."""
    return _parser().parse(_DUCKDB.tokenize(text), text)[0]


def read(text: str) -> list[exp.Expression]:
    """The statements of a text that has not passed the gate; SpecError if it cannot be read."""
    return _trees("\n" + text, None)


def _parser() -> Parser:
    parser = _DUCKDB.parser()
    parser.FUNCTIONS = _FUNCTIONS
    return parser


def _parse(text: str, part: Part) -> exp.Expression:
    trees = _trees(text, part)
    if len(trees) != 1:
        raise SpecError("sql.statements", f"one SQL statement is wanted here, not {len(trees)}", fix="make a step for each")
    for node in list(trees[0].find_all(exp.Lambda)):
        if not node.args.get("colon") and node.this.is_string:  # coalesce(payload -> 'a', ...): sqlglot takes it for one
            path = exp.Anonymous(this="json_extract", expressions=[exp.column(node.expressions[0]), node.this])
            node.replace(path)
    with part():
        _determinism(trees[0])
    return trees[0]


def _trees(text: str, gate: Part | None) -> list[exp.Expression]:
    try:
        tokens = _DUCKDB.tokenize(text)
        if gate is not None:
            with gate():
                _functions(tokens)
        return [tree for tree in _parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise _syntax(error) from error
    except TokenError as error:
        raise SpecError(
            "sql.syntax", "this SQL cannot be read", why=_first_line(str(error)), fix="close every quote and comment"
        ) from error


def expressions(text: str, part: Part = strictly) -> list[exp.Expression]:
    """The trees of a list of expressions, as it stands between SELECT and FROM."""
    tree = _parse(f"SELECT\n{text}\n", part)
    if not isinstance(tree, exp.Select) or any(value for key, value in tree.args.items() if key != "expressions"):
        raise SpecError(
            "sql.expressions",
            "only a list of expressions is wanted here",
            why="no FROM, WHERE or GROUP BY: the step brings its own rows and keys",
            fix="write `expression AS name, ...`",
        )
    no_subquery(tree)
    return list(tree.expressions)


def predicate(text: str, part: Part = strictly) -> exp.Expression:
    """The tree of one expression."""
    found = expressions(text, part)
    if len(found) != 1 or isinstance(found[0], exp.Star):
        raise SpecError("sql.predicate", "one expression is wanted here", fix="join conditions with AND")
    inner = found[0].unalias()
    across = next(aggregates(inner), None) or inner.find(exp.Window) or inner.find(exp.Unnest, exp.Explode)
    if across is not None:
        raise SpecError(
            "sql.predicate",
            f"`{render(across).lower()}` looks beyond the row",
            why="a condition is asked of one row",
            fix="compute it in a `window` or `over` step before this one",
        )
    return inner


def render(tree: exp.Expression) -> str:
    """DuckDB's SQL for a tree."""
    return str(tree.sql(dialect="duckdb", identify=True, comments=False, normalize_functions=False))


def identifier(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)


def column(name: str, relation: str | None = None) -> exp.Column:
    return exp.Column(this=identifier(name), table=identifier(relation) if relation else None)


def at_field(field: str) -> exp.Expression:
    """One field of the hidden column."""
    return exp.Dot(this=exp.Paren(this=column(AT)), expression=identifier(field))


def cast(tree: exp.Expression, kind: str) -> exp.Expression:
    return exp.Cast(this=tree, to=exp.DataType.build(kind, dialect="duckdb"))


def safe(tree: exp.Expression) -> exp.Expression:
    """The same with every division NULL where the divisor is 0, and `//` towards zero between any numbers (semantics 2-I)."""
    holder = exp.Paren(this=tree)
    for node in list(holder.find_all(exp.Div, exp.IntDiv, exp.Mod)):
        node.set("expression", _not_zero(node.expression))
        if isinstance(node, exp.IntDiv):
            _towards_zero(node)
    for node in list(holder.find_all(exp.Log)):
        if node.expression is not None and node.this.name == "2":  # sqlglot makes log(2, x) of log2(x): another last digit
            node.replace(exp.Anonymous(this="log2", expressions=[node.expression]))
    for node in list(holder.find_all(exp.Anonymous)):
        name = node.name.lower()
        if name in _ZERO_SAFE and len(node.expressions) == 2:
            node.set("expressions", [node.expressions[0], _not_zero(node.expressions[1])])
            if name == "divide":
                _towards_zero(node)
    return holder.this


def _towards_zero(node: exp.Expression) -> None:
    """Put the integer part of a node into its place: of whole numbers it is that number, of the same type."""
    whole = exp.Trunc()
    node.replace(whole)
    whole.set("this", node)


def zero(trees: Iterable[exp.Expression]) -> str:
    """SQL that is true where one of these `safe` trees divides by zero; empty if none can. What CASE and the like guard is left out."""
    divisors = []
    for tree in trees:
        for node in tree.find_all(exp.Div, exp.IntDiv, exp.Mod, exp.Anonymous):
            divisor = node.expressions[-1] if isinstance(node, exp.Anonymous) and node.expressions else node.args.get("expression")
            if not isinstance(divisor, exp.Nullif) or divisor.find(exp.Explode) or _guarded(node):
                continue
            if not isinstance(node, exp.Anonymous) or node.name.lower() in _ZERO_SAFE:
                divisors.append(render(divisor.this))
    return " OR ".join(f"coalesce({one} = 0, false)" for one in dict.fromkeys(divisors))


def _guarded(node: exp.Expression) -> bool:
    """Whether it may depend on the row whether this is evaluated at all."""
    above = node.parent
    while above is not None and not isinstance(above, exp.Query):
        if isinstance(above, exp.Case | exp.If | exp.Coalesce | exp.And | exp.Or | exp.Lambda | exp.Comprehension):
            if not (isinstance(above, exp.Coalesce) and above.this is node):
                return True
        elif isinstance(above, exp.Anonymous) and above.name.lower() == "try":
            return True
        node, above = above, above.parent
    return False


def _not_zero(divisor: exp.Expression) -> exp.Expression:
    bare = divisor.unnest()
    if isinstance(bare, exp.Literal) and not bare.is_string and float(bare.this) != 0:
        return divisor
    return exp.Nullif(this=bare, expression=exp.Literal.number(0))


def function_name(node: exp.Expression) -> str:
    """How a person calls this function, in lower case; empty for what is no function."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return _NAMES.get(type(node), node.sql_name().lower() if isinstance(node, exp.Func) else "")


_NAMES: dict[Any, str] = {
    exp.ArrayAgg: "list",
    exp.GroupConcat: "string_agg",
    exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc",
    exp.Explode: "unnest",
    exp.Unnest: "unnest",
    exp.LogicalAnd: "bool_and",
    exp.LogicalOr: "bool_or",
}


def is_aggregate(node: exp.Expression) -> bool:
    """Whether it makes one value of many rows (a function that needs OVER is none)."""
    if isinstance(node, exp.Anonymous):
        known = FUNCTIONS.get(node.name.lower())
        return known is not None and known.kind == "aggregate"
    return isinstance(node, exp.AggFunc) and not is_ranking(node)


@functools.cache
def _ranking() -> tuple[type, ...]:
    names = "Rank DenseRank PercentRank CumeDist Ntile Lag Lead FirstValue LastValue NthValue RowNumber"
    return tuple(getattr(exp, name) for name in names.split())


def is_ranking(node: exp.Expression) -> bool:
    """Whether it has a meaning only in OVER."""
    return isinstance(node, _ranking())


def aggregates(tree: exp.Expression) -> Iterator[exp.Expression]:
    """The outermost aggregate functions of a tree, those in OVER left out."""
    if isinstance(tree, exp.Window):
        return
    if is_aggregate(tree):
        yield tree
        return
    for child in tree.iter_expressions():
        yield from aggregates(child)


def no_subquery(tree: exp.Expression) -> None:
    """SpecError if there is a query in the query."""
    if any(node is not tree for node in tree.find_all(exp.Query)) or tree.find(exp.Exists):
        raise SpecError(
            "sql.subquery",
            "a query inside the query",
            why="it would look across rows that are not there yet",
            fix="`lookup` a table, or make the inner query a step of its own",
        )


def _syntax(error: ParseError) -> SpecError:
    first = error.errors[0] if error.errors else {}
    near = f" near `{first['highlight']}`" if str(first.get("highlight") or "").strip() else ""
    wrong = SqlError(
        "sql.syntax",
        "this SQL cannot be read",
        why=f"{_first_line(first.get('description') or str(error))}{near}",
        fix="it is DuckDB's dialect; a name that SQL reserves stands in double quotes",
    )
    if isinstance(first.get("line"), int) and first["line"] > 1:
        wrong.spot = (first["line"] - 1, max(1, first["col"] - len(str(first.get("highlight") or " ")) + 1))
    return wrong


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".") if text.strip() else ""


_NAME = (TokenType.VAR, TokenType.IDENTIFIER)
_BEFORE_ALIAS = (*_NAME, TokenType.ALIAS, TokenType.R_PAREN, TokenType.STRING, TokenType.STAR)


def _functions(tokens: list[Any]) -> None:
    """Every word before a bracket is a function that we know, or a word of the language."""
    with gathering() as part:
        for place, token in enumerate(tokens[1:]):
            if token.token_type is TokenType.L_PAREN:
                with part():
                    _function(tokens, place)


def _function(tokens: list[Any], place: int) -> None:
    token = tokens[place]
    name = token.text.lower()
    if name in REFUSED:
        refuse_function(name, token)
    if name in FUNCTIONS or token.token_type not in _NAME:
        return
    if place and tokens[place - 1].token_type in _BEFORE_ALIAS:
        return  # unnest(xs) AS u(x), * EXCLUDE (a)
    raise SqlError("sql.unknown_function", f"there is no function `{name}`", fix=suggestion(name)).near(token)


def refuse_function(name: str, node: Any) -> NoReturn:
    """SpecError that says why this function is not in the language."""
    why, fix = REFUSED[name]
    raise SqlError("sql.function_refused", f"`{name}` is not allowed in a pipeline", why=why, fix=fix).near(node)


def _zone(name: exp.Expression) -> None:
    """SpecError if this is a text that names no time zone."""
    if isinstance(name, exp.Literal) and name.is_string:
        try:
            zoneinfo.ZoneInfo(name.this)
        except (ValueError, OSError, KeyError):
            close = difflib.get_close_matches(name.this, zoneinfo.available_timezones(), 1, 0.6)
            raise SqlError(
                "sql.zone",
                f"there is no time zone `{name.this}`",
                fix=f"did you mean `{close[0]}`?" if close else "zones are named as in the IANA database: Europe/Berlin",
            ) from None


def _determinism(tree: exp.Expression) -> None:
    for node in tree.walk():
        if isinstance(node, (exp.Placeholder, exp.Parameter)):
            raise SpecError("sql.parameter", "a parameter has no value here", fix="write the value, or `${env:NAME}`")
        if isinstance(node, exp.TableSample):
            raise SpecError(
                "sql.function_refused",
                "TABLESAMPLE is not allowed in a pipeline",
                why="it draws by chance",
                fix="take a share by key: `hex(...)` of `md5(id)`",
            )
        if isinstance(node, exp.Func) and type(node).__name__.startswith(("Current", "Local")):
            name = node.sql_name().lower()
            refuse_function(name if name in REFUSED else "current_timestamp", node)
        if isinstance(node, exp.Columns):
            refuse_function("columns", node)
        if isinstance(node, exp.AtTimeZone) or function_name(node) == "timezone":
            _zone(node.args["zone"] if isinstance(node, exp.AtTimeZone) else node.expressions[0])
        if isinstance(node, exp.Column) and node.name.lower() == AT:
            raise SqlError(
                "sql.hidden",
                f"`{AT}` is not for SQL",
                why="it is the identity of the row",
                fix="select the event time column instead",
            ).near(node.this)
