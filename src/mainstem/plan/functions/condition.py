"""Functions that choose between values, change their type, or say what to do where that fails."""

from __future__ import annotations

from mainstem.plan.functions.entry import entry

CONDITION = [
    *entry("coalesce", "a, b, ...", "(double, double) -> double; (string, string) -> string; (int32, int64) -> int64",
           "coalesce(NULL, 2, 3)", "2", "the first that is not NULL", null="skips"),
    *entry("ifnull", "a, b", "(double, double) -> double; (string, string) -> string", "ifnull(NULL, 2)", "2", null="skips"),
    *entry("nullif", "a, b", "(double, double) -> double; (string, string) -> string", "nullif(-999, -999)", "NULL",
           "NULL where a = b; a where b is NULL", null="own"),
    *entry("if", "condition, then, else", "(boolean, double, double) -> double", "if(NULL, 1, 2)", "2", "else where the condition is NULL",
           null="own"),
    *entry("greatest", "a, b, ...", "(double, double) -> double; (int64, int64) -> int64; (string, string) -> string;"
           " (timestamp, timestamp) -> timestamp", "greatest(1, NULL, 3)", "3", "NaN is the largest", null="skips"),
    *entry("least", "a, b, ...", "(double, double) -> double; (int64, int64) -> int64; (timestamp, timestamp) -> timestamp",
           "least(2, NULL, 3)", "2", "NaN is the largest", null="skips"),
    *entry("cast", "value AS type", "CAST(string AS DOUBLE) -> double; CAST(double AS BIGINT) -> int64;"
           " CAST(decimal(10,2) AS INTEGER) -> int32; CAST(int64 AS VARCHAR) -> string; CAST(string AS TIMESTAMPTZ) -> timestamp;"
           " CAST(string AS DECIMAL(10,2)) -> decimal(10,2); CAST(string AS BOOLEAN) -> boolean; CAST(timestamp AS DATE) -> date",
           "CAST('7' AS BIGINT)", "7", "fails where it cannot; to a whole number only exactly; also value::type"),
    *entry("try_cast", "value AS type", "TRY_CAST(string AS BIGINT) -> int64; TRY_CAST(string AS DOUBLE) -> double;"
           " TRY_CAST(double AS INTEGER) -> int32; TRY_CAST(string AS TIMESTAMPTZ) -> timestamp", "TRY_CAST('7.5' AS BIGINT)", "NULL",
           "NULL where it cannot, or not exactly"),
    *entry("try", "expression", "try(CAST(string AS BIGINT)) -> int64; try(int64 + int64) -> int64", "try(CAST('x' AS BIGINT))",
           "NULL", "NULL where it fails"),
    *entry("error", "text", "CASE WHEN boolean THEN 'no' ELSE error('bad row') END -> string",
           "CASE WHEN 1 < 2 THEN 'fine' ELSE error('bad row') END", "fine", "stops with this message where it is reached", null="own"),
    *entry("typeof", "value", "(double) -> string; (list<double>) -> string", "typeof(1.5)", "DECIMAL(2,1)",
           "DuckDB's name of the type", null="own"),
]
