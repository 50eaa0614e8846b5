"""The pages of the error codes of `plan` and `steps`: (title, meaning, what to do). `codes.CODES` takes them in."""

from __future__ import annotations

PAGES: dict[str, tuple[str, str, str]] = {
    # ---- the plan ------------------------------------------------------------------------------------------------
    "plan.unknown_input": (
        "nobody has this name",
        "`from` names a source or step that the file does not have. A table is not read by `from`; it is looked up.",
        "Take the suggestion, or declare what is missing."),
    "plan.cycle": (
        "steps read each other in a circle",
        "A step reads, over other steps, what it makes itself. Its rows would go round for ever.",
        "Let one of the steps named read something else."),
    "plan.no_output": (
        "nothing is written",
        "The file has no `outputs:`, so no row would arrive anywhere.",
        "Name the step that is to be stored under `outputs:`."),
    "plan.no_column": (
        "there is no such column",
        "A key names a column that the rows at this point do not have.",
        "Take the suggestion; the columns of every step are shown by `mainstem plan`."),
    "output.mode": (
        "the connector cannot write so",
        "Not every destination can append, upsert and replace.",
        "Use one of the modes that the message lists."),
    "output.key": (
        "nothing says which rows are replaced",
        "`upsert` needs the `key` whose last row stays, `replace` needs the columns `by` which old rows go.",
        "Add `key: [...]` or `by: [...]`."),
    "output.type": (
        "a column that no table holds",
        "Tables store neither intervals nor times of day, and a timestamp without a zone does not say when something was.",
        "Convert it in a `sql` step before: epoch(x), CAST(x AS VARCHAR), x AT TIME ZONE 'Europe/Berlin'."),
    "output.twice": (
        "two outputs write to the same place",
        "Each output owns its table: with two owners neither could say which rows are its own.",
        "Give one another place, or bring the rows together with UNION ALL before."),
    # ---- time ----------------------------------------------------------------------------------------------------
    "time.none": (
        "a step needs event time",
        "Windows, sessions, deduplication, rolling columns and alerts ask when a row happened, and its source does not say.",
        "Add `time: {column: ...}` to the source."),
    "time.no_column": (
        "there is no such time column",
        "`time.column` names a column that the source does not declare.",
        "Take the suggestion, or declare the column."),
    "time.type": (
        "event time is not a timestamp",
        "Event time is compared and subtracted, so its column has the type timestamp.",
        "Declare the column as timestamp, with `format` or `zone` if its text needs them."),
    "time.lateness": (
        "a source that grows does not say how late a row may be",
        "A step that closes what it makes needs to know how long to wait for rows that are still on their way.",
        "Add `lateness: 30s` to `time:`, or `complete: true` if what is there now is all there will ever be."),
    # ---- steps ---------------------------------------------------------------------------------------------------
    "step.inputs": (
        "the step reads one input",
        "Only `sql` reads several. All other steps have exactly one, so that every row has one way.",
        "Bring the inputs together in a `sql` step with UNION ALL."),
    "step.empty": ("nothing to do", "The step has an empty list and would change nothing.", "Add an entry or remove the step."),
    "step.name_twice": (
        "two rules with one name",
        "The account counts by the names of rules; two with one name could not be told apart.",
        "Give one another `name`."),
    "step.duration": (
        "a duration of nothing",
        "A window, gap, horizon or range must last some time.",
        "Write a number with a unit: 30s, 15m, 1h."),
    "step.select": (
        "there is no select",
        "The step makes rows out of many rows and does not say which columns they have.",
        "Add `select:`, for example `count(*) AS rows`."),
    "step.key": (
        "a key that cannot be one",
        "Keys are compared and hashed: each column at most once, no lists, structs or JSON.",
        "Take a field of it in a `sql` step before."),
    "step.clash": (
        "a column with this name is there already",
        "The step adds a column that its input has, and one of the two would be lost.",
        "Rename one: with `prefix:` or `take: {new_name: column}` in a lookup, with AS in a `sql` step."),
    "window.every": (
        "windows that leave gaps or are too many",
        "`every` is how often a window begins: longer than `size` leaves rows in no window, a tiny part of it puts each in thousands.",
        "Make `every` at most `size` and not less than a thousandth of it."),
    "window.zone": (
        "calendar windows are whole days",
        "With `zone` a window is a local day of 23, 24 or 25 hours; parts of days and overlapping days have no clear meaning there.",
        "Write `size: 1d`, or leave `zone` out."),
    "lookup.unknown_table": (
        "there is no such table",
        "A lookup looks at something declared under `tables:`, or at the table of a `latest` step.",
        "Declare it, or take the suggestion."),
    "lookup.types": (
        "the key has two types",
        "Text and numbers are never equal, and comparing them by conversion would find wrong rows or fail on some.",
        "Declare both columns alike, or convert one in a `sql` step before."),
    "lookup.many": (
        "a row could match several rows of the table",
        "A lookup adds columns and never rows, so it must compare the full key of the table.",
        "Add the missing key columns to `on`, or say `many: true`: then a row becomes as many as match."),
    "latest.order": (
        "nothing says which row is newer",
        "`latest` keeps the newest row of a key, and neither event time nor `order` says what newer is.",
        "Name the columns in `order:`, or give the source a `time`."),
    "python.columns": (
        "the function's columns are not declared",
        "With `rows: any` what comes out is not what went in, and the plan must know its columns before it runs.",
        "Add `columns: {name: type, ...}`."),
    # ---- SQL -----------------------------------------------------------------------------------------------------
    "sql.syntax": (
        "the SQL cannot be read",
        "The text is not SQL as DuckDB understands it. Words that SQL reserves are no names unless they stand in double quotes.",
        "Look at the place named; long SQL is best written in block style after `|`."),
    "sql.statements": ("several statements", "One step holds one query.", "Make a step for each."),
    "sql.not_select": (
        "not a query",
        "A step makes rows out of rows. It does not create, change, copy or attach anything.",
        "Write SELECT ... FROM ...; where rows go is said under `outputs:`."),
    "sql.invalid": (
        "DuckDB does not accept the query",
        "The text is SQL, but its types or names do not fit. The message is DuckDB's own.",
        "Mend what it names; the columns and types of each step are shown by `mainstem plan`."),
    "sql.across": (
        "the query looks across rows",
        "Rows of a stream come without end, so SQL over it sees one row at a time: whatever counts, sorts or compares rows would "
        "give another answer for every cut of the stream.",
        "Use the step that the message names. Over bounded, complete input any SQL is allowed."),
    "sql.stream_join": (
        "a join of two streams",
        "Rows that belong together come at different times, so one side would have to wait.",
        "Put both into windows and join those, or make one side a table with a `latest` step."),
    "sql.join_kind": (
        "a join that may multiply rows",
        "Only JOIN and LEFT JOIN to a table, on its key, leave one row for each row.",
        "Write JOIN or LEFT JOIN ... ON its key; for several matches use `lookup` with `many: true`."),
    "sql.many": (
        "a join that is not on the full key",
        "A row could match several rows of the table and be counted several times.",
        "Compare all columns of the table's `key`, or use `lookup` with `many: true`."),
    "sql.float_key": (
        "a join on a floating point number",
        "Numbers that print alike may differ in their last digit, and NaN equals NaN.",
        "Declare the column decimal(p,s), int64 or string."),
    "sql.self_join": ("a relation twice in FROM", "Two relations of a query have one name.", "Give one an alias with AS."),
    "sql.from_table": (
        "FROM names a table",
        "Tables are looked at, streams are consumed: a query runs once for the rows of a stream.",
        "Put the stream into FROM and JOIN the table."),
    "sql.no_from": ("the query reads nothing", "Without FROM it would make rows out of nothing.", "Add FROM with the step's input."),
    "sql.unknown_relation": (
        "there is no such input",
        "The query reads something that is neither in `from` nor a table.",
        "Take the suggestion, or add it to `from`."),
    "sql.not_a_relation": (
        "the query reads something else than steps",
        "Files, functions that make tables and other databases would bring rows that nobody accounts for.",
        "Declare the file or database under `sources:` or `tables:`."),
    "sql.subquery": (
        "a query inside the query",
        "Over a stream the inner query would look across rows that are not there yet.",
        "Make it a step of its own, or `lookup` a table."),
    "sql.unnest": (
        "a form of UNNEST that is not in the language",
        "One list of one row can become several rows. Several at once, outer and recursive forms have no clear identity of rows.",
        "Write `unnest(list) AS item` in SELECT, or `, UNNEST(list) AS u(item)` in FROM."),
    "sql.unknown_column": (
        "there is no such column",
        "A name in the SQL is no column of the rows at this point.",
        "Take the suggestion; the columns of every step are shown by `mainstem plan`."),
    "sql.unknown_function": (
        "there is no such function",
        "SQL in a pipeline calls functions from a list in which each one's behaviour is known and tested.",
        "Take the suggestion, or compute it in a `python` step."),
    "sql.function_refused": (
        "a function that is refused on purpose",
        "It reads a clock, chance, files or the session, or is only approximate: run again, it would write another answer.",
        "Use what the message names instead."),
    "sql.parameter": ("a parameter without a value", "`?` and `$1` have nobody who fills them.", "Write the value, or `${env:NAME}`."),
    "sql.hidden": (
        "a hidden name",
        "Names that begin with `_` belong to mainstem; `_at` is the identity of a row and passes every query by itself.",
        "Use another name."),
    "sql.unnamed": (
        "a column without a name",
        "An expression becomes a column of a table and needs a name that stays when the expression changes.",
        "Write `... AS name`."),
    "sql.duplicate_name": (
        "two columns with one name",
        "Tables do not tell upper and lower case apart, so one of them would be lost.",
        "Rename one with AS, or leave it out with EXCLUDE."),
    "sql.star": (
        "a star that is not clear",
        "Which columns it means here would change with the input.",
        "Write the columns."),
    "sql.null_type": (
        "a column that is nothing but NULL",
        "A column has a type, and NULL has none.",
        "Write CAST(NULL AS double) or whichever type it is to have."),
    "sql.interval": (
        "an interval as a column",
        "No table can store one: months and days have no fixed length.",
        "Give seconds: epoch(b) - epoch(a)."),
    "sql.type": (
        "a type that no column can have",
        "DuckDB gives this expression a type that tables and files do not have.",
        "Cast it: CAST(x AS VARCHAR), to_json(x)."),
    "sql.union": (
        "members of UNION ALL that do not fit",
        "They must have the same columns.",
        "Select the same columns in each, with CAST(NULL AS ...) where one has none."),
    "sql.expressions": (
        "more than a list of expressions",
        "`select` of a window, session or over step is what stands between SELECT and FROM: rows and keys come from the step.",
        "Write `expression AS name, ...`; a filter goes into `where:`."),
    "sql.predicate": (
        "not one condition about one row",
        "Rules and conditions are asked of each row by itself.",
        "Join conditions with AND; compute what looks across rows in a `window` or `over` step before."),
    "sql.not_boolean": (
        "a condition that is neither true nor false",
        "A rule or condition must be a comparison.",
        "Compare it with something: `x > 0`, `name = 'a'`, `flag`."),
    "sql.not_aggregated": (
        "a column outside of an aggregate",
        "A window or session makes one row out of many, so a plain column has many values there.",
        "Write first(x), avg(x) or max(x), or add the column to `by:`."),
    "sql.beyond": (
        "a select that looks beyond its group",
        "OVER and unnest in the select of a window would depend on which groups happen to end together.",
        "Make it a `sql` or `over` step after this one."),
    "sql.order_needed": (
        "an answer that depends on an order that nobody gave",
        "Rows of a join or an inner query have no order of arrival.",
        "Add ORDER BY inside the function or to OVER."),
    "sql.limit": ("LIMIT without ORDER BY", "Which rows it keeps would be chance.", "Add ORDER BY columns that no two rows share."),
    "sql.table_in_whole": (
        "a table in a query that looks across rows",
        "Such a query is held to the end of its input, while tables are looked at as rows come.",
        "Add the table's columns with a `lookup` step before."),
    "sql.partition_by": (
        "`partition_by` names an unknown column",
        "The work is cut by these columns, so each input must have them.",
        "Name columns that all inputs have."),
    "bug.legs": (
        "a plan in which rows reach an end on two ways",
        "mainstem takes such meetings apart; this one was missed.",
        "Report it with the pipeline file."),
}
