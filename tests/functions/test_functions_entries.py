"""Every entry of the list of functions is true: its types, its NULL rule, its example, and that a cut changes nothing."""

from __future__ import annotations

from typing import Any

import function_path as path
import pytest
from function_path import FAILS, SAMPLES, parts

from mainstem.plan.functions import CONSTRUCTS, FUNCTIONS, ROWS, Call, Function

ENTRIES = {**FUNCTIONS, **{f"form {name}": one for name, one in CONSTRUCTS.items()}}
CALLS = {f"{call.sql} -> {call.type}": (one, call) for one in ENTRIES.values() for call in one.calls}
ROW_BY_ROW = {name: found for name, found in CALLS.items()
              if found[0].kind in ("scalar", "construct") and found[0].name not in ("FILTER", "DISTINCT", "ORDER_BY", "WITHIN_GROUP")}


def columns(types: list[str], rows: list[list[Any]]) -> dict[str, tuple[str, list[Any]]]:
    return {f"c{place}": (kind, [row[place] for row in rows]) for place, kind in enumerate(types)}


def test_every_entry_says_how_it_is_called_and_has_an_example() -> None:
    assert [one.name for one in ENTRIES.values() if not (one.calls and one.example and one.gives)] == []


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_the_type_that_its_entry_says(name: str) -> None:
    one, call = CALLS[name]
    expression, types = parts(call.sql)
    assert path.answer(one, expression, columns(types, [[SAMPLES[kind][0] for kind in types]])).type == call.type


@pytest.mark.parametrize("name", [name for name, (one, _) in ROW_BY_ROW.items() if one.null == "null"])
def test_a_null_in_any_argument_makes_null(name: str) -> None:
    _, call = CALLS[name]
    expression, types = parts(call.sql)
    plain = [SAMPLES[kind][0] for kind in types]
    rows = [[None if place == gone else value for place, value in enumerate(plain)] for gone in range(len(types))]
    assert types
    assert path.scalar(expression, columns(types, rows), len(rows)).values == (None,) * len(rows)


@pytest.mark.parametrize("name", [name for name, (one, _) in CALLS.items() if one.null == "skips" and one.kind == "aggregate"])
def test_rows_with_a_null_are_left_out_of_an_aggregate(name: str) -> None:
    one, call = CALLS[name]
    expression, types = parts(call.sql)
    if one.name in ("first", "last", "list", "array_agg") or call.sql == "count(*)":      # "NULL counts"
        return
    rows = [[SAMPLES[kind][0] for kind in types], [SAMPLES[kind][{"double": 4, "int64": 3}.get(kind, 1)] for kind in types]]
    holes = [[None if place == gone else SAMPLES[kind][0] for place, kind in enumerate(types)] for gone in range(len(types))]
    assert path.same(path.over_groups(expression, columns(types, rows), 2),
                     path.over_groups(expression, columns(types, [rows[0], *holes, rows[1]]), 2 + len(holes)))


@pytest.mark.parametrize("name", ENTRIES)
def test_the_example_is_true(name: str) -> None:
    one = ENTRIES[name]
    wide = {column: (kind, list(values)) for column, kind, values in ROWS}
    if one.kind == "rows":
        (got,) = path.scalar(one.example, {}).values
    elif one.kind in ("aggregate", "window"):
        got = path.answer(one, one.example, wide, 4).values
    else:
        got = path.answer(one, one.example, wide if one.name in ("FILTER", "DISTINCT", "ORDER_BY", "WITHIN_GROUP") else {}, 4).values[:1]
    assert ", ".join(path.shown(value) for value in got) == one.gives


def mixed(types: list[str], count: int) -> list[list[Any]]:
    """Rows in which every value of a column meets several of the others."""
    return [[SAMPLES[kind][(row + place * (1 + row // len(SAMPLES[kind]))) % len(SAMPLES[kind])] for place, kind in enumerate(types)]
            for row in range(count)]


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_a_row_has_its_value_whatever_rows_are_around_it(name: str) -> None:
    _, call = ROW_BY_ROW[name]
    expression, types = parts(call.sql)
    count = 8
    given = columns(types, mixed(types, count))
    whole = path.scalar(expression, given, count)
    assert any(value is not FAILS for value in whole.values)
    for cut in (1, 5):
        assert path.same(path.scalar(expression, given, count, cut), whole)


def test_an_entry_is_a_way_to_call_a_function_of_this_name() -> None:
    wrong = [one.name for one in FUNCTIONS.values() for call in one.calls if f"{one.name}(" not in call.sql.lower()]
    assert wrong == []
    assert Function("f", "", (Call("f()", "double"),), "f()", "1.0", "null").usage() == "f()"
