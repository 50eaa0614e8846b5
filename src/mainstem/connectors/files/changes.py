"""What happened to the files since the last look: new, grown, touched, renamed, rotated, replaced, gone, back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mainstem.connectors.files.known import ASIDE, DONE, GONE, NEW, READING, Book, Known
from mainstem.connectors.files.listing import Found
from mainstem.errors import DataError, RefusedError

# Named outcomes of whole files, as they stand in `Discovery.notes` and in the run's account.
OUTCOMES = {
    "empty": "it has no record, at most a header; it is read as soon as it has one",
    "duplicate": "the same content was read under another name; nothing of it is read again",
    "renamed": "a known file under a new name; what was read stays read",
    "replaced": "another content under a known name; by the policy read anew or left alone",
    "deleted": "it was read to its end and is not there any more; what was read stays",
    "vanished": "it was gone before it was read to its end",
    "unreadable": "the file system does not let us read it",
    "corrupt": "a packed file that is cut or damaged; no row of it was read",
    "too_large": "a packed file beyond the limits; no row of it was read",
    "bad_format": "the file as a whole is not what its format needs; no row of it was read",
    "record_too_long": "a record without an end; what is before it was read",
    "unfinished": "its last record has no end yet and waits for it",
}


@dataclass
class Changes:
    """One look: compares what is there with the book and writes what it finds into the book and the notes."""

    book: Book
    policy: str                                           # of replaced files: error | reread | ignore
    print_of: Callable[[str, int, str], str | None]       # (path, bytes, packed hash so far) -> fingerprint of the content
    whole: bool                                           # the format takes files whole: one that grew is another one
    plain: bool                                           # one file is named: its end is worth a word, that of one of many is not
    notes: list[dict[str, Any]] = field(default_factory=list)

    def note(self, path: str, outcome: str, detail: str = "") -> None:
        """Report a named outcome of a whole file."""
        self.notes.append({"file": path, "outcome": outcome, "detail": detail or OUTCOMES[outcome]})

    def compare(self, found: Sequence[tuple[str, Found]], young: set[str]) -> None:
        """`found`: (path as the book knows it, file), sorted by name. `young`: paths that are not looked at yet."""
        here = dict(found)
        fresh = [path for path, _ in found if self.book.at(path) is None and path not in young]
        lost = [self.book.files[number] for path, number in self.book.by_path.items() if path not in here]
        by_inode = {here[path].inode: path for path in fresh}
        by_size: dict[int, list[str]] = {}
        for path in fresh:
            by_size.setdefault(here[path].size, []).append(path)
        taken: set[str] = set()

        def moved(file: Known) -> bool:
            names = [by_inode[file.stat[3]]] if file.stat[3] in by_inode else []
            for path in [*names, *by_size.get(file.stat[0], [])]:
                if path not in taken and self._same(file, here[path], path):
                    taken.add(path)
                    self.note(path, "renamed", f"was {file.path}")
                    self._move(file, path, here[path])
                    return True
            return False

        for path, entry in found:
            file = self.book.at(path)
            if file is None or tuple(entry.stat) == file.stat or path in young:
                continue
            if entry.inode != file.stat[3] and file.stat[3] in by_inode and moved(file):
                fresh.append(path)                            # a rotated log: the old name begins anew
            elif self._again(file, entry) == "fresh":
                fresh.append(path)
        for file in lost:
            if not moved(file):
                self._lose(file)
        for path in sorted(set(fresh) - taken):
            self._meet(path, here[path])

    # ------------------------------------------------------------------------------------------------ one file

    def _matches(self, file: Known, path: str, size: int) -> bool:
        """Whether what was read of `file` is at the start of `path`."""
        if self.whole and file.print_of and size != file.stat[0]:
            return False
        return bool(file.print_of) and self.print_of(path, file.print_of, file.packed) == file.print

    def _same(self, file: Known, entry: Found, path: str) -> bool:
        if file.state == NEW or not file.print_of:
            return file.stat[0] == entry.size and file.stat[1] == entry.modified
        if entry.size != file.stat[0] and entry.inode != file.stat[3]:
            return False
        try:
            return self._matches(file, path, entry.size)
        except (OSError, DataError):
            return False

    def _move(self, file: Known, path: str, entry: Found) -> None:
        state = file.state if entry.size == file.stat[0] or file.state == NEW else READING
        self.book.put(file.but(path=path, stat=tuple(entry.stat), state=state))

    def _again(self, file: Known, entry: Found) -> str:
        """A known file whose stat is another one: touched, grown or replaced. "fresh" if it is to be read as a new one."""
        stat = tuple(entry.stat)
        if file.state == NEW or not file.print_of:
            self.book.put(file.but(stat=stat, state=NEW, outcome=file.outcome if file.state == DONE else ""))
            return ""
        try:
            if self._matches(file, file.path, entry.size):
                grown = entry.size != file.stat[0] or file.state in (READING, ASIDE)
                as_is = file.but(stat=stat, outcome="")
                self.book.put(as_is.but(state=READING, packed="") if grown else as_is)
                return ""
        except (OSError, DataError) as error:
            self.put_aside(file.but(stat=stat), error)
            return ""
        return self._replaced(file, entry)

    def _replaced(self, file: Known, entry: Found) -> str:
        short = f"{entry.size} bytes now, {file.stat[0]} when it was read"
        if self.policy == "error":
            raise RefusedError("source.replaced", f"{file.path} has another content than what was read", where=file.path, why=short,
                               fix="say `replaced: reread` to read it as a new file, `replaced: ignore` to leave it, or restore it")
        if self.policy == "reread":
            self.note(file.path, "replaced", f"read anew; {short}")
            self.book.put(file.but(state=GONE, outcome="replaced"))
            self.book.gone.pop(file.path, None)               # it is another file now, and does not come back
            return "fresh"
        if file.outcome != "replaced":
            self.note(file.path, "replaced", f"left alone; {short}")
        self.book.put(file.but(stat=tuple(entry.stat), state=ASIDE, outcome="replaced"))
        return ""

    def _lose(self, file: Known) -> None:
        if file.state in (NEW, READING) or (file.state == DONE and file.done < file.size and not self.whole):
            self.note(file.path, "vanished", f"read up to {file.done} of {max(file.size, file.stat[0])} bytes")
        elif self.plain:
            self.note(file.path, "deleted")
        self.book.put(file.but(state=GONE))

    def _meet(self, path: str, entry: Found) -> None:
        """A path that nobody has now: a file that was gone and is back, or a new one with the next number."""
        number = self.book.gone.get(path)
        if number is not None:
            file = self.book.files[number]
            try:
                if self._matches(file, path, entry.size):
                    done = file.done >= entry.size or (self.whole and file.done >= file.size)
                    self.book.put(file.but(stat=tuple(entry.stat), state=DONE if done else READING, outcome=""))
                    return
            except (OSError, DataError):
                pass                                          # it is looked at as a new file, and reported there
        self.book.put(Known(self.book.next, path, tuple(entry.stat)))

    def put_aside(self, file: Known, error: Exception) -> None:
        """A file that cannot be read now: reported once, tried again when somebody touches it."""
        outcome, detail = _outcome(error)
        if file.outcome != outcome:
            self.note(file.path, outcome, detail)
        self.book.put(file.but(state=ASIDE, outcome=outcome))


def _outcome(error: Exception) -> tuple[str, str]:
    if isinstance(error, DataError):
        known = {"source.corrupt": "corrupt", "source.too_large": "too_large", "source.record_too_long": "record_too_long"}
        return known.get(error.code, "bad_format"), f"{error.what}; {error.why}" if error.why else error.what
    if isinstance(error, FileNotFoundError):
        return "vanished", "it was gone when it was opened"
    return "unreadable", str(getattr(error, "strerror", None) or error)
