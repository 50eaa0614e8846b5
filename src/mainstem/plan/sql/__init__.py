"""Everything about SQL text that the plan needs; no other package imports sqlglot.

| file | what it is for |
| --- | --- |
| names | quoting |
| text | text to trees and back, allowed functions, arithmetic |
| scope | what a name in a query means |
| fromclause | what a SELECT reads, and that no join multiplies rows |
| identity | the hidden column of rows made out of one row |
| lineage | which columns a query's columns are made of |
| types | types of queries, left open where something is not known |
| exact | casts to whole numbers that never round |
| rowlocal | SQL over an endless stream, and the gate before it |
| exprs | expression lists of windows, sessions, rolling columns; conditions |
| held | SQL over bounded input that looks across rows, and by which keys it can be cut |
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainstem.plan.sql.exprs import HAVING, Query, computed, grouped, key_column, pick, reads, rolling, zero
    from mainstem.plan.sql.held import Held, asked, relations, renamed, whole
    from mainstem.plan.sql.identity import child, numbered, renumbered
    from mainstem.plan.sql.lineage import sources
    from mainstem.plan.sql.names import literal, quote
    from mainstem.plan.sql.rowlocal import Rows, row_local
    from mainstem.plan.sql.scope import AT_COLUMN, Relation
    from mainstem.plan.sql.text import AT, DIV_ZERO, Across
    from mainstem.plan.sql.types import OpenBinder, outline

__all__ = [
    "AT",
    "AT_COLUMN",
    "DIV_ZERO",
    "HAVING",
    "Across",
    "Held",
    "OpenBinder",
    "Query",
    "Relation",
    "Rows",
    "asked",
    "child",
    "computed",
    "grouped",
    "key_column",
    "literal",
    "numbered",
    "outline",
    "pick",
    "quote",
    "reads",
    "relations",
    "renamed",
    "renumbered",
    "rolling",
    "row_local",
    "sources",
    "whole",
    "zero",
]

# Where each name is at home: sqlglot is slow to import, and the editor schema, say, needs the steps but no parser.
_HOMES = {
    "exprs": (
        "HAVING",
        "Query",
        "computed",
        "grouped",
        "key_column",
        "pick",
        "reads",
        "rolling",
        "zero",
    ),
    "identity": (
        "child",
        "numbered",
        "renumbered",
    ),
    "lineage": ("sources",),
    "names": (
        "literal",
        "quote",
    ),
    "rowlocal": (
        "Rows",
        "row_local",
    ),
    "scope": (
        "AT_COLUMN",
        "Relation",
    ),
    "text": ("AT", "DIV_ZERO", "Across"),
    "types": ("OpenBinder", "outline"),
    "held": (
        "Held",
        "asked",
        "relations",
        "renamed",
        "whole",
    ),
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
