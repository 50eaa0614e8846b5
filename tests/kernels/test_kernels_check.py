"""Check splits rows by rules: NULL passes and is counted, quarantine outranks drop, a failing expression costs its row."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mainstem.batch import AT, Fate, at, identity
from mainstem.columns import Column, parse_type
from mainstem.engines.contract import Result
from mainstem.engines.kernels import check
from mainstem.engines.selection import Selection
from mainstem.errors import DataError, SpecError
from mainstem.plan.words import Check, Node, Rule


def rows(**columns: Any) -> pa.Table:
    table = pa.table(columns)
    count = table.num_rows
    return table.append_column(AT, identity(0, 3, np.arange(count) * 10, np.arange(count), record=np.arange(count)))


def run(table: pa.Table, *rules: Rule, hide: tuple[str, ...] = (), columns: tuple[Column, ...] = ()) -> Result:
    node = Node(name="checked", step="checked", word=Check(rules=rules, hide=hide), inputs=("readings",), columns=columns)
    found = check.run(node, "readings", Selection(table), {})
    return Result(found.onward.rows, found.aside, found.fates, notes=found.notes)


def rule(name: str, that: str, action: str = "quarantine", reason: str = "rule") -> Rule:
    return Rule(name=name, that=that, action=action, reason=reason)


def test_null_passes_and_is_counted_apart() -> None:
    result = run(rows(t=[1.0, None, 99.0, math.nan]), rule("range", "t BETWEEN -40 AND 60"))
    assert result.rows["t"].to_pylist() == [1.0, None]
    assert result.notes == {"rule.range.ok": 1, "rule.range.null": 1, "rule.range.failed": 2}
    assert result.fates == {Fate(0, "checked", "quarantined", "rule"): 2}


def test_a_bad_row_names_every_rule_it_violates_and_keeps_its_identity() -> None:
    result = run(rows(t=[1.0, 99.0, 99.0], h=[50.0, 50.0, 101.0]), rule("t_range", "t < 60"), rule("h_range", "h <= 100", "flag"))
    assert result.aside is not None
    assert result.aside["_rules"].to_pylist() == [["t_range"], ["t_range", "h_range"]]
    assert result.aside["_detail"].to_pylist() == ["not true: t < 60", "not true: t < 60; h <= 100"]
    assert at(result.aside, "n").tolist() == [10, 20]
    assert at(result.rows, "n").tolist() == [0]


def test_flag_appends_names_and_lets_pass() -> None:
    first = run(rows(t=[1, 2, 3], h=[1, 2, 3]), rule("a", "t <> 2", "flag"), rule("b", "h < 2", "flag"), rule("c", "t < 3"))
    assert first.rows["_flags"].to_pylist() == [[], ["a", "b"]]
    second = run(first.rows, rule("later", "t > 1", "flag"))
    assert second.rows["_flags"].to_pylist() == [["later"], ["a", "b"]]
    assert second.rows.column_names.count("_flags") == 1
    assert not second.fates


def test_quarantine_outranks_drop_outranks_flag() -> None:
    result = run(rows(x=[0, 1, 2, 3]), rule("f", "x < 1", "flag"), rule("d", "x < 2", "drop"), rule("q", "x < 3"))
    assert result.rows["x"].to_pylist() == [0, 1]
    assert result.rows["_flags"].to_pylist() == [[], ["f"]]
    assert result.fates == {Fate(0, "checked", "filtered", "rule"): 1, Fate(0, "checked", "quarantined", "rule"): 1}
    assert result.aside is not None
    assert result.aside["_rules"].to_pylist() == [["f", "d", "q"]]


def test_stop_names_rule_and_row() -> None:
    with pytest.raises(DataError) as caught:
        run(rows(x=[1, None, 7]), rule("sane", "x < 5", "stop"))
    assert caught.value.code == "check.stop"
    assert "`sane`" in caught.value.what
    assert "0:3:20" in caught.value.where


def test_unmatched_is_the_reason_of_a_lookups_rule_and_hidden_columns_go() -> None:
    result = run(rows(x=[1, 2], _found=[True, None]), rule("sensors", "_found IS NOT NULL", reason="unmatched"), hide=("_found",),
                 columns=(Column("x", parse_type("int64")),))
    assert result.rows.column_names == ["x", AT]
    assert result.aside is not None
    assert result.aside["_reason"].to_pylist() == ["unmatched"]
    assert "_found" not in result.aside.column_names


@pytest.mark.parametrize("that", [
    "s::INTEGER > 0", "if(s = 'x', error('no'), s <> '')", "strptime(s, '%Y') > '1999-01-01'",
])
def test_an_expression_that_fails_on_a_value_costs_its_row(that: str) -> None:
    result = run(rows(s=["2001", "x", None, "2003", "x"]), rule("first", "s <> '2003'", "flag"), rule("second", that))
    assert result.rows["s"].to_pylist() == ["2001", None, "2003"]
    assert result.fates == {Fate(0, "checked", "quarantined", "expression"): 2}
    assert result.aside is not None
    assert at(result.aside, "n").tolist() == [10, 40]
    assert all(result.aside["_detail"].to_pylist())
    assert result.notes["rule.second.null"] == 1


def test_an_expression_that_try_cannot_catch_is_found_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_guilty", lambda *_: {})
    result = run(rows(s=[str(i) if i % 40 else "x" for i in range(100)]), rule("number", "s::INTEGER >= 0"))
    assert result.rows.num_rows == 97
    assert result.fates == {Fate(0, "checked", "quarantined", "expression"): 3}


def test_division_by_zero_is_null_and_so_not_evaluated() -> None:
    result = run(rows(a=[1, 1, 1], b=[0, 1, 2]), rule("share", "a // b > 0"), rule("rest", "a % b = 0"))
    assert result.rows["b"].to_pylist() == [0, 1]
    assert result.notes["rule.share.null"] == result.notes["rule.rest.null"] == 1


def test_a_wrong_query_is_no_bad_row() -> None:
    with pytest.raises(SpecError) as caught:
        run(rows(x=[1]), rule("typo", "y > 0"))
    assert caught.value.code == "sql.invalid"


def test_rows_come_through_untouched_where_none_is_bad() -> None:
    table = rows(x=list(range(10)))
    assert run(table, rule("all", "x >= 0")).rows is table


def test_no_rows_and_no_rules() -> None:
    empty = rows(x=pa.array([], pa.int64()))
    result = run(empty, rule("r", "x > 0"), rule("f", "x > 1", "flag"))
    assert result.rows.num_rows == 0
    assert "_flags" in result.rows.column_names
    assert run(rows(x=[1])).rows.num_rows == 1


def test_seventy_rules_in_one_pass() -> None:
    rules = [rule(f"r{i}", f"x <> {i}") for i in range(70)]
    result = run(rows(x=list(range(100))), *rules)
    assert result.rows["x"].to_pylist() == list(range(70, 100))
    assert result.aside is not None
    assert result.aside["_rules"].to_pylist() == [[f"r{i}"] for i in range(70)]


ACTIONS = ("quarantine", "flag", "drop")


@pytest.mark.parametrize("seed", range(15))
def test_it_agrees_with_plain_python(seed: int) -> None:
    """Random rules x < k over columns with NULLs, against loops and dicts; and f(a + b) = f(a) + f(b)."""
    dice = random.Random(seed)
    values = {name: [dice.choice([None, *range(8)]) for _ in range(60)] for name in "abc"}
    rules = [(f"r{i}", dice.choice("abc"), dice.randrange(1, 9), dice.choice(ACTIONS)) for i in range(dice.randrange(1, 7))]
    table = rows(**{name: pa.array(column, pa.int64()) for name, column in values.items()})
    asked = [rule(name, f"{column} < {bound}", action) for name, column, bound, action in rules]

    good, aside, dropped = [], [], 0
    for i in range(60):
        violated = [(name, action) for name, column, bound, action in rules
                    if values[column][i] is not None and not values[column][i] < bound]
        if any(action == "quarantine" for _, action in violated):
            aside.append((i * 10, [name for name, _ in violated]))
        elif any(action == "drop" for _, action in violated):
            dropped += 1
        else:
            good.append((i * 10, [name for name, action in violated if action == "flag"]))

    whole = run(table, *asked)
    halves = [run(part, *asked) for part in (table.slice(0, 23), table.slice(23))]
    for results in ([whole], halves):
        flags = [flag for r in results for flag in (r.rows["_flags"].to_pylist() if "_flags" in r.rows.column_names
                                                    else [[]] * r.rows.num_rows)]
        assert list(zip([int(n) for r in results for n in at(r.rows, "n")], flags)) == good
        assert [(int(n), names) for r in results if r.aside is not None
                for n, names in zip(at(r.aside, "n"), r.aside["_rules"].to_pylist())] == aside
        fates = sum((r.fates for r in results), Counter())
        assert fates[Fate(0, "checked", "quarantined", "rule")] == len(aside)
        assert fates[Fate(0, "checked", "filtered", "rule")] == dropped
