"""Everything about SQL text that the plan needs; no other package imports sqlglot.

| file | what it is for |
| --- | --- |
| names | quoting |
| text | text to trees and back, allowed functions, arithmetic |
| scope | what a name in a query means |
| fromclause | what a SELECT reads, and that no join multiplies rows |
| identity | the hidden column of rows made out of one row |
| lineage | which columns a query's columns are made of |
| rowlocal | SQL over an endless stream, and the gate before it |
| exprs | expression lists of windows, sessions, rolling columns; conditions |
| whole | SQL over bounded input that looks across rows, and by which keys it can be cut |
"""

from mainstem.plan.sql.exprs import HAVING, Query, computed, grouped, key_column, pick, reads, rolling
from mainstem.plan.sql.fromclause import Across
from mainstem.plan.sql.identity import child, numbered, renumbered
from mainstem.plan.sql.lineage import sources
from mainstem.plan.sql.names import literal, quote
from mainstem.plan.sql.rowlocal import Rows, refuse_type, row_local
from mainstem.plan.sql.scope import AT_COLUMN, Relation
from mainstem.plan.sql.text import AT
from mainstem.plan.sql.whole import Held, relations, renamed, whole

__all__ = [
    "AT",
    "AT_COLUMN",
    "HAVING",
    "Across",
    "Held",
    "Query",
    "Relation",
    "Rows",
    "child",
    "computed",
    "grouped",
    "key_column",
    "literal",
    "numbered",
    "pick",
    "quote",
    "reads",
    "refuse_type",
    "relations",
    "renamed",
    "renumbered",
    "rolling",
    "row_local",
    "sources",
    "whole",
]
