"""Upkeep: what keeps the folders, the tables and the ledger of a pipeline small, by `maintain` and by a run that goes on and on.

Every chore deletes only what no recovery, no reader that retention speaks of, and nobody who is writing can need. So all of
them may be done beside a run, but for files that nobody lists yet: there only old ones go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainstem import signals
from mainstem.clock import Clock, SystemClock
from mainstem.engines import journal, orders, sweep
from mainstem.engines.journal import Journal
from mainstem.errors import ConcurrencyError, MainstemError, TransientError
from mainstem.plugs import Keep, Sink
from mainstem.project import release

if TYPE_CHECKING:
    from mainstem.engines.lease import Lease
    from mainstem.engines.site import Site
    from mainstem.ledger.store import Store
    from mainstem.project.place import Opened

Chore = Callable[[], Mapping[str, Any]]

_DAY = 86_400_000_000
_EVERY = 16                           # published epochs between two chores of a run
_IDLE = 600.0                         # seconds without an epoch after which a chore is done all the same


@dataclass(frozen=True)
class Chores:
    """What there is to do for one pipeline. `staged`: files that nobody lists go if they were written before (us UTC)."""

    opened: Opened
    home: Journal
    now: int
    staged: int
    dry_run: bool = False

    def journals(self) -> Mapping[str, int]:
        """The journal of epochs beyond `retention.manifests`, and of incarnations that were closed."""
        manifests = self.home.epochs("manifest")
        done = self.home.manifest(manifests[-1]) if manifests else None
        gone = sweep.journal(self.home, done, self.opened.settings.retention_epochs, now=True, dry_run=self.dry_run)
        return {"journal_files": gone + sweep.closed(self.opened.work, self.dry_run)}

    def state(self) -> Mapping[str, int]:
        """State files that a killed attempt left."""
        prepared = self.home.epochs("prepared")
        if not prepared:                      # a reset that died half-way: the next run takes the state over
            return {"state_orphans": 0}
        return {"state_orphans": sweep.orphans(self.opened.work, self.home.prepared(prepared[-1]), self.staged, self.dry_run)}

    def leftovers(self) -> Mapping[str, int]:
        """Releases and pinned tables that nothing names, and what killed writers left: `retention.staged`."""
        found = sweep.unnamed(self.opened.work, self.staged, self.dry_run)
        return dict(zip(("releases", "pinned_tables", "leftovers"), found, strict=True))

    def quarantine(self, site: Site) -> Mapping[str, int]:
        """Rows that were replayed or discarded longer ago than `retention.quarantine`; finished orders become one file.

        What became of a row is forgotten one turn after the row, when it is seen to be gone: nobody may find it open again.
        """
        import pyarrow.compute as pc

        work, settled = self.opened.work, orders.settled(self.opened.work)
        limit = self.now // _DAY * _DAY - self.opened.settings.retention_quarantine      # once a day is enough
        old = settled.filter(pc.less(settled.column("at"), limit))
        rows = site.quarantine().forget(old.select(["id", "incarnation", "epoch"]), self.now, self.dry_run) if old.num_rows else 0
        files = orders.gather(work, self.now, set(orders.keys(old)) if not rows else (), self.dry_run)
        return {"quarantine_rows": rows, "order_files": files}

    def ledger(self, store: Store) -> Mapping[str, int]:
        """Epochs and runs beyond `retention.history`."""
        from mainstem.ledger.thin import thin

        opened = self.opened
        return {"ledger_rows": thin(store, opened.name, opened.environment, opened.settings.retention_history, self.dry_run)}

    def output(self, name: str, sink: Sink) -> Mapping[str, int]:
        """Compaction and vacuum of one output: what a manifest names stays readable, what waits for its commit stays."""
        versions, done = set[int](), 0
        for number in self.home.epochs("manifest"):
            fact, done = self.home.manifest(number).outputs.get(name, {}), number
            versions |= {fact["version"]} if fact.get("version") is not None else set()
        waiting = [file.path for epoch in self.home.epochs("prepared") if epoch > done
                   for file in self.home.prepared(epoch).outputs.get(name, [])]
        keep = Keep(sorted(versions), self.now - self.opened.settings.retention_versions, self.staged, waiting)
        return dict(sink.maintain(keep, self.now, self.dry_run))


def maintain(opened: Opened, dry_run: bool, clock: Clock | None = None) -> dict[str, Any]:
    """All chores of a pipeline, one after the other; what was done, or would be. Beside a run, all that is safe there.

    A chore that fails does not keep the others from being done; its error is raised at the end.
    """
    from mainstem.ledger import store

    clock = clock or SystemClock()
    home = journal.current(opened.work)
    if home is None:
        return {"pipeline": opened.name, "nothing": "it has not run yet"}
    report: dict[str, Any] = {"pipeline": opened.name} | ({"dry_run": True} if dry_run else {})
    lease, beside = (None, "") if dry_run else _alone(opened, clock)
    report |= {"beside": beside} if beside else {}
    failed: MainstemError | None = None
    try:
        now = clock.now()
        staged = now - (max(opened.settings.retention_staged, _DAY) if beside else opened.settings.retention_staged)
        chores = Chores(opened, home, now, min(staged, lease.born) if lease else staged, dry_run)
        todo: dict[str, Chore] = {"journals": chores.journals, "state": chores.state, "leftovers": chores.leftovers}
        manifests = home.epochs("manifest")
        if manifests:
            site = opened.site(release.plan_of(opened.work, home.manifest(manifests[-1]).release))
            todo |= {name: _under(f"output {name.split('/')[0]}", chores.output, name, sink) for name, sink in site.sinks().items()}
            todo["aside"] = lambda: chores.quarantine(site)
        todo["ledger"] = lambda: chores.ledger(store.open_store(opened.settings.ledger_url))
        for chore in todo.values():
            try:
                report |= chore()
            except MainstemError as error:
                failed = failed or error
    finally:
        if lease is not None:
            lease.release()
    if failed is not None:
        raise failed
    return report


def _under(heading: str, chore: Callable[..., Mapping[str, int]], *args: Any) -> Chore:
    return lambda: {heading: chore(*args)}


def _alone(opened: Opened, clock: Clock) -> tuple[Lease | None, str]:
    """The right to run the pipeline; or who has it, or why it cannot be had (a full disk, which upkeep may mend)."""
    try:
        return opened.lease(clock), ""
    except ConcurrencyError as error:
        if error.code != "run.held":
            raise
        return None, error.what
    except TransientError as error:
        return None, error.what


class Rounds:
    """A run's upkeep of its own: one chore after another, between two epochs, now and then. What fails is said and put off."""

    def __init__(self, opened: Opened, home: Journal, lease: Lease, clock: Clock, store: Callable[[], Store]) -> None:
        self._opened, self._home, self._lease, self._clock, self._store = opened, home, lease, clock, store
        self._epochs = self._turn = 0
        self._last = clock.monotonic()

    def published(self, site: Site) -> None:
        """An epoch was finished everywhere."""
        self._epochs += 1
        if self._epochs >= _EVERY:
            self._next(site)

    def idle(self, site: Site) -> None:
        """There is nothing to read now."""
        if self._clock.monotonic() - self._last >= _IDLE:
            self._next(site)

    def _next(self, site: Site) -> None:
        self._lease.check()
        now = self._clock.now()
        staged = min(now - self._opened.settings.retention_staged, self._lease.born)      # what is younger may be ours
        chores = Chores(self._opened, self._home, now, staged)
        todo: list[tuple[str, Chore]] = [
            *((f"output {name.split('/')[0]}", functools.partial(chores.output, name, sink)) for name, sink in site.sinks().items()),
            ("the quarantine", lambda: chores.quarantine(site)),
            ("leftovers", chores.leftovers),
            ("the ledger", lambda: chores.ledger(self._store())),
        ]
        name, chore = todo[self._turn % len(todo)]
        self._epochs, self._turn = 0, self._turn + 1
        try:
            chore()
        except Exception as error:  # whatever it is: data goes on; `maintain` shows it  # noqa: BLE001
            signals.tell("log", level="warning", message=f"upkeep of {name} is put off: {error}")
        self._last = self._clock.monotonic()
