"""SQL for the identity of rows that are made out of one row: the parent's, with an ordinal and the number of who makes them."""

from __future__ import annotations

import re

from mainstem.plan.sql.scope import AT_COLUMN

ORIGIN = "__origin__"  # stands in a query for the number that the plan gives the node
_PART = "/*origin*/"
_AT_STRUCT = AT_COLUMN.type.duckdb


def child(parent: str, order: str) -> str:
    """SQL for the identity of child number `order` (from 0) of the row whose identity is `parent`; see `numbered`."""
    order = (
        order
        if order.isdigit()
        else (f"CASE WHEN {order} < 1048576 THEN {order} ELSE error('one row became more than 1048576 rows') END")
    )
    return (
        f"{{'o': {ORIGIN}, 'p': {parent}.p{_PART}, 'n': {parent}.n, 'c': ({parent}.c << 20) + {order}, 't': {parent}.t, "
        f"'wm': {parent}.wm, 'i': {parent}.i}}::{_AT_STRUCT}"
    )


def numbered(query: str, origin: int, several: bool) -> str:
    """A query with `child` in it once the number of its origin is known.

    `several`: rows of several origins meet in it, so theirs goes into the partition: equal positions stay apart.
    """
    part = r"'p': \1.p + (\1.o::INTEGER << 16)" if several else r"'p': \1.p"
    return re.sub(r"'p': ((?:\"(?:[^\"]|\"\")*\"\.?)+)\.p" + re.escape(_PART), part, query).replace(ORIGIN, str(origin))


def renumbered(query: str, origin: int) -> str:
    """A query of `numbered` with another number of its origin."""
    return re.sub(r"\{'o': \d+, 'p': ", f"{{'o': {origin}, 'p': ", query)
