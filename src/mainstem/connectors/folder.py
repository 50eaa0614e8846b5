"""The sink `files`: plain files in any format that can be written, each epoch visible in one step or not at all.

    out/climate/0000000001/part-....csv        the files of a commit
    out/climate/0000000001/_commit.json        its transaction, files, rows and hashes
    out/climate/.staged/                       files that no commit has taken yet
    out/climate/.mainstem.json                 identity, format and columns

A commit links its staged files into a hidden folder, writes the record and renames the folder to the next number. Who
comes second finds the name taken, looks again and takes the next one, or finds its transaction there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mainstem import durable, signals
from mainstem.clock import Clock, SystemClock, attempt, uuid7
from mainstem.columns import Columns, Type
from mainstem.errors import ConcurrencyError, DataError, RefusedError, SpecError, TransientError
from mainstem.plugs import Committed, Format, Keep, Options, Scope, Staged, Transaction

if TYPE_CHECKING:
    import pyarrow as pa

_TRIES = 12
_NUMBER = re.compile(r"^\d{10}$")


class FolderOptions(Options):
    """Where the files go."""

    path: str = Field(min_length=1, description="Folder of the files, relative to the project; every commit gets a folder in it.")


class Folder:
    """The sink `files`."""

    kind: ClassVar[str] = "files"
    Options: ClassVar[type[Options]] = FolderOptions
    commits_with_epoch: ClassVar[bool] = True
    modes: ClassVar[tuple[str, ...]] = ("append",)
    fixed_format: ClassVar[str | None] = None
    takes_format: ClassVar[bool] = True
    clock: Clock = SystemClock()      # makes the identity; no row sees it

    def __init__(self, options: FolderOptions, columns: Columns, mode: str, key: tuple[str, ...], format: Format | None,
                 scope: Scope) -> None:
        if format is None or not format.encodes:
            raise SpecError("files.format", "plain files need a format that can be written", where=scope.name,
                            fix="say `format: csv`, `json` or `parquet` beside the output")
        self.holds(options, columns, key)
        self.options, self.columns, self.mode, self.key, self.scope = options, columns, mode, key, scope
        self.format = format
        self.root = Path(scope.project) / options.path
        self.staged = self.root / ".staged"
        self._newest: int | None = None                       # the newest commit that was seen
        self._epochs: dict[str, int | None] = {}              # the newest epoch of each app that was asked for

    @staticmethod
    def holds(_options: FolderOptions, columns: Columns, _key: tuple[str, ...]) -> None:
        """SpecError `files.columns` for a type that files have no word for."""
        if strange := [f"{column.name} {column.type}" for column in columns if _wordless(column.type)]:
            raise SpecError("files.columns", f"no file can hold {', '.join(strange)}",
                            why="a column that is always NULL has no type, and an interval has no text that all readers know",
                            fix="cast it in the step before: CAST(x AS double), or epoch(x) for seconds")

    # ------------------------------------------------------------------------------------------------- prepare

    def prepare(self, add_columns: bool = False) -> str:  # noqa: ARG002
        """Make the folder if it is missing, compare format and columns if it is there; its id."""
        durable.folder(self.staged)
        mine = {"format": self.format.kind, "columns": {column.name: str(column.type) for column in self.columns}}
        there = self._about()
        if there is None:
            strange = [path.name for path in self.root.iterdir() if path != self.staged and not path.name.endswith(".tmp")]
            if strange:
                raise RefusedError("files.not_ours", "the folder has other things in it", where=str(self.root),
                                   why=", ".join(sorted(strange)[:5]), fix="name another folder, or move these away")
            record = {"id": uuid7(self.clock.now()), **mine}
            try:
                durable.publish(self.root / ".mainstem.json", json.dumps(record).encode())
            except ConcurrencyError:              # somebody else was quicker; theirs counts
                record = self._about() or record
            there = record
        if any(there[name] != mine[name] for name in mine):
            raise RefusedError("files.schema", "the folder holds files of another shape", where=str(self.root),
                               why=f"there: {there['format']} {there['columns']}; now: {mine['format']} {mine['columns']}",
                               fix="name another folder, or move the old one away")
        return str(there["id"])

    def _about(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.root / ".mainstem.json").read_bytes())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None

    # ------------------------------------------------------------------------------------------ stage and commit

    def stage(self, rows: pa.Table, name: str) -> Staged:
        """One file under `.staged`, fsynced."""
        wanted = [column.name for column in self.columns]
        content = self.format.encode(rows.select(wanted))
        path = durable.folder(self.staged) / f"part-{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.{self.format.kind}"
        size, sha256 = durable.write(path, lambda file: file.write(content))
        durable.sync_folder(self.staged)
        count = self.format.counted(content) if hasattr(self.format, "counted") else rows.num_rows
        return Staged(str(path), count, size, sha256)

    def commit(self, transaction: Transaction, files: Sequence[Staged]) -> Committed:
        """Make the files visible by one rename; a transaction that is there already is success."""
        if self._about() is None:
            raise RefusedError("sink.reset", "the folder is gone", where=str(self.root), why="it was deleted while rows were in it",
                               fix="restore it, or start anew with `mainstem run --accept rebuild`")
        hidden = self._assemble(transaction, files)
        try:
            for _ in range(_TRIES):
                if (there := self._holding(transaction)) is not None:
                    return self._done(*there, already=True)
                version = self.version() + 1
                signals.at("durable.commit", path=str(self.root), version=version)
                if self._rename(hidden, version):
                    return self._done(version, self._record(version), already=False)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        raise TransientError("files.contended", f"other writers came first {_TRIES} times", where=str(self.root),
                             fix="the staged rows are kept; start again, and see who else writes there")

    def _assemble(self, transaction: Transaction, files: Sequence[Staged]) -> Path:
        hidden = durable.folder(self.staged) / f"commit-{attempt()}"
        hidden.mkdir()
        taken = [file for file in files if file.rows]
        if self._holding(transaction) is None:
            for file in taken:
                os.link(file.path, hidden / Path(file.path).name)
        record = {"app": transaction.app, "epoch": transaction.version, "first": transaction.first, "release": transaction.release,
                  "fresh": transaction.fresh, "rows": sum(file.rows for file in taken), "facts": dict(transaction.facts),
                  "files": [{"name": Path(file.path).name, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
                            for file in taken]}
        durable.write(hidden / "_commit.json", lambda file: file.write(json.dumps(record).encode()))
        durable.sync_folder(hidden)
        return hidden

    def _rename(self, hidden: Path, version: int) -> bool:
        try:
            hidden.rename(self.root / f"{version:010d}")      # a folder that has something in it is never renamed over
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise durable.disk(error, self.root) from error
        return True

    def _done(self, version: int, record: Mapping[str, Any], *, already: bool) -> Committed:
        durable.sync_folder(self.root)
        if record["fresh"]:
            for number in [number for number in self._numbers() if number < version]:
                (self.root / f"{number:010d}").rename(self.staged / f"old-{number:010d}-{attempt()}")
            durable.sync_folder(self.root)
        for file in record["files"]:
            durable.discard(self.staged / file["name"])
        return Committed(version, int(record["rows"]), already)

    def _holding(self, transaction: Transaction) -> tuple[int, dict[str, Any]] | None:
        last = self.last(transaction.app)
        if last is None or last < transaction.version:            # what a run that goes on always finds
            return None
        return next((number, record) for number, record in self._records()
                    if record["app"] == transaction.app and record["epoch"] >= transaction.version)

    def _numbers(self) -> list[int]:
        """The visible commits, rising."""
        return sorted(int(name) for name in os.listdir(self.root) if _NUMBER.match(name)) if self.root.is_dir() else []

    def _record(self, number: int) -> dict[str, Any]:
        try:
            return json.loads((self.root / f"{number:010d}" / "_commit.json").read_bytes())  # type: ignore[no-any-return]
        except (FileNotFoundError, ValueError) as error:
            raise DataError("files.damaged", f"{number:010d} has no readable record", where=str(self.root), why=str(error),
                            fix="restore the folder from a backup, or move it away") from error

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every visible commit by its number, rising."""
        return ((number, self._record(number)) for number in self._numbers())

    # ---------------------------------------------------------------------------------------------------- look

    def last(self, app: str) -> int | None:
        self.version()
        if app not in self._epochs:                               # its commits rise: the newest one says it
            self._epochs[app] = next((record["epoch"] for number in reversed(self._numbers())
                                      if (record := self._record(number))["app"] == app), None)
        return self._epochs[app]

    def identity(self) -> str | None:
        about = self._about()
        return None if about is None else str(about["id"])

    def writer(self) -> Mapping[str, str] | None:
        version = self.version()
        return self._record(version)["facts"] if version else None

    def version(self) -> int:
        """The newest number: looked for once, and then only after the one that is known."""
        if self._newest is None or not (self.root / f"{self._newest:010d}").is_dir():
            self._newest = max(self._numbers(), default=0)
            self._epochs.clear()
        while (self.root / f"{self._newest + 1:010d}").is_dir():
            self._newest += 1
            record = self._record(self._newest)
            if record["app"] in self._epochs:
                self._epochs[record["app"]] = record["epoch"]
        return self._newest

    def parts(self, file: Staged) -> Sequence[Staged]:  # noqa: ARG002 (contract)
        """None: a staged file is its rows."""
        return ()

    def taken(self, since: int) -> str:  # noqa: ARG002 (contract)
        """Nothing: who reads plain files may take them away."""
        return ""

    def files(self, version: int | None = None) -> list[Path]:
        """The data files up to a version, the oldest first."""
        records = list(self._records())
        start = max((number for number, record in records if record["fresh"]), default=0)
        return [self.root / f"{number:010d}" / file["name"] for number, record in records
                if number >= start and (version is None or number <= version) for file in record["files"]]

    def read(self, version: int | None = None) -> pa.Table:
        """All rows up to a version, read back by the format."""
        import pyarrow as pa

        schema = pa.schema([(column.name, column.type.arrow) for column in self.columns])
        parts = [self._restored(path).cast(schema) for path in self.files(version)]
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def _restored(self, path: Path) -> pa.Table:
        try:
            return self.format.restore(path.read_bytes())
        except (ValueError, DataError) as error:
            raise DataError("files.damaged", "a file cannot be read back", where=str(path), why=str(error),
                            fix="restore the file from a backup") from error

    # ------------------------------------------------------------------------------------------------ maintain

    def maintain(self, keep: Keep, now_us: int, dry_run: bool = False) -> Mapping[str, int]:  # noqa: ARG002 (contract)
        """Delete staged leftovers. Visible files are the user's: they are never touched."""
        kept = {Path(path).name for path in keep.paths}
        deleted = 0
        for path in self.staged.iterdir() if self.staged.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):              # another upkeep was quicker
                if path.name not in kept and path.stat().st_mtime_ns // 1000 <= keep.staged:
                    deleted += 1
                    if not dry_run:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return {"deleted_files": deleted}


def _wordless(kind: Type) -> bool:
    """Whether a type has no word in files."""
    return kind.name in ("null", "interval") or (kind.item is not None and _wordless(kind.item)) or any(
        _wordless(field) for _, field in kind.fields)
