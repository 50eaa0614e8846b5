"""Functions that DuckDB has and a pipeline may not call, why, and what to write instead."""

from __future__ import annotations

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
    "age": ("with one argument it reads the machine's clock, with two it gives an interval", "use date_diff(part, from, to)"),
    "hash": ("DuckDB does not promise the same value in its next version", "use md5(x) or sha256(x)"),
    "generate_series": ("it makes rows out of nothing", "use unnest(range(a, b)) of a column"),
    "columns": ("which columns it means changes when the input does", "write the columns"),
    "sum_no_overflow": ("it wraps", "use sum(x)"),
    "histogram": ("it makes a map, which is no column type", "count by value in a `window`"),
}
