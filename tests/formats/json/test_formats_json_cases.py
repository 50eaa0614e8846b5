"""The case list of JSON values: the reader of single records and the vectorised one give the same, exact answer."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from formats_kit import column, complete, json_format, no_query, same

from mainstem.formats.json.lines import decode
from mainstem.plugs import Chunk

UTC = dt.UTC


def at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


BERLIN = {"zone": "Europe/Berlin"}
# id, type, column facts, the text of the value, what must come out: [value] or a reason
CASES: list[tuple[str, str, dict[str, Any], str, Any]] = [
    ("null", "int64", {}, "null", [None]),
    ("null_required", "int64", {"required": True}, "null", "missing"),
    ("integer", "int64", {}, "7", [7]),
    ("negative_zero", "int64", {}, "-0", [0]),
    ("spaced", "int64", {}, "  7  ", [7]),
    ("one_blank", "int64", {}, " 7", [7]),
    ("beyond_2_53", "int64", {}, "9007199254740993", [9007199254740993]),
    ("int64_max", "int64", {}, "9223372036854775807", [2**63 - 1]),
    ("int64_min", "int64", {}, "-9223372036854775808", [-(2**63)]),
    ("int64_over", "int64", {}, "9223372036854775808", "out_of_range"),
    ("int64_far_over", "int64", {}, "1e400", "out_of_range"),
    ("uint64_max", "uint64", {}, "18446744073709551615", [2**64 - 1]),
    ("uint64_negative", "uint64", {}, "-1", "out_of_range"),
    ("int8_over", "int8", {}, "128", "out_of_range"),
    ("int8_low", "int8", {}, "-128", [-128]),
    ("uint8_over", "uint8", {}, "256", "out_of_range"),
    ("one_point_zero", "int64", {}, "1.0", [1]),
    ("one_e_three", "int64", {}, "1e3", [1000]),
    ("exponent_makes_whole", "int64", {}, "1.25e2", [125]),
    ("fraction", "int64", {}, "1.5", "inexact"),
    ("tiny_exponent", "int64", {}, "1e-400", "inexact"),
    ("text_for_int", "int64", {}, '"7"', "type"),
    ("text_coerced", "int64", {"coerce": True}, '"7"', [7]),
    ("text_coerced_bad", "int64", {"coerce": True}, '"seven"', "type"),
    ("bool_for_int", "int64", {}, "true", "type"),
    ("bool_for_double", "double", {}, "true", "type"),
    ("list_for_int", "int64", {}, "[1]", "type"),
    ("object_for_int", "int64", {}, '{"b":1}', "type"),
    ("text_null_for_int", "int64", {"null": ("NA",)}, '"NA"', [None]),
    ("double", "double", {}, "21.5", [21.5]),
    ("double_of_int", "double", {}, "3", [3.0]),
    ("double_exponent", "double", {}, "-1.5E+3", [-1500.0]),
    ("double_exact", "double", {}, "0.1", [0.1]),
    ("double_17_digits", "double", {}, "9007199254740993", [9007199254740992.0]),
    ("double_subnormal", "double", {}, "5e-324", [5e-324]),
    ("double_over", "double", {}, "1e400", "out_of_range"),
    ("double_many_digits", "double", {}, "1." + "3" * 150, [float("1." + "3" * 150)]),
    ("float_over", "float", {}, "1e39", "out_of_range"),
    ("float", "float", {}, "0.5", [0.5]),
    ("nan", "double", {}, "NaN", "not_json"),
    ("infinity", "double", {}, "-Infinity", "not_json"),
    ("inf", "double", {}, "inf", "not_json"),
    ("leading_zero", "int64", {}, "007", "not_json"),
    ("plus", "int64", {}, "+7", "not_json"),
    ("hexadecimal", "int64", {}, "0x10", "not_json"),
    ("no_digits_before_point", "double", {}, ".5", "not_json"),
    ("no_digits_after_point", "double", {}, "5.", "not_json"),
    ("point_exponent", "double", {}, "1.e5", "not_json"),
    ("underscore", "int64", {}, "1_000", "not_json"),
    ("bare_word", "string", {}, "abc", "not_json"),
    ("capital_true", "boolean", {}, "True", "not_json"),
    ("nothing", "int64", {}, "", "not_json"),
    ("true", "boolean", {}, "true", [True]),
    ("false", "boolean", {}, "false", [False]),
    ("one_for_bool", "boolean", {}, "1", "type"),
    ("string", "string", {}, '"a b"', ["a b"]),
    ("empty_string", "string", {}, '""', [""]),
    ("string_with_commas", "string", {}, '"a,b:{c}"', ["a,b:{c}"]),
    ("string_like_key", "string", {}, '":x"', [":x"]),
    ("umlaut", "string", {}, '"ü – 漢字 🌡"', ["ü – 漢字 🌡"]),
    ("nfc_is_not_nfd", "string", {}, '"e\u0301"', ["e\u0301"]),
    ("escapes", "string", {}, r'"a\"b\\c\n\u00e9\/"', ['a"b\\c\né/']),
    ("surrogate_pair", "string", {}, r'"\ud83c\udf21"', ["🌡"]),
    ("escaped_nul", "string", {}, r'"a\u0000b"', ["a\0b"]),
    ("lone_surrogate", "string", {}, r'"\ud800"', "bad_escape"),
    ("lone_low_surrogate", "string", {}, r'"x\udfffy"', "bad_escape"),
    ("bad_escape", "string", {}, r'"\x41"', "not_json"),
    ("raw_tab", "string", {}, '"a\tb"', "not_json"),
    ("raw_nul", "string", {}, '"a\0b"', "not_json"),
    ("single_quotes", "string", {}, "'a'", "not_json"),
    ("number_for_string", "string", {}, "17", "type"),
    ("bool_for_string", "string", {}, "true", "type"),
    ("null_word", "string", {}, '"NULL"', ["NULL"]),
    ("null_text", "string", {"null": ("NULL", "-")}, '"NULL"', [None]),
    ("decimal", "decimal(18,1)", {}, "883406386745030.3", [Decimal("883406386745030.3")]),
    ("decimal_int", "decimal(10,2)", {}, "5", [Decimal("5.00")]),
    ("decimal_zeros", "decimal(10,2)", {}, "1.500", [Decimal("1.50")]),
    ("decimal_exponent", "decimal(10,2)", {}, "15e-1", [Decimal("1.50")]),
    ("decimal_inexact", "decimal(10,2)", {}, "1.005", "inexact"),
    ("decimal_over", "decimal(4,2)", {}, "100", "out_of_range"),
    ("decimal_fits", "decimal(4,2)", {}, "99.99", [Decimal("99.99")]),
    ("decimal_38", "decimal(38,0)", {}, "9" * 38, [Decimal("9" * 38)]),
    ("decimal_all_scale", "decimal(3,3)", {}, "0.125", [Decimal("0.125")]),
    ("decimal_huge", "decimal(10,2)", {}, "1e999999999", "out_of_range"),
    ("decimal_text", "decimal(10,2)", {}, '"1.50"', "type"),
    ("date", "date", {}, '"2026-02-28"', [dt.date(2026, 2, 28)]),
    ("date_leap", "date", {}, '"2024-02-29"', [dt.date(2024, 2, 29)]),
    ("date_none", "date", {}, '"2026-02-30"', "bad_timestamp"),
    ("date_31", "date", {}, '"2026-01-31"', [dt.date(2026, 1, 31)]),
    ("date_no_31", "date", {}, '"2026-04-31"', "bad_timestamp"),
    ("date_year_zero", "date", {}, '"0000-01-01"', "bad_timestamp"),
    ("date_format", "date", {"format": "%d/%m/%Y"}, '"13/02/2026"', [dt.date(2026, 2, 13)]),
    ("date_guessed", "date", {}, '"13/02/2026"', "bad_timestamp"),
    ("date_number", "date", {}, "20260101", "type"),
    ("time_z", "timestamp", {}, '"2026-01-01T00:00:00Z"', [at(2026, 1, 1)]),
    ("time_blank", "timestamp", {}, '"2026-01-01 00:00:00Z"', [at(2026, 1, 1)]),
    ("time_offset", "timestamp", {}, '"2026-01-01T14:00:00+02:00"', [at(2026, 1, 1, 12)]),
    ("time_offset_minutes", "timestamp", {}, '"2026-01-01T00:00:00-03:30"', [at(2026, 1, 1, 3, 30)]),
    ("time_fraction", "timestamp", {}, '"2026-01-01T00:00:00.123456Z"', [at(2026, 1, 1, 0, 0, 0, 123456)]),
    ("time_tenth", "timestamp", {}, '"2026-01-01T00:00:00.5Z"', [at(2026, 1, 1, 0, 0, 0, 500000)]),
    ("time_ns_exact", "timestamp", {}, '"2026-01-01T00:00:00.123456000Z"', [at(2026, 1, 1, 0, 0, 0, 123456)]),
    ("time_ns_lossy", "timestamp", {}, '"2026-01-01T00:00:00.123456789Z"', "inexact"),
    ("time_ns_truncated", "timestamp", {"precision": "truncate"},
     '"2026-01-01T00:00:00.123456789Z"', [at(2026, 1, 1, 0, 0, 0, 123456)]),
    ("time_before_1970", "timestamp", {}, '"1969-12-31T23:59:59.5Z"', [at(1969, 12, 31, 23, 59, 59, 500000)]),
    ("time_year_1", "timestamp", {}, '"0001-01-01T00:00:00Z"', [at(1, 1, 1)]),
    ("time_before_year_1", "timestamp", {}, '"0001-01-01T00:00:00+01:00"', "out_of_range"),
    ("time_year_0", "timestamp", {}, '"0000-01-01T00:00:00Z"', "bad_timestamp"),
    ("time_no_zone", "timestamp", {}, '"2026-01-01T00:00:00"', "bad_timestamp"),
    ("time_no_zone_date", "timestamp", {}, '"2026-01-01"', "bad_timestamp"),
    ("time_zone", "timestamp", BERLIN, '"2026-01-01T00:00:00"', [at(2025, 12, 31, 23)]),
    ("time_zone_summer", "timestamp", BERLIN, '"2026-07-01T00:00:00"', [at(2026, 6, 30, 22)]),
    ("time_zone_date", "timestamp", BERLIN, '"2026-01-01"', [at(2025, 12, 31, 23)]),
    ("time_zone_offset_wins", "timestamp", BERLIN, '"2026-01-01T00:00:00Z"', [at(2026, 1, 1)]),
    ("time_skipped", "timestamp", BERLIN, '"2026-03-29T02:30:00"', "bad_timestamp"),
    ("time_skipped_forward", "timestamp", {**BERLIN, "nonexistent": "shift_forward"},
     '"2026-03-29T02:30:00"', [at(2026, 3, 29, 1, 30)]),
    ("time_twice", "timestamp", BERLIN, '"2026-10-25T02:30:00"', "bad_timestamp"),
    ("time_twice_earlier", "timestamp", {**BERLIN, "ambiguous": "earlier"}, '"2026-10-25T02:30:00"', [at(2026, 10, 25, 0, 30)]),
    ("time_twice_later", "timestamp", {**BERLIN, "ambiguous": "later"}, '"2026-10-25T02:30:00"', [at(2026, 10, 25, 1, 30)]),
    ("time_before_gap", "timestamp", BERLIN, '"2026-03-29T01:59:59"', [at(2026, 3, 29, 0, 59, 59)]),
    ("time_after_gap", "timestamp", BERLIN, '"2026-03-29T03:00:00"', [at(2026, 3, 29, 1)]),
    ("leap_second", "timestamp", {}, '"2016-12-31T23:59:60Z"', "bad_timestamp"),
    ("end_of_day", "timestamp", {}, '"2026-01-01T24:00:00Z"', [at(2026, 1, 2)]),
    ("after_end_of_day", "timestamp", {}, '"2026-01-01T24:00:01Z"', "bad_timestamp"),
    ("hour_25", "timestamp", {}, '"2026-01-01T25:00:00Z"', "bad_timestamp"),
    ("february_30", "timestamp", {}, '"2026-02-30T00:00:00Z"', "bad_timestamp"),
    ("february_29", "timestamp", {}, '"2024-02-29T00:00:00Z"', [at(2024, 2, 29)]),
    ("no_seconds", "timestamp", {}, '"2026-01-01T00:07Z"', [at(2026, 1, 1, 0, 7)]),
    ("offset_without_colon", "timestamp", {}, '"2026-01-01T00:00:00+0100"', [at(2025, 12, 31, 23)]),
    ("offset_99", "timestamp", {}, '"2026-01-01T00:00:00+99:00"', "bad_timestamp"),
    ("epoch_undeclared", "timestamp", {}, "1767225600", "bad_timestamp"),
    ("epoch_s", "timestamp", {"format": "epoch_s"}, "1767225600", [at(2026, 1, 1)]),
    ("epoch_s_fraction", "timestamp", {"format": "epoch_s"}, "1767225600.5", [at(2026, 1, 1, 0, 0, 0, 500000)]),
    ("epoch_ms", "timestamp", {"format": "epoch_ms"}, "1767225600123", [at(2026, 1, 1, 0, 0, 0, 123000)]),
    ("epoch_us", "timestamp", {"format": "epoch_us"}, "-1", [at(1969, 12, 31, 23, 59, 59, 999999)]),
    ("epoch_us_lossy", "timestamp", {"format": "epoch_us"}, "1.5", "inexact"),
    ("epoch_us_truncated", "timestamp", {"format": "epoch_us", "precision": "truncate"}, "1.5", [at(1970, 1, 1, 0, 0, 0, 1)]),
    ("epoch_far", "timestamp", {"format": "epoch_s"}, "999999999999999", "out_of_range"),
    ("epoch_text", "timestamp", {"format": "epoch_s"}, '"1767225600"', "type"),
    ("epoch_text_coerced", "timestamp", {"format": "epoch_s", "coerce": True}, '"1767225600"', [at(2026, 1, 1)]),
    ("pattern", "timestamp", {"format": "%d.%m.%Y %H:%M", **BERLIN}, '"01.07.2026 12:00"', [at(2026, 7, 1, 10)]),
    ("pattern_offset", "timestamp", {"format": "%Y%m%dT%H%M%S%z"}, '"20260701T120000+0200"', [at(2026, 7, 1, 10)]),
    ("pattern_no_zone", "timestamp", {"format": "%d.%m.%Y %H:%M"}, '"01.07.2026 12:00"', "bad_timestamp"),
    ("bool_for_time", "timestamp", {}, "true", "type"),
    ("binary", "binary", {}, '"AP8="', [b"\x00\xff"]),
    ("binary_bad", "binary", {}, '"a"', "type"),
    ("json_number", "json", {}, "1.50", ["1.50"]),
    ("json_string", "json", {}, '"a"', ['"a"']),
    ("json_null", "json", {}, "null", [None]),
    ("json_object", "json", {}, '{"b": [1, 2.50, null, "é"]}', ['{"b":[1,2.50,null,"é"]}']),
    ("list", "list<double>", {}, "[1, 2.5, null]", [[1.0, 2.5, None]]),
    ("list_bad_item", "list<int64>", {}, '[1, "2"]', "type"),
    ("list_scalar", "list<int64>", {}, "1", "type"),
    ("struct", "struct<x: int64, y: string>", {}, '{"x": 1, "z": 2}', [{"x": 1, "y": None}]),
    ("struct_bad", "struct<x: int64>", {}, '{"x": 1.5}', "inexact"),
    ("struct_times", "list<struct<t: timestamp>>", {}, '[{"t": "2026-01-01T00:00:00Z"}]', [[{"t": at(2026, 1, 1)}]]),
]


def both(columns: Any, line: bytes, unknown: str = "ignore", missing: str = "null", filler: bytes = b'{"id":"x","a":null}',
         **options: Any) -> tuple[Any, Any]:
    """Decode a line alone and amid enough good lines for the vectorised way; (decoded alone, its row or reject amid)."""
    plug = json_format(columns, unknown, missing, **options)
    alone = plug.decode(Chunk(line + b"\n", 0), no_query)
    complete(alone)
    data = b"\n".join([filler] * 40 + [line] + [filler] * 40) + b"\n"
    amid = decode(plug, Chunk(data, 0))
    complete(amid)
    same(amid, decode(plug, Chunk(data, 0), vectorised=False))
    return alone, amid


@pytest.mark.parametrize(("kind", "facts", "text", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_value(kind: str, facts: dict[str, Any], text: str, expected: Any) -> None:
    columns = (column("id", "string", required=True), column("a", kind, **facts))
    line = f'{{"id":"r","a":{text}}}'.encode()
    alone, _ = both(columns, line, filler=b'{"id":"x"}' if facts.get("required") else b'{"id":"x","a":null}')
    if isinstance(expected, str):
        assert alone.rejects.column("reason").to_pylist() == [expected]
        assert alone.rejects.column("column").to_pylist() == [None if expected in ("not_json", "bad_escape") else "a"]
        assert alone.raw.to_pylist() == [line]
    else:
        assert alone.rejects.to_pylist() == []
        assert alone.rows.column("a").to_pylist() == expected


GOOD = b'{"id":"r","a":1}'
RECORDS: list[tuple[str, bytes, str]] = [
    ("cut", b'{"id":"r","a":', "not_json"),
    ("cut_in_string", b'{"id":"r', "not_json"),
    ("no_brace", b'{"id":"r","a":1', "not_json"),
    ("trailing_comma", b'{"id":"r","a":1,}', "not_json"),
    ("trailing_comma_blank", b'{"id":"r","a":1, }', "not_json"),
    ("double_comma", b'{"id":"r",,"a":1}', "not_json"),
    ("missing_comma", b'{"id":"r" "a":1}', "not_json"),
    ("missing_colon", b'{"id":"r","a" 1}', "not_json"),
    ("colon_twice", b'{"id":"r","a"::1}', "not_json"),
    ("value_with_colon", b'{"id":"r":"s","a":1}', "not_json"),
    ("junk_after", b'{"id":"r","a":1} x', "not_json"),
    ("two_objects", b'{"id":"r","a":1}{"id":"s","a":2}', "not_json"),
    ("two_objects_blank", b'{"id":"r","a":1} {"id":"s","a":2}', "not_json"),
    ("comment", b'{"id":"r","a":1} // x', "not_json"),
    ("junk_before", b'x{"id":"r","a":1}', "not_json"),
    ("bom_inside", b'\xef\xbb\xbf{"id":"r","a":1}', "not_json"),
    ("single_quotes", b"{'id':'r','a':1}", "not_json"),
    ("bare_keys", b'{id:"r",a:1}', "not_json"),
    ("null_record", b"null", "not_object"),
    ("number_record", b"1", "not_object"),
    ("array_record", b'[{"id":"r"}]', "not_object"),
    ("string_record", b'"id"', "not_object"),
    ("double_key", b'{"id":"r","a":1,"a":2}', "duplicate_key"),
    ("double_key_same_value", b'{"id":"r","a":1,"a":1}', "duplicate_key"),
    ("double_key_escaped", b'{"id":"r","a":1,"\\u0061":2}', "duplicate_key"),
    ("double_unknown_key", b'{"id":"r","z":1,"z":2}', "duplicate_key"),
    ("double_key_inside", b'{"id":"r","z":{"q":1,"q":2}}', "duplicate_key"),
    ("bad_unknown_value", b'{"id":"r","a":1,"z":nan}', "not_json"),
    ("zero_unknown_value", b'{"id":"r","a":1,"z":01}', "not_json"),
    ("surrogate_in_unknown", b'{"id":"r","z":"\\ud800"}', "bad_escape"),
    ("not_utf8", b'{"id":"r\xff","a":1}', "not_utf8"),
    ("overlong_utf8", b'{"id":"\xc0\xaf","a":1}', "not_utf8"),
    ("utf8_surrogate", b'{"id":"\xed\xa0\x80","a":1}', "not_utf8"),
    ("latin1", "{\"id\":\"ü\",\"a\":1}".encode("latin-1"), "not_utf8"),
    ("required_absent", b'{"a":1}', "missing"),
    ("required_null", b'{"id":null,"a":1}', "missing"),
    ("empty_object", b"{}", "missing"),
    ("deep", b'{"id":"r","z":' + b"[" * 64 + b"]" * 64 + b"}", "too_deep"),
    ("very_deep", b'{"id":"r","z":' + b"[" * 100_000, "too_deep"),
    ("return_inside", b'{"id":"r",\r"a":1.5}', "inexact"),
    ("form_feed", b'{"id":"r",\x0c"a":1}', "not_json"),
    ("no_break_space", '{"id":"r",\u00a0"a":1}'.encode(), "not_json"),
]


@pytest.mark.parametrize(("line", "reason"), [c[1:] for c in RECORDS], ids=[c[0] for c in RECORDS])
def test_bad_record_costs_only_itself(line: bytes, reason: str) -> None:
    columns = (column("id", "string", required=True), column("a", "int64"))
    alone, amid = both(columns, line)
    assert alone.rejects.column("reason").to_pylist() == [reason]
    assert amid.rejects.column("record").to_pylist() == [40]
    assert amid.rows.num_rows == 80
    assert amid.raw[40].as_py() == line


FINE: list[tuple[str, bytes, dict[str, Any]]] = [
    ("plain", GOOD, {"id": "r", "a": 1}),
    ("other_order", b'{"a":1,"id":"r"}', {"id": "r", "a": 1}),
    ("blanks", b' { "id" : "r" , "a" : 1 } ', {"id": "r", "a": 1}),
    ("python_style", b'{"id": "r", "a": 1}', {"id": "r", "a": 1}),
    ("tabs", b'{\t"id":\t"r",\t"a":1}', {"id": "r", "a": 1}),
    ("absent", b'{"id":"r"}', {"id": "r", "a": None}),
    ("unknown", b'{"id":"r","a":1,"z":true,"y":"q","x":1.5e3}', {"id": "r", "a": 1}),
    ("unknown_nested", b'{"id":"r","z":{"id":"q","a":[1,{"a":3}]},"a":1}', {"id": "r", "a": 1}),
    ("key_differs_by_case", b'{"id":"r","A":5,"a":1}', {"id": "r", "a": 1}),
    ("escaped_key", b'{"id":"r","\\u0061":1}', {"id": "r", "a": 1}),
    ("empty_key", b'{"id":"r","":3,"a":1}', {"id": "r", "a": 1}),
    ("deep_enough", b'{"id":"r","a":1,"z":' + b"[" * 63 + b"]" * 63 + b"}", {"id": "r", "a": 1}),
    ("brackets_in_string", b'{"id":"' + b"[{" * 100 + b'","a":1}', {"id": "[{" * 100, "a": 1}),
    ("crlf", b'{"id":"r","a":1}\r', {"id": "r", "a": 1}),
]


@pytest.mark.parametrize(("line", "row"), [c[1:] for c in FINE], ids=[c[0] for c in FINE])
def test_good_record(line: bytes, row: dict[str, Any]) -> None:
    columns = (column("id", "string", required=True), column("a", "int64"))
    alone, amid = both(columns, line)
    assert alone.rows.to_pylist() == [row]
    assert amid.rows.to_pylist()[40] == row
    assert amid.raw[40].as_py() == line.removesuffix(b"\r")
