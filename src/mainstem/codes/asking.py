"""The error codes of making, looking and mending: projects, cases, queries, runs, quarantine, ledger."""

from __future__ import annotations

from mainstem.codes.page import Code

PAGES = {
    # ---- projects ----------------------------------------------------------------------------------------------------
    "project.unknown_environment": Code(
        "an environment that is not declared",
        "`--env` or MAINSTEM_ENV names an environment that mainstem.yaml does not have under `environments`.",
        "Declare it, or take one of those listed."),
    "init.exists": Code(
        "there is something already",
        "`init` was asked to write a project where a file of the same name lies; it never writes over anything.",
        "Choose an empty folder: `mainstem init NAME`."),
    # ---- cases -------------------------------------------------------------------------------------------------------
    "case.no_file": Code(
        "there is no such case file",
        "A path given to `mainstem test` is neither a file nor a folder.",
        "Cases lie in `tests/` beside the pipeline file."),
    "case.invalid": Code(
        "a case file has mistakes",
        "A case needs a name, given rows and expected rows; every mistake is listed with its line.",
        "Mend what is listed; the manual shows a whole case."),
    # ---- looking -----------------------------------------------------------------------------------------------------
    "read.unknown": Code(
        "there is nothing of this name to read",
        "A query names a relation that is no output, no table, not `quarantine` and none of the run facts.",
        "Take one of the names in the message."),
    "read.bad_query": Code(
        "the query failed",
        "DuckDB refused the query, for the reason given.",
        "`mainstem plan` shows the columns and their types."),
    "read.bad_time": Code(
        "a moment that cannot be read",
        "`--at` takes the number of an epoch, or a moment with its zone in RFC 3339.",
        "Write `--at 12` or `--at 2026-01-01T12:00:00Z`."),
    "read.no_version": Code(
        "nothing complete at that moment",
        "No epoch was complete then, there is none with so high a number yet, or its manifest is older than what is kept.",
        "`mainstem runs list` shows what there is; `retention.manifests` says how much is kept."),
    "look.unknown_step": Code(
        "there is no such step",
        "`run --show` names a step or source that the pipeline does not have.",
        "Take one of the names in the message."),
    "runs.unknown": Code(
        "there is no such run",
        "No run of this pipeline has this id, or more than one begins so.",
        "`mainstem runs list` shows them; `last` is the newest."),
    # ---- mending -----------------------------------------------------------------------------------------------------
    "quarantine.unknown": Code(
        "there is nothing like that in the quarantine",
        "No record of the quarantine has this id, or the pipeline has no such step, reason or rule.",
        "`mainstem quarantine list` shows ids, steps, reasons and rules; put ids in quotes."),
    "replay.made_row": Code(
        "a row that no source gave",
        "Only records of a source can be replayed: a row that a window or a session made follows from them.",
        "Replay the records that it was made of, or discard it."),
    "replay.gone": Code(
        "a record that cannot be had any more",
        "Of rows that leave after a shuffle only the typed row is kept; their bytes are read again from the source, and there "
        "they are no longer what they were.",
        "Put the file back as it was, or discard the record with `mainstem quarantine discard`."),
    "replay.unpublished": Code(
        "the quarantine is not published yet",
        "A run stopped before it published; its records could be replayed and published twice.",
        "Finish it with `mainstem run`, then replay."),
    "explain.unknown": Code(
        "there is no such code",
        "Neither an error code nor a reason of the quarantine is called so.",
        "Codes stand in square brackets in messages, like `spec.unknown_key`."),
    # ---- the ledger --------------------------------------------------------------------------------------------------
    "ledger.busy": Code(
        "the ledger is locked",
        "Another process kept the ledger locked for longer than a writer waits. Nothing is lost: it only mirrors "
        "manifests.",
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
}
