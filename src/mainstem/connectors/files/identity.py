"""By what bytes are known again: fingerprints of files, marks of pieces of them, and comparison where both are there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_EDGE = 64 << 10
_WHOLE = 1 << 20                      # content up to this size is hashed whole
_SAMPLES, _SAMPLE = 16, 4 << 10
_MARKED = 4 << 10                     # bytes at both ends of a piece by which it is known again
_STEP = 4 << 20                       # bytes compared at a time


def fingerprint(path: str | Path, size: int) -> str | None:
    """What the first `size` bytes of a file are recognised by; None if it has fewer.

    Content up to 1 MiB is hashed whole, of more: both ends, 16 samples between them, and the size.
    """
    if os.stat(path).st_size < size:
        return None
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        if size <= _WHOLE:
            digest.update(file.read(size))
        else:
            places = [0, *((size - _SAMPLE) * index // (_SAMPLES + 1) for index in range(1, _SAMPLES + 1)), size - _EDGE]
            for index, place in enumerate(places):
                file.seek(place)
                digest.update(file.read(_EDGE if index in (0, len(places) - 1) else _SAMPLE))
    return digest.hexdigest()[:32]


def same_bytes(one: str | Path, other: str | Path, size: int) -> bool:
    """Whether the first `size` bytes of two files are the same."""
    with open(one, "rb") as first, open(other, "rb") as second:
        while size > 0:
            mine, theirs = first.read(min(size, _STEP)), second.read(min(size, _STEP))
            if mine != theirs or not mine:
                return False
            size -= len(mine)
    return True


def mark(data: bytes | memoryview) -> str:
    """By what a piece is known again when it is read: a hash of both of its ends."""
    return _mark(bytes(data[:_MARKED]) + bytes(data[max(len(data) - _MARKED, 0):]))


def mark_of(path: Path, size: int) -> str:
    """The same of the first `size` bytes of a file."""
    with path.open("rb") as file:
        head = file.read(min(size, _MARKED))
        file.seek(max(size - _MARKED, 0))
        return _mark(head + file.read(min(size, _MARKED)))


def _mark(ends: bytes) -> str:
    return hashlib.sha256(ends).hexdigest()[:16]
