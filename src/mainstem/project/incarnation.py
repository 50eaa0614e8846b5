"""Which incarnation a run goes on with: the one that is there, or a new one after a reset, a rebuild or a breaking edit.

A reset goes on where the old incarnation ended: positions, tables that readers see, and the state of steps that did not
change. A crash anywhere in it is mended by the next run: what the new incarnation lacks is taken from the old one again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem import signals
from mainstem.clock import Clock
from mainstem.engines import journal
from mainstem.engines.epoch import Epochs
from mainstem.engines.journal import Journal, Manifest, Prepared
from mainstem.engines.lease import Lease
from mainstem.engines.local.engine import Local
from mainstem.engines.site import QUARANTINE
from mainstem.errors import RefusedError
from mainstem.plan import diff
from mainstem.plan.words import Fold, Plan, Write
from mainstem.project import release

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def home_of(opened: Opened, clock: Clock, new: str, accept: str | None, lease: Lease) -> tuple[Journal, bool]:
    """The incarnation of this run, and whether its first commit replaces what is in the tables.

    `new` is the release that is to run; `lease` is held over all of it, so that no two runs begin one.
    Raises RefusedError `run.breaking` unless the edit is compatible or accepted.
    """
    if accept == "rebuild":
        return _rebuilt(opened, clock, new, lease), True
    home = journal.current(opened.work)
    if home is not None and not _whole(opened, home):
        _inherit(opened, home, new)
    elif home is not None and accept == "reset" and (home.epochs("prepared") or home.epochs("plan")):
        home = _anew(opened, home, clock, new, "reset", lease)
    elif home is not None:
        refuse_breaking(opened, home, new)
    else:
        before = journal.incarnations(opened.work)
        home = _begin(opened, clock, new, before[-1].closed() if before else accept or "first run", before)
    return home, home.birth()["why"].startswith("rebuild") and not home.epochs("manifest")


def _rebuilt(opened: Opened, clock: Clock, new: str, lease: Lease) -> Journal:
    """A new incarnation that reads everything again; the old one is closed, also if what it says cannot be read any more."""
    try:
        if (home := journal.current(opened.work)) is not None:
            return _anew(opened, home, clock, new, "rebuild", lease)
    except RefusedError as error:
        if error.code != "state.damaged":
            raise
        journal.abandon(opened.work, "rebuild")
    return _begin(opened, clock, new, "rebuild", journal.incarnations(opened.work))


def refuse_breaking(opened: Opened, home: Journal, new: str) -> None:
    """Stop if the pipeline was edited in a way that the running state cannot follow."""
    numbers = home.epochs("prepared")
    if not numbers or (old := home.prepared(numbers[-1]).release) == new:
        return
    changes = [change for change in diff.diff(release.plan_of(opened.work, old), opened.plan) if change.kind == "breaking"]
    if changes:
        raise RefusedError(
            "run.breaking",
            f"this edit breaks the running state of {len(changes)} step(s)",
            where=str(opened.file),
            why="; ".join(f"{change.node}: {change.what}" for change in changes),
            fix="`mainstem run --accept reset` starts their state anew from here, `--accept rebuild` "
            "reads everything again; `mainstem plan` shows what either does",
        )


def _anew(opened: Opened, home: Journal, clock: Clock, new: str, why: str, lease: Lease) -> Journal:
    """Close the incarnation (its prepared epochs are finished first) and begin the next one."""
    prepared = home.epochs("prepared")
    if prepared:
        name = home.prepared(prepared[-1]).release
        engine = Local(1)
        try:
            site = opened.site(release.plan_of(opened.work, name), release.code_of(opened.work, name))
            epochs = Epochs(site, engine, home, lease, clock)
            epochs.mark_last()
            epochs.finish()
        finally:
            engine.close()
    journal.close(home, why)
    return _begin(opened, clock, new, why, [home])


def _begin(opened: Opened, clock: Clock, new: str, why: str, before: list[Journal]) -> Journal:
    home = journal.begin(opened.work, clock.now(), why, before[-1].incarnation if before else "")
    if not _whole(opened, home):
        _inherit(opened, home, new)
    return home


def _whole(opened: Opened, home: Journal) -> bool:
    """Whether an incarnation has what it takes over; one that was reset begins with what the one before it had."""
    birth = home.birth()
    return birth["why"] != "reset" or bool(home.epochs("prepared")) or _last(opened, birth["after"]) is None


def _last(opened: Opened, incarnation: str) -> tuple[Journal, Prepared] | None:
    """The last epoch of a closed incarnation, without its tombstone."""
    found = [home for home in journal.incarnations(opened.work) if home.incarnation == incarnation]
    numbers = [number for home in found for number in home.epochs("prepared")][:-1]
    return (found[0], found[0].prepared(numbers[-1])) if numbers else None


def _inherit(opened: Opened, home: Journal, new: str) -> None:
    """Begin where the old incarnation ended: positions and outputs as they are, and the state of unchanged steps."""
    found = _last(opened, home.birth()["after"])
    assert found is not None
    before, last = found
    old, plan = release.plan_of(opened.work, last.release), opened.plan
    same = {fold.name for fold in plan.of(Fold) if old.prints.get(fold.name) == plan.prints.get(fold.name)}
    for fold, rows in sorted(last.held.items()):
        if fold not in same:
            signals.tell("log", level="warning", message=f"{sum(rows.values())} rows that waited in {fold} are given up with its state")
    manifests = before.epochs("manifest")
    if manifests and not home.epochs("manifest"):
        done, kept = before.manifest(manifests[-1]), _outputs_kept(old, plan)
        sinks = opened.site().sinks()                     # tables go on as they are now, whoever changed them
        outputs = {name: fact | {"epoch": 0, "rows": 0, "version": sinks[name].version() if fact["version"] is not None else None}
                   for name, fact in done.outputs.items() if name in kept}
        home.publish("manifest", 1, Manifest(epoch=1, first=1, pipeline=done.pipeline, environment=done.environment,
                                             incarnation=home.incarnation, release=new, clock=last.clock, outputs=outputs))
    home.publish("prepared", 1, Prepared(
        epoch=1, incarnation=home.incarnation, release=new, progress=last.progress, carry=last.carry, live=last.live,
        idled=last.idled, drift=last.drift, tables=last.tables, clock=last.clock, last=True,
        state=[file for file in last.state if file.node in same],
        marks={fold: mark for fold, mark in last.marks.items() if fold in same},
        held={fold: rows for fold, rows in last.held.items() if fold in same}))


def _outputs_kept(old: Plan, new: Plan) -> set[str]:
    """The outputs that write where they wrote before."""
    places = {node.name: (node.word.sink, node.word.options) for node in old.of(Write) if isinstance(node.word, Write)}
    return {QUARANTINE} | {node.name for node in new.of(Write)
                           if isinstance(node.word, Write) and places.get(node.name) == (node.word.sink, node.word.options)}
