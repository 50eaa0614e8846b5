"""`maintain` and `reset`: what keeps the folders small, and what closes an incarnation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem import durable
from mainstem.clock import SystemClock
from mainstem.engines import journal, sweep
from mainstem.errors import RefusedError
from mainstem.project import release

if TYPE_CHECKING:
    from mainstem.engines.site import Site
    from mainstem.project.place import Opened

_DAY = 86_400_000_000


def maintain(opened: Opened, dry_run: bool) -> dict[str, Any]:
    """Compaction and vacuum of every table, retention of journals, orphans of state, old releases."""
    home = journal.current(opened.work)
    if home is None:
        return {"pipeline": opened.name, "nothing": "it has not run yet"}
    clock = SystemClock()
    if dry_run:
        return {"pipeline": opened.name, "files": sum(1 for path in opened.work.rglob("*") if path.is_file()), "dry_run": True}
    lease = opened.lease(clock)
    try:
        report: dict[str, Any] = {"pipeline": opened.name}
        prepared, manifests = home.epochs("prepared"), home.epochs("manifest")
        head = home.prepared(prepared[-1]) if prepared else None
        done = home.manifest(manifests[-1]) if manifests else None
        if head is not None:                  # without one, a reset died half-way: the next run takes the state over
            report["state_orphans"] = sweep.orphans(opened.work, head)
        report["journal_files"] = sweep.journal(home, done, opened.settings.retention_epochs, now=True)
        report["incarnations"] = _old_incarnations(opened, home)
        old = clock.now() - opened.settings.retention_staged
        report["releases"], report["pinned_tables"], report["leftovers"] = sweep.unnamed(opened.work, old)
        if done is not None:
            site = opened.site(release.plan_of(opened.work, done.release))
            report |= {f"output {name}": found for name, found in tables(opened, home, site, clock.now()).items()}
        return report
    finally:
        lease.release()


def tables(opened: Opened, home: journal.Journal, site: Site, now: int) -> dict[str, dict[str, int]]:
    """Compact and vacuum every table of this plan, under the lease; what was done to each.

    Every version that a manifest names stays readable, and every staged file that waits for its commit stays.
    """
    kept, done = _versions(home), home.epochs("manifest")[-1]
    staged = [file.path for epoch in home.epochs("prepared") if epoch > done
              for files in home.prepared(epoch).outputs.values() for file in files]
    return {name: dict(sink.maintain(kept.get(name, []), opened.settings.retention_versions, now, staged))
            for name, sink in site.sinks().items() if sink.identity() is not None}


def _versions(home: journal.Journal) -> dict[str, list[int]]:
    """The versions of each output that a manifest names, which a reader may ask for."""
    found: dict[str, set[int]] = {}
    for number in home.epochs("manifest"):
        for name, fact in home.manifest(number).outputs.items():
            if fact["version"] is not None:
                found.setdefault(name, set()).add(fact["version"])
    return {name: sorted(versions) for name, versions in found.items()}


def _old_incarnations(opened: Opened, home: journal.Journal) -> int:
    """Closed incarnations but the newest: their journals are history that the ledger has; how many files went.

    That they were here stays on record: their names are in the tables that they wrote last.
    """
    gone = 0
    for old in [old for old in journal.incarnations(opened.work) if old.incarnation != home.incarnation][:-1]:
        for path in old.folder.iterdir():
            if path.name != "birth.json":
                path.unlink()
                gone += 1
    return gone


def reset(opened: Opened, dry_run: bool) -> dict[str, Any]:
    """Close the incarnation; the next run reads everything again and its first commit replaces what is in the tables."""
    home = journal.current(opened.work)
    if home is None:
        return {"pipeline": opened.name, "nothing": "it has not run yet"}
    prepared, manifests = home.epochs("prepared"), home.epochs("manifest")
    head = home.prepared(prepared[-1]) if prepared else None
    report = {
        "pipeline": opened.name,
        "incarnation": home.incarnation,
        "epochs": len(prepared),
        "held_rows": sum(sum(rows.values()) for rows in head.held.values()) if head else 0,
        "state_files": len(head.state) if head else 0,
        "dry_run": dry_run,
        "next_run": "reads its input from the start and replaces the content of its tables",
    }
    if dry_run:
        return report
    if prepared[-1:] != manifests[-1:]:
        raise RefusedError(
            "reset.unfinished",
            "an unfinished run has prepared epochs",
            where=str(home.folder),
            fix="finish it with `mainstem run`, then reset; or `mainstem run --accept rebuild`",
        )
    lease = opened.lease(SystemClock())
    try:
        journal.close(home, "rebuild")
    finally:
        lease.release()
    durable.sync_folder(opened.work)
    return report
