"""Packed files, unpacked once into the spool under their content hash and verified whole before a row of them is offered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mainstem import durable
from mainstem.clock import attempt
from mainstem.errors import DataError

_PIECE = 4 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_RATIO_FROM = 1 << 20                 # a ratio says something only after so many bytes


@dataclass(frozen=True)
class Limits:
    """How much one packed file may become, counted on the bytes that come out."""

    bytes: int
    ratio: int


def packing(path: str | Path, wanted: str) -> str | None:
    """`gzip`, `zstd` or None: as wanted, or by the first bytes where `auto` is."""
    if wanted != "auto":
        return {"gz": "gzip", "zst": "zstd", "none": None}[wanted]
    with open(path, "rb") as file:
        head = file.read(4)
    return next((codec for magic, codec in _MAGIC.items() if head.startswith(magic)), None)


def unpack(path: str | Path, codec: str, folder: Path, limits: Limits) -> tuple[str, int]:
    """Unpack a file; (SHA-256 of the packed bytes, bytes unpacked). Concatenated members are all read.

    Raises DataError `source.corrupt` for a file that is cut, damaged or followed by something else, `source.too_large`
    beyond the limits; nothing is left behind then.
    """
    import pyarrow as pa

    durable.folder(folder)
    temporary = folder / f".{attempt()}.tmp"
    size = 0
    try:
        with open(path, "rb") as packed, temporary.open("xb") as out:
            hashing = durable.Hashed(packed)
            with pa.CompressedInputStream(pa.PythonFile(hashing, mode="r"), codec) as stream:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    _check(str(path), size, hashing.size, limits)
                    out.write(piece)
            if hashing.read(1):
                raise OSError("bytes are left behind its end")
        name = hashing.sha256
        temporary.replace(folder / f"{name}.raw")
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        if isinstance(error, OSError) and error.errno:        # the disk; what a codec refuses has no number
            raise durable.disk(error, folder) from error
        raise DataError("source.corrupt", f"the {codec} file is cut or damaged", where=str(path), why=str(error),
                        fix="deliver it again; nothing of it was read") from error
    finally:
        durable.discard(temporary)
    return name, size


def _check(path: str, size: int, packed: int, limits: Limits) -> None:
    if size > limits.bytes:
        raise DataError("source.too_large", f"unpacks to more than {limits.bytes} bytes", where=path,
                        fix="raise `max_unpacked:` if this is what you expect")
    if size > _RATIO_FROM and size > packed * limits.ratio:
        raise DataError("source.too_large", f"unpacks to more than {limits.ratio} times its size", where=path,
                        fix="raise `max_ratio:` if this is what you expect")
