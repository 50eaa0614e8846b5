"""The source `files`: one file, a folder or a glob; every byte once, whatever files are called and however they grow.

A file is known by its content, not by its name: renamed or touched it stays read, appended it yields its new rows, the same
content under another name is reported and left. A bad file is a named outcome and costs only itself.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from mainstem.clock import Clock, SystemClock
from mainstem.connectors.files import cutting, known, listing, spool
from mainstem.connectors.files.changes import Changes
from mainstem.connectors.files.content import Content, Contents, changed
from mainstem.connectors.files.cutting import POSITION_SHIFT, Cutter
from mainstem.connectors.files.identity import fingerprint, mark, mark_of
from mainstem.connectors.files.known import ASIDE, DONE, GONE, NEW, READING, Book, Known
from mainstem.errors import DataError, SpecError
from mainstem.plugs import Budget, Chunk, Discovery, Format, Options, Range, Scope, no_query
from mainstem.quantities import Duration, Size

_FACTS_KEPT = 10_000                  # what Format.open said of so many files is remembered


class FilesOptions(Options):
    """Which files, and what to do when they are packed, repeated, changed or still being written."""

    path: str = Field(min_length=1, description="A file, a folder (its own files), or a glob like `inbox/**/*.csv`; "
                                                "relative to the project.")
    complete: bool = Field(False, description="What is there now is all there will be: a folder or glob comes to an end, "
                                              "and a last line without line end is a line.")
    min_age: Duration = Field(0, description="In a folder or glob: leave files alone until they were not written for so long.")
    replaced: Literal["error", "reread", "ignore"] = Field(
        "error", description="A known name with another content: stop, read it as a new file, or leave it (and say so).")
    duplicates: Literal["skip", "read"] = Field(
        "skip", description="The same content under another name: report and leave it, or read it again.")
    compression: Literal["auto", "none", "gz", "zst"] = Field("auto", description="Packed files; auto goes by their first bytes.")
    max_unpacked: Size = Field(16 << 30, description="The most that one packed file may become, like 16GiB.")
    max_ratio: int = Field(250, ge=2, description="The most that a packed file may grow by, counted on what comes out.")

    @property
    def growing(self) -> bool:
        """Whether more may come than is there now: a folder or a glob; one plain file is complete."""
        return not self.complete and listing.many(self.path)


class Files:
    """The source `files`."""

    kind: ClassVar[str] = "files"
    Options: ClassVar[type[Options]] = FilesOptions
    resumes: ClassVar[bool] = True
    replays: ClassVar[bool] = True
    clock: Clock = SystemClock()      # judges `min_age` only

    def __init__(self, options: FilesOptions, format: Format, scope: Scope) -> None:
        self.options, self.format, self.scope = options, format, scope
        self.complete = not options.growing or scope.complete
        self.path = Path(scope.project) / options.path
        self.folder = Path(scope.work) / "spool" / scope.name
        self.contents = Contents(Path(scope.project), self.folder, options.compression,
                                 spool.Limits(options.max_unpacked, options.max_ratio), scope.partition == "file", self.complete)
        self._facts: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._names: dict[int, str] = {}
        self._kept: tuple[Mapping[str, Any], Book] | None = None      # what the last look came to, and the book that says so
        self._tried: set[str] = set()

    @property
    def bounded(self) -> bool:
        return self.complete

    # ------------------------------------------------------------------------------------------------ discover

    def discover(self, progress: Mapping[str, Any] | None, budget: Budget) -> Discovery:
        """Look at the folder, compare with what is known, and cut what is unread into ranges."""
        book = self._book(progress)
        found, refused = listing.matches(self.path)
        if not found and self.complete and not listing.many(self.options.path) and not book.files:
            raise self._nothing()
        here = [(self._name(entry.path), entry) for entry in found]
        oldest = self.clock.now() * 1000 - self.options.min_age * 1000
        young = set() if self.complete else {name for name, entry in here if self.options.min_age and entry.modified > oldest}
        changes = Changes(book, self.options.replaced, self.contents.print, self.format.cut_by != "bytes",
                          not listing.many(self.options.path))
        changes.compare(here, young)
        for line in sorted(set(refused) - set((progress or {}).get("refused", ()))):
            where, why = line.rsplit(": ", 1)
            changes.note(where, "unreadable", why)
        cutter = Cutter(self.format, budget)
        left = False
        for number in sorted(book.unread):
            file = book.files[number]
            if not self._pending(file):
                continue
            if cutter.full:
                left = True
                break
            left |= self._take(changes, cutter, file)
        cutter.flush()
        self._names |= {number: book.files[number].path for number in book.changed}
        parts, drained = self._partitions(book, left)
        after = {**book.save(), "refused": sorted(set(refused))}
        self._kept = after, book
        return Discovery(tuple(cutter.ranges), after, parts, drained, ended=self.complete and not left, notes=tuple(changes.notes))

    def _book(self, progress: Mapping[str, Any] | None) -> Book:
        """The book behind a progress; the one of the last look, where it is the same: not every look reads all of it again."""
        kept, self._kept = self._kept, None       # whoever changes it has it alone
        if kept is not None and kept[0] == progress:
            return kept[1]
        book = known.load(self.folder, progress)
        self._names = {number: file.path for number, file in book.files.items()}
        return book

    def _pending(self, file: Known) -> bool:
        if file.state in (NEW, READING):
            return True
        return self.complete and file.state == DONE and file.outcome == "unfinished"      # it will not be finished any more

    def _take(self, changes: Changes, cutter: Cutter, file: Known) -> bool:
        """Read on in one file; whether there is more of it than the budget allowed."""
        try:
            content = self.contents.of(file)
            if not content.size:
                self._rest(changes, file.but(size=0, packed=content.packed), "empty")
                return False
            facts = self._open(file, content)
            if facts is None:
                self._rest(changes, file.but(size=content.size), "unfinished")
                return False
            if facts.get("rows", content.size - int(facts.get("skip", 0))) <= 0:
                self._rest(changes, self._read_to(file, content, content.size), "empty")
                return False
            if file.state == NEW and self._repeats(changes, file, content):
                return False
            done = cutter.cut(content, facts, file.done)
        except (DataError, OSError) as error:
            changes.put_aside(file, error)
            return False
        more = done < content.size and cutter.full
        now = self._read_to(file, content, done)
        if more or done >= content.size:
            changes.book.put(now.but(state=READING if more else DONE, outcome=""))
        else:
            self._rest(changes, now, "unfinished")
        return more

    def _read_to(self, file: Known, content: Content, done: int) -> Known:
        known_by = done if self.format.cut_by == "bytes" else content.size
        return file.but(done=done, size=content.size, packed=content.packed, print=fingerprint(content.path, known_by) or "",
                        print_of=known_by)

    @staticmethod
    def _rest(changes: Changes, file: Known, outcome: str) -> None:
        """Nothing to read of it for now; it is looked at again when somebody writes to it. Said once."""
        if file.outcome != outcome:
            changes.note(file.path, outcome)
        changes.book.put(file.but(state=DONE, outcome=outcome))

    def _repeats(self, changes: Changes, file: Known, content: Content) -> bool:
        """Whether this content was read under another name already."""
        if self.options.duplicates == "read" or not changes.book.has_size(content.size):
            return False
        mine = fingerprint(content.path, content.size) or ""
        other = changes.book.like(content.size, mine)
        if other is None or other.number == file.number or not self.contents.equal(other, content):
            return False
        changes.note(file.path, "duplicate", f"the same content as {other.path}")
        changes.book.put(file.but(state=DONE, done=content.size, size=content.size, print=mine, print_of=content.size,
                                  packed=content.packed, outcome="duplicate"))
        return True

    def _open(self, file: Known, content: Content) -> Mapping[str, Any] | None:
        """What the format says of the file; None while a growing file has not even its first line."""
        key = (file.number, content.packed)
        if key not in self._facts:
            with content.path.open("rb") as opened:
                head = opened.read(cutting.HEAD)
            if not content.final and self.format.cut_by == "bytes" and len(head) < cutting.HEAD and b"\n" not in head:
                return None
            facts = self.format.open(str(content.path), head)
            self._try(content, facts, head)
            if len(self._facts) >= _FACTS_KEPT:
                self._facts.clear()
            self._facts[key] = facts
        return self._facts[key]

    def _try(self, content: Content, facts: Mapping[str, Any], head: bytes) -> None:
        """Decode as much as shows whether the file as a whole is good, so that a bad one costs only itself.

        A file taken whole is decoded whole, one of rows by its first row, one of records by some of them, once for every
        header that is met. Raises what the format raises: DataError.
        """
        key = ""
        if self.format.cut_by == "bytes":
            key = json.dumps({name: value for name, value in facts.items() if name != "skip"}, default=str)
            skip = int(facts.get("skip", 0))
            length = self.format.cut(memoryview(head)[skip:], facts, content.final and len(head) == content.size)
            if key in self._tried or not length:
                return
            chunk = Chunk(head[skip:skip + length], skip, False, facts=facts)
        elif self.format.cut_by == "rows":
            chunk = Chunk(b"", 0, False, str(content.path), {**facts, "first": 0, "count": 1})
        else:
            chunk = Chunk(content.path.read_bytes(), 0, True, str(content.path), facts)
        self.format.decode(chunk, no_query)
        self._tried.add(key)

    def _partitions(self, book: Book, left: bool) -> tuple[dict[int, str], frozenset[int]]:
        if self.scope.partition != "file":
            return {0: self.scope.name}, frozenset() if left else frozenset({0})
        parts = {number: file.path for number, file in book.files.items()}
        return parts, frozenset(number for number, file in book.files.items() if file.state in (DONE, GONE, ASIDE))

    def _name(self, path: str) -> str:
        """A path as the book knows it: relative to the project where it lies in it, so that a project may move."""
        start = self.scope.project.rstrip("/") + "/"
        return path[len(start):] if path.startswith(start) else os.path.normpath(path)

    def _nothing(self) -> SpecError:
        near = [entry.name for entry in self.path.parent.iterdir()] if self.path.parent.is_dir() else []
        close = difflib.get_close_matches(self.path.name, near, 1)
        return SpecError("source.no_file", f"there is no file {self.options.path}", where=self.scope.name,
                         why="" if self.path.parent.is_dir() else f"there is no folder {self.path.parent}",
                         fix=f"did you mean `{close[0]}`?" if close else "paths are relative to the project folder")

    # ----------------------------------------------------------------------------------------------------- read

    def read(self, range: Range) -> Sequence[Chunk]:
        """The pieces of the range, one chunk each. Raises DataError `source.changed` if a file is not what it was."""
        return [self._piece(piece, range.ref["facts"][piece["facts"]]) for piece in range.ref["pieces"]]

    def _piece(self, piece: Mapping[str, Any], facts: Mapping[str, Any]) -> Chunk:
        try:
            path = self.contents.readable(piece)
            if self.format.cut_by == "rows":
                if path.stat().st_size != piece["size"] or mark_of(path, piece["size"]) != piece["check"]:
                    raise changed(piece, "its content is another one")
                return Chunk(b"", piece["n"] << POSITION_SHIFT | piece["at"], piece["final"], str(path),
                             {**facts, "first": piece["at"], "count": piece["len"]})
            with path.open("rb") as file:
                file.seek(piece["at"])
                data = file.read(piece["len"])
        except OSError as error:
            raise changed(piece, f"it cannot be read any more: {error.strerror or error}") from error
        if len(data) != piece["len"] or mark(data) != piece["check"]:
            raise changed(piece, "its content is another one")
        return Chunk(data, piece["n"] << POSITION_SHIFT | piece["at"], piece["final"],
                     str(path) if self.format.cut_by == "whole" else None, facts)

    def fetch(self, progress: Mapping[str, Any] | None, partition: int, position: int) -> Chunk | None:  # noqa: ARG002 (contract)
        """One record read again, if its file still begins with what was read."""
        number, at = position >> POSITION_SHIFT, position & ((1 << POSITION_SHIFT) - 1)
        file = known.load(self.folder, progress).files.get(number)
        try:
            if file is None or (content := self.contents.again(file)) is None or (facts := self._open(file, content)) is None:
                return None
            if self.format.cut_by == "rows":
                return Chunk(b"", position, False, str(content.path), {**facts, "first": at, "count": 1})
            if self.format.cut_by == "whole":
                return Chunk(content.path.read_bytes(), number << POSITION_SHIFT, True, str(content.path), facts)
            with content.path.open("rb") as opened:
                opened.seek(at)
                data = cutting.record(opened, self.format, facts)
        except (DataError, OSError):
            return None
        return Chunk(data, position, facts=facts) if data else None

    def place(self, range_or_position: Mapping[str, Any]) -> str:
        """`inbox/a.csv:1042`: file and byte of the record; `inbox/a.parquet row 7` where rows are counted."""
        position = int(range_or_position.get("position", range_or_position.get("start", 0)))
        number, offset = position >> POSITION_SHIFT, position & ((1 << POSITION_SHIFT) - 1)
        pieces = (range_or_position.get("ref") or {}).get("pieces", ())
        name = next((piece["file"] for piece in pieces if piece["n"] == number), self._names.get(number))
        if name is None:
            file = known.load(self.folder, range_or_position.get("progress")).files.get(number)
            name = file.path if file else f"file {number}"
        return f"{name} row {offset}" if self.format.cut_by == "rows" else f"{name}:{offset}"

    def acknowledge(self, progress: Mapping[str, Any]) -> None:
        """Forget older books, and the unpacked content of files that were read to their end (it can be made again)."""
        known.forget(self.folder, progress)
        if self.contents.spooled():
            for file in known.load(self.folder, progress).files.values():
                if file.state in (DONE, GONE):
                    self.contents.forget(file)
