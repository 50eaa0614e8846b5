"""The log of a Delta table: a kept snapshot, commits that survive a power loss, checkpoints.

delta-rs neither fsyncs nor refuses a repeated transaction; both are done here and in `delta`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mainstem import durable, signals
from mainstem.connectors.delta.datafile import DataFile
from mainstem.errors import DataError, RefusedError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_COMMIT = re.compile(r"^(\d{20})\.json$")
_ARROW = re.compile(r"\x1b\[\d*m|↳")
_ERRNO = re.compile(r"os error (\d+)|code: (\d+)")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint.*\.parquet$")
UPKEEP = "mainstem.maintenance"       # signs commits that change the files of a table and not what a pipeline wrote


@dataclass(frozen=True)
class Change:
    """What one commit did to the files of the table."""

    added: tuple[str, ...]
    removed: tuple[tuple[str, int], ...]          # path, and when (ms)
    upkeep: bool


@dataclass
class Log:
    """The log of the table in `root`, for one writer."""

    root: Path
    every: int                        # commits from one checkpoint to the next
    _kept: DeltaTable | None = None
    _identity: str = ""
    _checkpoint: int = -1
    _changes: dict[int, Change] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "_delta_log"

    def _file(self, version: int) -> Path:
        return self.folder / f"{version:020d}.json"

    def exists(self) -> bool:
        """Whether there is a table."""
        return self.folder.is_dir() and any(_COMMIT.match(name) or _CHECKPOINT.match(name) for name in os.listdir(self.folder))

    def open(self, version: int | None = None) -> DeltaTable:
        """A snapshot of its own: the newest, or the one of a version. Raises TransientError or DataError."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(str(self.root), version=version)
        except (DeltaError, OSError) as error:
            if isinstance(error, TableNotFoundError) and not self.exists():
                raise gone(self.root) from error
            raise DataError("delta.unreadable", "the table's log cannot be read" + (f" at version {version}" if version else ""),
                            where=str(self.root), why=said(error),
                            fix="a version whose log was cleaned up is gone; otherwise restore the table") from error

    def newest(self) -> DeltaTable:
        """The kept snapshot, brought up to date; opened anew after a checkpoint, so that it stays short."""
        from deltalake.exceptions import DeltaError

        kept = self._kept
        if kept is not None:
            try:
                if not self._file(kept.version()).exists():
                    raise DeltaError("its log is not the one that was read")
                if self._file(kept.version() + 1).exists():           # else nothing came, and no folder need be listed
                    kept.update_incremental()
                return kept
            except (DeltaError, OSError):
                self._kept = None
        kept = self.open()
        identity = str(kept.metadata().id)
        if self._identity and identity != self._identity:
            raise gone(self.root)
        self._kept, self._identity, self._checkpoint = kept, identity, max(self.checkpoints(), default=-1)
        return kept


    def commit(self, snapshot: DeltaTable, actions: Sequence[Any], schema: pa.Schema, partition_by: Sequence[str],
               transaction: tuple[str, int] | None, facts: dict[str, str], tries: int = 0) -> bool:
        """Put the actions into the log on top of exactly this snapshot; False if somebody else came in between.

        `tries`: how often they may be put on top of newer versions, where no file that they take out was touched and the
        transaction was not recorded. Only for actions that hold whatever others added: not if what goes was chosen by its rows.
        An error in the middle says nothing about the outcome: the caller looks at the log again before it repeats.
        """
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import CommitProperties, PostCommitHookProperties, Transaction

        signals.at("durable.commit", path=str(self.root), version=snapshot.version() + 1)
        properties = CommitProperties(
            custom_metadata=dict(facts), max_commit_retries=tries,
            app_transactions=[Transaction(*transaction)] if transaction else None)
        hooks = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        try:
            with asking(self.root):
                snapshot.create_write_transaction(list(actions), "append", schema, partition_by=list(partition_by),
                                                  commit_properties=properties, post_commithook_properties=hooks)
        except CommitFailedError:
            return False
        return True

    def tidy(self, snapshot: DeltaTable, actions: Sequence[Any], schema: pa.Schema, partition_by: Sequence[str], why: str) -> bool:
        """Commit what upkeep did, beside a writer that appends; False if somebody touched the same files."""
        before = snapshot.version()
        if not self.commit(snapshot, actions, schema, partition_by, None, {UPKEEP: why}, tries=5):
            return False
        self.settle(before + 1, self.newest().version())
        return True

    def settle(self, first: int, last: int) -> None:
        """Make the commits [first, last] survive a power loss, and write a checkpoint when one is due."""
        for version in range(first, last + 1):
            sync_file(self._file(version))
        durable.sync_folder(self.folder)
        if last - max(self._checkpoint, 0) >= self.every:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write a checkpoint of the newest version and read the log from there on."""
        kept = self.newest()
        with asking(self.root):
            kept.create_checkpoint()
        for path in sorted(self.folder.glob(f"{kept.version():020d}.checkpoint*")):
            sync_file(path)
        sync_file(self.folder / "_last_checkpoint")
        durable.sync_folder(self.folder)
        self._kept = None
        self.newest()

    # --------------------------------------------------------------------------------------------- what it says

    def entries(self, version: int) -> Iterator[dict[str, Any]]:
        """The actions of one commit."""
        with self._file(version).open("rb") as file:
            for line in file:
                if line.strip():
                    yield json.loads(line)

    def versions(self) -> list[int]:
        """The commits whose file is still there, rising."""
        return sorted(int(match[1]) for name in os.listdir(self.folder) if (match := _COMMIT.match(name)))

    def taken(self, since: int) -> str:
        """The commits after a version that took files of rows away and are no pipeline's, and not its upkeep's: a restore, a delete.

        Files that were only written anew (a compaction) say so themselves.
        """
        found = []
        for version in (version for version in self.versions() if version > since):
            entries = list(self.entries(version))
            removed = sum("remove" in entry and entry["remove"].get("dataChange", True) for entry in entries)
            facts = {name: value for entry in entries for name, value in entry.get("commitInfo", {}).items()}
            if removed and "mainstem.app" not in facts and UPKEEP not in facts:
                found.append(f"version {version} ({facts.get('operation', 'unknown')}) took {removed} files out")
        return ", ".join(found)

    def checkpoints(self) -> list[int]:
        """The versions that have a checkpoint, rising."""
        return sorted({int(match[1]) for name in os.listdir(self.folder) if (match := _CHECKPOINT.match(name))})

    def writer(self) -> dict[str, str] | None:
        """The facts of the newest commit that a pipeline made, without their prefix; None if no file of such a one is left."""
        for version in reversed(self.versions()):
            for entry in self.entries(version):
                facts = {name.removeprefix("mainstem."): str(value) for name, value in entry.get("commitInfo", {}).items()
                         if name.startswith("mainstem.")}
                if "incarnation" in facts:                # upkeep signs its commits too, and is nobody's writer
                    return facts
        return None

    def holding(self, app: str, epoch: int, last: int, first: int = 0) -> tuple[int, int] | None:
        """(version, rows) of the commit of [first, last] that holds a transaction; None if its file is gone.

        Rows are those of its add actions, of a merge the changes that it took in.
        """
        for version in range(last, first - 1, -1):
            if not self._file(version).exists():
                break
            rows, merged, recorded = 0, None, None
            for entry in self.entries(version):
                merged = entry.get("commitInfo", {}).get("mainstem.staged", merged)
                if "add" in entry:
                    rows += int(json.loads(entry["add"].get("stats") or "{}").get("numRecords", 0))
                elif (txn := entry.get("txn")) and txn["appId"] == app:
                    recorded = txn["version"]
            if recorded == epoch:
                return version, rows if merged is None else int(merged)
            if recorded is not None and recorded < epoch:
                break
        return None

    def change(self, version: int) -> Change:
        """What a commit did; remembered, because the log is read again and again for its upkeep."""
        if version not in self._changes:
            added, removed, upkeep = [], [], False
            for entry in self.entries(version):
                if "add" in entry:
                    added.append(unquote(entry["add"]["path"]))
                elif "remove" in entry:
                    removed.append((unquote(entry["remove"]["path"]), int(entry["remove"].get("deletionTimestamp") or 0)))
                upkeep |= UPKEEP in entry.get("commitInfo", {})
            self._changes[version] = Change(tuple(added), tuple(removed), upkeep)
        return self._changes[version]

    def forget_changes(self, before: int) -> None:
        """The commits before this version are gone."""
        self._changes = {version: change for version, change in self._changes.items() if version >= before}

    def upkept(self, version: int) -> int:
        """The newest version that differs from this one by upkeep alone: what to read for it."""
        while self._file(version + 1).exists() and self.change(version + 1).upkeep:
            version += 1
        return version


def files_of(table: DeltaTable) -> list[DataFile]:
    """The data files of a snapshot, the oldest first. Raises DataError for a table with deletion vectors."""
    import pyarrow as pa

    root = Path(unquote(table.table_uri.removeprefix("file://")))
    vectors = pa.table(table.deletion_vectors())
    if vectors.num_rows:
        raise DataError("delta.deletion_vectors", "the table has deletion vectors", where=str(root),
                        why="another writer deleted rows without rewriting their files",
                        fix="turn `delta.enableDeletionVectors` off and run OPTIMIZE or REORG ... APPLY (PURGE) there")
    actions = pa.table(table.get_add_actions())
    found = []
    for entry in actions.select(["path", "size_bytes", "modification_time", "num_records",
                                 *(["partition"] if "partition" in actions.column_names else [])]).to_pylist():
        path = root / unquote(entry["path"])
        found.append(DataFile(str(path), _rows(path, entry["num_records"]), entry["size_bytes"], entry.get("partition") or {},
                              entry["modification_time"]))
    return sorted(found, key=lambda file: (file.time, file.path))


def _rows(path: Path, recorded: int | None) -> int:
    if recorded is not None:
        return recorded
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def sync_file(path: Path) -> None:
    """Make a file that somebody else wrote survive a power loss; one that was cleaned up meanwhile is fine."""
    signals.at("durable.fsync", path=str(path))
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def asking(root: Path, code: str = "delta.commit_failed", what: str = "the table refused the commit") -> Iterator[None]:
    """What delta-rs cannot write becomes an error with a remedy: the disk's own where it says so; a lost race stays one."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError) as error:
        if number := _ERRNO.search(str(error)):
            raise durable.disk(OSError(int(number[1] or number[2]), said(error)), root) from error
        raise TransientError(code, what, where=str(root), why=said(error),
                             fix="start again: it goes on; the staged rows are kept") from error


def said(error: Exception) -> str:
    """What delta-rs says, in one line without its arrows and colours."""
    return ": ".join(part for line in str(error).splitlines() if (part := _ARROW.sub("", line).strip()))[:300]


def gone(root: Path) -> RefusedError:
    """The error for a table that is not the one that was prepared."""
    return RefusedError("sink.reset", "the table is gone, or another one is in its place", where=str(root),
                        why="it was deleted or made anew while the pipeline had rows in it",
                        fix="restore it, or start anew with `mainstem run --accept rebuild`")
