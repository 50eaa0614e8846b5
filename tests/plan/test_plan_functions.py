"""Every function of the table is called: read, rendered and run, it gives what DuckDB gives for the text as it was written."""

from __future__ import annotations

import re

import plan_relations as relations
import pytest
from plan_relations import READINGS

from mainstem.engines.kernels import duck
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.functions import FUNCTIONS, REFUSED, suggestion

BINDER = DuckBinder()
ROWS = relations.readings(80, 11)

_NUMBER = ("abs ceil ceiling floor round trunc sign sqrt cbrt exp sin cos tan atan degrees radians isnan isfinite isinf").split()
_TEXT = (
    "lower lcase upper ucase length len strlen trim ltrim rtrim reverse ascii md5 sha256 unicode hex to_base64 encode"
    " nfc_normalize strip_accents"
).split()
_TIME = (
    "epoch epoch_ms epoch_us year month day hour minute second millisecond microsecond dayofweek isodow weekday dayofyear"
    " dayofmonth week weekofyear quarter last_day dayname monthname"
).split()
_LIST = "list_sort list_reverse_sort list_reverse list_sum list_avg list_min list_max list_count array_length".split()

SCALAR = {
    **{name: f"{name}(humidity)" for name in _NUMBER},
    **{name: f"{name}(note)" for name in _TEXT},
    **{name: f"{name}(t)" for name in _TIME},
    **{name: f"{name}(xs)" for name in _LIST},
    "encode": "decode(encode(note))",
    "to_base64": "to_base64(encode(note))",
    "isodow": "isodow(CAST(t AS DATE))",
    "round_even": "round_even(humidity, 1)",
    "ln": "ln(abs(humidity) + 1)",
    "log": "log(abs(humidity) + 1)",
    "log10": "log10(abs(humidity) + 1)",
    "log2": "log2(abs(humidity) + 1)",
    "pow": "pow(small, 2)",
    "power": "power(small, 2)",
    "mod": "mod(seq, 7)",
    "divide": "divide(seq, 7)",
    "fmod": "fmod(humidity, 7)",
    "pi": "pi()",
    "gcd": "gcd(small, 6)",
    "lcm": "lcm(small, 6)",
    "asin": "asin(humidity / 1000)",
    "acos": "acos(humidity / 1000)",
    "atan2": "atan2(humidity, small)",
    "bit_count": "bit_count(small)",
    "xor": "xor(small, 3)",
    "coalesce": "coalesce(note, 'x')",
    "ifnull": "ifnull(note, 'x')",
    "nullif": "nullif(note, '')",
    "if": "if(ok, 1, 2)",
    "greatest": "greatest(humidity, temperature)",
    "least": "least(humidity, temperature)",
    "cast": "cast(small AS VARCHAR)",
    "try_cast": "try_cast(note AS INTEGER)",
    "error": "CASE WHEN false THEN error('no') ELSE 'yes' END",
    "try": "try(cast(note AS INTEGER))",
    "substr": "substr(note, 2, 1)",
    "substring": "substring(note, 2)",
    "left": "left(note, 2)",
    "right": "right(note, 2)",
    "lpad": "lpad(note, 5, '*')",
    "rpad": "rpad(note, 5, '*')",
    "replace": "replace(note, 'a', 'b')",
    "translate": "translate(note, 'ab', 'xy')",
    "repeat": "repeat(note, 2)",
    "concat": "concat(note, small, 'x')",
    "concat_ws": "concat_ws('-', note, sensor_id)",
    "contains": "contains(note, '1')",
    "starts_with": "starts_with(note, 'a')",
    "ends_with": "ends_with(note, '1')",
    "prefix": "prefix(note, 'a')",
    "suffix": "suffix(note, '1')",
    "strpos": "strpos(note, '-')",
    "instr": "instr(note, '-')",
    "position": "position('-' IN note)",
    "split_part": "split_part(note, '-', 2)",
    "string_split": "string_split(note, '-')",
    "split": "split(note, '-')",
    "str_split": "str_split(note, '-')",
    "chr": "chr(65)",
    "format": "format('{}-{}', note, small)",
    "printf": "printf('%s %d', note, small)",
    "unhex": "decode(unhex('6162'))",
    "from_base64": "decode(from_base64('YWI='))",
    "decode": "decode(encode(note))",
    "levenshtein": "levenshtein(note, 'abc')",
    "regexp_matches": "regexp_matches(note, '[A-Z]', 'i')",
    "regexp_full_match": "regexp_full_match(note, '[0-9]+')",
    "regexp_replace": "regexp_replace(note, '[a-z]', '_')",
    "regexp_extract": "regexp_extract(note, '([a-z])-(.)', 1)",
    "regexp_extract_all": "regexp_extract_all(note, '[a-z]')",
    "regexp_split_to_array": "regexp_split_to_array(note, '[-,]')",
    "like_escape": "like_escape(note, 'a$%', '$')",
    "date_trunc": "date_trunc('hour', t)",
    "date_part": "date_part('hour', t)",
    "datepart": "datepart('minute', t)",
    "extract": "extract(hour FROM t)",
    "date_diff": "date_diff('second', t, t + INTERVAL 1 HOUR)",
    "datediff": "datediff('second', t, t + INTERVAL 1 HOUR)",
    "date_sub": "date_sub('minute', t, t + INTERVAL 100 SECOND)",
    "datesub": "datesub('minute', t, t + INTERVAL 100 SECOND)",
    "date_add": "date_add(CAST(t AS DATE), INTERVAL 1 DAY)",
    "time_bucket": "time_bucket(INTERVAL 10 SECOND, t)",
    "to_timestamp": "to_timestamp(small)",
    "make_timestamptz": "make_timestamptz(2026, 1, 2, 3, 4, 5.5)",
    "make_timestamp": "make_timestamp(2026, 1, 2, 3, 4, 5.5) AT TIME ZONE 'UTC'",
    "make_date": "make_date(2026, 1, 2)",
    "timezone": "timezone('Europe/Berlin', t)",
    "strftime": "strftime(t, '%d/%m/%Y %H:%M')",
    "strptime": "strptime('2026-01-02 +0100', '%Y-%m-%d %z')",
    "try_strptime": "try_strptime(note, '%Y')",
    "to_seconds": "t + to_seconds(small)",
    "to_milliseconds": "t + to_milliseconds(small)",
    "to_microseconds": "t + to_microseconds(small)",
    "to_minutes": "t + to_minutes(small)",
    "to_hours": "t + to_hours(small)",
    "to_days": "t + to_days(small)",
    "list_value": "list_value(small, 1)",
    "array_value": "array_value(small, 1)::INTEGER[]",
    "list_contains": "list_contains(tags, 'u')",
    "list_has": "list_has(tags, 'u')",
    "list_position": "list_position(tags, 'v')",
    "list_extract": "list_extract(xs, 1)",
    "list_element": "list_element(xs, 1)",
    "list_slice": "list_slice(xs, 1, 2)",
    "list_append": "list_append(xs, 1.0)",
    "list_prepend": "list_prepend(1.0, xs)",
    "list_concat": "list_concat(xs, [1.0])",
    "list_distinct": "list_sort(list_distinct(tags))",
    "list_transform": "list_transform(xs, lambda x: x + 1)",
    "list_filter": "list_filter(xs, lambda x: x > 1)",
    "array_to_string": "array_to_string(tags, '+')",
    "flatten": "flatten([tags, tags])",
    "range": "range(3)",
    "struct_pack": "struct_pack(a := small, b := note)",
    "struct_extract": "struct_extract(place, 'lat')",
    "row": "(row(small, note))::STRUCT(a INTEGER, b VARCHAR)",
    "json_extract": "json_extract(payload, '$.b')",
    "json_extract_string": "json_extract_string(payload, '$.b.c')",
    "json_extract_path": "json_extract_path(payload, '$.b')",
    "json_extract_path_text": "json_extract_path_text(payload, '$.b.c')",
    "json_value": "json_value(payload, '$.a')",
    "json_type": "json_type(payload)",
    "json_valid": "json_valid(payload)",
    "json_keys": "json_keys(payload)",
    "json_exists": "json_exists(payload, '$.a')",
    "json_array_length": "json_array_length(payload)",
    "json_contains": "json_contains(payload, '1')",
    "json_object": "json_object('a', small)",
    "json_array": "json_array(small, 1)",
    "to_json": "to_json(small)",
    "json": "json(payload)",
    "typeof": "typeof(small)",
}
_TWO = "covar_samp covar_pop corr regr_slope regr_intercept regr_r2 arg_max arg_min max_by min_by argmax argmin".split()
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


def test_every_function_has_an_example() -> None:
    kinds = {name: one.kind for name, one in FUNCTIONS.items()}
    assert {name for name, kind in kinds.items() if kind == "scalar"} == set(SCALAR)
    assert {name for name, kind in kinds.items() if kind == "aggregate"} == set(AGGREGATE)
    assert not set(FUNCTIONS) & set(REFUSED)


@pytest.mark.parametrize("name", SCALAR)
def test_scalar_functions_mean_what_duckdb_means(name: str) -> None:
    text = SCALAR[name]
    rows = sql.row_local(f"SELECT {text} AS v FROM readings", [READINGS], {}, BINDER)
    ours = duck.query(rows.branches[0].query, readings=ROWS).column("v")
    theirs = duck.query(f"SELECT {text} AS v FROM readings", readings=ROWS).column("v")
    assert [repr(value) for value in ours.to_pylist()] == [repr(value) for value in theirs.to_pylist()]


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
