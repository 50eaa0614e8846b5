"""Files that are either whole and on disk, or not there: created exclusively, fsynced, never renamed over.

Every call passes `signals.at("durable....")` first, so that tests can count durable calls and crash before any of them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mainstem import signals
from mainstem.clock import attempt
from mainstem.errors import ConcurrencyError, TransientError

_memories: list[Callable[[], object]] = []


def remembered(clear: Callable[[], object]) -> None:
    """Say that memory holds what files hold too, and how to clear it; for module level, once for each cache."""
    _memories.append(clear)


def forget() -> None:
    """Clear every such memory, so that the files are read again: a process that reopens after a crash knows nothing."""
    for clear in _memories:
        clear()


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power loss."""
    signals.at("durable.fsync", path=str(folder))
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def folder(path: Path) -> Path:
    """Create `path` with its missing parents, durably; one that is there is fine."""
    if path.is_dir():
        return path
    folder(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        return path
    except OSError as error:
        raise disk(error, path) from error
    sync_folder(path.parent)
    return path


def write(path: Path, fill: Callable[[BinaryIO], object]) -> tuple[int, str]:
    """Create `path` (which must not exist) with what `fill` writes; returns (bytes, sha256) once it is on disk.

    Its name must be one that nobody else uses (an attempt id in it): a crash may leave a part of it behind.
    """
    signals.at("durable.create", path=str(path))
    try:
        with path.open("xb") as file:
            hashed = Hashed(file)
            fill(hashed)  # type: ignore[arg-type]
            file.flush()
            signals.at("durable.fsync", path=str(path))
            os.fsync(file.fileno())
    except OSError as error:
        discard(path)                         # on a full disk a part of it would take the room of the next try
        raise disk(error, path) from error
    return hashed.size, hashed.sha256


def publish(path: Path, content: bytes) -> None:
    """Give `content` the name `path`, whole or not at all; FENCED if somebody already has that name."""
    _name(path, content, os.link)


def replace(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step: for the lease only, the one file that is ever renewed."""
    _name(path, content, os.replace)


def _name(path: Path, content: bytes, give: Callable[[Path, Path], object]) -> None:
    """Write a file under a name of its own and give it the one it is for; nothing of it stays where that fails."""
    temporary = path.parent / f".{path.name}.{attempt()}.tmp"
    write(temporary, lambda file: file.write(content))
    try:
        signals.at("durable.link", path=str(path))
        give(temporary, path)
    except FileExistsError as error:
        raise ConcurrencyError(
            "run.fenced", f"{path.name} is already there: another runner is ahead of this one",
            where=str(path), fix="only one runner may own a pipeline; look at `mainstem runs list`",
        ) from error
    except OSError as error:
        raise disk(error, path) from error
    finally:
        discard(temporary)
    sync_folder(path.parent)


def touched(path: Path) -> bool:
    """Whether something is there to be used again; it counts as new now, so that nobody takes it for a leftover."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def discard(path: Path) -> None:
    """Take away a file that nobody needs. One that cannot go (the folder is read-only by now) is in nobody's way either."""
    with contextlib.suppress(OSError):
        path.unlink()


def disk(error: OSError, path: Path) -> TransientError:
    """Turn what the file system says into an error with a remedy."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TransientError("disk.full", "the disk is full", where=str(path), why=str(error),
                              fix="make room (`mainstem maintain` frees staged leftovers) and start again: it goes on")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return TransientError("disk.read_only", "cannot write there", where=str(path), why=str(error),
                              fix="give the folder write permission and start again: it goes on")
    return TransientError("disk.failed", "the file system refused", where=str(path), why=str(error),
                          fix="mend the disk and start again: it goes on")


class Hashed:
    """An open file that remembers the size and the SHA-256 of what goes through it, in one direction."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.closed = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self._file.write(data)
        written = memoryview(data).nbytes
        self.size += written
        return written

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.size

    def readable(self) -> bool:
        return self._file.readable()

    def writable(self) -> bool:
        return self._file.writable()

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing: who opened the file closes it."""
        self.closed = True
