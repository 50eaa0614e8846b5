"""The error codes of bytes and places: formats, files, tables, disks."""

from __future__ import annotations

from mainstem.codes.page import Code

PAGES = {
    # ---- formats -----------------------------------------------------------------------------------------------------
    "format.header": Code(
        "the header does not fit",
        "The header of a file cannot be read, or it has none of the declared columns: reading on would make a table of "
        "NULLs.",
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
        "A JSON document is read whole or not at all, and this one has bytes that are no UTF-8. None of its rows were "
        "taken.",
        "Have it written as UTF-8, as the standard asks."),
    "format.not_json": Code(
        "a document is not JSON",
        "A JSON document is read whole or not at all, and this one breaks off or has something that is no JSON.",
        "If the file has one object a line, say `layout: lines`: then a bad line costs only itself."),
    "format.records": Code(
        "the records are not where they should be",
        "`records:` says where in a document the array of records lies, and there is none.",
        "Correct `records:`; the path is written like `data.items`."),
    "format.unwritable": Code(
        "a CSV has no way to write a value",
        "Written all the same it would come back as another value: text with delimiters where no quotes are allowed, or NULL "
        "in a column of text that is alone, where it would read as an empty text.",
        "Let the output quote (leave out `quote: null`), or declare a word for NULL, like `null: [NULL]`."),
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
    # ---- sources and their files -------------------------------------------------------------------------------------
    "source.no_file": Code(
        "the input is not there",
        "The file or folder that a source names does not exist. Paths are relative to the folder of mainstem.yaml.",
        "Correct `path:`, or put the file there; the message names what is close."),
    "source.replaced": Code(
        "a known file has another content",
        "What was read before under this name is no longer there. Reading it again could double rows, leaving it could "
        "lose some.",
        "Say what is meant with `replaced: reread` or `replaced: ignore` at the source, or restore the file."),
    "source.changed": Code(
        "a file changed while it was to be read",
        "An epoch fixes exact byte ranges before it reads them; the bytes there are others now, so reading on would mix "
        "two files.",
        "Restore the file and start again: it goes on. New content belongs into a file with a new name."),
    "source.corrupt": Code(
        "a packed file is damaged",
        "A gz or zst file breaks off or fails its checksum. It is verified whole before a row of it is offered, so "
        "nothing was read.",
        "Deliver it again. It cost only itself: other files were read."),
    "source.too_large": Code(
        "a packed file unpacks to too much",
        "The limit protects the disk from a file that was made to fill it. Nothing of the file was read.",
        "Raise `max_unpacked:` or `max_ratio:` at the source if the file is what you expect."),
    "source.record_too_long": Code(
        "a record has no end",
        "No record end was found within the longest length that is looked at: mostly a file of another format.",
        "Look at the file at that byte; correct `format:`, or take the file away."),
    # ---- tables that are looked at -----------------------------------------------------------------------------------
    "table.duplicate_key": Code(
        "a key comes twice in a lookup table",
        "A lookup finds one row for each key. With two, which one it finds would be chance.",
        "Remove one of the two rows named, add a column to `key:`, or say `many: true` at the lookup and leave `key:` "
        "out."),
    "table.bad_row": Code(
        "a row of a lookup table cannot be read",
        "Rows of a table are not set aside: with one missing, lookups would give wrong answers in silence.",
        "Mend the row at the place named."),
    "table.bad_file": Code(
        "a file of a lookup table cannot be read",
        "The file is closed to us, damaged, or not what its format needs. Going on without its rows would give wrong answers "
        "in silence.",
        "Mend the file that is named, or make it readable, and start again: it goes on."),
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
    # ---- plain files as output ---------------------------------------------------------------------------------------
    "files.format": Code(
        "an output of plain files without a format",
        "The sink `files` writes any format that can be written; which one has to be said.",
        "Write `format: csv`, `json` or `parquet` beside the output."),
    "files.columns": Code(
        "plain files cannot hold a column",
        "A column that is always NULL has no type, and an interval has no text that all readers know.",
        "Cast it in the step before the output."),
    "files.not_ours": Code(
        "the output's folder is not empty",
        "The folder has files in it that this output did not write; they might belong to somebody.",
        "Name another folder, or move these files away."),
    "files.schema": Code(
        "the folder holds files of another shape",
        "Earlier epochs wrote other columns or another format into this folder; a reader would find a mixture.",
        "Name another folder, or move the old one away."),
    "files.damaged": Code(
        "a written file cannot be read back",
        "Records of a file that an epoch published cannot be decoded: it was changed or damaged since.",
        "Restore the file from a backup."),
    "files.contended": Code(
        "other writers were always first",
        "Somebody else publishes into this folder again and again. The staged rows are kept.",
        "See who else writes there, then start again: it goes on."),
    # ---- Delta tables ------------------------------------------------------------------------------------------------
    "delta.columns": Code(
        "columns that a table cannot hold",
        "A name or a type of the output cannot be stored in a Delta table that every reader can read.",
        "Rename, cast or leave out these columns in the step before the output."),
    "delta.schema": Code(
        "the table has other columns",
        "A table that exists does not fit what the pipeline would write. No value is cast in silence and no column added "
        "unasked.",
        "Cast in the step before the output, name another table, or accept the change on purpose."),
    "delta.cast": Code(
        "rows that do not fit the table without loss",
        "A value would be changed by storing it, as a number that is too large for its column.",
        "Cast the column in the step before the output, or set such rows aside with a rule."),
    "delta.empty_partition": Code(
        "an empty text in a partition column",
        "Delta reads an empty partition value back as NULL: two different values would become one.",
        "Set such rows aside with a rule, replace the text, or partition by another column."),
    "delta.not_a_table": Code(
        "the table's folder is not empty",
        "The folder that should hold the Delta table has other files in it; they might belong to somebody.",
        "Name another table, or move these files away."),
    "delta.unreadable": Code(
        "the table's log cannot be read",
        "A version was asked for that was cleaned up, or the log is damaged.",
        "Ask for a newer version (`mainstem runs list`), or restore the table."),
    "delta.vacuumed": Code(
        "files of that version are gone",
        "The version is older than what maintenance keeps, so its data files were deleted; those of the newest were deleted by hand.",
        "Read a newer version; of the newest restore the file or rebuild; "
        "`retention.manifests` in mainstem.yaml says how many are kept, `retention.versions` for how long their "
        "files outlive that."),
    "delta.deletion_vectors": Code(
        "a table with deletion vectors",
        "Another writer deleted rows without rewriting their files; reading on would bring these rows back.",
        "Turn `delta.enableDeletionVectors` off there and rewrite the table (REORG TABLE ... APPLY (PURGE))."),
    "delta.create_failed": Code(
        "the table could not be made",
        "The first version of the table could not be written.",
        "Look at the permissions of the folder and start again."),
    "delta.commit_failed": Code(
        "the table refused the commit",
        "The commit did not go through, for the reason given. The staged rows are kept.",
        "Remove the reason and start again: it goes on."),
    "delta.commit_lost": Code(
        "a commit that the log does not show",
        "The commit reported success and the table's log does not have it, as on a file system that delays what it shows.",
        "Start again: it looks once more before it writes, so nothing is written twice."),
    "delta.contended": Code(
        "other writers were always first",
        "Somebody else commits to this table again and again. The staged rows are kept and nothing is half-visible.",
        "See who else writes to the table, then start again: it goes on."),
    # ---- any output --------------------------------------------------------------------------------------------------
    "sink.reset": Code(
        "the table is gone, was put back, or another one is in its place",
        "It was deleted, made anew, restored to an older version, or somebody took rows out of it while the pipeline had rows in "
        "it. Going on would leave a table without its past, in silence.",
        "Restore the table, or start anew with `mainstem run --accept rebuild`. If it is to stay as it is now, `--accept reset` "
        "goes on from there."),
    "sink.foreign": Code(
        "the table is written by another pipeline",
        "One table has one writer: it commits exactly once under its own transactions, and a reset or rebuild replaces its rows. "
        "Two pipelines in one table would take each other's rows away.",
        "Give each pipeline a table of its own and bring them together where they are read."),
    # ---- the disk ----------------------------------------------------------------------------------------------------
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
}
