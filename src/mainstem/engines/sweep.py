"""Taking away what no recovery can need any more: state that time has passed, journals of long finished epochs, orphans.

Files are only ever deleted here; whoever does so may do it again, beside somebody else who does the same.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from mainstem import durable
from mainstem.engines import staging
from mainstem.engines.contract import File
from mainstem.engines.journal import Journal, Manifest, Prepared, incarnations

BETWEEN = "between"  # the folder of what one job of an epoch keeps for the next
_EVERY = 16


def state(work: Path, before: Iterable[File], now: Iterable[File]) -> int:
    """Drop the state files that the newest prepared epoch no longer lists; how many."""
    alive = {file.path for file in now}
    gone = [file.path for file in before if file.path not in alive]
    for path in gone:
        durable.discard(work / path)
        staging.forget(work, path)
    return len(gone)


def orphans(work: Path, head: Prepared | None, before: int | None = None, dry_run: bool = False) -> int:
    """Drop state files that the newest prepared epoch does not list: what a killed attempt left behind; how many.

    Under the lease, or only those last written before a moment (microseconds UTC) when nobody can be about to list them.
    """
    alive = {file.path for file in head.state} if head else set()
    strange = (path for path in (work / "state").glob("*/*.arrow") if str(path.relative_to(work)) not in alive)
    return sum(_drop(path, before, dry_run) for path in strange)


def between(work: Path) -> None:
    """Drop what one job of an epoch kept for the next: the epoch is computed, or computed anew."""
    for path in (work / BETWEEN).glob("*.arrow"):
        path.unlink(missing_ok=True)


def journal(home: Journal, done: Manifest | None, keep: int, now: bool = False, dry_run: bool = False) -> int:
    """Drop the journal of epochs finished long ago; the newest manifest and all after it stay."""
    if done is None or (done.epoch % _EVERY and not now):
        return 0
    return sum(_drop(home.path(kind, epoch), None, dry_run)
               for kind in ("plan", "prepared", "manifest") for epoch in home.epochs(kind) if epoch < done.epoch - keep)


def closed(work: Path, dry_run: bool = False) -> int:
    """Drop the journals of closed incarnations but the newest: history that the ledger has; how many files.

    That they were here stays on record: their names are in the tables that they wrote last.
    """
    old = incarnations(work)[:-2]
    return sum(_drop(path, None, dry_run) for home in old for path in home.folder.iterdir() if path.name != "birth.json")


def unnamed(work: Path, before: int, dry_run: bool = False) -> tuple[int, int, int]:
    """Drop releases and pinned tables that no journal names, and files that a killed writer left; how many of each.

    What was made or used after `before` (microseconds UTC) stays: somebody may be about to name it.
    """
    releases, tables = _named(work)
    return (sum(_drop(path, before, dry_run) for path in (work / "releases").glob("*") if path.name not in releases),
            sum(_drop(path, before, dry_run) for path in (work / "tables").glob("*.arrow") if str(path) not in tables),
            sum(_drop(path, before, dry_run) for path in _leftovers(work)))


def _named(work: Path) -> tuple[set[str], set[str]]:
    """The releases and the paths of pinned tables that some journal names."""
    releases, tables = set(), set()
    for home in incarnations(work):
        for kind, read in (("plan", home.plan), ("prepared", home.prepared), ("manifest", home.manifest)):
            for epoch in home.epochs(kind):
                with contextlib.suppress(FileNotFoundError):          # finished long ago, and dropped meanwhile
                    record = read(epoch)
                    releases.add(record.release)
                    tables |= {table["path"] for table in getattr(record, "tables", {}).values()}
    return releases, tables


def _leftovers(work: Path) -> Iterator[Path]:
    """What a writer that was killed had not yet given a name, and orders that were not given to their end."""
    yield from work.rglob(".*.tmp")
    yield from (work / "lease").glob(".*.void")
    for path in (work / "orders").glob("*"):
        if path.suffix in (".arrow", ".done") and not path.name.startswith("settled-") and not path.with_suffix(".json").exists():
            yield path


def _drop(path: Path, before: int | None, dry_run: bool) -> bool:
    """Delete a file or folder, if it was last written before that moment; whether it was there to be deleted."""
    try:
        if before is not None and path.stat().st_mtime_ns // 1000 > before:
            return False
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise durable.disk(error, path) from error
    return True
