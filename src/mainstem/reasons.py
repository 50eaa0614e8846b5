"""Why a row was set aside or filtered: the closed list, with meaning and remedy.

`quarantine show` and the account use these words; a rule's own name stands beside them in `rules`.
"""

from __future__ import annotations

REASONS = {
    # at Read
    "not_json": "the record is not valid JSON",
    "not_object": "the record is JSON, but not an object",
    "duplicate_key": "a key stands twice in one object",
    "not_utf8": "the record has bytes that are not UTF-8",
    "bad_escape": "a string has a lone surrogate",
    "too_deep": "nested deeper than `max_depth`",
    "too_long": "longer than `max_record_bytes`",
    "missing": "a required column is absent or null",
    "type": "a value has another type than its column",
    "out_of_range": "a number does not fit its column",
    "inexact": "a value does not fit its column without loss",
    "bad_timestamp": "a time that cannot be read, has no zone, or does not exist",
    "future_timestamp": "event time further ahead of the clock than `max_future`",
    "unknown_column": "a column that is not declared, and `unknown: quarantine`",
    "absent_column": "a declared column that the record lacks, and `missing: quarantine`",
    "field_count": "a line with more or fewer fields than the header",
    "bad_quote": "a quoted field that is not closed, or goes on after its closing quote",
    "cut_off": "the last record of a finished file is not complete",
    "gone": "to be replayed, and the file that holds it is there no more",
    # at steps
    "rule": "one or more rules are violated",
    "unmatched": "the key is in no row of the table",
    "null_key": "the key of a dedupe, session or window is NULL",
    "late": "event time behind the time mark: what it belongs to is closed",
    "late_partial": "too late for some windows, and counted in those that were open (the record goes on, this is a note)",
    "duplicate": "the same key within the horizon came before",
    "where": "the WHERE of a SQL step is not true for it",
    "no_match": "an inner join found no partner",
    "python": "the user's function raised, hung or died on this row",
    "python_filter": "the user's function left it out (`rows: fewer`)",
    "woke_after_idle": "late because its partition had been idle",
    "expression": "an expression failed on this row: a cast, a division by zero, a result that does not fit its type",
}
