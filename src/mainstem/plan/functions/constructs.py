"""Forms of expression that are no function calls: operators, CASE, casts, access to lists, structs and JSON."""

from __future__ import annotations

from mainstem.plan.functions.entry import Function, Null, entry

_COMPARED = "{0} of numbers: NaN equals NaN and is the largest, 0.0 equals -0.0; of text by code points"


def _form(name: str, calls: str, example: str, gives: str, note: str = "", *, null: Null = "null", shape: str = "") -> list[Function]:
    return entry(name.replace(" ", "_"), shape or name, calls, example, gives, note, null=null, kind="construct")


def _operator(sign: str, calls: str, example: str, gives: str, note: str = "", null: Null = "null") -> list[Function]:
    return _form(sign, "; ".join(calls.split("; ")), example, gives, note, null=null, shape=f"a {sign} b")


CONSTRUCTS = [
    *_operator("+", "double + double -> double; int64 + int64 -> int64; int32 + int64 -> int64; int64 + double -> double;"
               " decimal(10,2) + decimal(10,2) -> decimal(11,2); timestamp + INTERVAL '1 hour' -> timestamp; date + int32 -> date",
               "0.1 + 0.2", "0.3", "of whole numbers and decimals exact, fails where it is too large; 0.1 is a decimal, 1e-1 a double"),
    *_operator("-", "double - double -> double; int64 - int64 -> int64; epoch(timestamp - timestamp) -> double; date - date -> int64",
               "DATE '2026-03-01' - DATE '2026-02-01'", "28", "of timestamps an interval"),
    *_form("minus", "-double -> double; -int64 -> int64", "-(2)", "-2", "fails for the smallest integer", shape="-a"),
    *_operator("*", "double * double -> double; int64 * int64 -> int64; decimal(10,2) * decimal(10,2) -> decimal(18,4)", "1.5 * 1.5",
               "2.25", "digits behind the mark add up; fails where it is too large: cast a decimal to a wider one"),
    *_operator("/", "double / double -> double; int64 / int64 -> double; decimal(10,2) / decimal(10,2) -> double", "7 / 2", "3.5",
               "always a double; NULL where b is 0, counted as `div_zero`"),
    *_operator("//", "int64 // int64 -> int64; double // double -> double", "-7 // 2", "-3", "towards zero; NULL where b is 0"),
    *_operator("%", "int64 % int64 -> int64; double % double -> double", "-7 % 3", "-1", "sign of a; NULL where b is 0"),
    *_operator("**", "double ** double -> double; int64 ** 2 -> double", "2 ** 10", "1024.0", "also a ^ b"),
    *_operator("&", "int64 & int64 -> int64", "6 & 3", "2"),
    *_operator("|", "int64 | int64 -> int64", "6 | 3", "7"),
    *_form("~", "~int64 -> int64", "~5", "-6", shape="~a"),
    *_operator("<<", "int64 << int32 -> int64", "1 << 4", "16", "fails below 0 and where bits are lost"),
    *_operator(">>", "int64 >> int32 -> int64", "16 >> 4", "1"),
    *_operator("=", "double = double -> boolean; string = string -> boolean; timestamp = timestamp -> boolean", "1 = 1.0", "true",
               _COMPARED.format("also ==;")),
    *_operator("<>", "double <> double -> boolean; string <> string -> boolean", "'a' <> 'A'", "true", "also !="),
    *(made for sign, gives in (("<", "true"), ("<=", "true"), (">", "false"), (">=", "false"))
      for made in _operator(sign, f"double {sign} double -> boolean; int64 {sign} double -> boolean; string {sign} string -> boolean;"
                            f" date {sign} timestamp -> boolean", f"'B' {sign} 'a'", gives, _COMPARED.format("").strip())),
    *_form("AND", "boolean AND boolean -> boolean", "false AND NULL", "false", "false if one is false, else NULL if one is NULL",
           null="own", shape="a AND b"),
    *_form("OR", "boolean OR boolean -> boolean", "true OR NULL", "true", "true if one is true, else NULL if one is NULL",
           null="own", shape="a OR b"),
    *_form("NOT", "NOT boolean -> boolean", "NOT true", "false", shape="NOT a"),
    *_form("IS NULL", "double IS NULL -> boolean; double IS NOT NULL -> boolean", "NULL IS NULL", "true", null="own",
           shape="a IS [NOT] NULL"),
    *_form("IS TRUE", "boolean IS TRUE -> boolean; boolean IS NOT FALSE -> boolean", "(NULL > 1) IS TRUE", "false", null="own",
           shape="a IS [NOT] TRUE \\| FALSE".replace("\\", "")),
    *_form("IS DISTINCT FROM", "double IS DISTINCT FROM double -> boolean; string IS NOT DISTINCT FROM string -> boolean",
           "1 IS DISTINCT FROM NULL", "true", "as <> where NULL is a value", null="own", shape="a IS [NOT] DISTINCT FROM b"),
    *_form("BETWEEN", "double BETWEEN double AND double -> boolean; double NOT BETWEEN 0 AND double -> boolean", "2 BETWEEN 1 AND 2",
           "true", "both ends belong to it; false also beside a NULL where the other end says so", null="own",
           shape="a [NOT] BETWEEN low AND high"),
    *_form("IN", "int64 IN (1, 3) -> boolean; string NOT IN ('a', string) -> boolean", "2 IN (1, NULL)", "NULL",
           "NULL where it is not found and the list has a NULL", null="own", shape="a [NOT] IN (b, c)"),
    *_form("LIKE", "string LIKE string -> boolean; string NOT LIKE 'a%' -> boolean; string LIKE 'a!%' ESCAPE '!' -> boolean",
           "'Haus 7' LIKE 'Haus _'", "true", "% any text, _ one sign; NOT LIKE, ESCAPE", shape="a [NOT] LIKE pattern"),
    *_form("ILIKE", "string ILIKE string -> boolean", "'HAUS' ILIKE 'haus'", "true", "LIKE whatever the case",
           shape="a [NOT] ILIKE pattern"),
    *_form("SIMILAR TO", "string SIMILAR TO '[a-c]+' -> boolean", "'abc' SIMILAR TO '[a-c]+'", "true",
           "the whole text; a regular expression", shape="a [NOT] SIMILAR TO pattern"),
    *_form("GLOB", "string GLOB 'a*' -> boolean", "'a.csv' GLOB '*.csv'", "true", shape="a GLOB pattern"),
    *_operator("||", "string || string -> string; list<double> || list<double> -> list<double>", "'a' || 'b'", "ab",
               "of lists as list_concat, which leaves NULL out", "own"),
    *_form("CASE", "CASE WHEN double > 1 THEN 'high' ELSE string END -> string; CASE string WHEN 'abc' THEN 1 END -> int32",
           "CASE WHEN NULL THEN 1 ELSE 2 END", "2", "the first condition that is true; NULL where none is and there is no ELSE",
           null="own", shape="CASE WHEN a THEN b ELSE c END"),
    *_form("::", "string::DOUBLE -> double; int64::VARCHAR -> string; timestamp::DATE -> date", "'1.5'::DOUBLE", "1.5", "as CAST",
           shape="a::type"),
    *_form("AT TIME ZONE", "timestamp AT TIME ZONE 'Europe/Berlin' -> timestamp_local;"
           " timestamp_local AT TIME ZONE 'Europe/Berlin' -> timestamp; timestamp AT TIME ZONE string -> timestamp_local",
           "TIMESTAMP '2026-07-01 12:00:00' AT TIME ZONE 'Europe/Berlin'", "2026-07-01 10:00:00+00",
           "of a moment the wall clock there; of a wall clock the moment: one that the zone skips moves by the gap, one that comes"
           " twice is the later", shape="a AT TIME ZONE zone"),
    *_form("list", "[double, double] -> list<double>; [string] -> list<string>", "[1, NULL]", "[1, NULL]", null="own", shape="[a, b]"),
    *_form("struct", "{'a': double, 'b': string} -> struct<a: double, b: string>", "{'a': 1}.a", "1", null="own",
           shape="{'name': a}"),
    *_form("index", "list<double>[int32] -> double; string[int32] -> string", "[5, 7][-1]", "7",
           "counts from 1, below 0 from the end; NULL where absent, of a text ''", shape="a[i]"),
    *_form("slice", "list<double>[1:2] -> list<double>; string[2:] -> string", "[5, 6, 7][2:]", "[6, 7]", "both ends belong to it",
           shape="a[i:j]"),
    *_form("field", "struct<a: double, b: string>.a -> double; struct<a: double, b: string>['b'] -> string", "{'a': 1}['a']", "1",
           shape="s.name"),
    *_form("comprehension", "[x + 1 FOR x IN list<double> IF x > 1] -> list<double>", "[x * 2 FOR x IN [1, 2] IF x > 1]", "[4]",
           shape="[f(x) FOR x IN list IF p(x)]"),
    *_operator("->", "json -> 'a' -> json; json -> '$.a[0]' -> json", """'{"a": [1, 2]}'::JSON -> 'a' -> 0""", "1",
               "JSON by name, place or path"),
    *_operator("->>", "json ->> 'a' -> string; json ->> '$.a' -> string", """'{"a": "x"}'::JSON ->> 'a'""", "x", "text"),
]
AGGREGATED = [
    *_form("FILTER", "sum(double) FILTER (WHERE boolean) -> double; count(*) FILTER (WHERE double > 1) -> int64",
           "sum(x) FILTER (WHERE ok)", "1.5", "only rows where it is true", null="own", shape="aggregate(...) FILTER (WHERE p)"),
    *_form("DISTINCT", "count(DISTINCT string) -> int64; sum(DISTINCT int64) -> int64", "sum(DISTINCT n)", "8",
           "each value once", null="skips", shape="aggregate(DISTINCT a)"),
    *_form("ORDER BY", "list(string ORDER BY double DESC) -> list<string>; first(double ORDER BY timestamp) -> double",
           "list(s ORDER BY y DESC, n)", "[b, a, NULL, a]", "NULL last, unless NULLS FIRST; equals in order of arrival", null="own",
           shape="aggregate(a ORDER BY b [DESC] [NULLS FIRST])"),
    *_form("WITHIN GROUP", "quantile_cont(0.9) WITHIN GROUP (ORDER BY double) -> double", "quantile_cont(0.5) WITHIN GROUP (ORDER BY x)",
           "2.0", null="skips", shape="aggregate(...) WITHIN GROUP (ORDER BY a)"),
]
