"""`reset`: close the incarnation, so that the next run reads everything again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem import durable
from mainstem.clock import SystemClock
from mainstem.engines import journal
from mainstem.errors import RefusedError

if TYPE_CHECKING:
    from mainstem.project.place import Opened


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
