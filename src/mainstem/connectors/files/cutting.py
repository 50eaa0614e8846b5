"""Cutting files into ranges: at record ends, about equal, small files together, never more than the budget in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from mainstem.connectors.files.content import Content
from mainstem.connectors.files.identity import mark, mark_of
from mainstem.errors import DataError
from mainstem.plugs import Budget, Format, Range

POSITION_SHIFT = 40                   # position = file number << 40 | byte offset (or row number)
HEAD = 64 << 10                       # what `Format.open` sees of a file
_SMALL, _LARGE = 256 << 10, 32 << 20  # bounds of a range, bytes
_LONGEST = 64 << 20                   # a record that does not end within so many bytes has no end


@dataclass
class Cutter:
    """Collects pieces of files into ranges until the budget is used up."""

    format: Format
    budget: Budget
    ranges: list[Range] = field(default_factory=list)
    used: int = 0
    _limit: int = 0                   # bytes of this epoch, known once a piece was looked at
    _pieces: list[dict[str, Any]] = field(default_factory=list)
    _facts: list[Mapping[str, Any]] = field(default_factory=list)
    _partition: int = 0
    _bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether the epoch has enough: what is left would be less than half a range."""
        halves = 2 * self.budget.ranges
        return self.used * halves >= (self._limit or self.budget.bytes) * (halves - 1)

    def cut(self, content: Content, facts: Mapping[str, Any], done: int) -> int:
        """Take what the budget allows of a file from `done` on; how far it is read then. Raises DataError, OSError."""
        if self.format.cut_by == "rows":
            return self._rows(content, facts, done)
        if self.format.cut_by == "whole":
            self._limit = self._limit or self.budget.bytes
            self._add(content, facts, 0, content.size, mark_of(content.path, content.size), content.final, content.size)
            return content.size
        with content.path.open("rb") as file:
            return self._cut_bytes(content, facts, max(done, int(facts.get("skip", 0))), file)

    def _cut_bytes(self, content: Content, facts: Mapping[str, Any], done: int, file: BinaryIO) -> int:
        while done < content.size and not self.full:
            window = min(self._step(file, done), content.size - done)
            file.seek(done)
            data, length = b"", 0
            while not length:
                data = file.read(window)
                ends = done + len(data) >= content.size
                length = self.format.cut(memoryview(data), facts, content.final and ends)
                if length or ends:
                    break
                if window >= _LONGEST:
                    raise DataError("source.record_too_long", f"a record that begins at byte {done} has no end", where=content.name,
                                    why=f"none within {_LONGEST} bytes", fix="look at the file there; is it of another format?")
                window *= 4
                file.seek(done)
            if not length:
                break                                     # the last record of a growing file waits for its end
            last = done + length >= content.size
            self._add(content, facts, done, length, mark(memoryview(data)[:length]), content.final and last, length)
            done += length
        return done

    def _step(self, file: BinaryIO, done: int) -> int:
        """How many bytes make a range, from how long the records are here."""
        if not self._limit:
            file.seek(done)
            sample = file.read(HEAD)
            length = len(sample) / max(sample.count(b"\n"), 1)
            self._limit = int(max(min(self.budget.bytes, self.budget.rows * length), 1))
        return max(min(self._limit // self.budget.ranges, _LARGE), min(_SMALL, self._limit), 1)

    def _rows(self, content: Content, facts: Mapping[str, Any], done: int) -> int:
        """Ranges of rows, at the ends of the file's own groups where these are not too large: a group is read as a whole."""
        total = int(facts["rows"])
        weight = max(content.size // max(total, 1), 1)
        self._limit = self._limit or int(max(min(self.budget.bytes, self.budget.rows * weight), 1))
        ends, place = [], 0
        for group in facts.get("groups", [total]):
            place += group
            ends.append(place)
        step = max(self.budget.rows // self.budget.ranges, 1)
        checked = mark_of(content.path, content.size)
        small = {key: value for key, value in facts.items() if key != "groups"}
        while done < total and not self.full:
            end = max((one for one in ends if done < one <= done + step), default=0)
            if not end:
                group = next(one for one in ends if one > done)
                end = group if group <= done + 2 * step else done + step
            self._add(content, small, done, end - done, checked, end == total, (end - done) * weight)
            done = end
        return content.size if done >= total else done

    def _add(self, content: Content, facts: Mapping[str, Any], at: int, length: int, checked: str, final: bool, weight: int) -> None:
        if self._pieces and (content.partition != self._partition or self._bytes + weight > self._aim()):
            self.flush()
        if facts not in self._facts:
            self._facts.append(facts)
        self._pieces.append({"n": content.number, "file": content.name, "at": at, "len": length, "size": content.size,
                             "check": checked, "final": final, "facts": self._facts.index(facts), "packed": content.packed})
        self._partition = content.partition
        self._bytes += weight
        self.used += weight

    def _aim(self) -> int:
        return max(min((self._limit or self.budget.bytes) // self.budget.ranges, _LARGE), _SMALL)

    def flush(self) -> None:
        """Close the range that is being filled."""
        if self._pieces:
            first, last = self._pieces[0], self._pieces[-1]
            self.ranges.append(Range(self._partition, first["n"] << POSITION_SHIFT | first["at"],
                                     last["n"] << POSITION_SHIFT | last["at"] + last["len"],
                                     {"pieces": self._pieces, "facts": self._facts}, **self._measure()))
        self._pieces, self._facts, self._bytes = [], [], 0

    def _measure(self) -> dict[str, int]:
        """How much the range holds: the law compares it with what was read."""
        return {"records" if self.format.cut_by == "rows" else "bytes": sum(piece["len"] for piece in self._pieces)}


def record(file: BinaryIO, format: Format, facts: Mapping[str, Any]) -> bytes:
    """The record that begins where the file stands; empty if none ends within the longest length."""
    data, looked = b"", 0
    while len(data) < _LONGEST:
        more = file.read(HEAD)
        data += more
        while (end := data.find(b"\n", looked)) >= 0:
            looked = end + 1
            if length := format.cut(memoryview(data)[:looked], facts, False):
                return data[:length]
        if not more:
            return data
    return b""
