"""A sink that keeps what was committed in memory, epoch by epoch, or in files that another process can open.

    outputs:
      climate: {from: climate, collect: {list: climate}}

A test reads it as `Collect.rows("pipeline", "climate")`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Shelf:
    """What one output has been given: (app, epoch, first epoch, files) for every commit, in order."""

    commits: list[tuple[str, int, int, tuple[str, ...]]] = field(default_factory=list)


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
        return [row for folder in found for commit in cls.shelves[folder].commits for row in _table(commit[3]).to_pylist()]

    def prepare(self) -> str:
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
        rows = sum(file.rows for file in files)
        commits = self._commits()
        for number, (app, epoch, _, paths) in enumerate(commits, 1):
            if app == transaction.app and epoch >= transaction.version:
                return plugs.Committed(number, _table(paths).num_rows if paths else 0, already=True)
        version = len(commits) + 1
        commit = (transaction.app, transaction.version, transaction.first, tuple(file.path for file in files))
        signals.at("durable.commit", path=str(self.folder))
        if not self.options.durable:
            self._shelf().commits.append(commit)
        else:
            try:
                durable.publish(self.folder / f"commit-{version:08d}.json", json.dumps(commit).encode())
            except ConcurrencyError:                   # another runner had the same number: look who it was
                return self.commit(transaction, files)
        return plugs.Committed(version, rows)

    def _shelf(self) -> Shelf:
        return self.shelves.setdefault(str(self.folder), Shelf())

    def _commits(self) -> list[tuple[str, int, int, tuple[str, ...]]]:
        if not self.options.durable:
            return self._shelf().commits
        found = [json.loads(path.read_bytes()) for path in sorted(self.folder.glob("commit-*.json"))]
        return [(app, epoch, first, tuple(paths)) for app, epoch, first, paths in found]

    def last(self, app: str) -> int | None:
        return max((epoch for name, epoch, *_ in self._commits() if name == app), default=None)

    def identity(self) -> str | None:
        there = self.folder.is_dir() if self.options.durable else str(self.folder) in self.shelves
        return str(self.folder) if there else None

    def version(self) -> int:
        return len(self._commits())

    def read(self, version: int | None = None) -> pa.Table:
        import pyarrow as pa

        paths = [path for commit in self._commits()[:version] for path in commit[3]]
        schema = pa.schema([(column.name, column.type.arrow) for column in self.columns])
        return _table(paths) if paths else schema.empty_table()

    def maintain(self, keep_versions: Sequence[int], older_than_us: int, now_us: int) -> Mapping[str, int]:  # noqa: ARG002
        """Nothing: a test wants to see all that was written."""
        return {}


def _table(paths: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    parts = []
    for path in paths:
        with pa.memory_map(path) as file:
            parts.append(pa.ipc.open_file(file).read_all())
    return pa.concat_tables(parts)
