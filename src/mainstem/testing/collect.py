"""A sink that keeps what was committed in memory, epoch by epoch, or in files that another process can open.

    outputs:
      climate: {from: climate, collect: {list: climate}}

A test reads it as `Collect.rows("pipeline", "climate")`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mainstem import durable, plugs, signals
from mainstem.columns import Columns
from mainstem.errors import ConcurrencyError

if TYPE_CHECKING:
    import pyarrow as pa


class CollectOptions(plugs.Options):
    """Where the rows are kept."""

    list: str = Field(description="what the list is called; no two outputs write to the same one")
    durable: bool = Field(default=False, description="commits are files, so that they outlive the process")


@dataclass(frozen=True)
class Commit:
    """What one epoch gave."""

    app: str
    epoch: int
    files: tuple[str, ...]
    facts: Mapping[str, str]
    fresh: bool = False                       # it takes the place of everything before it


@dataclass
class Shelf:
    """What one list has been given, commit by commit."""

    commits: list[Commit] = field(default_factory=list)


class Collect:
    """The sink `collect`."""

    kind: ClassVar[str] = "collect"
    Options: ClassVar[type[plugs.Options]] = CollectOptions
    commits_with_epoch: ClassVar[bool] = True
    modes: ClassVar[tuple[str, ...]] = ("append",)
    fixed_format: ClassVar[str | None] = None
    shelves: ClassVar[dict[str, Shelf]] = {}           # folder of an output -> what it was given, for this process

    def __init__(self, options: CollectOptions, columns: Columns, mode: str, key: tuple[str, ...], format: plugs.Format | None,
                 scope: plugs.Scope) -> None:
        self.options, self.columns, self.mode, self.key, self.format = options, columns, mode, key, format
        self.folder = Path(scope.lake) / "collected" / scope.pipeline / options.list

    @classmethod
    def rows(cls, pipeline: str, name: str) -> list[dict[str, Any]]:
        """All rows that this process has committed to a list, in the order of commits."""
        found = [folder for folder in cls.shelves if folder.endswith(f"/collected/{pipeline}/{name}")]
        return [row for folder in found for row in _rows_of(cls.shelves[folder].commits)]

    def prepare(self, add_columns: bool = False) -> str:  # noqa: ARG002
        durable.folder(self.folder)
        if not self.options.durable:
            self.shelves.setdefault(str(self.folder), Shelf())
        return str(self.folder)

    def stage(self, rows: pa.Table, name: str) -> plugs.Staged:
        import pyarrow as pa

        def fill(file: Any) -> None:
            with pa.ipc.new_file(file, rows.schema) as writer:
                writer.write_table(rows)

        path = self.folder / f"{name}.arrow"
        size, sha256 = durable.write(path, fill)
        return plugs.Staged(str(path), rows.num_rows, size, sha256)

    def commit(self, transaction: plugs.Transaction, files: Sequence[plugs.Staged]) -> plugs.Committed:
        commits = self._commits()
        for number, commit in enumerate(commits, 1):
            if commit.app == transaction.app and commit.epoch >= transaction.version:
                return plugs.Committed(number, _table(commit.files).num_rows if commit.files else 0, already=True)
        version = len(commits) + 1
        made = Commit(transaction.app, transaction.version, tuple(file.path for file in files), dict(transaction.facts),
                      transaction.fresh)
        signals.at("durable.commit", path=str(self.folder), version=version)
        if not self.options.durable:
            self._shelf().commits.append(made)
        else:
            try:
                durable.publish(self.folder / f"commit-{version:08d}.json", json.dumps(asdict(made)).encode())
            except ConcurrencyError:                   # another runner had the same number: look who it was
                return self.commit(transaction, files)
        return plugs.Committed(version, sum(file.rows for file in files))

    def _shelf(self) -> Shelf:
        return self.shelves.setdefault(str(self.folder), Shelf())

    def _commits(self) -> list[Commit]:
        if not self.options.durable:
            return self._shelf().commits if str(self.folder) in self.shelves else []
        found = [json.loads(path.read_bytes()) for path in sorted(self.folder.glob("commit-*.json"))]
        return [Commit(**{**one, "files": tuple(one["files"])}) for one in found]

    def last(self, app: str) -> int | None:
        return max((commit.epoch for commit in self._commits() if commit.app == app), default=None)

    def identity(self) -> str | None:
        there = self.folder.is_dir() if self.options.durable else str(self.folder) in self.shelves
        return str(self.folder) if there else None

    def writer(self) -> Mapping[str, str] | None:
        commits = self._commits()
        return commits[-1].facts if commits else None

    def version(self) -> int:
        return len(self._commits())

    def parts(self, file: plugs.Staged) -> Sequence[plugs.Staged]:  # noqa: ARG002 (contract)
        """None: a staged file is its rows."""
        return ()

    def taken(self, since: int) -> str:  # noqa: ARG002 (contract)
        """Nothing ever is."""
        return ""

    def read(self, version: int | None = None) -> pa.Table:
        import pyarrow as pa

        paths = _files_of(self._commits()[:version])
        schema = pa.schema([(column.name, column.type.arrow) for column in self.columns])
        return _table(paths) if paths else schema.empty_table()

    def maintain(self, keep: plugs.Keep, now_us: int, dry_run: bool = False) -> Mapping[str, int]:  # noqa: ARG002
        """Nothing: a test wants to see all that was written."""
        return {}


def _files_of(commits: Sequence[Commit]) -> list[str]:
    """The files that hold what is there after these commits."""
    start = max((number for number, commit in enumerate(commits) if commit.fresh), default=0)
    return [path for commit in commits[start:] for path in commit.files]


def _rows_of(commits: Sequence[Commit]) -> list[dict[str, Any]]:
    paths = _files_of(commits)
    return _table(paths).to_pylist() if paths else []


def _table(paths: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    parts = []
    for path in paths:
        with pa.memory_map(path) as file:
            parts.append(pa.ipc.open_file(file).read_all())
    return pa.concat_tables(parts)
