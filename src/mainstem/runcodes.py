"""The pages of the error codes of running: sources, tables, protocol, reading. `codes.CODES` takes them in.

Each is (title, meaning, what to do).
"""

from __future__ import annotations

PAGES: dict[str, tuple[str, str, str]] = {
    # ---- sources and their files ---------------------------------------------------------------------------------
    "source.no_file": (
        "the input is not there",
        "The file or folder that a source names does not exist. Paths are relative to the folder of mainstem.yaml.",
        "Correct `path:`, or put the file there; the message names what is close."),
    "source.changed": (
        "a file changed while it was to be read",
        "An epoch fixes exact byte ranges before it reads them; the bytes there are others now, so reading on would mix two files.",
        "Restore the file and start again: it goes on. New content belongs into a file with a new name."),
    "source.replaced": (
        "a known file has another content",
        "What was read before under this name is no longer there. Reading it again could double rows, leaving it could lose some.",
        "Say what is meant with `replaced: reread` or `replaced: ignore` at the source, or restore the file."),
    "source.corrupt": (
        "a packed file is damaged",
        "A gz or zst file breaks off or fails its checksum. It is verified whole before a row of it is offered, so nothing was read.",
        "Deliver it again. It cost only itself: other files were read."),
    "source.too_large": (
        "a packed file unpacks to too much",
        "The limit protects the disk from a file that was made to fill it. Nothing of the file was read.",
        "Raise `max_unpacked:` or `max_ratio:` at the source if the file is what you expect."),
    "source.record_too_long": (
        "a record has no end",
        "No record end was found within the longest length that is looked at: mostly a file of another format.",
        "Look at the file at that byte; correct `format:`, or take the file away."),
    # ---- Delta tables and plain files ----------------------------------------------------------------------------
    "delta.not_a_table": (
        "the table's folder is not empty",
        "The folder that should hold the Delta table has other files in it; they might belong to somebody.",
        "Name another table, or move these files away."),
    "delta.schema": (
        "the table has other columns",
        "A table that exists does not fit what the pipeline would write. No value is cast in silence and no column added unasked.",
        "Cast in the step before the output, name another table, or accept the change on purpose."),
    "delta.columns": (
        "columns that a table cannot hold",
        "A name or a type of the output cannot be stored in a Delta table that every reader can read.",
        "Rename, cast or leave out these columns in the step before the output."),
    "delta.cast": (
        "rows that do not fit the table without loss",
        "A value would be changed by storing it, as a number that is too large for its column.",
        "Cast the column in the step before the output, or set such rows aside with a rule."),
    "delta.empty_partition": (
        "an empty text in a partition column",
        "Delta reads an empty partition value back as NULL: two different values would become one.",
        "Set such rows aside with a rule, replace the text, or partition by another column."),
    "delta.contended": (
        "other writers were always first",
        "Somebody else commits to this table again and again. The staged rows are kept and nothing is half-visible.",
        "See who else writes to the table, then start again: it goes on."),
    "delta.commit_failed": (
        "the table refused the commit",
        "The commit did not go through, for the reason given. The staged rows are kept.",
        "Remove the reason and start again: it goes on."),
    "delta.commit_lost": (
        "a commit that the log does not show",
        "The commit reported success and the table's log does not have it, as on a file system that delays what it shows.",
        "Start again: it looks once more before it writes, so nothing is written twice."),
    "delta.create_failed": (
        "the table could not be made",
        "The first version of the table could not be written.",
        "Look at the permissions of the folder and start again."),
    "delta.unreadable": (
        "the table's log cannot be read",
        "A version was asked for that was cleaned up, or the log is damaged.",
        "Ask for a newer version (`mainstem runs list`), or restore the table."),
    "delta.vacuumed": (
        "files of that version are gone",
        "The version is older than what maintenance keeps, so its data files were deleted.",
        "Read a newer version; `retention.versions` in mainstem.yaml says how long they are kept."),
    "delta.deletion_vectors": (
        "a table with deletion vectors",
        "Another writer deleted rows without rewriting their files; reading on would bring these rows back.",
        "Turn `delta.enableDeletionVectors` off there and rewrite the table (REORG TABLE ... APPLY (PURGE))."),
    "files.format": (
        "an output of plain files without a format",
        "The sink `files` writes any format that can be written; which one has to be said.",
        "Write `format: csv`, `json` or `parquet` beside the output."),
    "files.not_ours": (
        "the output's folder is not empty",
        "The folder has files in it that this output did not write; they might belong to somebody.",
        "Name another folder, or move these files away."),
    "files.schema": (
        "the folder holds files of another shape",
        "Earlier epochs wrote other columns or another format into this folder; a reader would find a mixture.",
        "Name another folder, or move the old one away."),
    "files.contended": (
        "other writers were always first",
        "Somebody else publishes into this folder again and again. The staged rows are kept.",
        "See who else writes there, then start again: it goes on."),
    "files.damaged": (
        "a written file cannot be read back",
        "Records of a file that an epoch published cannot be decoded: it was changed or damaged since.",
        "Restore the file from a backup."),
    "sink.reset": (
        "the table is gone, or another one is in its place",
        "It was deleted or made anew while the pipeline had rows in it. Going on would leave a table without its past.",
        "Restore the table, or start anew with `mainstem run --accept rebuild`."),
    # ---- running -------------------------------------------------------------------------------------------------
    "run.breaking": (
        "an edit that breaks the running state",
        "State that was gathered under the old definition does not fit the new one; mixing the two would give wrong answers.",
        "`mainstem plan` shows what is concerned. `--accept reset` begins the state of these steps anew, `--accept rebuild` reads all again."),
    "run.held": (
        "another runner holds this pipeline",
        "One runner at a time owns a pipeline; the other one's lease has not run out. A dead one on this host is noticed at once.",
        "Stop the other one, or wait; `--takeover` takes over, and the other one then stops by itself."),
    "engine.unknown": (
        "there is no such engine",
        "The name after `--engine` is none of those installed.",
        "Leave it out for the embedded engine, `local`."),
    "state.damaged": (
        "a file of the state folder is damaged",
        "Its checksum or size is not what was written. Reading on could give a wrong answer, so nothing is read.",
        "Restore it from a backup, or rebuild with `mainstem run --accept rebuild`."),
    "checkpoint.lost": (
        "the table is ahead of the state folder",
        "An output holds epochs of a run whose journal is not here; going on would write their rows again.",
        "Restore the state folder, or start anew with `mainstem run --accept rebuild`."),
    "release.unknown": (
        "a release is missing",
        "A run or an epoch names a release whose folder is not in the state folder.",
        "Restore the state folder; releases are small and belong into its backup."),
    "reset.unfinished": (
        "a run is not finished",
        "Epochs are decided but not published; forgetting the state now would leave them half done.",
        "Finish them with `mainstem run`, then reset; or `mainstem run --accept rebuild`."),
    # ---- looking and mending -------------------------------------------------------------------------------------
    "read.unknown": (
        "there is nothing of this name to read",
        "A query names a relation that is no output, no table, not `quarantine` and none of the run facts.",
        "Take one of the names in the message."),
    "read.bad_query": (
        "the query failed",
        "DuckDB refused the query, for the reason given.",
        "`mainstem plan` shows the columns and their types."),
    "read.bad_time": (
        "a moment that cannot be read",
        "`--at` takes the number of an epoch, or a moment with its zone in RFC 3339.",
        "Write `--at 12` or `--at 2026-01-01T12:00:00Z`."),
    "read.no_version": (
        "nothing complete at that moment",
        "No epoch was complete then, or its manifest is older than what is kept.",
        "`mainstem runs list` shows what there is; `retention.manifests` says how much is kept."),
    "look.unknown_step": (
        "there is no such step",
        "`run --show` names a step or source that the pipeline does not have.",
        "Take one of the names in the message."),
    "runs.unknown": (
        "there is no such run",
        "No run of this pipeline has this id, or more than one begins so.",
        "`mainstem runs list` shows them; `last` is the newest."),
    "quarantine.unknown": (
        "there is no such quarantined record",
        "No record of the quarantine has this id.",
        "`mainstem quarantine list` shows the ids; put them in quotes."),
    "replay.made_row": (
        "a row that no source gave",
        "Only records of a source can be replayed: a row that a window or a session made follows from them.",
        "Replay the records that it was made of, or discard it."),
    "replay.unpublished": (
        "the quarantine is not published yet",
        "A run stopped before it published; its records could be replayed and published twice.",
        "Finish it with `mainstem run`, then replay."),
    "explain.unknown": (
        "there is no such code",
        "Neither an error code nor a reason of the quarantine is called so.",
        "Codes stand in square brackets in messages, like `spec.unknown_key`."),
    # ---- promises of our own -------------------------------------------------------------------------------------
    "law.broken": (
        "the account of an epoch does not balance",
        "A row would be lost or doubled by a mistake of mainstem. The epoch stopped before anything of it was published.",
        "Please report it with the pipeline file and the message; the tables are as the epoch before left them."),
    "bug.open_epochs": (
        "an incarnation was closed too early",
        "A mistake of mainstem: epochs that are decided must be published before an incarnation is closed.",
        "Please report it; `mainstem run` finishes the epochs."),
    "bug.query": (
        "a format asked for SQL where none can run",
        "A mistake of mainstem or of a format that was plugged in: files that are read back are decoded without SQL.",
        "Please report it with the name of the format."),
}
