"""The error codes of running: user code, the epoch protocol, its state, and promises of our own."""

from __future__ import annotations

from mainstem.codes.page import Code

PAGES = {
    # ---- running and stopping ----------------------------------------------------------------------------------------
    "run.fenced": Code(
        "another runner is ahead",
        "A file of the epoch protocol that this runner was about to create is already there: another one owns the "
        "pipeline.",
        "Only one runner may own a pipeline; look at `mainstem runs list`."),
    "run.breaking": Code(
        "an edit that breaks the running state",
        "State that was gathered under the old definition does not fit the new one; mixing the two would give wrong "
        "answers.",
        "`mainstem plan` shows what is concerned. `--accept reset` begins the state of these steps anew, `--accept "
        "rebuild` reads all again."),
    "run.held": Code(
        "another runner holds this pipeline",
        "One runner at a time owns a pipeline; the other one's lease has not run out. A dead one on this host is noticed "
        "at once.",
        "Stop the other one, or wait; `--takeover` takes over, and the other one then stops by itself."),
    # ---- rules -------------------------------------------------------------------------------------------------------
    "check.stop": Code(
        "a rule with `else: stop` is violated",
        "The rule was declared as one under which nothing may go on. Nothing of this epoch is published.",
        "Mend the data at its source, or give the rule `else: quarantine`; then start again."),
    # ---- the user's functions ----------------------------------------------------------------------------------------
    "python.import": Code(
        "the module of a function cannot be imported",
        "The child process that runs user code could not import the module; its traceback and the folders searched are "
        "shown.",
        "Mend the module, put it beside the pipeline file, or install what it needs."),
    "python.not_found": Code(
        "the module has no such function",
        "`call: module:function` names something that the module does not have, or that cannot be called.",
        "Take the suggestion, or correct the name."),
    "python.shadows": Code(
        "a module of yours has the name of one that everything needs",
        "A module of your own is imported under the name of a module of Python, of pyarrow, numpy or mainstem. One of the two "
        "would be taken for the other, here by mainstem and there by a shell.",
        "Give your module another name."),
    "python.cut": Code(
        "other rows when the input is cut differently",
        "`mainstem test` ran the records of a case once together and once each in an epoch of its own, and a step with a "
        "function of yours gave other rows. A function sees whatever batch an epoch happens to hold, so f(a + b) must be f(a) + f(b).",
        "Let the function look at one row at a time; use a window for what looks across rows; say `deterministic: false` if its "
        "answer differs from call to call."),
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
        "The function changes the order of rows or looks across them, but rows come in any cut: f(a + b) must be f(a) + "
        "f(b).",
        "Look at one row at a time; use a `window` for what looks across rows, or say `deterministic: false` for a random "
        "answer."),
    "python.died": Code(
        "the function's process died too often",
        "A row on which the process hangs or dies is found and set aside, but each death costs a new process.",
        "Mend the function, or filter out the rows that it cannot take."),
    "python.raised": Code(
        "the function fails on most rows",
        "A row on which a function fails is set aside. When most rows fail it is the function that is wrong.",
        "Mend the function; the last lines of its traceback are shown."),
    "python.columns": Code(
        "the function's columns are not declared",
        "With `rows: any` what comes out is not what went in, and the plan must know its columns before it runs.",
        "Add `columns: {name: type, ...}`."),
    # ---- state, journal, releases ------------------------------------------------------------------------------------
    "state.damaged": Code(
        "a file of the state folder is damaged",
        "Its checksum or size is not what was written. Reading on could give a wrong answer, so nothing is read.",
        "Restore it from a backup, or rebuild with `mainstem run --accept rebuild`."),
    "checkpoint.lost": Code(
        "the table is ahead of the state folder",
        "An output holds epochs of a run whose journal is not here; going on would write their rows again.",
        "Restore the state folder, or start anew with `mainstem run --accept rebuild`."),
    "release.unknown": Code(
        "a release is missing",
        "A run or an epoch names a release whose folder is not in the state folder.",
        "Restore the state folder; releases are small and belong into its backup."),
    "reset.unfinished": Code(
        "a run is not finished",
        "Epochs are decided but not published; forgetting the state now would leave them half done.",
        "Finish them with `mainstem run`, then reset; or `mainstem run --accept rebuild`."),
    # ---- engines -----------------------------------------------------------------------------------------------------
    "engine.unknown": Code(
        "there is no such engine",
        "The name after `--engine` is none of those that there are.",
        "Leave it out for the embedded engine, `local`; `spark` places the tasks on Apache Spark, `auto` only those of large epochs."),
    "engine.lacks": Code(
        "the engine has not what a step asks for",
        "`spark_sql` hands a statement to Spark itself, in Spark's dialect; no other engine can answer it.",
        "Run it with `--engine spark`, or write the step as `sql`, which every engine carries out with equal results."),
    "spark_sql.unbounded": Code(
        "Spark's own SQL over a stream",
        "A statement of Spark's sees whole tables, and a stream has no end.",
        "Read complete input (`complete: true`), or use `sql`, `window` and the other steps."),
    "spark_sql.table": Code(
        "a lookup table in Spark's own SQL",
        "Spark is handed the rows of steps; tables are looked at by tasks of ours.",
        "Join the table in a `lookup` or `sql` step before."),
    "spark_sql.columns": Code(
        "Spark answers other columns than are declared",
        "What a statement of Spark's own answers is not known before it runs: `columns:` declares it, in order.",
        "Make `columns:` and the SELECT list agree, in names and order."),
    "spark_sql.refused": Code(
        "Spark refuses a statement",
        "Spark's parser or analyzer says why; it is asked when all input is there.",
        "Mend the statement; the rows are held, the run goes on from there."),
    "engine.no_spark": Code(
        "Spark is not installed",
        "The engine `spark` needs the package pyspark, which is not part of the core install.",
        "pip install 'mainstem[spark]', in the same environment as mainstem."),
    "engine.no_java": Code(
        "Spark finds no Java that it can use",
        "Spark runs in a Java virtual machine, version 17 or newer; `JAVA_HOME` says which, else `java` on the path.",
        "Install one (Debian, Ubuntu: apt install openjdk-17-jre-headless), or set JAVA_HOME."),
    "engine.setting": Code(
        "a setting of Spark that mainstem's tasks need otherwise",
        "One message is one Arrow blob, and a target is one task: these settings belong to the engine.",
        "Take it out of `conf:`; every other setting of Spark is passed through."),
    "engine.spark": Code(
        "Spark gave up on a task of an epoch",
        "A task failed as often as Spark tries again, an executor was lost for good, or the application was stopped. Nothing of the "
        "epoch was published, and nothing is lost.",
        "Look at Spark's log; start again: the same ranges are read once more. Where processes were killed, memory is the usual reason: "
        "less of `memory:` per host, more `spark.executor.memoryOverhead`, more `tasks`, or a smaller `epoch`."),
    "engine.memory": Code(
        "a task needs more memory than it may use",
        "What cannot be kept on disk while it is computed did not fit: one group of a window or of a statement over the whole input, or "
        "a very large record. `memory:` is for all tasks that run at the same time. Nothing of the epoch was published.",
        "More `memory:`; or less for one task: a smaller `epoch:`, more `tasks`, aggregates that merge (`approx_quantile` for "
        "`quantile_cont`). On Spark, more `spark.executor.memory` where Java says so. Start again: it goes on where it was."),
    "engine.version": Code(
        "an executor has another mainstem",
        "Tasks are the same code on both sides: an executor with another version could compute something else.",
        "Give the executors the environment of the driver: docs/spark.md says how."),
    # ---- promises of our own -----------------------------------------------------------------------------------------
    "law.broken": Code(
        "the account of an epoch does not balance",
        "A row would be lost or doubled by a mistake of mainstem. The epoch stopped before anything of it was published.",
        "Please report it with the pipeline file and the message; the tables are as the epoch before left them."),
    "bug.legs": Code(
        "a plan in which rows reach an end on two ways",
        "mainstem takes such meetings apart; this one was missed.",
        "Report it with the pipeline file."),
    "bug.open_epochs": Code(
        "an incarnation was closed too early",
        "A mistake of mainstem: epochs that are decided must be published before an incarnation is closed.",
        "Please report it; `mainstem run` finishes the epochs."),
    "bug.query": Code(
        "a format asked for SQL where none can run",
        "A mistake of mainstem or of a format that was plugged in: files that are read back are decoded without SQL.",
        "Please report it with the name of the format."),
    "bug.sql_columns": Code(
        "a query made other columns than planned",
        "Plan and kernel disagree about a step. The pipeline stopped before anything wrong was published.",
        "Please report it with the pipeline file."),
    "bug.unexpected": Code(
        "an error that mainstem did not expect",
        "Something failed in a place where nothing should. The pipeline stopped before anything wrong was published.",
        "Please report it with the lines that were printed; starting again goes on from the last finished epoch."),
}
