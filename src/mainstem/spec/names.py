"""Names that can be used, and what to call a thing whose name cannot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mainstem.spec.problems import Marks, Path, Problem
from mainstem.spec.written import NAME

# DuckDB 2.0.0: SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved' (75 words; a test compares)
RESERVED = frozenset("""
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default deferrable
    desc describe distinct do else end except false fetch for foreign from group having in initially intersect into lambda lateral
    leading limit not null offset on only or order pivot pivot_longer pivot_wider placing primary qualify references returning
    select show some summarize symmetric table then to trailing true union unique unpivot using variadic when where window with
""".split())  # noqa: SIM905 (a list of 75 quoted words would be unreadable)
# relations that mainstem makes itself: `rows` in the select of a window, the others in `mainstem sql`
OURS = {"rows": "the rows of a window are called so in its `select`", "quarantine": "what is set aside is called so",
        **dict.fromkeys(("runs", "epochs", "legs", "incidents"), "the run facts are called so")}
# names that Delta readers and writers give a meaning: the change data feed, and the path of a file
DELTA = frozenset(("_change_type", "_commit_version", "_commit_timestamp", "_metadata", "__delta_internal_is_row_matched"))


def thing(name: str, path: Path, marks: Marks) -> Problem | None:
    """What is wrong with the name of a source, table, step or output."""
    if not re.fullmatch(NAME, name):
        better = tidy(name)
        return marks.problem("spec.name", f"`{name}` cannot be a name", path, at_key=True,
                             why="names are lower case letters, digits and _, beginning with a letter",
                             fix=f"call it `{better}`" if better else "")
    if name in RESERVED:
        return marks.problem("spec.reserved_name", f"`{name}` is a reserved word of SQL", path, at_key=True,
                             fix=f"call it `{name}_rows`")
    if name in OURS:
        return marks.problem("spec.reserved_name", f"`{name}` is a name of mainstem's own", path, at_key=True, why=OURS[name],
                             fix=f"call it `{name}_1`" if name != "rows" else "call it after what the rows are")
    return None


def column(name: str, path: Path, marks: Marks) -> Problem | None:
    """What is wrong with the name of a column."""
    if name.lower() in DELTA:
        return marks.problem("spec.reserved_name", f"`{name}` is a name that Delta gives a meaning", path, at_key=True,
                             fix=_renamed(name, name.strip("_")))
    if name.startswith("_"):
        return marks.problem("spec.reserved_name", f"`{name}` begins with `_`", path, at_key=True,
                             why="such names are mainstem's own, like `_at` and `_flags`", fix=_renamed(name, name.strip("_")))
    if name.lower() in RESERVED:
        return marks.problem("spec.reserved_name", f"`{name}` is a reserved word of SQL", path, at_key=True,
                             fix=_renamed(name, f"{name}_value"))
    if not name.strip() or name != name.strip() or any(ord(sign) < 32 or sign in '"`' for sign in name):
        return marks.problem("spec.name", f"{name!r} cannot be the name of a column", path, at_key=True,
                             why="quotes, control characters, and spaces at its ends are not allowed",
                             fix=_renamed(name, tidy(name) or "value"))
    return None


def clashing(names: Iterable[str], path: Path, marks: Marks) -> list[Problem]:
    """Columns that differ only in case: SQL and Delta hold them for one."""
    first: dict[str, str] = {}
    problems = []
    for name in names:
        known = first.setdefault(name.lower(), name)
        if known != name:
            problems.append(marks.problem("spec.name_clash", f"`{name}` and `{known}` differ only in case", (*path, name),
                                          at_key=True, fix=_renamed(name, f"{name.lower()}_2"),
                                          why=f"SQL holds them for one; `{known}` is in line {marks.key((*path, known)).line}"))
    return problems


def shared(groups: Mapping[str, Iterable[str]], marks: Marks) -> list[Problem]:
    """Sources, tables and steps of one name."""
    first: dict[str, Path] = {}
    problems = []
    for group, names in groups.items():
        for name in names:
            known = first.setdefault(name, (group, name))
            if known[0] != group:
                problems.append(marks.problem("spec.name_clash", f"`{name}` is already the name of a {str(known[0])[:-1]}",
                                              (group, name), at_key=True, why=f"that one is in line {marks.key(known).line}",
                                              fix="give one of them another name"))
    return problems


def tidy(name: str) -> str:
    """The nearest name that can be used; empty if nothing is left of it.

    >>> tidy("Sensor Readings"), tidy("2nd-floor"), tidy("Ürdingen")
    ('sensor_readings', 'n2nd_floor', 'rdingen')
    """
    found = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"n{found}" if found[:1].isdigit() else found


def _renamed(name: str, better: str) -> str:
    return f"write `{better}: {{type: ..., path: {name}}}`: called `{better}`, found under `{name}`"
