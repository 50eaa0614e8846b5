"""Files that a task writes and files of state that it reads. Names carry an attempt id; prepared-N lists the winners."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mainstem import durable
from mainstem.batch import KEY_GROUPS
from mainstem.clock import attempt
from mainstem.engines import journal
from mainstem.engines.contract import File

_MOST = 24  # files of a fold in one task: with more, the newest are written anew as one
_CACHE_BYTES = 128 << 20  # unless a run says more or less


def bounds(task: int, tasks: int) -> tuple[int, int]:
    """The key groups [low, high) of a task."""
    return -(-task * KEY_GROUPS // tasks), -(-(task + 1) * KEY_GROUPS // tasks)


def task_of(groups: np.ndarray, tasks: int) -> np.ndarray:
    """The task of each key group."""
    return groups.astype(np.int64) * tasks // KEY_GROUPS


def worn(files: Sequence[File], low: int, high: int) -> list[File]:
    """Which of a fold's files, the oldest first, the task of the key groups [low, high) writes anew with what its epoch adds.

    All of them, if they were cut for another number of tasks: every task of the fold then finds so by itself. Else, where they
    are too many, the newest: the larger ones before them wait until there is as much again, so that a row is written anew
    as often as the logarithm of the number of epochs (a size-tiered merge; the order of the files stays that of the epochs).
    """
    mine = [file for file in files if file.low < high and file.high > low]
    if any(file.low < low or file.high > high for file in mine):
        return mine
    if len(mine) <= _MOST:
        return []
    first, rows = len(mine), 0
    while first and (len(mine) - first < _MOST // 2 or 2 * mine[first - 1].rows <= rows):
        first -= 1
        rows += mine[first].rows
    return mine[first:]


def write_state(root: Path, node: str, epoch: int, rows: pa.Table, low: int, high: int) -> File:
    """One immutable file of a fold's state."""
    folder = durable.folder(root / "state" / _safe(node))
    path = folder / f"{epoch:012d}-{low:03d}-{attempt()}.arrow"

    def fill(file: object) -> None:
        with pa.ipc.new_file(file, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(rows.combine_chunks())

    size, sha256 = durable.write(path, fill)
    durable.sync_folder(folder)
    until = pa.compute.max(rows.column("_until")).as_py()
    return File(
        kind="state",
        node=node,
        path=str(path.relative_to(root)),
        rows=rows.num_rows,
        bytes=size,
        sha256=sha256,
        low=low,
        high=high,
        until=until,
    )


class StateCache:
    """State files read in this process, by their immutable path; the least used leave first."""

    def __init__(self) -> None:
        self._tables: OrderedDict[str, pa.Table] = OrderedDict()
        self._bytes, self.limit = 0, _CACHE_BYTES
        self._lock = threading.Lock()

    def put(self, path: str, table: pa.Table) -> None:
        with self._lock:
            if path not in self._tables:
                self._tables[path] = table
                self._bytes += table.nbytes
            while self._bytes > self.limit and len(self._tables) > 1:
                self._bytes -= self._tables.popitem(last=False)[1].nbytes

    def get(self, path: str) -> pa.Table | None:
        with self._lock:
            if path in self._tables:
                self._tables.move_to_end(path)
                return self._tables[path]
        return None

    def clear(self) -> None:
        with self._lock:
            self._tables.clear()
            self._bytes = 0

    def drop(self, path: str) -> None:
        with self._lock:
            if path in self._tables:
                self._bytes -= self._tables.pop(path).nbytes


_cache = StateCache()
durable.remembered(_cache.clear)


def keep_at_most(size: int) -> None:
    """Bytes of state that stay in memory between epochs; what is not there is read again from its file."""
    _cache.limit = size


def remember(root: Path, file: File, rows: pa.Table) -> None:
    """Keep in memory what was just written."""
    _cache.put(str(root / file.path), rows)


def forget(root: Path, path: str) -> None:
    """A state file is gone for good: no memory for it."""
    _cache.drop(str(root / path))


def load_state(root: Path, files: Sequence[File], low: int, high: int, before: int, schema: pa.Schema) -> pa.Table:
    """The rows of a fold's state in key groups [low, high) that are alive at W(n-1); a damaged file is a clear stop."""
    parts = []
    for file in files:
        if file.high <= low or file.low >= high or file.until <= before:
            continue
        table = _read(root, file)
        groups = table.column("_kg").to_numpy()
        alive = table.column("_until").to_numpy() > before
        if file.low < low or file.high > high:
            alive &= (groups >= low) & (groups < high)
        parts.append(table if alive.all() else table.filter(pa.array(alive)))
    return pa.concat_tables(parts).cast(schema) if parts else schema.empty_table()


def _read(root: Path, file: File) -> pa.Table:
    key = str(root / file.path)
    if (known := _cache.get(key)) is not None:
        return known
    path = journal.verify(file, root)
    content = path.read_bytes()
    journal.check_hash(path, content, file.sha256)
    table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    _cache.put(key, table)
    return table


def _safe(node: str) -> str:
    return node.replace("/", "-")
