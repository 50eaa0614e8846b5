"""What is wrong in a file and exactly where: problems with line and column, and the marks of every YAML path."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing to mend: a code, the place (line and column from 1), what, why and what to do.

    >>> print(Problem("spec.unknown_key", "unknown key `szie`", "a.yaml", 3, 5, fix="did you mean `size`?"))
    a.yaml:3:5: unknown key `szie` [spec.unknown_key]; did you mean `size`?
    """

    code: str
    what: str
    file: str
    line: int
    column: int
    why: str = ""
    fix: str = ""
    path: Path = ()

    @property
    def where(self) -> str:
        """`file:line:column`, as editors understand it; the file alone (or a variable, or a flag) where no line is known."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return "; ".join(part for part in (f"{self.where}: {self.what} [{self.code}]", self.why, self.fix) if part)

    def __lt__(self, other: Problem) -> bool:
        return self.order < other.order

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Problems sort by place, then by code."""
        return (self.file, self.line, self.column, self.code, self.what)


@dataclass(frozen=True)
class Mark:
    """Where a key or a value begins (from 1), and how it is written: needed to point into a text."""

    line: int = 1
    column: int = 1
    style: str = ""                   # of a scalar: "" plain, ' or " quoted, | literal, > folded
    indent: int = 0                   # of a literal or folded block: columns in front of its text
    word: str = ""                    # of a plain scalar that YAML takes for nothing: `null`, `NULL` or `~`, as it is written


@dataclass(frozen=True)
class Marks:
    """The places of all keys and values of a file. A path that is not there has the place of its nearest parent.

    >>> marks = Marks("a.yaml", {("steps",): Mark(2, 1)}, {("steps",): Mark(3, 3)})
    >>> marks.key(("steps", "climate", "window")).line, marks.value(("steps",)).line
    (2, 2)
    """

    file: str = ""
    keys: Mapping[Path, Mark] = field(default_factory=dict)
    values: Mapping[Path, Mark] = field(default_factory=dict)

    def key(self, path: Iterable[str | int]) -> Mark:
        """Where the key of this path stands; for an item of a list, where the item begins."""
        path = tuple(path)
        for size in range(len(path), -1, -1):
            mark = self.keys.get(path[:size]) or (self.values.get(path[:size]) if path[:size] else None)
            if mark:
                return mark
        return Mark()

    def value(self, path: Iterable[str | int]) -> Mark:
        """Where the value of this path begins; of a mapping or list in block style, where its key stands."""
        path = tuple(path)
        mark = self.values.get(path)
        if mark and (mark.style or path not in self.keys or mark.line == self.keys[path].line):
            return mark
        return self.key(path)

    def within(self, path: Iterable[str | int], line: int, column: int) -> Mark:
        """The place in the file of a line and column (from 1) inside the text at this path.

        Exact for block literals, for plain and for quoted texts on one line; the start of the value for all others.
        """
        mark = self.values.get(tuple(path))
        if mark is None:
            return self.value(path)
        if mark.style == "|":
            return Mark(mark.line + line, mark.indent + column)      # the text begins in the line below the `|`
        if line == 1 and mark.style != ">":
            return Mark(mark.line, mark.column + len(mark.style) + column - 1)
        return mark

    def problem(self, code: str, what: str, path: Iterable[str | int], *, why: str = "", fix: str = "",
                at_key: bool = False) -> Problem:
        """A problem at the value (or key) of a path."""
        path = tuple(path)
        mark = self.key(path) if at_key else self.value(path)
        return Problem(code, what, self.file, mark.line, mark.column, why, fix, path)


def suggest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean ...?` where one of the known words is close, else the list of them (or `otherwise`).

    >>> suggest("szie", ["size", "every"]), suggest("foo", ["size", "every"])
    ('did you mean `size`?', 'known: every, size')
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(word.lower(), known, 1, 0.6)
    close = close or [name for name in known if len(word) > 2 and name.startswith(word.lower())]
    if close:
        return f"did you mean `{close[0]}`?"
    return otherwise or ("known: " + ", ".join(known) if known else "")
