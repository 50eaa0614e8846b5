"""The closed list of error codes: what each means and what to do. `mainstem explain CODE` prints an entry."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from mainstem import plancodes, runcodes
from mainstem.errors import SpecError


@dataclass(frozen=True)
class Code:
    """One page: a title, what happened and why mainstem minds, and the way on."""

    title: str
    meaning: str
    fix: str


CODES: dict[str, Code] = {
    # ---- the pipeline file and the project file (spec) -----------------------------------------------------------
    "spec.no_file": Code(
        "there is no such file",
        "A pipeline or project file was named that does not exist or cannot be opened.",
        "Check the name against the files that the message lists, or make a project with `mainstem init`."),
    "spec.many_files": Code(
        "several pipeline files",
        "A folder was given and more than one pipeline file lies in it, so it is not clear which one is meant.",
        "Name the file: `mainstem run FILE`."),
    "spec.problems": Code(
        "the pipeline file has problems",
        "The file was read whole and something in it is wrong; nothing runs before it is mended.",
        "Go through the list that `mainstem check` prints: every entry has a place and a remedy."),
    "spec.encoding": Code(
        "the file is not UTF-8 text",
        "YAML files are read as UTF-8 (a byte order mark is allowed); this one has bytes or control characters that are not text.",
        "Save the file as UTF-8 in your editor."),
    "spec.yaml": Code(
        "the file is not valid YAML",
        "The YAML structure breaks off at the place named: an indent, a bracket, a quote or a colon is not where it can be.",
        "Look at the line and the one above it. Texts with special signs belong in quotes or in a `|` block."),
    "spec.tab": Code(
        "a tab in the indentation",
        "YAML does not allow tabs in front of a line: editors show them with different widths.",
        "Replace the tab by spaces."),
    "spec.empty": Code(
        "the file is empty",
        "There is nothing in the file but comments or blank lines.",
        "Start from `mainstem init`, or write `version: 1` and `pipeline: NAME`."),
    "spec.documents": Code(
        "several documents in one file",
        "A line `---` starts a second YAML document; a file holds one pipeline.",
        "Remove the line, or put the second part into a file of its own."),
    "spec.not_a_mapping": Code(
        "the file is not a mapping",
        "The top of the file must be keys with values, beginning with `version: 1`.",
        "Write `key: value` lines at the top."),
    "spec.tag": Code(
        "a YAML tag",
        "A value that begins with `!` is a YAML tag; tags can make a parser build objects, so they are refused.",
        "If the `!` belongs to the text, put the value in quotes."),
    "spec.alias": Code(
        "a YAML alias that cannot be followed",
        "`*name` repeats what `&name` marked earlier: the mark is missing, contains itself, or the whole grows beyond all measure.",
        "Define the anchor above its first use; if the `*` belongs to the text, put the value in quotes or in a `|` block."),
    "spec.duplicate_key": Code(
        "the same key twice",
        "A key stands twice in one mapping. YAML parsers would silently keep one of the two.",
        "Remove or rename one; both lines are named."),
    "spec.bad_key": Code(
        "a key that is not a word",
        "Keys of the file are words; this one is a list, a mapping or empty.",
        "Write the key as a plain word, in quotes if need be."),
    "spec.comma": Code(
        "a comma cut a value inside { } or [ ]",
        "Inside braces and brackets of YAML a comma ends the value, also in the middle of SQL.",
        "Put the value in quotes, or write it in block style: one `key: value` per line, long SQL after `|`."),
    "spec.comment": Code(
        "a comment swallowed a part of a value",
        "A space followed by `#` starts a comment in a value without quotes; what stands left of it is not complete.",
        "Put the value in quotes, or write it in block style after `|`."),
    "spec.colon": Code(
        "a colon made a mapping out of a value",
        "A colon followed by a space separates key and value, also in the middle of SQL or text without quotes.",
        "Put the value in quotes, or write it in block style after `|`."),
    "spec.quote": Code(
        "a value goes on after its closing quote",
        "A value that begins with a quote ends at the closing one; YAML does not know what to do with the rest.",
        "Write the value in block style after `|`, or put all of it in quotes of the other kind."),
    "spec.sign": Code(
        "a value begins with a sign that YAML reads itself",
        "Signs like `*`, `&`, `!`, `%`, `@`, `|`, `>` and the backtick mean something to YAML at the start of a value.",
        "Put the value in quotes, or write it in block style after `|`."),
    "spec.braces": Code(
        "braces or brackets inside { } or [ ]",
        "Inside braces and brackets of YAML a further one begins a new collection, also in `${env:NAME}` or `a[1]`.",
        "Put the value in quotes, or write it in block style."),
    "spec.unknown_key": Code(
        "an unknown key",
        "The key is not one that may stand here. Unknown keys are refused because a typing error would otherwise be silent.",
        "Take the suggestion, or one of the keys listed. Keys of your own begin with `x-`."),
    "spec.unknown_kind": Code(
        "no plug of this kind",
        "No installed connector, format or step has this name.",
        "Take the suggestion or look at `mainstem catalog`; a kind of another package needs that package installed."),
    "spec.broken_plug": Code(
        "a plug cannot be loaded",
        "A connector, format or step is registered, but importing it failed.",
        "Install what the message names as missing, usually an extra like `mainstem[kafka]`."),
    "spec.missing_key": Code(
        "a key is missing",
        "Something that has no default was not said.",
        "Add the key."),
    "spec.value": Code(
        "a value that cannot be right",
        "The value has another type or lies outside of what this key takes.",
        "Write it as the message says; `mainstem catalog` describes every option."),
    "spec.version": Code(
        "unknown version of the language",
        "The file says which version of the pipeline language it is written in; this mainstem reads version 1.",
        "Write `version: 1`, or install the mainstem that knows the version."),
    "spec.name": Code(
        "a name that cannot be used",
        "Sources, tables, steps and outputs are named in lower case letters, digits and underscores, beginning with a letter.",
        "Take the suggested name."),
    "spec.reserved_name": Code(
        "a reserved name",
        "The name is a reserved word of SQL, or one that mainstem or the Delta format uses itself.",
        "Take the suggested name; for a column say `path: OLD_NAME` so that it still finds its field."),
    "spec.name_clash": Code(
        "two things of one name",
        "Sources, tables and steps share one space of names, because SQL refers to all of them; columns that differ only in case clash.",
        "Rename one of the two; both places are named."),
    "spec.no_connector": Code(
        "no connector",
        "A source, table or output names the place it reads from or writes to with one key, like `files:` or `delta:`.",
        "Add one of the keys listed."),
    "spec.many_connectors": Code(
        "more than one connector or step key",
        "Each source, table and output has exactly one place, each step does exactly one thing.",
        "Split it in two."),
    "spec.no_step": Code(
        "no step key",
        "A step says what it does with one key, like `check:` or `window:`.",
        "Add one of the keys listed."),
    "spec.from": Code(
        "an input that is not there or not clear",
        "`from` names the source or step that is read. It may be left out only where the step before is clear.",
        "Write `from: NAME`; the names that exist are listed."),
    "spec.cycle": Code(
        "steps that read each other in a circle",
        "Following `from` leads back to the same step; rows could never get in.",
        "Break the circle: one of the steps must read a source."),
    "spec.column": Code(
        "a column that is not declared",
        "A key, time or mode refers to a column that the declaration does not have, or that has an unfit type.",
        "Take the suggestion, or declare the column."),
    "spec.format": Code(
        "a format that does not fit",
        "A source or table must say how its bytes are written, an output may only where its sink leaves the choice.",
        "Add, change or remove `format:` as the message says."),
    "spec.mode": Code(
        "a mode that does not fit",
        "Outputs append, upsert by `key` or replace by `by`; not every sink can do all of it.",
        "Choose one of the modes named, with the key it needs."),
    "spec.env": Code(
        "an environment variable is missing",
        "`${env:NAME}` takes its text from the environment when the file is read, and NAME is not set.",
        "Set the variable, or give a default: `${env:NAME:-default}`."),
    "spec.placeholder": Code(
        "a placeholder that is not known",
        "Between `${` and `}` stands `env:NAME`, `env:NAME:-default` or `secret:NAME`; nothing is ever evaluated.",
        "Mend the placeholder; to mean the signs themselves write `$${`."),
    "project.unknown_environment": Code(
        "an environment that is not declared",
        "`--env` or MAINSTEM_ENV names an environment that mainstem.yaml does not have under `environments`.",
        "Declare it, or take one of those listed."),
    # ---- folds: what is kept over rows ---------------------------------------------------------------------------
    "sql.overflow": Code(
        "a result does not fit its type",
        "An aggregate or an expression of a step gave a number that is too large for its type. Wrapping around or rounding would be "
        "a wrong answer, so the epoch stops and nothing of it is published.",
        "Cast to a wider type in the step that the message names, for instance sum(x::DECIMAL(38,0)), and run again."),
    "sql.failed": Code(
        "a query failed while it ran",
        "The SQL of a window, session, rolling or whole-input step raised an error on the rows that it was given. Several rows "
        "make one result there, so no single row can be set aside for it.",
        "Guard the expression (TRY_CAST, CASE, NULLIF) or set such rows aside with a rule before the step, and run again."),
    "over.rows": Code(
        "a rolling step lost or made rows",
        "The query of an `over` step must answer once for every row, and did not. This is a mistake in mainstem.",
        "Report it with the pipeline file."),
    # ---- rules, user functions, tables, cases --------------------------------------------------------------------
    "check.stop": Code(
        "a rule with `else: stop` is violated",
        "The rule was declared as one under which nothing may go on. Nothing of this epoch is published.",
        "Mend the data at its source, or give the rule `else: quarantine`; then start again."),
    "python.import": Code(
        "the module of a function cannot be imported",
        "The child process that runs user code could not import the module; its traceback and the folders searched are shown.",
        "Mend the module, put it beside the pipeline file, or install what it needs."),
    "python.not_found": Code(
        "the module has no such function",
        "`call: module:function` names something that the module does not have, or that cannot be called.",
        "Take the suggestion, or correct the name."),
    "python.rows": Code(
        "the function returned another number of rows",
        "With `rows: same` every row must come back, in its order: otherwise nobody could say what became of the others.",
        "Say `rows: fewer` (and return `_at`) or `rows: any`, or return every row."),
    "python.at": Code(
        "the function did not say which rows it returned",
        "With `rows: fewer` and `rows: any` each returned row must carry the `_at` of the row it comes from, unchanged.",
        "Keep the column `_at`; build new rows with the `_at` of their parent."),
    "python.returned": Code(
        "the function returned other columns than declared",
        "A column is missing or too many. Columns never appear or vanish in silence.",
        "Return exactly the declared columns, or change `columns:` of the step."),
    "python.type": Code(
        "the function returned a column of another type",
        "Types are never changed in silence. A cast that keeps every value, like int32 to int64, is done; others are not.",
        "Cast the column in the function."),
    "python.order": Code(
        "a row alone becomes something else than in company",
        "The function changes the order of rows or looks across them, but rows come in any cut: f(a + b) must be f(a) + f(b).",
        "Look at one row at a time; use a `window` for what looks across rows, or say `deterministic: false` for a random answer."),
    "python.died": Code(
        "the function's process died too often",
        "A row on which the process hangs or dies is found and set aside, but each death costs a new process.",
        "Mend the function, or filter out the rows that it cannot take."),
    "python.raised": Code(
        "the function fails on most rows",
        "A row on which a function fails is set aside. When most rows fail it is the function that is wrong.",
        "Mend the function; the last lines of its traceback are shown."),
    "table.duplicate_key": Code(
        "a key comes twice in a lookup table",
        "A lookup finds one row for each key. With two, which one it finds would be chance.",
        "Remove one of the two rows named, add a column to `key:`, or say `many: true` at the lookup and leave `key:` out."),
    "table.bad_row": Code(
        "a row of a lookup table cannot be read",
        "Rows of a table are not set aside: with one missing, lookups would give wrong answers in silence.",
        "Mend the row at the place named."),
    "table.too_large": Code(
        "a lookup table is too large",
        "Every task holds the whole table in memory.",
        "Make it a source and join in bounded input, or prepare a smaller file."),
    "table.endless": Code(
        "a lookup table does not end",
        "Its source offers the same rows again and again, so there is no moment at which the table is whole.",
        "Use a source that ends."),
    "table.lost": Code(
        "the pinned version of a table is gone",
        "An epoch that was planned with one version of a table must be finished with it; the file was removed.",
        "Put the file back, or `mainstem reset` the pipeline."),
    "table.damaged": Code(
        "the pinned version of a table cannot be read",
        "The file is not what was written; a wrong answer is never computed from it.",
        "Put the file back as it was, or `mainstem reset` the pipeline."),
    "case.no_file": Code(
        "there is no such case file",
        "A path given to `mainstem test` is neither a file nor a folder.",
        "Cases lie in `tests/` beside the pipeline file."),
    "case.invalid": Code(
        "a case file has mistakes",
        "A case needs a name, given rows and expected rows; every mistake is listed with its line.",
        "Mend what is listed; the manual shows a whole case."),
    # ---- runs and files ----------------------------------------------------------------------------------------
    "run.fenced": Code(
        "another runner is ahead",
        "A file of the epoch protocol that this runner was about to create is already there: another one owns the pipeline.",
        "Only one runner may own a pipeline; look at `mainstem runs list`."),
    "disk.full": Code(
        "the disk is full",
        "Writing stopped for lack of room (or of quota). Nothing half-written is visible.",
        "Make room (`mainstem maintain` frees staged leftovers) and start again: it goes on."),
    "disk.read_only": Code(
        "no permission to write",
        "The state folder or the lake cannot be written by this user, or is mounted read-only.",
        "Give the folder write permission and start again: it goes on."),
    "disk.failed": Code(
        "the file system refused",
        "The operating system reported an error while writing or syncing a file.",
        "Mend the disk and start again: it goes on."),
    # ---- sources and sinks ----------------------------------------------------------------------------------------
    "source.no_file": Code(
        "the input file is not there",
        "A source names one plain file and there is none under that path; paths are relative to the project folder.",
        "Check the path; the message names the file that comes closest."),
    "source.replaced": Code(
        "a known file has another content",
        "A file that was read has other bytes now, or fewer. Reading on would skip or double rows, so the policy decides.",
        "Say `replaced: reread` to read it as a new file or `replaced: ignore` to leave it; or restore the file."),
    "source.changed": Code(
        "planned bytes are not there any more",
        "The plan of an epoch names exact bytes of a file, and the file was deleted, cut or rewritten before they were read.",
        "Restore the file and start again: the epoch goes on. Else begin anew with `mainstem run --accept rebuild`."),
    "source.corrupt": Code(
        "a packed file is cut or damaged",
        "A gzip or zstd file does not unpack to its end. Packed files are verified whole first, so no row of it was read.",
        "Deliver the file again; it is tried anew as soon as it changes. The other files are not held up."),
    "source.too_large": Code(
        "a packed file unpacks to too much",
        "What comes out of a packed file passed `max_unpacked` or `max_ratio`, as archive bombs do. No row of it was read.",
        "Raise the limit on the source if this is what you expect."),
    "source.record_too_long": Code(
        "a record without an end",
        "No record end was found within 64 MiB of a file, so it is probably of another format. What is before it was read.",
        "Look at the file at that place; correct `format:` or the file."),
    "delta.columns": Code(
        "columns that a Delta table cannot hold",
        "A name, a type, a key or a partition of this output cannot be stored, or could not be told apart by readers.",
        "Rename, cast or leave out the columns in the step before the output."),
    "delta.schema": Code(
        "the table does not fit the pipeline",
        "The table that is there has other columns, types or partitions. No value is cast in silence, no column added unasked.",
        "Cast in the step before, name another table, or accept the new columns on purpose."),
    "delta.cast": Code(
        "rows do not fit the table without loss",
        "A value would have to be rounded, cut or changed to fit its column's type in the table.",
        "Cast the column in the step before the output, or set such rows aside with a rule."),
    "delta.empty_partition": Code(
        "an empty text as partition value",
        "Delta reads an empty partition value back as NULL, so the two could not be told apart again.",
        "Set such rows aside with a rule, replace the text, or partition by another column."),
    "delta.not_a_table": Code(
        "the folder is no Delta table",
        "An output's folder holds other files and no Delta log; nothing is written among somebody else's files.",
        "Name another table, or move the files away."),
    "delta.unreadable": Code(
        "the table's log cannot be read",
        "The log is damaged, or the log of the version that was asked for has been cleaned up.",
        "Ask for a newer version; if the newest cannot be read, restore the table from a backup."),
    "delta.vacuumed": Code(
        "files of an old version are gone",
        "The log still knows the version, but `mainstem maintain` has deleted files that only it needed.",
        "Read a newer version, or keep more with the retention settings of the project."),
    "delta.deletion_vectors": Code(
        "the table has deletion vectors",
        "Another writer marked rows as deleted without rewriting their files; reading the files alone would bring them back.",
        "Switch `delta.enableDeletionVectors` off and purge them with the engine that wrote them."),
    "delta.create_failed": Code(
        "the table could not be made",
        "The file system or the library refused while the first version of a table was written.",
        "Look at the permissions of the lake's folder and start again."),
    "delta.commit_failed": Code(
        "the table refused a commit",
        "The library or the file system reported an error, and the log does not have the transaction. Staged rows are kept.",
        "Mend what the message names and start again: it goes on."),
    "delta.commit_lost": Code(
        "a commit cannot be found again",
        "The library said that a commit went through, but the log does not show its transaction.",
        "Start again: it looks once more before it writes anything."),
    "delta.contended": Code(
        "other writers came first too often",
        "Other commits to the same table came in between at every try. Staged rows are kept, nothing was lost.",
        "Start again, and see who else writes to this table."),
    "files.format": Code(
        "plain files need a format",
        "The output names a folder but no format that can be written.",
        "Say `format: csv`, `format: json` or `format: parquet` beside the output."),
    "files.not_ours": Code(
        "the folder has other things in it",
        "A folder for plain file outputs was not made by mainstem and is not empty.",
        "Name another folder, or move its content away."),
    "files.schema": Code(
        "the folder holds files of another shape",
        "What lies in the folder has another format or other columns; files of two shapes in one folder help nobody.",
        "Name another folder, or move the old one away."),
    "files.damaged": Code(
        "a written file or its record is damaged",
        "A file of an output, or the record beside it, is not as it was written.",
        "Restore the folder from a backup, or move it away and rebuild."),
    "files.contended": Code(
        "other writers came first too often",
        "Other commits to the same folder came in between at every try. Staged rows are kept, nothing was lost.",
        "Start again, and see who else writes there."),
    # ---- formats -------------------------------------------------------------------------------------------------
    "format.header": Code(
        "the header does not fit",
        "The header of a file cannot be read, or it has none of the declared columns: reading on would make a table of NULLs.",
        "Check `delimiter:`, `quote:`, `header:` and `skip:` against the first lines of the file."),
    "format.duplicate_header": Code(
        "a header names a column twice",
        "Two fields of a file have the same name, so it is not clear which one a column means.",
        "Give the names with `header: [...]` and `skip: 1`."),
    "format.line_ends": Code(
        "the lines end with CR only",
        "Records end with LF or CRLF; this file has neither, so it would be one record.",
        "Convert the file, as with `tr '\\r' '\\n'`."),
    "format.encoding": Code(
        "the file has another encoding",
        "The file was declared to be in an encoding in which its bytes are no text. None of its rows were taken.",
        "Correct `encoding:`."),
    "format.not_utf8": Code(
        "a document is not UTF-8",
        "A JSON document is read whole or not at all, and this one has bytes that are no UTF-8. None of its rows were taken.",
        "Have it written as UTF-8, as the standard asks."),
    "format.not_json": Code(
        "a document is not JSON",
        "A JSON document is read whole or not at all, and this one breaks off or has something that is no JSON.",
        "If the file has one object a line, say `layout: lines`: then a bad line costs only itself."),
    "format.records": Code(
        "the records are not where they should be",
        "`records:` says where in a document the array of records lies, and there is none.",
        "Correct `records:`; the path is written like `data.items`."),
    "format.parquet": Code(
        "a Parquet file cannot be read",
        "The file is damaged, cut short, or of another kind, or it came as bytes from a source that has no files.",
        "Get the file again; check it with another reader."),
    "format.column_type": Code(
        "a file's column has another type",
        "No value of the type that the file gives a column could be one of the declared type.",
        "Declare the column as it is in the file and convert it in a `sql` step."),
    "format.nan": Code(
        "NaN cannot be written as JSON",
        "JSON has no word for NaN and infinity, and `nan: reject` asks to stop rather than to change them.",
        "Say `nan: null` or `nan: string`, or filter such rows."),
    "init.exists": Code(
        "there is something already",
        "`init` was asked to write a project where a file of the same name lies; it never writes over anything.",
        "Choose an empty folder: `mainstem init NAME`."),
    # ---- the ledger ----------------------------------------------------------------------------------------------
    "ledger.busy": Code(
        "the ledger is locked",
        "Another process kept the ledger locked for longer than a writer waits. Nothing is lost: it only mirrors manifests.",
        "Try again; if it stays so, look for a process that holds the file, as an open database browser does."),
    "ledger.damaged": Code(
        "the ledger is damaged",
        "The file is no SQLite database or its pages do not agree. Data, state and manifests are not touched by this.",
        "Move the file away: the next run begins a new ledger. Only the history of runs is lost."),
    "ledger.newer": Code(
        "the ledger is from a newer mainstem",
        "A newer version led this ledger through a migration that this version does not know, so it will not write to it.",
        "Use that version or a newer one, or name another ledger in mainstem.yaml."),
    "ledger.unreachable": Code(
        "the ledger cannot be used",
        "The database of the ledger refused: no permission, no room, or nobody answers at its address.",
        "Make its folder writable, make room, or correct `ledger:` in mainstem.yaml; then start again."),
    # ---- the plan, its steps and their SQL ----------------------------------------------------------------------
    **{code: Code(*page) for code, page in (plancodes.PAGES | runcodes.PAGES).items()},
    # ---- ours ----------------------------------------------------------------------------------------------------
    "bug.sql_columns": Code(
        "a query made other columns than planned",
        "Plan and kernel disagree about a step. The pipeline stopped before anything wrong was published.",
        "Please report it with the pipeline file."),
    "bug.unexpected": Code(
        "an error that mainstem did not expect",
        "Something failed in a place where nothing should. The pipeline stopped before anything wrong was published.",
        "Please report it with the lines that were printed; starting again goes on from the last finished epoch."),
}


def explain(code: str) -> Code:
    """The page of a code; SpecError with a suggestion if there is none.

    >>> explain("spec.tab").title
    'a tab in the indentation'
    """
    if code not in CODES:
        close = difflib.get_close_matches(code, CODES, 1)
        raise SpecError("spec.value", f"there is no error code `{code}`",
                        fix=f"did you mean `{close[0]}`?" if close else "codes look like `spec.unknown_key`")
    return CODES[code]
