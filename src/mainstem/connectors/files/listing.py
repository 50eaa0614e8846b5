"""Which files a path means: one file, the files of a folder, or a glob with `**`; quick for many thousands of them."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Found:
    """A file as the folder shows it."""

    path: str                         # absolute
    size: int
    modified: int                     # nanoseconds
    changed: int                      # of the inode: renamed, relinked, permissions
    inode: int

    @property
    def stat(self) -> list[int]:
        """What tells that nobody has touched it."""
        return [self.size, self.modified, self.changed, self.inode]


def many(path: str) -> bool:
    """Whether a path as written means any number of files: a glob, a folder, or a name without a suffix.

    >>> many("inbox/**/*.csv"), many("inbox/"), many("data/sensors.csv")
    (True, True, False)
    """
    return bool(_MAGIC.search(path)) or path.endswith("/") or "." not in os.path.basename(path).strip(".")


def matches(path: Path) -> tuple[list[Found], list[str]]:
    """(the files, sorted by name; what was left out, with its reason: closed folders, names that are not UTF-8).

    Of a folder its own files, of a glob those that match. Names that begin with `.` or `_` are left out: they are other
    programs' temporary files and records. A file that vanishes meanwhile is left out too.
    """
    refused: list[str] = []
    text = str(path)
    if not _MAGIC.search(text):
        if path.is_dir():
            return sorted(_files(_scan(text, refused), re.compile(".*", re.DOTALL), text, refused), key=_path), refused
        try:
            return [_found(text, path.stat())], refused
        except (FileNotFoundError, NotADirectoryError):
            return [], refused
    parts = path.parts
    plain = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    root = os.path.join(*parts[:plain]) if plain else "."
    pattern = _pattern(parts[plain:])
    deep = "**" in parts[plain:]
    levels = None if deep else len(parts) - plain
    return sorted(_files(_walk(root, levels, refused), pattern, root, refused), key=_path), refused


def _path(file: Found) -> str:
    return file.path


def _pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    """The paths below the root that a glob matches; `**` is any number of folders, none included."""
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
        else:
            one = fnmatch.translate(part).removeprefix("(?s:").removesuffix(")\\Z").replace(".*", "[^/]*")
            text += one if last else one + "/"
    return re.compile(text, re.DOTALL)


def _scan(folder: str, refused: list[str]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.name[0] not in "._")
    except FileNotFoundError:
        return
    except OSError as error:
        refused.append(f"{folder}: {error.strerror}")


def _walk(folder: str, levels: int | None, refused: list[str]) -> Iterator[os.DirEntry[str]]:
    for entry in _scan(folder, refused):
        if entry.is_dir(follow_symlinks=False):
            if levels is None or levels > 1:
                yield from _walk(entry.path, None if levels is None else levels - 1, refused)
        else:
            yield entry


def _files(entries: Iterator[os.DirEntry[str]], pattern: re.Pattern[str], root: str, refused: list[str]) -> Iterator[Found]:
    start = len(root.rstrip("/")) + 1
    for entry in entries:
        if not pattern.fullmatch(entry.path[start:]):
            continue
        if not entry.path.isascii() and not _utf8(entry.path):
            refused.append(os.fsencode(entry.path).decode("utf-8", "backslashreplace") + ": its name is not UTF-8")
            continue
        try:
            if entry.is_file():
                yield _found(entry.path, entry.stat())
        except FileNotFoundError:
            continue


def _utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _found(path: str, stat: os.stat_result) -> Found:
    return Found(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
