"""The binder tells types as DuckDB sees them, and DuckDB's objections in our words."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mainstem.columns import Column, parse_type
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.errors import SpecError


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name, parse_type(kind)) for name, kind in types.items())


ROWS = columns(temperature="double", seq="int64", seen="timestamp", name="string", place="struct<lat: double, lon: double>",
               price="decimal(6,2)", tags="list<string>", payload="json")


@pytest.fixture(scope="module")
def binder() -> DuckBinder:
    return DuckBinder()


@pytest.mark.parametrize(("expression", "kind"), [
    ("temperature > 4", "boolean"), ("seq + 1", "int64"), ("seq / 2", "double"), ("seq // 2", "int64"), ("sum(seq)", "hugeint"),
    ("avg(price)", "double"), ("price * 2", "decimal(16,2)"), ("place.lat", "double"),
    ("place", "struct<lat: double, lon: double>"),
    ("list(DISTINCT name)", "list<string>"), ("tags[1]", "string"), ("payload->'a'", "json"), ("payload->>'a'", "string"),
    ("date_trunc('hour', seen)", "timestamp"), ("seen::DATE", "date"), ("seen - seen", "interval"), ("NULL", "null"),
    ("uuid()", "string"),
    ("seen::TIMESTAMP", "timestamp_local"), ("'a'::ENUM('a', 'b,c)')", "string"), ("[1.5::FLOAT]::FLOAT[1]", "list<float>"),
    ("seen AT TIME ZONE 'Europe/Berlin'", "timestamp_local"), ("{'my uuid': 1}", "struct<my uuid: int32>"),
])
def test_types_are_duckdbs(binder: DuckBinder, expression: str, kind: str) -> None:
    (column,) = binder.describe(f'SELECT {expression} AS x FROM "rows"', {"rows": ROWS})
    assert (column.name, str(column.type)) == ("x", kind)


@pytest.mark.parametrize(("sql", "what", "fix"), [
    ('SELECT temprature FROM "rows"', "temprature", "did you mean `temperature`?"),
    ('SELECT lenth(name) FROM "rows"', "lenth", "did you mean `length`?"),
    ("SELECT 1 FROM row", "row", "`rows`"),
    ('SELECT rows.temp FROM "rows"', "temp", "there are"),
    ('SELECT seq, sum(temperature) FROM "rows"', "GROUP BY", "GROUP BY"),
    ("SELECT 1 +", "syntax error", "mend the SQL"),
    ("SELECT * FROM 'x.csv'", "x.csv", "mend the SQL"),
    ("SELECT name + 1 FROM \"rows\" WHERE name BETWEEN temperature AND DATE '2020-01-01'", "Cannot mix", "CAST("),
])
def test_an_objection_has_code_reason_and_hint(binder: DuckBinder, sql: str, what: str, fix: str) -> None:
    with pytest.raises(SpecError) as caught:
        binder.describe(sql, {"rows": ROWS})
    error = caught.value
    assert error.code == "sql.invalid"
    assert what in error.what
    assert fix in error.fix
    assert error.why


def test_a_type_that_no_column_can_have_is_refused_by_name(binder: DuckBinder) -> None:
    with pytest.raises(SpecError) as caught:
        binder.describe('SELECT MAP {name: seq} AS counts FROM "rows"', {"rows": ROWS})
    assert caught.value.code == "sql.type"
    assert "counts" in caught.value.what


def test_it_knows_only_the_relations_of_this_call(binder: DuckBinder) -> None:
    binder.describe("SELECT a FROM one", {"one": columns(a="int64")})
    with pytest.raises(SpecError, match="one"):
        binder.describe("SELECT a FROM one", {"two": columns(a="int64")})
    (column,) = binder.describe("SELECT a FROM one", {"one": columns(a="string")})
    assert str(column.type) == "string"


def test_names_of_any_kind_are_quoted(binder: DuckBinder) -> None:
    strange = columns(**{'a "b" c': "int64", "group": "string"})
    answer = binder.describe('SELECT * FROM "check/1"', {"check/1": strange})
    assert [column.name for column in answer] == ['a "b" c', "group"]


def test_an_alias_that_differs_only_in_case_is_the_name(binder: DuckBinder) -> None:
    query = 'SELECT "Voltage" AS "voltage", count(*) AS "N" FROM rows GROUP BY 1'
    answer = binder.describe(query, {"rows": columns(Voltage="double")})
    assert [(column.name, str(column.type)) for column in answer] == [("voltage", "double"), ("N", "int64")]


def test_it_does_not_import_pyarrow() -> None:
    code = ("import sys; from mainstem.engines.kernels.binder import DuckBinder; DuckBinder().describe('SELECT 1', {});"
            "assert 'pyarrow' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)
