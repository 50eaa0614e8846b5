"""Functions that have a meaning only in OVER: over bounded input read whole, never on a stream."""

from __future__ import annotations

from mainstem.plan.functions.entry import Function, entry

_OVER = "OVER (ORDER BY n, y)"


def _window(name: str, arguments: str, call: str, type: str, gives: str, note: str = "") -> list[Function]:
    inner = call.replace("double", "x").replace("string", "s")
    return entry(name, arguments, f"{call} OVER (ORDER BY double) -> {type}", f"{inner} {_OVER}", gives, note, null="own", kind="window")


WINDOW = [
    *_window("row_number", "", "row_number()", "int64", "1, 3, 2, 4"),
    *_window("rank", "", "rank()", "int64", "1, 3, 2, 4", "equal rows share one, with gaps"),
    *_window("dense_rank", "", "dense_rank()", "int64", "1, 3, 2, 4", "equal rows share one, without gaps"),
    *_window("percent_rank", "", "percent_rank()", "double", "0.0, 0.6666666666666666, 0.3333333333333333, 1.0"),
    *_window("cume_dist", "", "cume_dist()", "double", "0.25, 0.75, 0.5, 1.0"),
    *_window("ntile", "count", "ntile(2)", "int64", "1, 2, 1, 2"),
    *_window("lag", "value [, rows [, default]]", "lag(double)", "double", "NULL, NULL, 1.5, 4.0"),
    *_window("lead", "value [, rows [, default]]", "lead(double, 1, 0.0)", "double", "NULL, 2.0, 4.0, 0.0"),
    *_window("first_value", "value", "first_value(double)", "double", "1.5, 1.5, 1.5, 1.5"),
    *_window("last_value", "value", "last_value(string)", "string", "a, b, a, NULL", "of the frame: to the current row if it says nothing"),
    *_window("nth_value", "value, n", "nth_value(double, 2)", "double", "NULL, NULL, NULL, NULL"),
]
UNNEST = entry("unnest", "list", "(list<double>) -> double", "unnest([5, 7])", "5, 7", "one row for each item, none for NULL or []",
               null="own", kind="rows")
