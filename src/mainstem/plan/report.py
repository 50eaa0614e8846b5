"""How the plan reports problems: each once, by its cause. What only follows from another problem is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mainstem.columns import ANY, UNKNOWN, Column, Columns
from mainstem.spec.problems import Marks, Path, Problem

# A word that nobody knows, and a text that cannot be read, are wrong whatever is broken beside them.
_CERTAIN = frozenset((
    "sql.syntax", "sql.statements", "sql.not_select", "sql.unknown_column", "sql.unknown_function", "sql.function_refused",
    "sql.parameter", "sql.hidden", "sql.unnamed", "sql.not_boolean", "plan.unknown_input", "plan.no_column", "lookup.unknown_table",
    "time.none", "time.no_column", "time.type",
))
# A value that names nothing is a broken part: what it was meant to name is not known.
_NAMING = frozenset(("sql.unknown_column", "plan.unknown_input", "plan.no_column", "lookup.unknown_table", "time.no_column"))
# Names of things that a broken section might have declared.
_DECLARED = frozenset(("plan.unknown_input", "lookup.unknown_table", "sql.unknown_relation"))
_SECTIONS = ("sources", "tables", "steps")
_OTHERS = ("version", "pipeline", "description", "owner", "limits", "outputs")


class Report(Protocol):
    """Takes down one problem. `spot` is a line and column (from 1) inside the text at the path."""

    def __call__(
        self,
        code: str,
        what: str,
        path: Path,
        *,
        why: str = "",
        fix: str = "",
        spot: tuple[int, int] | None = None,
    ) -> None: ...


class Findings:
    """The problems of one pipeline, and the paths of its broken parts."""

    def __init__(self, marks: Marks, broken: Iterable[Path]) -> None:
        self.problems: list[Problem] = []
        self._marks = marks
        self._broken = set(broken)
        # a section that cannot be read, or that may be written otherwise, might declare any name
        self._undeclared = any(
            path[0] in _SECTIONS or (path[0] not in _OTHERS and any(key[:1] == path != key for key in marks.keys))
            for path in self._broken if len(path) == 1
        )

    def report(
        self, code: str, what: str, path: Path, *, why: str = "", fix: str = "", spot: tuple[int, int] | None = None
    ) -> None:
        """Keep a problem, unless it may be the consequence of a broken part, or is known."""
        if (code in _DECLARED and self._undeclared) or any(_follows(path, code, bad) for bad in self._broken):
            return
        mark = self._marks.within(path, *spot) if spot else self._marks.value(path)
        problem = Problem(code, what, self._marks.file, mark.line, mark.column, why, fix, path)
        if problem not in self.problems:
            self.problems.append(problem)
        if code in _NAMING and spot is None:
            self._broken.add(path)

    def within(self, *path: str | int) -> list[Path]:
        """What is broken in this part."""
        return [bad for bad in self._broken if bad[:len(path)] == path]

    def hurt(self, *path: str | int, but: str = "") -> bool:
        """Whether something is broken in this part; `but` one of its keys does not count."""
        return any(not but or bad[len(path):len(path) + 1] != (but,) for bad in self.within(*path))

    def columns(self, path: Path, declared: Columns) -> Columns:
        """Declared columns as far as they are known."""
        if any(path[:len(bad)] == bad for bad in self._broken):
            return (ANY,)
        return tuple(Column(one.name, UNKNOWN) if self.hurt(*path, one.name) else one for one in declared)


def _follows(path: Path, code: str, bad: Path) -> bool:
    """Whether a problem at `path` may be there only because the part at `bad` is broken."""
    same = next((place for place, (here, there) in enumerate(zip(path, bad)) if here != there), min(len(path), len(bad)))
    if same == len(bad):
        return True
    if same < 2 or code in _CERTAIN or bad[2] == "columns":
        return False
    return same == len(path) or isinstance(bad[same], str)       # entries of a list do not depend on each other
