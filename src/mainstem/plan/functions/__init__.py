"""Which SQL functions a pipeline may use, and what each takes, gives and does with NULL: the stated subset of DuckDB's dialect.

Every function here gives the same value for the same arguments, on every engine, on every run. What is not here is refused
with a suggestion; what is refused on purpose says why. `tests/functions` holds each to what its entry says.
"""

from __future__ import annotations

import difflib

from mainstem.plan.functions.aggregate import AGGREGATE
from mainstem.plan.functions.aggregate import ROWS as ROWS
from mainstem.plan.functions.condition import CONDITION
from mainstem.plan.functions.constructs import AGGREGATED
from mainstem.plan.functions.constructs import CONSTRUCTS as _PLAIN
from mainstem.plan.functions.entry import Call as Call
from mainstem.plan.functions.entry import Function as Function
from mainstem.plan.functions.entry import Merge as Merge
from mainstem.plan.functions.nested import NESTED
from mainstem.plan.functions.number import NUMBER
from mainstem.plan.functions.refused import REFUSED as REFUSED
from mainstem.plan.functions.text import TEXT
from mainstem.plan.functions.time import TIME
from mainstem.plan.functions.window import UNNEST, WINDOW

CHAPTERS: dict[str, list[Function]] = {
    "Expressions": _PLAIN, "Conditions and types": CONDITION, "Numbers": NUMBER, "Text": TEXT, "Time": TIME,
    "Lists, structs and JSON": NESTED, "Aggregates": AGGREGATE, "Forms of aggregates": AGGREGATED, "In OVER": WINDOW,
    "Rows out of a list": UNNEST}
"""All of the language by what it is about, as the page has it."""

_ALL = [one for chapter in CHAPTERS.values() for one in chapter]
FUNCTIONS: dict[str, Function] = {one.name: one for one in _ALL if one.kind != "construct"}
CONSTRUCTS: dict[str, Function] = {one.name: one for one in _ALL if one.kind == "construct"}

# what other dialects and languages call them
_ELSEWHERE = {
    "average": "avg", "nvl": "coalesce", "isnull": "coalesce", "percentile": "quantile_cont", "percentile_cont": "quantile_cont",
    "stdev": "stddev", "std": "stddev", "size": "length", "to_date": "strptime", "date_format": "strftime",
    "collect_list": "list",
}


def suggestion(name: str) -> str:
    """What a person may have meant by an unknown function; empty if nothing is near."""
    known = _ELSEWHERE.get(name.lower())
    close = [known] if known else difflib.get_close_matches(name.lower(), FUNCTIONS, 1, 0.7)
    return f"did you mean `{close[0]}`?" if close else "docs/functions.md lists every function that SQL may call"
