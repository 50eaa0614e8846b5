"""The error codes of the plan and of what steps ask of their input."""

from __future__ import annotations

from mainstem.codes.page import Code

PAGES = {
    # ---- the graph ---------------------------------------------------------------------------------------------------
    "plan.unknown_input": Code(
        "nobody has this name",
        "`from` names a source or step that the file does not have. A table is not read by `from`; it is looked up.",
        "Take the suggestion, or declare what is missing."),
    "plan.no_input": Code(
        "a step that does not say what it reads",
        "A step without `from` reads the step before it. The first step reads the source, if there is only one.",
        "Add `from:` with the name of a source or step."),
    "plan.cycle": Code(
        "steps read each other in a circle",
        "A step reads, over other steps, what it makes itself. Its rows would go round for ever.",
        "Let one of the steps named read something else."),
    "plan.no_column": Code(
        "there is no such column",
        "A key names a column that the rows at this point do not have.",
        "Take the suggestion; the columns of every step are shown by `mainstem plan`."),
    "alert.not_sent": Code(
        "stored, not sent",
        "An alert's episodes are rows of an output, once for each firing and each end. Nothing delivers them to a channel yet: "
        "`notify:` and `notifications:` are kept for the day when something does.",
        "Read the episodes where they are stored, or have the tool that pages people read them."),
    # ---- outputs -----------------------------------------------------------------------------------------------------
    "output.type": Code(
        "a column that no table holds",
        "Tables store neither intervals nor times of day, and a timestamp without a zone does not say when something was.",
        "Convert it in a `sql` step before: epoch(x), CAST(x AS VARCHAR), x AT TIME ZONE 'Europe/Berlin'."),
    "output.twice": Code(
        "two outputs write to the same place",
        "Each output owns its table: with two owners neither could say which rows are its own.",
        "Give one another place, or bring the rows together with UNION ALL before."),
    # ---- event time --------------------------------------------------------------------------------------------------
    "time.none": Code(
        "a step needs event time",
        "Windows, sessions, deduplication, rolling columns and alerts ask when a row happened, and its source does not "
        "say.",
        "Add `time: {column: ...}` to the source."),
    "time.no_column": Code(
        "there is no such time column",
        "`time.column` names a column that the source does not declare.",
        "Take the suggestion, or declare the column."),
    "time.type": Code(
        "event time is not a timestamp",
        "Event time is compared and subtracted, so its column has the type timestamp.",
        "Declare the column as timestamp, with `format` or `zone` if its text needs them."),
    "time.lateness": Code(
        "a source that grows does not say how late a row may be",
        "A step that closes what it makes needs to know how long to wait for rows that are still on their way.",
        "Add `lateness: 30s` to `time:`, or `complete: true` if what is there now is all there will ever be."),
    # ---- every step --------------------------------------------------------------------------------------------------
    "step.inputs": Code(
        "the step reads one input",
        "Only `sql` reads several. All other steps have exactly one, so that every row has one way.",
        "Bring the inputs together in a `sql` step with UNION ALL."),
    "step.empty": Code(
        "nothing to do",
        "The step has an empty list and would change nothing.",
        "Add an entry or remove the step."),
    "step.name_twice": Code(
        "two rules with one name",
        "The account counts by the names of rules; two with one name could not be told apart.",
        "Give one another `name`."),
    "step.duration": Code(
        "a duration of nothing",
        "A window, gap, horizon or range must last some time.",
        "Write a number with a unit: 30s, 15m, 1h."),
    "step.select": Code(
        "there is no select",
        "The step makes rows out of many rows and does not say which columns they have.",
        "Add `select:`, for example `count(*) AS rows`."),
    "step.key": Code(
        "a key that cannot be one",
        "Keys are compared and hashed: each column at most once, no lists, structs or JSON.",
        "Take a field of it in a `sql` step before."),
    "step.clash": Code(
        "a column with this name is there already",
        "The step adds a column that its input has, and one of the two would be lost.",
        "Rename one: with `prefix:` or `take: {new_name: column}` in a lookup, with AS in a `sql` step."),
    # ---- single steps ------------------------------------------------------------------------------------------------
    "window.every": Code(
        "windows that leave gaps or are too many",
        "`every` is how often a window begins: longer than `size` leaves rows in no window, a tiny part of it puts each "
        "in thousands.",
        "Make `every` at most `size` and not less than a thousandth of it."),
    "window.zone": Code(
        "calendar windows are whole days",
        "With `zone` a window is a local day of 23, 24 or 25 hours; parts of days and overlapping days have no clear "
        "meaning there.",
        "Write `size: 1d`, or leave `zone` out."),
    "lookup.unknown_table": Code(
        "there is no such table",
        "A lookup looks at something declared under `tables:`, or at the table of a `latest` step.",
        "Declare it, or take the suggestion."),
    "lookup.types": Code(
        "the key has two types",
        "Text and numbers are never equal, and comparing them by conversion would find wrong rows or fail on some.",
        "Declare both columns alike, or convert one in a `sql` step before."),
    "lookup.many": Code(
        "a row could match several rows of the table",
        "A lookup adds columns and never rows, so it must compare the full key of the table.",
        "Add the missing key columns to `on`, or say `many: true`: then a row becomes as many as match."),
    "latest.order": Code(
        "nothing says which row is newer",
        "`latest` keeps the newest row of a key, and neither event time nor `order` says what newer is.",
        "Name the columns in `order:`, or give the source a `time`."),
}
