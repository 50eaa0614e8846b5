"""Where the content of a file lies: itself, or unpacked in the spool; and whether it is still what was read of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mainstem import durable
from mainstem.connectors.files import spool
from mainstem.connectors.files.identity import fingerprint, same_bytes
from mainstem.connectors.files.known import GONE, READING, Known
from mainstem.errors import DataError


@dataclass(frozen=True)
class Content:
    """A file ready to be cut."""

    number: int
    partition: int
    name: str                         # as the book knows it
    path: Path                        # where its content lies: itself, or its spool file
    size: int
    packed: str                       # SHA-256 of the packed file, empty for a plain one
    final: bool                       # nothing will follow its present end


@dataclass
class Contents:
    """The contents of one source's files."""

    project: Path                     # what the book's names are relative to
    folder: Path                      # the spool
    compression: str
    limits: spool.Limits
    partitioned: bool                 # each file is a partition of its own
    complete: bool                    # no file grows any more
    _same: dict[tuple[int, int, int], bool] = field(default_factory=dict)     # files looked at again, by size and age

    def of(self, file: Known) -> Content:
        """The content of a file as it is now; a packed one is unpacked. Raises OSError and what `spool.unpack` raises."""
        path = self.project / file.path
        codec = spool.packing(path, self.compression)
        if codec is None:
            return self._content(file, path, path.stat().st_size, "", self.complete)
        unpacked = self._unpacked(file.packed)
        if file.state == READING and file.packed and unpacked.is_file():
            return self._content(file, unpacked, unpacked.stat().st_size, file.packed, True)
        packed, size = spool.unpack(path, codec, self.folder, self.limits)
        return self._content(file, self._unpacked(packed), size, packed, True)

    def _content(self, file: Known, path: Path, size: int, packed: str, final: bool) -> Content:
        return Content(file.number, file.number if self.partitioned else 0, file.path, path, size, packed, final)

    def _unpacked(self, packed: str) -> Path:
        return self.folder / f"{packed}.raw"

    def print(self, name: str, size: int, packed: str) -> str | None:
        """The fingerprint of the first `size` bytes of a file's content as it is now."""
        path = self.project / name
        codec = spool.packing(path, self.compression)
        if codec is None:
            return fingerprint(path, size)
        fresh, _ = spool.unpack(path, codec, self.folder, self.limits)
        found = fingerprint(self._unpacked(fresh), size)
        if fresh != packed:
            durable.discard(self._unpacked(fresh))
        return found

    def equal(self, other: Known, content: Content) -> bool:
        """Whether a file has this content: byte by byte where it is still there; else its fingerprint has to do."""
        path = self._unpacked(other.packed) if other.packed else self.project / other.path
        if other.state == GONE or not path.is_file() or path.stat().st_size < content.size:
            return True
        return same_bytes(path, content.path, content.size)

    def readable(self, piece: Mapping[str, Any]) -> Path:
        """Where the content of a planned piece can be read. Raises DataError `source.changed` for another packed file."""
        path = self.project / str(piece["file"])
        if not piece["packed"]:
            return path
        unpacked = self._unpacked(piece["packed"])
        if not unpacked.is_file() or unpacked.stat().st_size != piece["size"]:
            fresh, _ = spool.unpack(path, spool.packing(path, self.compression) or "gzip", self.folder, self.limits)
            if fresh != piece["packed"]:
                raise changed(piece, "the packed file is another one")
        return unpacked

    def again(self, file: Known) -> Content | None:
        """The content of a file that was read before; None if it is another one now."""
        path = self.readable({"file": file.path, "packed": file.packed, "size": file.size, "at": 0})
        stat = path.stat()
        key = (file.number, stat.st_size, stat.st_mtime_ns)
        if key not in self._same:
            self._same[key] = not file.print or fingerprint(path, file.print_of) == file.print
        return self._content(file, path, stat.st_size, file.packed, True) if self._same[key] else None

    def forget(self, file: Known) -> None:
        """Delete the unpacked content of a file; it can be made again."""
        if file.packed:
            durable.discard(self._unpacked(file.packed))

    def spooled(self) -> bool:
        """Whether any content lies unpacked."""
        return self.folder.is_dir() and any(self.folder.glob("*.raw"))


def changed(piece: Mapping[str, Any], why: str) -> DataError:
    """The error for a file that is not the one that was planned."""
    return DataError("source.changed", f"{piece['file']} is not the file that was planned", where=f"{piece['file']}:{piece['at']}",
                     why=why, fix="restore it and start again; the plan of this epoch names exactly these bytes")
