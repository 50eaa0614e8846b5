"""The files that a source knows: numbers, how far each was read, and by what it is recognised when it changes or moves.

The book is the source's progress. Thousands of files do not fit into every plan, so the bulk lies in a content-named file
of the spool and the progress holds its name and what changed since.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainstem import durable
from mainstem.errors import ConcurrencyError, RefusedError

_CHANGES = 256                        # more than this and the book is written anew

NEW, READING, DONE, GONE, ASIDE = "new", "reading", "done", "gone", "aside"


@dataclass(frozen=True)
class Known:
    """A file, by its number in discovery order. Offsets and sizes are of the unpacked content."""

    number: int
    path: str                         # relative to the project where it lies in it
    stat: tuple[int, ...]             # size, modified, changed, inode: nobody touched it while they are the same
    state: str = NEW                  # new | reading | done (to its present end) | gone | aside
    done: int = 0                     # bytes (or rows) behind which nothing was read yet
    size: int = 0                     # bytes when it was looked at last
    print: str = ""                   # fingerprint of the first `print_of` bytes
    print_of: int = 0
    packed: str = ""                  # SHA-256 of the packed file
    outcome: str = ""                 # the last outcome that was reported

    def but(self, **changes: Any) -> Known:
        """The same file with some of this changed."""
        return dataclasses.replace(self, **changes)


class Book:
    """All known files. Not shared between threads; `save` gives the progress that `load` understands."""

    def __init__(self, folder: Path, base: str = "", files: dict[int, Known] | None = None,
                 changed: set[int] | None = None) -> None:
        self.folder, self.base = folder, base
        self.files = files or {}
        self.changed = changed or set()
        self.next = max(self.files, default=-1) + 1
        self.by_path = {file.path: file.number for file in self.files.values() if file.state != GONE}
        self.gone = {file.path: file.number for file in self.files.values()
                     if file.state == GONE and file.outcome != "replaced"}
        self.unread: set[int] = set()         # numbers of files that have something to read, or may have at the end of the input
        self._sizes: set[int] = set()
        self._whole: dict[tuple[int, str], int] = {}
        for file in self.files.values():
            self._index(file)

    def _index(self, file: Known) -> None:
        if file.state in (NEW, READING) or (file.state == DONE and file.outcome == "unfinished"):
            self.unread.add(file.number)
        else:
            self.unread.discard(file.number)
        if file.state in (DONE, GONE) and file.size and file.print_of == file.size:
            self._sizes.add(file.size)
            self._whole.setdefault((file.size, file.print), file.number)

    def put(self, file: Known) -> Known:
        """Remember this about a file."""
        old = self.files.get(file.number)
        if old == file:
            return file
        if old is not None and old.path != file.path and self.by_path.get(old.path) == file.number:
            del self.by_path[old.path]
        self.files[file.number] = file
        self.changed.add(file.number)
        self.next = max(self.next, file.number + 1)
        if file.state == GONE:
            if self.by_path.get(file.path) == file.number:
                del self.by_path[file.path]
            self.gone[file.path] = file.number
        else:
            self.by_path[file.path] = file.number
            self.gone.pop(file.path, None)
        self._index(file)
        return file

    def at(self, path: str) -> Known | None:
        """The file that is known under this path."""
        number = self.by_path.get(path)
        return None if number is None else self.files[number]

    def has_size(self, size: int) -> bool:
        """Whether a file of exactly this size was read to its end."""
        return size in self._sizes

    def like(self, size: int, print_: str) -> Known | None:
        """A file of exactly this size and fingerprint that was read to its end."""
        number = self._whole.get((size, print_))
        file = None if number is None else self.files[number]
        return file if file and file.size == size and file.print == print_ else None

    def save(self) -> dict[str, Any]:
        """The book as progress; its bulk goes into a file of the spool when it has changed much."""
        if len(self.changed) > _CHANGES:
            content = json.dumps([_row(self.files[number]) for number in sorted(self.files)], separators=(",", ":")).encode()
            name = f"book-{hashlib.sha256(content).hexdigest()[:32]}.json"
            if not (self.folder / name).exists():
                with contextlib.suppress(ConcurrencyError):       # the same content, by somebody else
                    durable.publish(durable.folder(self.folder) / name, content)
            self.base, self.changed = name, set()
        return {"base": self.base, "changes": [_row(self.files[number]) for number in sorted(self.changed)]}


_cache: dict[Path, dict[int, Known]] = {}
durable.remembered(_cache.clear)


def load(folder: Path, progress: Mapping[str, Any] | None) -> Book:
    """The book behind a progress. Raises RefusedError `state.damaged` if its bulk is gone or not as it was written."""
    if not progress:
        return Book(folder)
    files = dict(_bulk(folder / progress["base"])) if progress["base"] else {}
    changes = [_file(row) for row in progress["changes"]]
    return Book(folder, progress["base"], files | {file.number: file for file in changes}, {file.number for file in changes})


def _bulk(path: Path) -> dict[int, Known]:
    if path not in _cache:
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise _damaged(path, "it is gone") from error
        if path.name != f"book-{hashlib.sha256(content).hexdigest()[:32]}.json":
            raise _damaged(path, "its content is not what was written")
        _cache.clear()                        # one process reads few folders; the newest bulk is what it needs
        _cache[path] = {file.number: file for file in map(_file, json.loads(content))}
    return _cache[path]


def _damaged(path: Path, why: str) -> RefusedError:
    return RefusedError("state.damaged", f"{path.name} is damaged", where=str(path), why=why,
                        fix="restore it from a backup, or rebuild with `mainstem run --accept rebuild`")


def forget(folder: Path, progress: Mapping[str, Any]) -> None:
    """Delete older bulks, once an epoch is finished everywhere; newer ones may belong to the epoch in flight."""
    if not progress.get("base") or not folder.is_dir():
        return
    mine = folder / progress["base"]
    limit = mine.stat().st_mtime_ns if mine.exists() else 0
    for path in folder.glob("book-*.json"):
        if path != mine and path.stat().st_mtime_ns < limit:
            durable.discard(path)


def _row(file: Known) -> list[Any]:
    return [list(value) if isinstance(value, tuple) else value for value in
            (getattr(file, field.name) for field in dataclasses.fields(file))]


def _file(row: list[Any]) -> Known:
    return Known(row[0], row[1], tuple(row[2]), *row[3:])
