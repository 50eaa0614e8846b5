"""Many small data files of a Delta table become few, its rows unchanged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.clock import attempt
from mainstem.connectors.delta import datafile
from mainstem.connectors.delta.datafile import DataFile
from mainstem.connectors.delta.log import Log, files_of

if TYPE_CHECKING:
    import pyarrow as pa

_FEW = 8                              # so many files of one size class become one
_SMALLEST = 64 << 10                  # the lowest size class
_LARGE = 64 << 20                     # files of this size are left alone
_GROUP_ROWS = 1 << 18


def compact(log: Log, partition_by: Sequence[str], codec: str, now_ms: int, dry_run: bool = False) -> int:
    """Make one file of every 8 or more files of a size class (64 KiB, 512 KiB, 4 MiB, 32 MiB) and partition.

    So a row is rewritten three times at most, not once per compaction. In one commit, data unchanged, beside a writer that
    appends; if another writer touches the same files it is left for the next time. Returns the files replaced.
    """
    import pyarrow as pa

    table = log.newest()
    schema = pa.schema(table.schema())
    groups: defaultdict[tuple[Any, int], list[DataFile]] = defaultdict(list)
    for file in files_of(table):
        if file.bytes < _LARGE:
            groups[tuple(sorted(file.partition.items(), key=lambda item: item[0])), _class(file.bytes)].append(file)
    bins = [few for files in groups.values() for few in _bins(files)]
    replaced = sum(len(few) for few in bins)
    if not bins or dry_run:
        return replaced
    actions: list[Any] = []
    for few in bins:
        path = log.root / f"part-{now_ms:015d}-compact-{attempt()}.parquet"
        _join(path, few, schema, codec)
        datafile.conserved("files made one", path, sum(file.rows for file in few), datafile.rows_in(path))
        values = {name: datafile.partition_text(value) for name, value in few[0].partition.items()}
        actions.append(datafile.add_action(log.root, path, values, few[-1].time, False))     # its rows keep their place
        actions += [datafile.remove_action(log.root, file, now_ms, False) for file in few]
    return replaced if log.tidy(table, actions, schema, partition_by, "compaction") else 0


def _class(size: int) -> int:
    number, limit = 0, _SMALLEST
    while size > limit:
        number, limit = number + 1, limit * 8
    return number


def _bins(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """Runs of files that become one file each, of at most _LARGE bytes."""
    bins: list[list[DataFile]] = [[]]
    size = 0
    for file in files:
        if size + file.bytes > _LARGE and bins[-1]:
            bins.append([])
            size = 0
        bins[-1].append(file)
        size += file.bytes
    return [few for few in bins if len(few) >= _FEW]


def _join(path: Path, files: Sequence[DataFile], schema: pa.Schema, codec: str) -> None:
    """One file with the rows of all, in order; a row group's worth in memory at a time."""
    import pyarrow.parquet as pq

    bounded = set(schema.names)
    for file in files:
        if file.rows:
            bounded &= _bounded(pq.read_metadata(file.path))
    datafile.write_stream(path, _gathered(files, schema), schema, [name for name in schema.names if name in bounded], codec)


def _bounded(footer: Any) -> set[str]:
    """The columns that a file has bounds for in all of its row groups (there are none where a column has a NaN)."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    return {footer.schema.column(index).path for index in range(footer.num_columns)
            if all(group.column(index).statistics is not None for group in groups)}


def _gathered(files: Sequence[DataFile], schema: pa.Schema) -> Iterator[pa.Table]:
    import pyarrow as pa

    waiting: list[pa.Table] = []
    rows = 0
    for file in files:
        waiting.append(datafile.read_one(file, schema))
        rows += file.rows
        if rows >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)
