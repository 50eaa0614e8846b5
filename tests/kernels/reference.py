"""The folds in plain Python, dicts and loops over the whole input at once: what every cut must come to.

Rows are `harness.Row`s with their time mark. Nothing here uses Arrow, DuckDB or numpy.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from harness import Row

Key = tuple[Any, ...]
Place = tuple[int, int]


def key_of(row: Row, by: tuple[str, ...]) -> Key:
    return tuple(row.values[name] for name in by)


def place(row: Row) -> Place:
    return row.p, row.n


def windows(rows: list[Row], by: tuple[str, ...], size: int, every: int,
            offset: int = 0) -> tuple[dict[Any, list[Row]], set[Place]]:
    """(key, start) -> rows of it in time order; the late rows."""
    panes: dict[Any, list[Row]] = defaultdict(list)
    late = set()
    for row in sorted(rows, key=lambda row: (row.t, row.p, row.n)):
        start = (row.t - offset) // every * every + offset
        if start + size <= row.wm:
            late.add(place(row))
        while start > row.t - size:
            if start + size > row.wm:
                panes[key_of(row, by), start].append(row)
            start -= every
    return dict(panes), late


def sessions(rows: list[Row], by: tuple[str, ...], gap: int) -> tuple[dict[Any, list[Row]], set[Place]]:
    """(key, first event time) -> rows of the session; the late rows."""
    late = {place(row) for row in rows if row.t + 1 <= row.wm}
    keys: dict[Key, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.t, row.p, row.n)):
        if place(row) not in late:
            keys[key_of(row, by)].append(row)
    found: dict[Any, list[Row]] = {}
    for key, members in keys.items():
        start, previous = members[0].t, members[0].t
        for row in members:
            if row.t - previous >= gap:
                start = row.t
            found.setdefault((key, start), []).append(row)
            previous = row.t
    return found, late


def dedupe(rows: list[Row], by: tuple[str, ...], within: int, null: str = "quarantine") -> dict[Place, str]:
    """What becomes of each row: passes, duplicate, late, null_key."""
    largest: dict[Key, int] = {}
    fates = {}
    for row in sorted(rows, key=place):
        key = key_of(row, by)
        if None in key:
            fates[place(row)] = "null_key" if null == "quarantine" else "passes"
            continue
        if row.t + within <= row.wm:
            fates[place(row)] = "late"
            continue
        known = largest.get(key)
        if known is not None and known + 2 * within <= row.wm:
            known = None                   # forgotten
        again = known is not None and abs(row.t - known) <= within
        fates[place(row)] = "duplicate" if again else "passes"
        largest[key] = row.t if known is None else max(known, row.t)
    return fates


def latest(rows: list[Row], by: tuple[str, ...], order: str | None = None) -> dict[Key, Row]:
    """The newest row of each key."""
    newest: dict[Key, Row] = {}

    def rank(row: Row) -> tuple[Any, ...]:
        value = row.t if order is None else row.values[order]
        return (value is not None, value if value is not None else 0, row.p, row.n)

    for row in rows:
        key = key_of(row, by)
        if key not in newest or rank(row) > rank(newest[key]):
            newest[key] = row
    return newest


def over(rows: list[Row], by: tuple[str, ...], width: int) -> tuple[dict[Place, list[Row]], set[Place]]:
    """For each row the rows of its key within `width` before it, itself included; the late rows."""
    late = {place(row) for row in rows if row.t + 1 <= row.wm}
    kept = [row for row in rows if place(row) not in late]
    return {place(row): [other for other in kept if key_of(other, by) == key_of(row, by) and row.t - width <= other.t <= row.t]
            for row in kept}, late


def alerts(rows: list[Row], by: tuple[str, ...], hold: int) -> list[tuple[Key, str, int, int]]:
    """The transitions: key, firing or resolved, start of the episode, time of the transition."""
    since: dict[Key, int] = {}
    firing: set[Key] = set()
    found = []
    for row in rows:
        key, when, clear = key_of(row, by), row.values["_when"], row.values["_clear"]
        if when is None:
            continue
        if when:
            start = since.setdefault(key, row.t)
            if key not in firing and row.t - start >= hold:
                firing.add(key)
                found.append((key, "firing", start, row.t))
        elif key in firing:
            if clear:
                found.append((key, "resolved", since.pop(key), row.t))
                firing.discard(key)
        else:
            since.pop(key, None)
    return found
