"""Every function of the list, read and rendered, gives what DuckDB gives for the text as it was written; the rest is refused."""

from __future__ import annotations

import re

import plan_relations as relations
import pytest
from plan_relations import READINGS

from mainstem.engines.kernels import duck
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.functions import CONSTRUCTS, FUNCTIONS, REFUSED, suggestion

BINDER = DuckBinder()
ROWS = relations.readings(80, 11)
_TWO = "covar_samp covar_pop corr regr_slope regr_intercept regr_r2 regr_count arg_max arg_min max_by min_by argmax argmin".split()
AGGREGATE = {
    **{name: f"{name}(seq % 100)" for name, one in FUNCTIONS.items() if one.kind == "aggregate"},
    **{name: f"{name}(seq % 7, small)" for name in _TWO},
    "count": "count(DISTINCT small)",
    "count_if": "count_if(ok)",
    "countif": "countif(ok)",
    "quantile": "quantile(seq, 0.5)",
    "quantile_cont": "quantile_cont(seq, [0.1, 0.9])",
    "quantile_disc": "quantile_disc(seq, 0.5)",
    "bool_and": "bool_and(ok)",
    "bool_or": "bool_or(ok)",
    "bit_and": "bit_and(small)",
    "bit_or": "bit_or(small)",
    "bit_xor": "bit_xor(small)",
    "string_agg": "string_agg(note, ',')",
    "group_concat": "group_concat(note, ',')",
    "listagg": "listagg(note, ',')",
}


# columns of READINGS by their types; where ours is not DuckDB's on purpose is told in test_plan_arithmetic and test_plan_exprs
_COLUMNS = {"double": "humidity", "int64": "seq", "int32": "small", "boolean": "ok", "string": "note", "timestamp": "t",
            "date": "CAST(t AS DATE)", "timestamp_local": "CAST(t AS TIMESTAMP)", "decimal(10,2)": "price", "json": "payload",
            "binary": "encode(note)", "float": "CAST(humidity AS FLOAT)", "list<double>": "xs", "list<string>": "tags",
            "list<int64>": "CAST(xs AS BIGINT[])", "list<boolean>": "[ok]", "struct<a: double, b: string>": "{'a': humidity, 'b': note}"}
_TYPE = re.compile(r"'[^']*'|" + "|".join(rf"\b{re.escape(kind)}(?![\w(])" for kind in sorted(_COLUMNS, key=len, reverse=True)))
_OURS = {"/", "//", "%", "mod", "fmod", "divide", "cast", "try_cast", "try", "error"}
_FAIL = ("timezone(string", "ZONE string")         # on a text that is no zone; TRY does not catch that
CALLS = {call.sql: entry for entry in (*FUNCTIONS.values(), *CONSTRUCTS.values()) for call in entry.calls
         if entry.kind in ("scalar", "construct") and entry.name not in _OURS | {"FILTER", "DISTINCT", "ORDER_BY", "WITHIN_GROUP"}
         and not any(one in call.sql for one in _FAIL)}


@pytest.mark.parametrize("call", CALLS)
def test_scalar_functions_mean_what_duckdb_means(call: str) -> None:
    text = f"try({_TYPE.sub(lambda found: _COLUMNS.get(found[0], found[0]), call)})"
    rows = sql.row_local(f"SELECT {text} AS v FROM readings", [READINGS], {}, BINDER)
    given = duck.as_bound(ROWS, READINGS.columns)
    ours = duck.query(rows.branches[0].query, readings=given).column("v")
    theirs = duck.query(f"SELECT {text} AS v FROM readings", readings=given).column("v").cast(ours.type)
    assert [repr(value) for value in ours.to_pylist()] == [repr(value) for value in theirs.to_pylist()]


def test_nothing_is_both_allowed_and_refused() -> None:
    assert not set(FUNCTIONS) & set(REFUSED)


def plain(text: str) -> str:
    """The aggregate as a person would write it with the order of arrival."""
    name = text.partition("(")[0]
    if not FUNCTIONS[name].ordered:
        return text
    head, last = text[:-1], "ORDER BY _at.t, _at.o, _at.p, _at.n, _at.c)"
    return re.sub(r", ','$", "", head) + (f" , ',' {last}" if head.endswith("','") else f" {last}")


@pytest.mark.parametrize("name", AGGREGATE)
def test_aggregates_mean_what_duckdb_means_in_the_order_of_arrival(name: str) -> None:
    text = AGGREGATE[name]
    made = sql.grouped(f"{text} AS v", "", ["sensor_id"], (), (), READINGS.columns, BINDER)
    shuffled = ROWS.take(list(reversed(range(ROWS.num_rows))))
    theirs = duck.query(f"SELECT sensor_id, {plain(text)} AS v FROM rows GROUP BY sensor_id", rows=ROWS)
    for rows in (ROWS, shuffled):
        ours = duck.query(made.sql, rows=rows)
        for a, b in zip(*(sorted(table.to_pylist(), key=lambda row: str(row["sensor_id"])) for table in (ours, theirs))):
            assert a["sensor_id"] == b["sensor_id"]
            if isinstance(a["v"], float) and name not in ("first", "last"):
                assert a["v"] == pytest.approx(b["v"], rel=1e-9, nan_ok=True)
            else:
                assert repr(a["v"]).replace(".0", "") == repr(b["v"]).replace("Decimal('", "").replace("')", "").replace(".0", "")


def test_integer_sums_are_int64_and_overflow_raises() -> None:
    made = sql.grouped(
        "sum(seq) AS s, sum(small) AS t, sum(price) AS p, sum(temperature) AS d", "", [], (), (), READINGS.columns, BINDER
    )
    assert [str(column.type) for column in made.columns] == ["int64", "int64", "decimal(38,2)", "double"]
    made = sql.grouped("sum(seq * 1000000) AS s", "", [], (), (), READINGS.columns, BINDER)
    with pytest.raises(Exception, match=r"INT64|out of range"):
        duck.query(made.sql, rows=duck.query("SELECT 9000000000000::BIGINT AS seq, {'t': 1} AS _at FROM range(2)"))


def test_min_and_max_take_nan_for_the_largest() -> None:
    made = sql.grouped("min(temperature) AS low, max(temperature) AS high", "", [], (), (), READINGS.columns, BINDER)
    rows = duck.query("SELECT unnest([1.0, 'NaN'::DOUBLE, NULL, 3.0]) AS temperature, {'t': 1} AS _at")
    assert str(duck.query(made.sql, rows=rows).to_pylist()) == "[{'low': 1.0, 'high': nan}]"


@pytest.mark.parametrize("name", REFUSED)
def test_refused_functions_say_why(name: str) -> None:
    why, _ = REFUSED[name]
    assert why
    with pytest.raises(SpecError) as caught:
        sql.row_local(f"SELECT {name}(seq) AS v FROM readings", [READINGS], {}, BINDER)
    assert caught.value.code == "sql.function_refused"


def test_unknown_functions_get_a_suggestion() -> None:
    assert suggestion("lenght") == "did you mean `length`?"
    assert suggestion("qantile_cont") == "did you mean `quantile_cont`?"
    assert suggestion("average") == "did you mean `avg`?"
    assert "functions.md" in suggestion("zzz")


def test_a_time_zone_that_does_not_exist_is_refused_with_a_suggestion() -> None:
    for text in ("t AT TIME ZONE 'Europe/Berln'", "timezone('Europe/Berln', t)"):
        with pytest.raises(SpecError) as caught:
            sql.row_local(f"SELECT {text} AS v FROM readings", [READINGS], {}, BINDER)
        assert (caught.value.code, caught.value.fix) == ("sql.zone", "did you mean `Europe/Berlin`?")
