"""The error codes of SQL: what may be written, and what fails while it runs."""

from __future__ import annotations

from mainstem.codes.page import Code

PAGES = {
    # ---- SQL ---------------------------------------------------------------------------------------------------------
    "sql.overflow": Code(
        "a result does not fit its type",
        "An aggregate or an expression of a step gave a number that is too large for its type. Wrapping around or "
        "rounding would be a wrong answer, so the epoch stops and nothing of it is published.",
        "Cast to a wider type in the step that the message names, for instance sum(x::DECIMAL(38,0)), and run again."),
    "sql.failed": Code(
        "a query failed while it ran",
        "The SQL of a window, session, rolling or whole-input step raised an error on the rows that it was given. Several "
        "rows make one result there, so no single row can be set aside for it.",
        "Guard the expression (TRY_CAST, CASE, NULLIF) or set such rows aside with a rule before the step, and run again."),
    "sql.syntax": Code(
        "the SQL cannot be read",
        "The text is not SQL as DuckDB understands it. Words that SQL reserves are no names unless they stand in double "
        "quotes.",
        "Look at the place named; long SQL is best written in block style after `|`."),
    "sql.statements": Code(
        "several statements",
        "One step holds one query.",
        "Make a step for each."),
    "sql.not_select": Code(
        "not a query",
        "A step makes rows out of rows. It does not create, change, copy or attach anything.",
        "Write SELECT ... FROM ...; where rows go is said under `outputs:`."),
    "sql.invalid": Code(
        "DuckDB does not accept the query",
        "The text is SQL, but its types or names do not fit. The message is DuckDB's own.",
        "Mend what it names; the columns and types of each step are shown by `mainstem plan`."),
    "sql.across": Code(
        "the query looks across rows",
        "Rows of a stream come without end, so SQL over it sees one row at a time: whatever counts, sorts or compares "
        "rows would give another answer for every cut of the stream.",
        "Use the step that the message names. Over bounded, complete input any SQL is allowed."),
    "sql.stream_join": Code(
        "a join of two streams",
        "Rows that belong together come at different times, so one side would have to wait.",
        "Put both into windows and join those, or make one side a table with a `latest` step."),
    "sql.join_kind": Code(
        "a join that may multiply rows",
        "Only JOIN and LEFT JOIN to a table, on its key, leave one row for each row.",
        "Write JOIN or LEFT JOIN ... ON its key; for several matches use `lookup` with `many: true`."),
    "sql.many": Code(
        "a join that is not on the full key",
        "A row could match several rows of the table and be counted several times.",
        "Compare all columns of the table's `key`, or use `lookup` with `many: true`."),
    "sql.float_key": Code(
        "a join on a floating point number",
        "Numbers that print alike may differ in their last digit, and NaN equals NaN.",
        "Declare the column decimal(p,s), int64 or string."),
    "sql.self_join": Code(
        "a relation twice in FROM",
        "Two relations of a query have one name.",
        "Give one an alias with AS."),
    "sql.from_table": Code(
        "FROM names a table",
        "Tables are looked at, streams are consumed: a query runs once for the rows of a stream.",
        "Put the stream into FROM and JOIN the table."),
    "sql.no_from": Code(
        "the query reads nothing",
        "Without FROM it would make rows out of nothing.",
        "Add FROM with the step's input."),
    "sql.unknown_relation": Code(
        "there is no such input",
        "The query reads something that is neither in `from` nor a table.",
        "Take the suggestion, or add it to `from`."),
    "sql.not_a_relation": Code(
        "the query reads something else than steps",
        "Files, functions that make tables and other databases would bring rows that nobody accounts for.",
        "Declare the file or database under `sources:` or `tables:`."),
    "sql.subquery": Code(
        "a query inside the query",
        "Over a stream the inner query would look across rows that are not there yet.",
        "Make it a step of its own, or `lookup` a table."),
    "sql.unnest": Code(
        "a form of UNNEST that is not in the language",
        "One list of one row can become several rows. Several at once, outer and recursive forms have no clear identity "
        "of rows.",
        "Write `unnest(list) AS item` in SELECT, or `, UNNEST(list) AS u(item)` in FROM."),
    "sql.rounds": Code(
        "a cast that would round",
        "A cast to a whole number is exact: a row with 9.7 is set aside. In a window, a session, an `over` step or a query over "
        "whole input there is no row to set aside and the run would stop, so the cast is refused there.",
        "Say how to round: CAST(round(x) AS int64), or trunc, floor, ceil."),
    "sql.unknown_column": Code(
        "there is no such column",
        "A name in the SQL is no column of the rows at this point.",
        "Take the suggestion; the columns of every step are shown by `mainstem plan`."),
    "sql.zone": Code(
        "there is no such time zone",
        "The zone in AT TIME ZONE or timezone() is in no time zone database. Names that only some databases know, like PST, are "
        "not taken: they mean different things in different places.",
        "Take the suggestion, or a name of the IANA database: Europe/Berlin."),
    "sql.unknown_function": Code(
        "there is no such function",
        "SQL in a pipeline calls functions from a list in which each one's behaviour is known and tested.",
        "Take the suggestion, or compute it in a `python` step."),
    "sql.function_refused": Code(
        "a function that is refused on purpose",
        "It reads a clock, chance, files or the session, or is only approximate: run again, it would write another "
        "answer.",
        "Use what the message names instead."),
    "sql.parameter": Code(
        "a parameter without a value",
        "`?` and `$1` have nobody who fills them.",
        "Write the value, or `${env:NAME}`."),
    "sql.hidden": Code(
        "a hidden name",
        "Names that begin with `_` belong to mainstem; `_at` is the identity of a row and passes every query by itself.",
        "Use another name."),
    "sql.unnamed": Code(
        "a column without a name",
        "An expression becomes a column of a table and needs a name that stays when the expression changes.",
        "Write `... AS name`."),
    "sql.name": Code(
        "a name that cannot be a column's",
        "Reserved words of SQL would have to stand in quotes in every query; quotes, control signs and outer spaces get lost.",
        "Give it another name with AS."),
    "sql.duplicate_name": Code(
        "two columns with one name",
        "Tables do not tell upper and lower case apart, so one of them would be lost.",
        "Rename one with AS, or leave it out with EXCLUDE."),
    "sql.star": Code(
        "a star that is not clear",
        "Which columns it means here would change with the input.",
        "Write the columns."),
    "sql.null_type": Code(
        "a column that is nothing but NULL",
        "A column has a type, and NULL has none.",
        "Write CAST(NULL AS double) or whichever type it is to have."),
    "sql.interval": Code(
        "an interval as a column",
        "No table can store one: months and days have no fixed length.",
        "Give seconds: epoch(b) - epoch(a)."),
    "sql.type": Code(
        "a type that no column can have",
        "DuckDB gives this expression a type that tables and files do not have.",
        "Cast it: CAST(x AS VARCHAR), to_json(x)."),
    "sql.union": Code(
        "members of UNION ALL that do not fit",
        "They must have the same columns.",
        "Select the same columns in each, with CAST(NULL AS ...) where one has none."),
    "sql.expressions": Code(
        "more than a list of expressions",
        "`select` of a window, session or over step is what stands between SELECT and FROM: rows and keys come from the "
        "step.",
        "Write `expression AS name, ...`; a filter goes into `where:`."),
    "sql.predicate": Code(
        "not one condition about one row",
        "Rules and conditions are asked of each row by itself.",
        "Join conditions with AND; compute what looks across rows in a `window` or `over` step before."),
    "sql.not_boolean": Code(
        "a condition that is neither true nor false",
        "A rule or condition must be a comparison.",
        "Compare it with something: `x > 0`, `name = 'a'`, `flag`."),
    "sql.not_aggregated": Code(
        "a column outside of an aggregate",
        "A window or session makes one row out of many, so a plain column has many values there.",
        "Write first(x), avg(x) or max(x), or add the column to `by:`."),
    "sql.beyond": Code(
        "a select that looks beyond its group",
        "OVER and unnest in the select of a window would depend on which groups happen to end together.",
        "Make it a `sql` or `over` step after this one."),
    "sql.order_needed": Code(
        "an answer that depends on an order that nobody gave",
        "Rows of a join or an inner query have no order of arrival.",
        "Add ORDER BY inside the function or to OVER."),
    "sql.limit": Code(
        "LIMIT without ORDER BY",
        "Which rows it keeps would be chance.",
        "Add ORDER BY columns that no two rows share."),
    "sql.table_in_whole": Code(
        "a table in a query that looks across rows",
        "Such a query is held to the end of its input, while tables are looked at as rows come.",
        "Add the table's columns with a `lookup` step before."),
    "sql.partition_by": Code(
        "`partition_by` names an unknown column",
        "The work is cut by these columns, so each input must have them.",
        "Name columns that all inputs have."),
}
