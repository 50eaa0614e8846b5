"""Expected rows against the rows that came: which row, which column, expected what, got what.

Rows are compared in the columns that the expectation names, as a multiset unless order is asked for, floats within a
tolerance. A row that has no equal is shown beside the one that is nearest to it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
_SHOWN = 10                           # differing rows that are told one by one
_MATCHED = 60                         # unmatched rows among which the nearest is looked for


def differences(expected: Sequence[Row], got: Sequence[Row], *, ordered: bool = False, tolerance: float = 1e-9,
                exact: bool = False) -> list[str]:
    """One line for each thing that is not as expected; empty if all is.

    `exact`: a row may have no columns but those expected.

    >>> differences([{"n": 1}, {"n": 2}], [{"n": 2}, {"n": 3}])
    ['row 1, column `n`: expected 1, got 3']
    """
    if ordered:
        pairs = list(zip(range(len(expected)), range(len(got))))
        missing, more = list(range(len(got), len(expected))), list(range(len(expected), len(got)))
    else:
        pairs, missing, more = _paired(expected, got, tolerance, exact)
    lines = []
    for here, there in pairs:
        lines += _cells(here, expected[here], got[there], tolerance, exact)
    lines += [f"row {number + 1} is missing: {shown(expected[number])}" for number in missing]
    lines += [f"not expected: {shown(got[number])}" for number in more]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"... and {len(lines) - _SHOWN} more differences"]
    return lines


def _paired(expected: Sequence[Row], got: Sequence[Row], tolerance: float,
            exact: bool) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Rows that are not equal but near, rows that are missing, rows that are too many."""
    left = dict.fromkeys(range(len(got)))
    buckets: dict[Any, list[int]] = {}
    columns = {tuple(row) for row in expected}
    for names in columns:
        for number, row in enumerate(got):
            buckets.setdefault((names, _rough(row, names)), []).append(number)
    open_ = []
    for number, row in enumerate(expected):
        near = buckets.get((tuple(row), _rough(row, tuple(row))), ())
        found = next((other for other in near if other in left and not _cells(0, row, got[other], tolerance, exact)), None)
        if found is None:
            open_.append(number)
        else:
            del left[found]
    pairs = []
    if len(open_) <= _MATCHED and len(left) <= _MATCHED:
        scores = sorted((len(_cells(0, expected[here], got[there], tolerance, exact)) / max(len(expected[here]), 1), here, there)
                        for here in open_ for there in left)
        for score, here, there in scores:
            if here in open_ and there in left and (score < 1 or len(open_) == len(left) == 1):
                open_.remove(here)
                del left[there]
                pairs.append((here, there))
    return sorted(pairs), open_, list(left)


def _rough(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    """What equal rows certainly have in common: everything but their numbers and times."""
    return tuple(value if isinstance(value, str) and _moment(value) is None else None
                 for value in (row.get(name) for name in names))


def _cells(number: int, expected: Row, got: Row, tolerance: float, exact: bool) -> list[str]:
    lines = []
    for name, value in expected.items():
        if name not in got:
            lines.append(f"row {number + 1}: there is no column `{name}`; there are {', '.join(got)}")
        elif not equal(value, got[name], tolerance):
            lines.append(f"row {number + 1}, column `{name}`: expected {cell(value)}, got {cell(got[name])}")
    if exact:
        lines += [f"row {number + 1}: column `{name}` is not expected" for name in got if name not in expected]
    return lines


def equal(expected: Any, got: Any, tolerance: float = 1e-9) -> bool:
    """Whether a value written in YAML means this one: times as text, decimals as numbers, NaN as itself.

    >>> equal("2026-01-01T00:00:00Z", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), equal(0.3, 0.1 + 0.2), equal(1, True)
    (True, True, False)
    """
    if expected is None or got is None or isinstance(expected, bool) or isinstance(got, bool):
        return type(expected) is type(got) and expected == got
    if isinstance(got, dt.datetime | dt.date | dt.time) or isinstance(expected, dt.datetime | dt.date | dt.time):
        return _same_time(expected, got)
    if isinstance(expected, int | float | decimal.Decimal) and isinstance(got, int | float | decimal.Decimal):
        return _same_number(expected, got, tolerance)
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return expected.keys() == got.keys() and all(equal(expected[name], got[name], tolerance) for name in expected)
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return len(expected) == len(got) and all(equal(a, b, tolerance) for a, b in zip(expected, got))
    if isinstance(got, bytes) and isinstance(expected, str):
        return expected.encode("utf-8", "surrogateescape") == got
    return bool(expected == got)


def _same_number(expected: float | decimal.Decimal, got: float | decimal.Decimal, tolerance: float) -> bool:
    if isinstance(expected, int) and isinstance(got, int):
        return expected == got
    if isinstance(got, decimal.Decimal) or isinstance(expected, decimal.Decimal):
        return decimal.Decimal(str(expected)) == decimal.Decimal(str(got))
    return (math.isnan(expected) and math.isnan(got)) or math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance)


def _same_time(expected: Any, got: Any) -> bool:
    if isinstance(got, dt.datetime):
        moment = expected if isinstance(expected, dt.datetime) else _moment(expected)
        if moment is None:
            return False
        return (moment.tzinfo is None) == (got.tzinfo is None) and bool(moment == got)
    return str(expected) == (got.isoformat() if hasattr(got, "isoformat") else str(got))


def _moment(text: Any) -> dt.datetime | None:
    if not isinstance(text, str) or not text[:4].isdigit():
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def cell(value: Any) -> str:
    """A value as it would be written in the case file."""
    if value is None:
        return "null"
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return repr(value) if isinstance(value, str | bytes) else str(value)


def shown(row: Row) -> str:
    """A row as it would be written in the case file."""
    return "{" + ", ".join(f"{name}: {cell(value)}" for name, value in row.items()) + "}"
