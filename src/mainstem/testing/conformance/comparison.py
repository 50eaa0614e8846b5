"""Whether two answers are the same, exactly, and if not which rows differ first."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from mainstem.project.compare import cell
from mainstem.testing.conformance.case import Answer

_SHOWN = 5                                # rows of a table that are told of each kind
Key = tuple[Any, ...]


def differences(expected: Answer, got: Answer, within: Mapping[str, float] | None = None) -> list[str]:
    """What is not as expected, one line each; empty if all is.

    `within`: `output.column` -> by how much its numbers may differ. NaN equals NaN, -0.0 equals 0.0; beside that values, types and
    names of columns must be the same. Nothing depends on the order of rows.
    """
    lines = _names("output", expected.tables, got.tables)
    for name in sorted(set(expected.tables) & set(got.tables)):
        near = {place.partition(".")[2]: bound for place, bound in (within or {}).items() if place.partition(".")[0] == name}
        lines += _tables(name, expected.tables[name], got.tables[name], near)
    if expected.quarantine is not None and got.quarantine is not None:
        lines += _tables("quarantine", expected.quarantine, got.quarantine.select(expected.quarantine.column_names), {})
    if expected.account is not None and got.account is not None:
        lines += _accounts(expected.account, got.account)
    if expected.notes is not None:
        lines += _counts("notes of ", expected.notes, got.notes or {})
    return lines


def _accounts(expected: Mapping[str, Mapping[str, Any]], got: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = _names("leg", expected, got)
    for leg in sorted(set(expected) & set(got)):
        mine = {name: value for name, value in got[leg].items() if name not in ("reasons", "held_before") or name in expected[leg]}
        lines += _counts("", {leg: expected[leg]}, {leg: mine})
    return lines


def _counts(what: str, expected: Mapping[str, Mapping[str, Any]], got: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name in sorted(set(expected) | set(got)):
        wanted, found = expected.get(name, {}), got.get(name, {})
        lines += [f"{what}{name}: {key} is {found.get(key, 0)}, expected {wanted.get(key, 0)}"
                  for key in sorted(set(wanted) | set(found)) if wanted.get(key, 0) != found.get(key, 0)]
    return lines


def _names(what: str, expected: Iterable[str], got: Iterable[str]) -> list[str]:
    wanted, found = set(expected), set(got)
    return [f"there is no {what} `{name}`" for name in sorted(wanted - found)] + [
        f"the {what} `{name}` is not expected" for name in sorted(found - wanted)]


def _tables(name: str, expected: pa.Table, got: pa.Table, within: Mapping[str, float]) -> list[str]:
    shapes = [{field.name: str(field.type) for field in table.schema} for table in (expected, got)]
    if shapes[0] != shapes[1]:
        columns = [column for column in {**shapes[0], **shapes[1]} if shapes[0].get(column) != shapes[1].get(column)]
        return [f"{name}: the type of `{column}` is {shapes[1].get(column, 'missing')}, expected {shapes[0].get(column, 'no such column')}"
                for column in columns]
    exact = [column for column in shapes[0] if column not in within]
    missing, more = _unequal(_grouped(expected, exact, within), _grouped(got, exact, within), list(within.values()))
    if not missing and not more:
        return []
    names = [*exact, *within]
    lines = [f"{name}: {max(len(missing), len(more))} rows differ; {expected.num_rows} expected, {got.num_rows} came"]
    return [*lines, *_told("missing", missing, names), *_told("not expected", more, names)]


def _grouped(table: pa.Table, exact: list[str], within: Mapping[str, float]) -> dict[Key, Counter[Key]]:
    """The rows by their exact columns, and under these the multiset of the others."""
    found: dict[Key, Counter[Key]] = defaultdict(Counter)
    for row in table.to_pylist():
        found[tuple(_plain(row[name]) for name in exact)][tuple(_plain(row[name]) for name in within)] += 1
    return found


def _unequal(expected: Mapping[Key, Counter[Key]], got: Mapping[Key, Counter[Key]], bounds: list[float]) -> tuple[list[Key], list[Key]]:
    missing: list[Key] = []
    more: list[Key] = []
    for key in {**expected, **got}:
        mine, other = expected.get(key, Counter()), got.get(key, Counter())
        left, right = list((mine - other).elements()), list((other - mine).elements())
        for row in list(left):
            near = next((one for one in right if all(map(_near, row, one, bounds))), None)
            if near is not None:
                left.remove(row)
                right.remove(near)
        missing += [key + row for row in left]
        more += [key + row for row in right]
    return missing, more


def _near(a: Any, b: Any, bound: float) -> bool:
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=0, abs_tol=bound)
    return bool(a == b)


def _plain(value: Any) -> Any:
    """A value that is equal to itself and can be hashed."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0          # -0.0 + 0.0 is 0.0
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, dict):
        return tuple((name, _plain(one)) for name, one in value.items())
    return value


def _told(what: str, rows: list[Key], names: list[str]) -> list[str]:
    """The first of these rows; both lists are in one order, so that rows that are nearly the same stand in one place of each."""
    rows = sorted(rows, key=repr)
    lines = [f"  {what}: {{{', '.join(f'{name}: {cell(value)}' for name, value in zip(names, row))}}}" for row in rows[:_SHOWN]]
    return [*lines, f"  {what}: {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else lines
