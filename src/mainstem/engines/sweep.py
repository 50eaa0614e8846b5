"""Taking away what no recovery can need any more: state that time has passed, journals of long finished epochs, orphans."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from mainstem.engines import staging
from mainstem.engines.contract import File
from mainstem.engines.journal import Journal, Manifest, Prepared, incarnations

KEEP_EPOCHS = 64  # finished epochs whose plan, prepared and manifest stay
_EVERY = 16


def state(work: Path, before: Iterable[File], now: Iterable[File]) -> int:
    """Drop the state files that the newest prepared epoch no longer lists; how many."""
    alive = {file.path for file in now}
    gone = [file.path for file in before if file.path not in alive]
    for path in gone:
        (work / path).unlink(missing_ok=True)
        staging.forget(work, path)
    return len(gone)


def orphans(work: Path, head: Prepared | None) -> int:
    """Drop state files that no journal lists: what a killed attempt left behind. Only under the lease."""
    alive = {file.path for file in head.state} if head else set()
    gone = 0
    for path in (work / "state").glob("*/*.arrow"):
        if str(path.relative_to(work)) not in alive:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def journal(home: Journal, done: Manifest | None, keep: int = KEEP_EPOCHS, now: bool = False) -> int:
    """Drop the journal of epochs finished long ago; the newest manifest and all after it stay."""
    if done is None or (done.epoch % _EVERY and not now):
        return 0
    gone = 0
    for kind in ("plan", "prepared", "manifest"):
        for epoch in home.epochs(kind):
            if epoch < done.epoch - keep:
                home.path(kind, epoch).unlink(missing_ok=True)
                gone += 1
    return gone


def unnamed(work: Path, before: int) -> tuple[int, int, int]:
    """Drop releases and pinned tables that no journal names, and files that a killed writer left; how many of each.

    Only under the lease. What is younger than `before` (microseconds UTC) stays: somebody may be about to name it.
    """
    releases, pinned = set(), set()
    for home in incarnations(work):
        for epoch in home.epochs("plan"):
            plan = home.plan(epoch)
            releases.add(plan.release)
            pinned |= {table["path"] for table in plan.tables.values()}
        for epoch in home.epochs("prepared"):
            prepared = home.prepared(epoch)
            releases.add(prepared.release)
            pinned |= {table["path"] for table in prepared.tables.values()}
        releases |= {home.manifest(epoch).release for epoch in home.epochs("manifest")}
    counts = [0, 0, 0]
    for place, (paths, named) in enumerate((
        ((work / "releases").glob("*"), {str(work / "releases" / name) for name in releases}),
        ((work / "tables").glob("*.arrow"), pinned),
        ((path for path in work.rglob(".*.tmp") if not path.name.startswith(".lease-")), set()),
    )):
        for path in list(paths):
            if str(path) not in named and path.stat().st_mtime_ns // 1000 <= before:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                counts[place] += 1
    return counts[0], counts[1], counts[2]
