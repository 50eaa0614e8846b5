"""`maintain` and `reset`: what keeps the folders small, and what closes an incarnation."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from mainstem import durable
from mainstem.clock import SystemClock
from mainstem.engines import journal, sweep
from mainstem.engines.lease import Lease
from mainstem.errors import RefusedError

if TYPE_CHECKING:
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
    lease = Lease(home.folder, clock)
    try:
        report: dict[str, Any] = {"pipeline": opened.name}
        prepared, manifests = home.epochs("prepared"), home.epochs("manifest")
        head = home.prepared(prepared[-1]) if prepared else None
        done = home.manifest(manifests[-1]) if manifests else None
        report["state_orphans"] = sweep.orphans(opened.work, head)
        report["journal_files"] = sweep.journal(home, done, opened.settings.retention_epochs, now=True)
        report["spool_files"] = 0
        kept = sorted(
            {
                manifest.outputs[name]["version"]
                for number in home.epochs("manifest")
                for manifest in [home.manifest(number)]
                for name in manifest.outputs
                if manifest.outputs[name]["version"] is not None
            }
        )
        if done is not None:
            staged = [file.path for epoch in home.epochs("prepared") if epoch > done.epoch
                      for files in home.prepared(epoch).outputs.values() for file in files]
            for name, sink in opened.site().sinks().items():
                if sink.identity() is not None:
                    report[f"output {name}"] = dict(sink.maintain(kept, opened.settings.retention_versions, clock.now(), staged))
        report["incarnations"] = _old_incarnations(opened, home)
        return report
    finally:
        lease.release()


def _old_incarnations(opened: Opened, home: journal.Journal) -> int:
    """Closed incarnations but the newest: their journals are history that the ledger has."""
    closed = [old for old in journal.incarnations(opened.work) if old.incarnation != home.incarnation][:-1]
    for old in closed:
        shutil.rmtree(old.folder)
    return len(closed)


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
    lease = Lease(home.folder, SystemClock())
    try:
        journal.close(home, "rebuild")
    finally:
        lease.release()
    durable.sync_folder(opened.work)
    return report
