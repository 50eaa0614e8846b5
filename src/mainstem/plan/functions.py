"""Which SQL functions a pipeline may use, and what each does with NULL: the stated subset of DuckDB's dialect.

Every function here gives the same value for the same arguments, on every engine, on every run. What is not here is refused
with a suggestion; what is refused on purpose says why.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

Kind = Literal["scalar", "aggregate", "window", "rows"]


@dataclass(frozen=True)
class Function:
    """A function that SQL in a pipeline may call."""

    name: str
    arguments: str  # their shape, for a person: "text, pattern [, replacement]"
    null: str  # what a NULL argument does: null | skips | own
    kind: Kind = "scalar"  # aggregate: many rows to one; window: only in OVER; rows: one row to many
    ordered: bool = False  # its answer depends on the order of rows: we add the order of arrival
    note: str = ""


_NULL, _SKIPS, _OWN = "null", "skips", "own"

# name, arguments, what NULL does, note
_SCALAR = [
    # arithmetic
    ("abs", "number", _NULL, ""),
    ("ceil", "number", _NULL, ""),
    ("ceiling", "number", _NULL, ""),
    ("floor", "number", _NULL, ""),
    ("round", "number [, digits]", _NULL, "half away from zero"),
    ("round_even", "number, digits", _NULL, "half to even"),
    ("trunc", "number", _NULL, "towards zero"),
    ("sign", "number", _NULL, ""),
    ("sqrt", "number", _NULL, "NaN below zero"),
    ("cbrt", "number", _NULL, ""),
    ("ln", "number", _NULL, "-inf at zero"),
    ("log", "number", _NULL, "base 10"),
    ("log10", "number", _NULL, ""),
    ("log2", "number", _NULL, ""),
    ("exp", "number", _NULL, ""),
    ("pow", "base, exponent", _NULL, ""),
    ("power", "base, exponent", _NULL, ""),
    ("mod", "a, b", _NULL, "sign of a; NULL where b is 0"),
    ("divide", "a, b", _NULL, "as a // b: towards zero; NULL where b is 0"),
    ("fmod", "a, b", _NULL, "NULL where b is 0"),
    ("pi", "", _OWN, ""),
    ("gcd", "a, b", _NULL, ""),
    ("lcm", "a, b", _NULL, ""),
    ("sin", "radians", _NULL, ""),
    ("cos", "radians", _NULL, ""),
    ("tan", "radians", _NULL, ""),
    ("asin", "number", _NULL, ""),
    ("acos", "number", _NULL, ""),
    ("atan", "number", _NULL, ""),
    ("atan2", "y, x", _NULL, ""),
    ("degrees", "radians", _NULL, ""),
    ("radians", "degrees", _NULL, ""),
    ("isnan", "number", _NULL, ""),
    ("isfinite", "number", _NULL, ""),
    ("isinf", "number", _NULL, ""),
    ("bit_count", "integer", _NULL, ""),
    ("xor", "a, b", _NULL, ""),
    # conditional
    ("coalesce", "a, b, ...", _SKIPS, "the first that is not NULL"),
    ("ifnull", "a, b", _SKIPS, ""),
    ("nullif", "a, b", _OWN, "NULL where a = b"),
    ("if", "condition, then, else", _OWN, ""),
    ("greatest", "a, b, ...", _SKIPS, "NaN is the largest"),
    ("least", "a, b, ...", _SKIPS, ""),
    ("cast", "value AS type", _NULL, "fails where it cannot; to a whole number only exactly"),
    ("try_cast", "value AS type", _OWN, "NULL where it cannot, or not exactly"),
    ("error", "text", _NULL, "stops with this message where it is reached"),
    ("try", "expression", _OWN, "NULL where it fails"),
    # text
    ("lower", "text", _NULL, ""),
    ("lcase", "text", _NULL, ""),
    ("upper", "text", _NULL, ""),
    ("ucase", "text", _NULL, ""),
    ("length", "text or list", _NULL, "code points"),
    ("len", "text or list", _NULL, "code points"),
    ("strlen", "text", _NULL, "bytes"),
    ("trim", "text [, signs]", _NULL, ""),
    ("ltrim", "text [, signs]", _NULL, ""),
    ("rtrim", "text [, signs]", _NULL, ""),
    ("substr", "text, start [, length]", _NULL, "counts from 1"),
    ("substring", "text, start [, length]", _NULL, "counts from 1"),
    ("left", "text, count", _NULL, ""),
    ("right", "text, count", _NULL, ""),
    ("lpad", "text, count, sign", _NULL, ""),
    ("rpad", "text, count, sign", _NULL, ""),
    ("replace", "text, old, new", _NULL, "every one"),
    ("translate", "text, from, to", _NULL, ""),
    ("reverse", "text", _NULL, ""),
    ("repeat", "text, count", _NULL, ""),
    ("concat", "a, b, ...", _SKIPS, ""),
    ("concat_ws", "separator, a, b, ...", _SKIPS, ""),
    ("contains", "text or list, part", _NULL, ""),
    ("starts_with", "text, part", _NULL, ""),
    ("ends_with", "text, part", _NULL, ""),
    ("prefix", "text, part", _NULL, ""),
    ("suffix", "text, part", _NULL, ""),
    ("strpos", "text, part", _NULL, "0 where absent"),
    ("instr", "text, part", _NULL, "0 where absent"),
    ("position", "part IN text", _NULL, "0 where absent"),
    ("split_part", "text, separator, index", _NULL, "counts from 1"),
    ("string_split", "text, separator", _NULL, ""),
    ("split", "text, separator", _NULL, ""),
    ("str_split", "text, separator", _NULL, ""),
    ("ascii", "text", _NULL, ""),
    ("chr", "code point", _NULL, ""),
    ("unicode", "text", _NULL, ""),
    ("format", "pattern, a, ...", _NULL, "fmt syntax"),
    ("printf", "pattern, a, ...", _NULL, ""),
    ("md5", "text", _NULL, ""),
    ("sha256", "text", _NULL, ""),
    ("hex", "text, binary or integer", _NULL, ""),
    ("unhex", "text", _NULL, ""),
    ("to_base64", "binary", _NULL, ""),
    ("from_base64", "text", _NULL, ""),
    ("encode", "text", _NULL, "UTF-8 bytes"),
    ("decode", "binary", _NULL, "UTF-8 text"),
    ("levenshtein", "a, b", _NULL, ""),
    ("nfc_normalize", "text", _NULL, ""),
    ("strip_accents", "text", _NULL, ""),
    ("regexp_matches", "text, pattern [, flags]", _NULL, "somewhere in the text"),
    ("regexp_full_match", "text, pattern [, flags]", _NULL, "the whole text"),
    ("regexp_replace", "text, pattern, new [, flags]", _NULL, "the first; every one with 'g'"),
    ("regexp_extract", "text, pattern [, group]", _NULL, "'' where absent"),
    ("regexp_extract_all", "text, pattern [, group]", _NULL, ""),
    ("regexp_split_to_array", "text, pattern", _NULL, ""),
    ("like_escape", "text, pattern, sign", _NULL, ""),
    # time; the session's zone is UTC
    ("date_trunc", "part, timestamp", _NULL, "in UTC"),
    ("date_part", "part, timestamp", _NULL, "in UTC"),
    ("datepart", "part, timestamp", _NULL, "in UTC"),
    ("extract", "part FROM timestamp", _NULL, "in UTC"),
    ("date_diff", "part, from, to", _NULL, "boundaries crossed"),
    ("datediff", "part, from, to", _NULL, "boundaries crossed"),
    ("date_sub", "part, from, to", _NULL, "whole units"),
    ("datesub", "part, from, to", _NULL, "whole units"),
    ("date_add", "date, interval", _NULL, ""),
    ("time_bucket", "width, timestamp [, origin]", _NULL, ""),
    ("epoch", "timestamp", _NULL, "seconds as a double"),
    ("epoch_ms", "timestamp or int64", _NULL, "milliseconds"),
    ("epoch_us", "timestamp", _NULL, "microseconds"),
    ("to_timestamp", "seconds", _NULL, "a timestamp in UTC"),
    ("make_timestamptz", "year, month, day, hour, minute, second [, zone], or microseconds", _NULL, ""),
    ("make_timestamp", "year, month, day, hour, minute, second", _NULL, "without a zone: add AT TIME ZONE"),
    ("make_date", "year, month, day", _NULL, ""),
    ("timezone", "zone, timestamp", _NULL, ""),
    ("strftime", "timestamp, pattern", _NULL, "in UTC"),
    ("strptime", "text, pattern", _NULL, "without a zone unless %z"),
    ("try_strptime", "text, pattern", _NULL, "NULL where it cannot be read"),
    ("year", "date or timestamp", _NULL, "in UTC"),
    ("month", "date or timestamp", _NULL, "in UTC"),
    ("day", "date or timestamp", _NULL, "in UTC"),
    ("hour", "timestamp", _NULL, "in UTC"),
    ("minute", "timestamp", _NULL, ""),
    ("second", "timestamp", _NULL, ""),
    ("millisecond", "timestamp", _NULL, ""),
    ("microsecond", "timestamp", _NULL, ""),
    ("dayofweek", "date or timestamp", _NULL, "0 is Sunday"),
    ("isodow", "date or timestamp", _NULL, "1 is Monday"),
    ("weekday", "date or timestamp", _NULL, "0 is Sunday"),
    ("dayofyear", "date or timestamp", _NULL, ""),
    ("dayofmonth", "date or timestamp", _NULL, ""),
    ("week", "date or timestamp", _NULL, "ISO"),
    ("weekofyear", "date or timestamp", _NULL, "ISO"),
    ("quarter", "date or timestamp", _NULL, ""),
    ("last_day", "date", _NULL, ""),
    ("dayname", "date", _NULL, "English"),
    ("monthname", "date", _NULL, "English"),
    ("to_seconds", "count", _NULL, "an interval"),
    ("to_milliseconds", "count", _NULL, "an interval"),
    ("to_microseconds", "count", _NULL, "an interval"),
    ("to_minutes", "count", _NULL, "an interval"),
    ("to_hours", "count", _NULL, "an interval"),
    ("to_days", "count", _NULL, "an interval"),
    # lists and structs
    ("list_value", "a, b, ...", _OWN, ""),
    ("array_value", "a, b, ...", _OWN, ""),
    ("list_contains", "list, item", _NULL, ""),
    ("list_has", "list, item", _NULL, ""),
    ("list_position", "list, item", _NULL, "NULL where absent"),
    ("list_extract", "list, index", _NULL, "counts from 1; NULL where absent"),
    ("list_element", "list, index", _NULL, ""),
    ("list_slice", "list, from, to", _NULL, ""),
    ("list_append", "list, item", _OWN, ""),
    ("list_prepend", "item, list", _OWN, ""),
    ("list_concat", "list, list", _SKIPS, ""),
    ("list_distinct", "list", _NULL, "in no promised order: sort it"),
    ("list_sort", "list [, order]", _NULL, ""),
    ("list_reverse_sort", "list", _NULL, ""),
    ("list_reverse", "list", _NULL, ""),
    ("list_sum", "list", _SKIPS, ""),
    ("list_avg", "list", _SKIPS, ""),
    ("list_min", "list", _SKIPS, ""),
    ("list_max", "list", _SKIPS, ""),
    ("list_count", "list", _SKIPS, ""),
    ("list_transform", "list, lambda x: ...", _NULL, ""),
    ("list_filter", "list, lambda x: ...", _NULL, ""),
    ("array_length", "list", _NULL, ""),
    ("array_to_string", "list, separator", _SKIPS, ""),
    ("flatten", "list of lists", _NULL, ""),
    ("range", "[from,] to [, step]", _NULL, "a list of int64"),
    ("struct_pack", "name := value, ...", _OWN, ""),
    ("struct_extract", "struct, name", _NULL, ""),
    ("row", "a, b, ...", _OWN, ""),
    # JSON
    ("json_extract", "json, path", _NULL, "JSON"),
    ("json_extract_string", "json, path", _NULL, "text"),
    ("json_extract_path", "json, path", _NULL, "JSON"),
    ("json_extract_path_text", "json, path", _NULL, "text"),
    ("json_value", "json, path", _NULL, "a scalar as JSON"),
    ("json_type", "json [, path]", _NULL, ""),
    ("json_valid", "text", _NULL, ""),
    ("json_keys", "json [, path]", _NULL, ""),
    ("json_exists", "json, path", _NULL, ""),
    ("json_array_length", "json [, path]", _NULL, ""),
    ("json_contains", "json, json", _NULL, ""),
    ("json_object", "name, value, ...", _OWN, ""),
    ("json_array", "a, b, ...", _OWN, ""),
    ("to_json", "value", _OWN, ""),
    ("json", "text", _NULL, "minified"),
    ("typeof", "value", _OWN, ""),
]
# name, arguments, its answer depends on the order of rows, note
_AGGREGATE = [
    ("count", "* or value", False, "0 for none"),
    ("count_if", "condition", False, "0 for none"),
    ("countif", "condition", False, ""),
    ("sum", "number", False, "int64 stays int64: an overflow stops"),
    ("avg", "number", False, ""),
    ("mean", "number", False, ""),
    ("min", "value", False, ""),
    ("max", "value", False, "NaN is the largest"),
    ("median", "number", False, ""),
    ("quantile", "value, share", False, "as quantile_disc"),
    ("quantile_cont", "number, share", False, "interpolated"),
    ("quantile_disc", "value, share", False, "one of the values"),
    ("mad", "number", False, "median absolute deviation"),
    ("stddev", "number", False, "sample"),
    ("stddev_samp", "number", False, ""),
    ("stddev_pop", "number", False, ""),
    ("variance", "number", False, "sample"),
    ("var_samp", "number", False, ""),
    ("var_pop", "number", False, ""),
    ("covar_samp", "y, x", False, ""),
    ("covar_pop", "y, x", False, ""),
    ("corr", "y, x", False, ""),
    ("regr_slope", "y, x", False, ""),
    ("regr_intercept", "y, x", False, ""),
    ("regr_r2", "y, x", False, ""),
    ("skewness", "number", False, "sample"),
    ("kurtosis", "number", False, "sample"),
    ("entropy", "value", False, ""),
    ("product", "number", False, ""),
    ("bool_and", "condition", False, ""),
    ("bool_or", "condition", False, ""),
    ("bit_and", "integer", False, ""),
    ("bit_or", "integer", False, ""),
    ("bit_xor", "integer", False, ""),
    ("arg_max", "value, by", True, "of equals the first to arrive"),
    ("arg_min", "value, by", True, "of equals the first to arrive"),
    ("max_by", "value, by", True, ""),
    ("min_by", "value, by", True, ""),
    ("argmax", "value, by", True, ""),
    ("argmin", "value, by", True, ""),
    ("first", "value [ORDER BY ...]", True, "in order of arrival; NULL counts"),
    ("last", "value [ORDER BY ...]", True, "in order of arrival; NULL counts"),
    ("any_value", "value", True, "the first to arrive that is not NULL"),
    ("mode", "value", True, "of equals the first to arrive"),
    ("list", "value [ORDER BY ...]", True, "in order of arrival"),
    ("array_agg", "value [ORDER BY ...]", True, "in order of arrival"),
    ("string_agg", "text, separator [ORDER BY ...]", True, "in order of arrival"),
    ("group_concat", "text, separator", True, "in order of arrival"),
    ("listagg", "text, separator", True, "in order of arrival"),
]
_WINDOW = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
]

FUNCTIONS: dict[str, Function] = {
    **{name: Function(name, arguments, null, note=note) for name, arguments, null, note in _SCALAR},
    **{name: Function(name, arguments, _SKIPS, "aggregate", ordered, note) for name, arguments, ordered, note in _AGGREGATE},
    **{name: Function(name, "value", _OWN, "window") for name in _WINDOW},
    "unnest": Function("unnest", "list", _OWN, "rows", note="one row for each item"),
}

_RANDOM = "its value differs from run to run, so a crash or a replay could write another answer"
_CLOCK = "it reads the machine's clock, so a replay would write another answer"
_APPROXIMATE = "its answer depends on how the rows are cut"
_FILES = "SQL in a pipeline reads only sources, steps and tables, so that every row is accounted for"
_SESSION = "it depends on the session, not on the data"
_NO_RANDOM = (_RANDOM, "read randomness from a source column, or use a `python` step with `deterministic: false`")
_NO_CLOCK = (_CLOCK, "use the event time column, or `window_end` of a window")
_NO_FILES = (_FILES, "declare the file under `sources:` or `tables:`")
_RANDOMS = ("random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "setseed", "nextval", "currval", "txid_current")
_CLOCKS = (
    *("now", "today", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_localtime"),
    *("current_localtimestamp", "get_current_time", "get_current_timestamp", "transaction_timestamp"),
)
_READERS = (
    *(
        "read_csv",
        "read_csv_auto",
        "read_json",
        "read_json_auto",
        "read_ndjson",
        "read_parquet",
        "parquet_scan",
        "glob",
        "read_text",
    ),
    *("read_blob", "sniff_csv", "query", "query_table", "delta_scan", "iceberg_scan", "read_xlsx"),
)
_SESSIONS = (
    *("current_user", "session_user", "user", "current_schema", "current_catalog", "current_role", "current_database"),
    *("current_setting", "version", "getenv", "getvariable"),
)
REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_RANDOMS, _NO_RANDOM),
    **dict.fromkeys(_CLOCKS, _NO_CLOCK),
    **dict.fromkeys(_READERS, _NO_FILES),
    **dict.fromkeys(_SESSIONS, (_SESSION, "write the value, or `${env:NAME}`")),
    "approx_count_distinct": (_APPROXIMATE, "use count(DISTINCT x)"),
    "approx_quantile": (_APPROXIMATE, "use quantile_cont(x, q)"),
    "reservoir_quantile": (_APPROXIMATE, "use quantile_cont(x, q)"),
    "approx_top_k": (_APPROXIMATE, "use a `window` by the value and its count"),
    "age": ("with one argument it reads the machine's clock", "use date_diff(part, from, to)"),
    "hash": ("DuckDB does not promise the same value in its next version", "use md5(x) or sha256(x)"),
    "generate_series": ("it makes rows out of nothing", "use unnest(range(a, b)) of a column"),
    "columns": ("which columns it means changes when the input does", "write the columns"),
    "sum_no_overflow": ("it wraps", "use sum(x)"),
    "histogram": ("it makes a map, which is no column type", "count by value in a `window`"),
}


# what other dialects and languages call them
_ELSEWHERE = {
    "average": "avg", "nvl": "coalesce", "isnull": "coalesce", "percentile": "quantile_cont", "percentile_cont": "quantile_cont",
    "stdev": "stddev", "std": "stddev", "size": "length", "to_date": "strptime", "date_format": "strftime",
    "collect_list": "list",
}


def suggestion(name: str) -> str:
    """What a person may have meant by an unknown function; empty if nothing is near."""
    known = _ELSEWHERE.get(name.lower())
    close = [known] if known else difflib.get_close_matches(name.lower(), FUNCTIONS, 1, 0.7)
    return f"did you mean `{close[0]}`?" if close else "docs/functions.md lists every function that SQL may call"
