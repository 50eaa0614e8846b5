"""Rows of a Delta table that are to be forgotten leave it for good, beside whoever appends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mainstem.clock import attempt
from mainstem.connectors.delta import datafile
from mainstem.connectors.delta.log import Log, files_of
from mainstem.connectors.delta.merge import outdated
from mainstem.errors import TransientError

if TYPE_CHECKING:
    import pyarrow as pa


def forget(log: Log, key: Sequence[str], rows: pa.Table, codec: str, now_ms: int, dry_run: bool = False) -> int:
    """Take the rows with one of these keys out of an unpartitioned table; how many there were.

    Raises TransientError if another writer touched the same files.
    """
    import pyarrow as pa

    table = log.newest()
    schema = pa.schema(table.schema())
    wanted = rows.select(list(key)).cast(pa.schema([schema.field(name) for name in key]))
    actions, gone = list[Any](), 0
    for file in files_of(table):
        touched, kept, count = outdated(log.root, [file], schema, wanted, key, False)
        gone += count
        if not touched or dry_run:
            continue
        actions.append(datafile.remove_action(log.root, file, now_ms, True))
        if kept.num_rows:
            path = log.root / f"part-{now_ms:015d}-kept-{attempt()}.parquet"
            datafile.write(path, kept, codec)
            datafile.conserved("rows that stay", path, file.rows - count, datafile.rows_in(path))
            actions.append(datafile.add_action(log.root, path, {}, file.time, True))          # they keep their place
    if actions and not log.tidy(table, actions, schema, (), "retention"):
        raise TransientError("delta.contended", "another writer touched the same files", where=str(log.root),
                             fix="try again; see who else writes to this table")
    return gone
