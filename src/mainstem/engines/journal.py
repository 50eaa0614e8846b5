"""The journal of one incarnation: plan-N, prepared-N and manifest-N, each created once, never renamed over.

| file | says | created |
| --- | --- | --- |
| birth.json | why the incarnation began, and after which one | once |
| plan-N.json | what epoch N reads, fixed before its first effect | protocol point 1 |
| prepared-N.json | what epoch N made: the decision | point 4 |
| manifest-N.json | epoch N is finished everywhere | point 6 |

Who comes second to a name gets `run.fenced`. Every file ends with the SHA-256 of what is before it, so that a damaged
one is a clear stop and never a wrong answer.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mainstem import clock, durable
from mainstem.engines.contract import EpochPlan, File
from mainstem.errors import Bug, RefusedError
from mainstem.plugs import Staged

_NAME = re.compile(r"^(plan|prepared|manifest)-(\d{12})\.json$")


class Prepared(msgspec.Struct, kw_only=True):
    """prepared-N: from here on recovery finishes and never computes again."""

    epoch: int
    incarnation: str
    release: str
    outputs: dict[str, list[File]] = {}  # Write node (and `quarantine`) -> staged files
    state: list[File] = []  # every state file that is alive after this epoch
    marks: dict[str, int] = {}  # fold -> W(n); after a closing epoch: the largest bound released
    carry: dict[str, dict[int, int]] = {}  # source -> partition -> largest event time
    live: dict[str, dict[int, str]] = {}
    drift: dict[str, dict[str, str]] = {}  # source -> `unknown column x` -> where it was first seen
    idled: dict[str, list[int]] = {}  # source -> partitions that have been idle once
    progress: dict[str, dict[str, Any]] = {}
    held: dict[str, dict[str, int]] = {}  # fold -> origin name -> rows held after
    account: dict[str, dict[str, Any]] = {}  # leg -> counts and reasons
    notes: dict[str, dict[str, int]] = {}
    tables: dict[str, dict[str, Any]] = {}
    orders: list[dict[str, Any]] = []
    clock: int = 0
    rows: int = 0
    seconds: float = 0.0
    closing: bool = False
    last: bool = False  # everything up to here is to be published
    engine: str = "local"  # who carried it out
    seam: dict[str, Any] = {}  # where another engine went on than the epoch before had: {from, to, epoch, positions}
    tombstone: str = ""  # the incarnation is closed; why


class Manifest(msgspec.Struct, kw_only=True):
    """manifest-N: epochs `first` to `epoch` are finished everywhere."""

    epoch: int
    first: int
    pipeline: str
    environment: str
    incarnation: str
    release: str
    clock: int
    outputs: dict[str, dict[str, Any]] = {}  # output -> {version, epoch, rows, identity}
    account: dict[str, dict[str, Any]] = {}  # of the epochs that it finishes, added up
    marks: dict[str, int] = {}
    rows: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Journal:
    """The files of one incarnation."""

    folder: Path

    @property
    def incarnation(self) -> str:
        return self.folder.name

    def epochs(self, kind: str) -> list[int]:
        """The numbers that exist of `plan`, `prepared` or `manifest`, rising."""
        found = (_NAME.match(entry.name) for entry in self.folder.iterdir())
        return sorted(int(match[2]) for match in found if match and match[1] == kind)

    def path(self, kind: str, epoch: int) -> Path:
        return self.folder / f"{kind}-{epoch:012d}.json"

    def publish(self, kind: str, epoch: int, record: Any) -> None:
        """Create the record durably; ConcurrencyError `run.fenced` if somebody did before."""
        durable.publish(self.path(kind, epoch), _signed(record))

    def birth(self) -> dict[str, str]:
        """Its name, when and why it began, and after which one."""
        return _read(self.folder / "birth.json", dict[str, str])  # type: ignore[no-any-return]

    def plan(self, epoch: int) -> EpochPlan:
        return _read(self.path("plan", epoch), EpochPlan)  # type: ignore[no-any-return]

    def prepared(self, epoch: int) -> Prepared:
        return _read(self.path("prepared", epoch), Prepared)  # type: ignore[no-any-return]

    def manifest(self, epoch: int) -> Manifest:
        return _read(self.path("manifest", epoch), Manifest)  # type: ignore[no-any-return]

    def closed(self) -> str:
        """Why this incarnation is closed; empty while it lives."""
        numbers = self.epochs("prepared")
        return self.prepared(numbers[-1]).tombstone if numbers else ""


def _signed(record: Any) -> bytes:
    body = msgspec.json.encode(record)
    return body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"


def _read(path: Path, shape: Any) -> Any:
    try:
        body, digest = path.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)
        if hashlib.sha256(body).hexdigest().encode() != digest:
            raise ValueError("its checksum does not match its content")
        return msgspec.json.decode(body, type=shape)
    except (ValueError, msgspec.MsgspecError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> RefusedError:
    """The error for a file of ours that is not as we wrote it."""
    return RefusedError(
        "state.damaged",
        f"{path.name} is damaged",
        where=str(path),
        why=why,
        fix="restore it from a backup, or rebuild with `mainstem run --accept rebuild`",
    )


def verify(file: File | Staged, root: Path) -> Path:
    """The path of a data file that a journal lists; stops if it is gone or has another size."""
    path = root / file.path
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise damaged(path, "it is listed in the journal but is not there") from error
    if size != file.bytes:
        raise damaged(path, f"it has {size} bytes, the journal says {file.bytes}")
    return path


def check_hash(path: Path, content: bytes, sha256: str) -> None:
    """Stop if the content is not what was written."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged(path, "its checksum does not match the journal")


def intact(file: File | Staged, root: Path) -> None:
    """Stop if a data file is not as it was written, byte for byte."""
    path = verify(file, root)
    with path.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
            raise damaged(path, "its checksum does not match the journal")


# ---------------------------------------------------------------------------------------------- incarnations


def incarnations(work: Path) -> list[Journal]:
    """Every incarnation of a pipeline, the oldest first (their names are UUIDv7)."""
    root = work / "incarnations"
    if not root.is_dir():
        return []
    return [Journal(entry) for entry in sorted(root.iterdir()) if (entry / "birth.json").is_file()]


def current(work: Path) -> Journal | None:
    """The newest incarnation that is not closed, None if there is none."""
    found = incarnations(work)
    return found[-1] if found and not found[-1].closed() else None


def begin(work: Path, now: int, why: str, after: str = "") -> Journal:
    """A new incarnation. Its folder counts from the moment that its birth record is there."""
    name = clock.uuid7(now)
    journal = Journal(durable.folder(work / "incarnations" / name))
    record = {"incarnation": name, "born": clock.iso(now), "why": why, "after": after}
    durable.publish(journal.folder / "birth.json", _signed(record))
    return journal


def abandon(work: Path, why: str) -> None:
    """Close the newest incarnation by the names of its files alone: for a rebuild, when what they say cannot be read."""
    home = incarnations(work)[-1]
    epoch = max((number for kind in ("plan", "prepared", "manifest") for number in home.epochs(kind)), default=0) + 1
    home.publish("prepared", epoch, Prepared(epoch=epoch, incarnation=home.incarnation, release="", tombstone=why))


def close(journal: Journal, why: str) -> None:
    """Close an incarnation whose prepared epochs are finished: a tombstone takes the next number, so no sleeper can."""
    prepared, manifests = journal.epochs("prepared"), journal.epochs("manifest")
    if prepared and prepared[-1:] != manifests[-1:]:
        raise Bug("bug.open_epochs", "an incarnation with unfinished epochs cannot be closed", where=str(journal.folder))
    epoch = prepared[-1] + 1 if prepared else 1
    journal.publish("prepared", epoch, Prepared(epoch=epoch, incarnation=journal.incarnation, release="", tombstone=why))
