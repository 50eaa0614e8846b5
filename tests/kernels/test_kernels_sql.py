"""Row-local SQL keeps order and identity, counts what it leaves out, and loses only the row on which it fails."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.batch import AT, AT_TYPE, Fate, at, identity
from mainstem.columns import Column, parse_type
from mainstem.engines.contract import Result
from mainstem.engines.kernels import duck, failing, sql, trying
from mainstem.engines.selection import Selection
from mainstem.errors import SpecError
from mainstem.plan.words import Branch, Node, Sql


def rows(**columns: Any) -> pa.Table:
    table = pa.table(columns)
    count = table.num_rows
    return table.append_column(AT, identity(0, 1, np.arange(count) * 7, np.arange(count) * 1000, record=np.arange(count)))


def run(table: pa.Table, query: str, columns: dict[str, str], *, dropped: tuple[tuple[str, str], ...] = (),
        tables: dict[str, pa.Table] | None = None, more: tuple[Branch, ...] = (), remakes: bool = False,
        out: np.ndarray | None = None) -> Result:
    branch = Branch(input="readings", query=query, tables=tuple(tables or ()), dropped=dropped)
    node = Node(name="shaped", step="shaped", word=Sql(branches=(branch, *more), remakes=remakes), inputs=("readings",),
                columns=tuple(Column(name, parse_type(kind)) for name, kind in columns.items()), origin=4 if remakes else None)
    found = sql.run(node, "readings", Selection(table, out), tables or {})
    return Result(found.onward.rows, found.aside, found.fates, notes=found.notes)


def test_columns_identity_and_raw_index_come_through() -> None:
    table = rows(a=[1, 2, 3])
    result = run(table, 'SELECT a * 2 AS b, a::VARCHAR AS s, _at FROM "readings"', {"b": "int64", "s": "string"})
    assert result.rows.drop_columns([AT]).to_pydict() == {"b": [2, 4, 6], "s": ["1", "2", "3"]}
    assert result.rows.column(AT).type == AT_TYPE
    assert result.rows.column(AT).to_pylist() == table.column(AT).to_pylist()


def test_what_where_leaves_out_is_counted_by_its_own_query() -> None:
    result = run(rows(a=[1, None, 3, 4]), 'SELECT a, _at FROM "readings" WHERE a > 2', {"a": "int64"},
                 dropped=(("where", 'SELECT _at.o, count(*) FROM "readings" WHERE (a > 2) IS NOT TRUE GROUP BY 1'),))
    assert result.rows["a"].to_pylist() == [3, 4]
    assert at(result.rows, "i").tolist() == [2, 3]
    assert result.fates == {Fate(0, "shaped", "filtered", "where"): 2}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["1", "2", "30", "x", None]), min_size=1, max_size=12), st.data())
def test_rows_left_out_in_place_are_as_if_they_had_been_taken_out(texts: list[str | None], data: Any) -> None:
    """Also where the query fails on one of them, or on one of the others."""
    table = rows(s=pa.array(texts, pa.string()))
    out = np.array(sorted(data.draw(st.sets(st.integers(0, len(texts) - 1)))), np.int64)
    query, dropped = 'SELECT s::INT AS a, _at FROM "readings" WHERE s <> \'2\'', (
        ("where", 'SELECT _at.o, count(*) FROM "readings" WHERE (s <> \'2\') IS NOT TRUE GROUP BY 1'),)
    in_place = run(table, query, {"a": "int32"}, dropped=dropped, out=out)
    taken_out = run(failing.without(table, out), query, {"a": "int32"}, dropped=dropped)
    assert in_place.rows.to_pylist() == taken_out.rows.to_pylist()
    assert in_place.fates == taken_out.fates
    assert (in_place.aside.to_pylist() if in_place.aside else []) == (taken_out.aside.to_pylist() if taken_out.aside else [])


def test_a_join_to_a_table_keeps_the_order_of_the_rows() -> None:
    count = 5000
    keys = [f"k{(i * 7919) % 50}" for i in range(count)]
    table = pa.table({"k": [f"k{i}" for i in range(49)], "v": list(range(49))})
    count_query = 'SELECT r._at.o, count(*) FROM "readings" r ANTI JOIN "sensors" t ON r.k = t.k GROUP BY 1'
    result = run(rows(k=keys), 'SELECT r.k, t.v, r._at FROM "readings" r JOIN "sensors" t ON r.k = t.k',
                 {"k": "string", "v": "int64"}, tables={"sensors": table}, dropped=(("no_match", count_query),))
    left_out = keys.count("k49")
    assert result.fates == {Fate(0, "shaped", "filtered", "no_match"): left_out}
    assert result.rows["k"].to_pylist() == [key for key in keys if key != "k49"]
    assert (np.diff(at(result.rows, "n")) > 0).all()


CHILD = ("{'o': 4, 'p': _at.p, 'n': _at.n, 'c': (_at.c << 20) + ord, 't': _at.t, 'wm': _at.wm, 'i': _at.i}::"
         "STRUCT(o SMALLINT, p INTEGER, n BIGINT, c BIGINT, t BIGINT, wm BIGINT, i INTEGER)")
UNNEST = (f"SELECT item, {CHILD} AS _at FROM (SELECT unnest(items) AS item, unnest(range(len(items))) AS ord, _at "
          'FROM "readings")')


def test_rows_that_are_remade_have_their_parents_place_and_deliver_the_intake() -> None:
    result = run(rows(items=[[1, 2], [], [3]]), UNNEST, {"item": "int64"}, remakes=True)
    assert result.rows["item"].to_pylist() == [1, 2, 3]
    assert at(result.rows, "n").tolist() == [0, 0, 14]
    assert at(result.rows, "c").tolist() == [0, 1, 0]
    assert at(result.rows, "i").tolist() == [0, 0, 2]
    assert result.fates == {Fate(0, "shaped", "delivered", ""): 3}


def test_two_branches_over_one_input_make_rows_of_different_identity() -> None:
    second = Branch(input="readings", query=UNNEST.replace("SELECT item", "SELECT -item"))
    result = run(rows(items=[[1, 2], [3]]), UNNEST, {"item": "int64"}, remakes=True, more=(second,))
    assert result.rows["item"].to_pylist() == [1, -1, 2, -2, 3, -3]
    assert len(set(zip(at(result.rows, "n").tolist(), at(result.rows, "c").tolist()))) == 6


@pytest.mark.parametrize(("expression", "kind", "values", "good"), [
    ("s::INTEGER", "int32", ["1", "x", None, "4", ""], [1, None, 4]),
    ("s::DECIMAL(4,2)", "decimal(4,2)", ["1.5", "123456", None], ["1.50", None]),
    ("(s::BIGINT * 4611686018427387904)::BIGINT", "int64", ["1", "7", "0"], [2**62, 0]),
    ("strptime(s, '%Y-%m-%d')::DATE::VARCHAR", "string", ["2026-02-29", "2024-02-29"], ["2024-02-29"]),
    ("if(s = 'bad', error('no ' || s), s)", "string", ["a", "bad", "c"], ["a", "c"]),
])
def test_a_row_on_which_the_expression_fails_is_set_aside_alone(expression: str, kind: str, values: list[Any],
                                                               good: list[Any]) -> None:
    result = run(rows(s=pa.array(values, pa.string())), f'SELECT {expression} AS x, _at FROM "readings"', {"x": kind})
    assert [str(x) if kind.startswith("decimal") and x is not None else x for x in result.rows["x"].to_pylist()] == good
    bad = len(values) - len(good)
    assert result.fates == {Fate(0, "shaped", "quarantined", "expression"): bad}
    assert result.aside is not None
    assert result.aside["_reason"].to_pylist() == ["expression"] * bad
    assert all(detail and "LINE" not in detail for detail in result.aside["_detail"].to_pylist())


def test_a_failing_filter_and_a_remade_row_balance_too() -> None:
    query = UNNEST.replace('FROM "readings"', "FROM \"readings\" WHERE s::INTEGER > 0")
    result = run(rows(items=[[1, 2], [5], [3]], s=["1", "x", "2"]), query, {"item": "int64"}, remakes=True)
    assert result.rows["item"].to_pylist() == [1, 2, 3]
    assert result.fates == {Fate(0, "shaped", "quarantined", "expression"): 1, Fate(0, "shaped", "delivered", ""): 2}


def test_a_wrong_query_stops_with_its_place() -> None:
    with pytest.raises(SpecError) as caught:
        run(rows(a=[1]), 'SELECT nope, _at FROM "readings"', {"nope": "int64"})
    assert caught.value.code == "sql.invalid"


ARITHMETIC = [   # semantics 2-I: (expression over x double, i int64, value of x, value of i, expected)
    ("i // 2", 0.0, -7, -3), ("i % 3", 0.0, -7, -1), ("round(x)", 2.5, 0, 3.0), ("round(x)", -2.5, 0, -3.0),
    ("i // 0", 0.0, 1, None), ("i % 0", 0.0, 1, None), ("x > 3", float("nan"), 0, True), ("i + 1", 0.0, 2**53, 2**53 + 1),
    ("greatest(x, 3)", float("nan"), 0, "nan"), ("x = x", float("nan"), 0, True), ("0.0::DOUBLE = -0.0::DOUBLE", 0.0, 0, True),
    ("x / nullif(i, 0)", 1.0, 0, None),
]


@pytest.mark.parametrize(("expression", "x", "i", "expected"), ARITHMETIC)
def test_arithmetic_is_as_the_semantics_say(expression: str, x: float, i: int, expected: Any) -> None:
    kind = "boolean" if isinstance(expected, bool) else "double" if "x" in expression else "int64"
    result = run(rows(x=[x], i=[i]), f'SELECT {expression} AS y, _at FROM "readings"', {"y": kind})
    (value,) = result.rows["y"].to_pylist()
    assert str(value) == expected if expected == "nan" else value == expected


def test_an_overflow_is_a_quarantined_row_and_never_wraps() -> None:
    result = run(rows(i=[2**63 - 1, 1]), 'SELECT i + 1 AS y, _at FROM "readings"', {"y": "int64"})
    assert result.rows["y"].to_pylist() == [2]
    assert result.fates == {Fate(0, "shaped", "quarantined", "expression"): 1}


QUERIES = [('SELECT s, _at FROM "readings" WHERE s <> \'3\'', {"s": "string"}, False),
           ('SELECT s::INTEGER AS x, _at FROM "readings"', {"x": "int32"}, False),
           ('SELECT r.s, t.v, r._at FROM "readings" r LEFT JOIN "sensors" t ON r.s = t.k', {"s": "string", "v": "int64"}, False),
           (UNNEST.replace("unnest(items)", "unnest(split(s, ' '))").replace("len(items)", "len(split(s, ' '))"),
            {"item": "string"}, True)]


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.one_of(st.none(), st.sampled_from(["1", "2", "3", "x", "7 8", ""])), max_size=12), cut=st.integers(0, 12),
       which=st.integers(0, len(QUERIES) - 1))
def test_of_a_and_b_is_of_a_and_of_b(values: list[str | None], cut: int, which: int) -> None:
    """f(a + b) = f(a) + f(b): rows, identities, fates and what is set aside do not depend on how the rows are cut."""
    query, columns, remakes = QUERIES[which]
    table = rows(s=pa.array(values, pa.string()))
    tables = {"sensors": pa.table({"k": ["1", "3"], "v": [10, 30]})}
    whole = run(table, query, columns, tables=tables, remakes=remakes)
    parts = [run(part, query, columns, tables=tables, remakes=remakes) for part in (table.slice(0, cut), table.slice(cut))]
    assert whole.rows.to_pylist() == pa.concat_tables([part.rows for part in parts]).to_pylist()
    assert whole.fates == sum((part.fates for part in parts), Counter())
    asides = [row for part in parts if part.aside is not None for row in part.aside.to_pylist()]
    assert ([] if whole.aside is None else whole.aside.to_pylist()) == asides


TABLE = pa.table({"k": ["1", "2"], "v": ["10", "x"]})


@pytest.mark.parametrize(("query", "failing"), [
    ('SELECT s::INTEGER AS a, s || s AS b, _at FROM "readings"', [1, 4]),
    ('SELECT s::INTEGER AS a, _at FROM "readings" WHERE s <> \'x\'', [4]),
    ('SELECT s AS a, _at FROM "readings" WHERE s::INTEGER > 0', [1, 4]),
    ('SELECT t.v::INTEGER AS a, r._at AS _at FROM "readings" AS r LEFT JOIN "sensors" AS t ON r.s = t.k', [2]),
    ('SELECT 1 AS a, _at FROM "readings"', []),
    ('SELECT a, _at FROM (SELECT s::INTEGER AS a, _at FROM "readings")', [1, 4]),
])
def test_failing_rows_are_found_by_one_query(query: str, failing: list[int]) -> None:
    with duck.tables(readings=rows(s=["1", "x", "2", None, "y"]), sensors=TABLE) as con:
        found = trying.failing_rows(con, [query])
    assert found is not None
    assert found.tolist() == failing


def test_where_a_query_cannot_be_wrapped_it_says_so() -> None:
    with duck.tables(readings=rows(s=["1", "x"], items=[[1], [2]])) as con:
        assert trying.failing_rows(con, ['SELECT unnest(items) AS a, _at FROM "readings"']) is None
        assert trying.failing_rows(con, ['SELECT error(s) AS a, _at FROM "readings"']) is None
        assert trying.failing_rows(con, ["SELECT 1 UNION ALL SELECT 2"]) is None


def test_many_failing_rows_cost_no_bisection() -> None:
    values = [str(i) if i % 10 else "x" for i in range(3000)]
    result = run(rows(s=values), 'SELECT s::INTEGER AS x, _at FROM "readings"', {"x": "int32"})
    assert result.rows.num_rows == 2700
    assert result.fates == {Fate(0, "shaped", "quarantined", "expression"): 300}
    assert result.aside is not None
    assert "'x'" in result.aside["_detail"].to_pylist()[0]
