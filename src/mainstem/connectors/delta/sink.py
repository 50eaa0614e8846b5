"""The sink `delta`: rows into a Delta table, each epoch exactly once, by append, upsert or replacement.

Rows are staged as Parquet files in the table's folder under names of their own; no reader sees them until one commit adds
them together with the transaction (app, epoch). Before each commit the log is asked whether it has that transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mainstem import durable, signals
from mainstem.clock import Clock, SystemClock, attempt, jitter
from mainstem.columns import Columns
from mainstem.connectors.delta import datafile, merge, shape, upkeep
from mainstem.connectors.delta.compact import compact
from mainstem.connectors.delta.datafile import DataFile
from mainstem.connectors.delta.forget import forget
from mainstem.connectors.delta.log import Log, asking, files_of
from mainstem.connectors.delta.upkeep import PARTS
from mainstem.errors import DataError, RefusedError, TransientError
from mainstem.plugs import Committed, Format, Keep, Options, Scope, Staged, Transaction

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_TRIES = 12                           # a commit that meets others this often gives up and keeps its staged files
_REBASED = 5                          # so often delta-rs itself puts rows that are only added on top of what others added


class DeltaOptions(Options):
    """Where the table is and how it is laid out."""

    table: str = Field(description="Name of the table in the lake, like `climate`, or an absolute path.", min_length=1)
    partition_by: tuple[str, ...] = Field((), description="Columns whose values get files of their own: few values each.")
    checkpoint_every: int = Field(20, ge=1, le=10_000, description="Commits from one checkpoint of the log to the next.")
    compression: Literal["zstd", "snappy"] = Field("zstd", description="How the Parquet files are compressed.")
    properties: dict[str, str] = Field({}, description="Further Delta table properties, set when the table is made.")


class Delta:
    """The sink `delta`."""

    kind: ClassVar[str] = "delta"
    Options: ClassVar[type[Options]] = DeltaOptions
    commits_with_epoch: ClassVar[bool] = True
    modes: ClassVar[tuple[str, ...]] = ("append", "upsert", "replace")
    fixed_format: ClassVar[str | None] = None
    takes_format: ClassVar[bool] = False
    clock: Clock = SystemClock()      # stamps files and waits between tries; no row sees it

    def __init__(self, options: DeltaOptions, columns: Columns, mode: str, key: tuple[str, ...], format: Format | None,
                 scope: Scope) -> None:
        self.holds(options, columns, key)
        self.options, self.columns, self.mode, self.key, self.scope = options, columns, mode, key, scope
        self.format = format
        self.root = Path(scope.lake) / options.table          # an absolute table stays as it is
        self.log = Log(self.root, options.checkpoint_every)
        self._schema: pa.Schema | None = None

    @staticmethod
    def holds(options: DeltaOptions, columns: Columns, key: tuple[str, ...]) -> None:
        """SpecError `delta.columns` where a table cannot have these columns, partitions or key."""
        shape.check_columns(options.table, columns, options.partition_by, key)

    @property
    def schema(self) -> pa.Schema:
        """The stored columns in Arrow types."""
        if self._schema is None:
            self._schema = shape.stored_schema(self.columns)
        return self._schema

    # ------------------------------------------------------------------------------------------------- prepare

    def prepare(self, add_columns: bool = False) -> str:
        """Make the table if it is missing, compare its columns if it is there; its id.

        `add_columns`: columns that an existing table lacks are added to it (older rows have NULL there) instead of refused.
        """
        if not self.log.exists():
            self._create()
        table = self.log.newest()
        self._compare(table, add_columns)
        return str(self.log.newest().metadata().id)

    def _create(self) -> None:
        from deltalake import DeltaTable

        durable.folder(self.root)
        strange = [path.name for path in self.root.iterdir() if path.name != "_delta_log" and path.suffix != ".parquet"
                   and not path.name.startswith((".", "part-"))]
        if strange:
            raise RefusedError("delta.not_a_table", "the folder has other things in it", where=str(self.root),
                               why=", ".join(sorted(strange)[:5]), fix="name another table, or move these away")
        signals.at("durable.commit", path=str(self.root), version=0)
        properties = {"delta.checkpointInterval": str(self.options.checkpoint_every)} | dict(self.options.properties)
        try:
            with asking(self.root, "delta.create_failed", "the table could not be made"):
                DeltaTable.create(str(self.root), self.schema, mode="error", partition_by=list(self.options.partition_by),
                                  configuration=properties)
        except TransientError:
            if not self.log.exists():         # else somebody made it in the same moment
                raise
        self.log.settle(0, 0)
        durable.sync_folder(self.root)

    def _compare(self, table: DeltaTable, add_columns: bool) -> None:
        import pyarrow as pa

        there, metadata = pa.schema(table.schema()), table.metadata()
        missing = [field for field in self.schema if field.name not in there.names]
        wrong = shape.differences(there, self.schema, missing, add_columns)
        if list(metadata.partition_columns) != list(self.options.partition_by):
            wrong.append(f"the table is partitioned by {metadata.partition_columns or 'nothing'}, "
                         f"the pipeline says {list(self.options.partition_by) or 'nothing'}")
        for name in ("delta.columnMapping.mode", "delta.enableDeletionVectors"):
            if metadata.configuration.get(name, "none") not in ("none", "false"):
                wrong.append(f"the table has {name} = {metadata.configuration[name]}, which this writer does not use")
        if wrong:
            raise RefusedError("delta.schema", "the table does not fit the pipeline: " + "; ".join(wrong), where=str(self.root),
                               why="no value is ever cast in silence, no column added unasked",
                               fix="cast in the step before, name another table, or accept new columns on purpose")
        if missing:
            self._add(table, missing)

    def _add(self, table: DeltaTable, fields: Sequence[pa.Field]) -> None:
        from deltalake import Schema

        before = table.version()
        signals.at("durable.commit", path=str(self.root), version=before + 1)
        more = self.schema.empty_table().select([field.name for field in fields]).schema
        with asking(self.root):
            table.alter.add_columns(Schema.from_arrow(more).fields)
        self.log.settle(before + 1, self.log.newest().version())

    # --------------------------------------------------------------------------------------------------- stage

    def stage(self, rows: pa.Table, name: str) -> Staged:
        """One Parquet file under the table's folder; for a partitioned table a list of such files."""
        fitted = shape.fit(rows, self.schema, str(self.root))
        shape.check_partitions(fitted, self.options.partition_by, str(self.root))
        label = re.sub(r"[^A-Za-z0-9._-]", "-", name)
        if self.options.partition_by and self.mode == "append":
            return self._stage_parts(fitted, label)
        path = self.root / f"part-{label}.parquet"
        size, sha256 = datafile.write(path, fitted, self.options.compression)
        return Staged(str(path), datafile.rows_in(path), size, sha256)

    def _stage_parts(self, rows: pa.Table, label: str) -> Staged:
        parts: list[dict[str, Any]] = []
        for number, (values, part) in enumerate(datafile.split(rows, self.options.partition_by)):
            path = self.root / f"part-{label}-{number:04d}.parquet"
            size, sha256 = datafile.write(path, part, self.options.compression)
            parts.append({"file": path.name, "rows": datafile.rows_in(path), "bytes": size, "sha256": sha256, "partition": values})
        index = self.root / f"part-{label}{PARTS}"
        size, sha256 = durable.write(index, lambda file: file.write(json.dumps(parts).encode()))
        durable.sync_folder(self.root)
        return Staged(str(index), sum(part["rows"] for part in parts), size, sha256)

    def parts(self, file: Staged) -> Sequence[Staged]:
        """The Parquet files behind a staged list of them."""
        if not file.path.endswith(PARTS):
            return ()
        return [Staged(str(self.root / part["file"]), part["rows"], part["bytes"], part["sha256"])
                for part in json.loads(Path(file.path).read_bytes())]

    # -------------------------------------------------------------------------------------------------- commit

    def commit(self, transaction: Transaction, files: Sequence[Staged]) -> Committed:
        """Add the files to the table in one step, under (app, epoch); one that is there already is success."""
        facts = {f"mainstem.{name}": value for name, value in transaction.facts.items()} | {
            "mainstem.app": transaction.app, "mainstem.epoch": str(transaction.version), "mainstem.first": str(transaction.first),
            "mainstem.release": transaction.release}
        tries = _REBASED if self.mode == "append" and not transaction.fresh else 0
        unsure: TransientError | None = None
        for number in range(_TRIES):
            table = self.log.newest()
            recorded = table.transaction_version(transaction.app)
            if recorded is not None and recorded >= transaction.version:
                return self._already(table, transaction, files)
            if unsure is not None:
                raise unsure
            before = table.version()
            actions, counts = self._actions(table, transaction, files)
            try:
                done = self.log.commit(table, actions, self.schema, self.options.partition_by,
                                       (transaction.app, transaction.version), facts | counts, tries)
            except TransientError as error:
                unsure, done = error, False     # it may have gone through all the same: look before leaving
            if done:
                return self._committed(transaction, before)
            self.clock.sleep((1 + jitter()) * 0.01 * 2 ** min(number, 6))
        raise TransientError("delta.contended", f"other writers came first {_TRIES} times", where=str(self.root),
                             fix="the staged rows are kept; start again, and see who else writes to this table")

    def _actions(self, table: DeltaTable, transaction: Transaction, files: Sequence[Staged]) -> tuple[list[Any], dict[str, str]]:
        """What the commit does to the files of the table, and for a merge the rows that it took, brought and replaced.

        Raises Bug `law.broken` if the files to be added do not have exactly the rows that were staged, or that a merge leaves.
        """
        now, staged = self.clock.now() // 1000, sum(file.rows for file in files)
        if self.mode == "append":
            gone, added = files_of(table) if transaction.fresh else [], self._additions(files, now)
            datafile.conserved("files of the commit", self.root, staged, datafile.rows_added(added))
            return [*self._removals(gone, now), *added], {}
        before = files_of(table)
        changes = datafile.read([DataFile(file.path, file.rows, file.bytes, {}) for file in files], self.schema)
        datafile.conserved("changes of the commit", self.root, staged, changes.num_rows)
        if self.mode == "upsert":
            changes = merge.last_per_key(changes, self.key, self.root)
        touched, kept, replaced = merge.outdated(self.root, before, self.schema, changes, self.key, transaction.fresh)
        datafile.conserved("rows that a merge keeps", self.root, sum(file.rows for file in touched) - replaced, kept.num_rows)
        label = f"{transaction.version:012d}-merge-{attempt()}"
        added = merge.rewritten(self.root, label, [kept, changes], self.options.partition_by, self.options.compression, now)
        datafile.conserved("files of the merge", self.root, kept.num_rows + changes.num_rows, datafile.rows_added(added))
        counts = {"staged": staged, "changed": changes.num_rows, "replaced": replaced}
        return [*self._removals(touched, now), *added], {f"mainstem.{name}": str(count) for name, count in counts.items()}

    def _removals(self, files: Sequence[DataFile], now: int) -> list[Any]:
        return [datafile.remove_action(self.root, file, now, True) for file in files]

    def _additions(self, files: Sequence[Staged], now: int) -> list[Any]:
        added = []
        for file in files:
            path = Path(file.path)
            if file.path.endswith(PARTS):
                added += [datafile.add_action(self.root, self.root / part["file"], part["partition"], now, True)
                          for part in json.loads(path.read_bytes())]
            elif file.rows:
                added.append(datafile.add_action(self.root, path, {}, now, True))
        return added

    def _committed(self, transaction: Transaction, before: int) -> Committed:
        version = self.log.newest().version()
        found = self.log.holding(transaction.app, transaction.version, version, before + 1)
        self.log.settle(before + 1, version)
        if found is None:
            raise TransientError("delta.commit_lost", "the commit went through, but the log does not show it",
                                 where=str(self.root), fix="start again: it looks once more before it writes")
        return Committed(*found)

    def _already(self, table: DeltaTable, transaction: Transaction, files: Sequence[Staged]) -> Committed:
        found = self.log.holding(transaction.app, transaction.version, table.version())
        version, rows = found or (table.version(), sum(file.rows for file in files))     # its file is gone: nobody can count
        self.log.settle(version, table.version())
        return Committed(version, rows, already=True)

    # ---------------------------------------------------------------------------------------------------- look

    def last(self, app: str) -> int | None:
        return self.log.newest().transaction_version(app) if self.log.exists() else None

    def identity(self) -> str | None:
        return str(self.log.open().metadata().id) if self.log.exists() else None

    def writer(self) -> Mapping[str, str] | None:
        return self.log.writer() if self.log.exists() else None

    def version(self) -> int:
        return int(self.log.open().version())

    def taken(self, since: int) -> str:
        return self.log.taken(since) if self.log.exists() else ""

    def read(self, version: int | None = None) -> pa.Table:
        import pyarrow as pa

        table = self.log.open(None if version is None else self.log.upkept(version))
        try:
            return datafile.read(files_of(table), pa.schema(table.schema()))
        except FileNotFoundError as error:
            newest = table.version() == self.version()        # maintenance never takes a file of it
            fix = ("restore the file from a copy, or make the table anew with `mainstem run --accept rebuild`" if newest else
                   "it is older than what `mainstem maintain` keeps; read a newer version")
            raise DataError("delta.vacuumed", f"files of {'the newest version' if newest else 'version'} {table.version()} are gone",
                            where=str(self.root), why=str(error), fix=fix) from error

    # ------------------------------------------------------------------------------------------------ maintain

    def maintain(self, keep: Keep, now_us: int, dry_run: bool = False) -> Mapping[str, int]:
        """Compact small files, delete data and log files that nobody needs. Transactions outlive all of it."""
        if not self.log.exists():
            return {}
        compacted = 0
        try:
            compacted = compact(self.log, self.options.partition_by, self.options.compression, now_us // 1000, dry_run)
            if compacted and not dry_run:
                self.log.checkpoint()
        finally:                              # a disk that is too full for the one needs the other
            deleted, logged = upkeep.delete(self.log, keep, now_us, dry_run)
        if not dry_run:
            upkeep.promise(self.log, keep, now_us)
        return {"compacted_files": compacted, "deleted_files": deleted, "deleted_log_files": logged}

    def forget(self, keys: pa.Table, now_us: int, dry_run: bool = False) -> int:
        """Take the rows with one of these keys out of the table, for good; how many there were. `keys`: some of its columns."""
        if not self.log.exists():
            return 0
        return forget(self.log, keys.column_names, keys, self.options.compression, now_us // 1000, dry_run)
