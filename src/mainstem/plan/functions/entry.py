"""One entry of the list of SQL functions: what it takes and gives, what it does with NULL, and whether its answer merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["scalar", "aggregate", "window", "rows", "construct"]
Null = Literal["null", "skips", "own"]


@dataclass(frozen=True)
class Call:
    """A way to call it: SQL in which names of column types stand for the arguments, and the type that it gives."""

    sql: str  # round(double, 1)
    type: str  # double


@dataclass(frozen=True)
class Merge:
    """How an aggregate over parts becomes that over all of them: SQL over `x` for each part, SQL over `a`, `b` for the whole."""

    parts: tuple[str, ...]
    whole: str


@dataclass(frozen=True)
class Function:
    """A function that SQL in a pipeline may call, or a form of expression. Its answer depends on its arguments alone."""

    name: str
    arguments: str  # their shape, for a person: "text, pattern [, replacement]"
    calls: tuple[Call, ...]
    example: str  # over literals; of an aggregate and a window function over the ROWS of the page
    gives: str  # the example's value as text; NULL for none
    null: Null  # what a NULL argument does: null: the answer is NULL | skips: it is left out | own: the note says it
    kind: Kind = "scalar"  # aggregate: many rows to one; window: only in OVER; rows: one row to many
    ordered: bool = False  # its answer depends on the order of rows: we add the order of arrival
    note: str = ""
    alias: str = ""  # the name of which this one is another
    merge: Merge | None = None
    digits: str = ""  # how far answers over the same values, cut or ordered in another way, may lie apart; empty: not at all

    def usage(self) -> str:
        """How it is written, for a person."""
        return self.arguments if self.kind == "construct" else f"{self.name}({self.arguments})"


def entry(names: str, arguments: str, calls: str, example: str, gives: str, note: str = "", *, null: Null = "null",
          kind: Kind = "scalar", ordered: bool = False, merge: Merge | None = None, digits: str = "") -> list[Function]:
    """A function under its names, parted by blanks: the first, and what else it is called.

    `calls` are parted by `;`; what begins with a bracket is called by its name: "(double) -> double; (int64) -> int64".
    """
    first, *others = names.split()
    made = []
    for name in (first, *others):
        found = []
        for call in calls.split("; "):
            sql, _, result = call.rpartition(" -> ")
            found.append(Call(f"{name}{sql}" if sql.startswith("(") else sql.replace(f"{first}(", f"{name}("), result))
        made.append(Function(name, arguments, tuple(found), example.replace(f"{first}(", f"{name}("), gives, null, kind, ordered,
                             note, "" if name == first else first, merge, digits))
    return made
