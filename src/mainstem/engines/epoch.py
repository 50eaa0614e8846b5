"""The epoch protocol, once for every engine: plan, run, judge, prepare, commit, finish (design section 6).

| point | on disk after it | a crash before it is mended by |
| --- | --- | --- |
| 1 epoch.planned | plan-N | planning anew: nothing happened |
| 2 epoch.ran | every data file | running plan-N again: the same ranges; orphan files are swept |
| 3 epoch.judged | nothing new | the same |
| 4 epoch.prepared | prepared-N: the decision | the same |
| 5 epoch.committed | one output after the other | committing the rest from prepared-N |
| 6 epoch.finished | manifest-N | writing it; "already there" is success for every commit |
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mainstem import durable, plugs, signals
from mainstem.clock import Clock
from mainstem.engines import journal as journals
from mainstem.engines import judging, law, orders
from mainstem.engines.contract import Engine, EpochPlan, File
from mainstem.engines.journal import Journal, Manifest, Prepared
from mainstem.engines.lease import Lease
from mainstem.engines.planning import standing
from mainstem.engines.site import QUARANTINE, Site
from mainstem.errors import Bug, MainstemError


class Epochs:
    """The epochs of one incarnation, carried out by one engine under one lease."""

    def __init__(
        self,
        site: Site,
        engine: Engine,
        journal: Journal,
        lease: Lease,
        clock: Clock,
        finished: Callable[[Manifest], None] = lambda _: None,
        fresh: bool = False,
        holds: Callable[[Prepared], bool] = lambda _: False,
    ) -> None:
        self._holds = holds  # whether an epoch is not to be published, though it could be
        self.fresh = fresh  # a rebuild: the first commit takes the place of everything before it
        self.site, self.engine, self.journal, self.lease, self.clock = site, engine, journal, lease, clock
        self._finished = finished
        self._written: set[str] = set()       # files that this process staged and has not yet seen published
        self._ready = False                   # whether every destination is there and fits
        prepared, manifests = journal.epochs("prepared"), journal.epochs("manifest")
        self.head: Prepared | None = journal.prepared(prepared[-1]) if prepared else None
        self.done: Manifest | None = journal.manifest(manifests[-1]) if manifests else None

    @property
    def number(self) -> int:
        """The number of the next epoch."""
        return self.head.epoch + 1 if self.head else 1

    def plan(self, plan: EpochPlan) -> EpochPlan:
        """1: fix what the epoch reads. Destinations are made and compared before it, so that no plan is stuck behind them."""
        self.lease.check()
        self._prepare()
        self.journal.publish("plan", plan.epoch, plan)
        signals.at("epoch.planned", epoch=plan.epoch)
        return plan

    def _prepare(self) -> None:
        """Make missing destinations; those that this pipeline wrote may get the columns that a compatible edit adds."""
        if not self._ready:
            for sink in self.site.sinks().values():
                sink.prepare(add_columns=bool(sink.identity() and sink.writer()))
            self._ready = True

    def begin(self, plan: EpochPlan) -> None:
        """Let the engine read for an epoch that is not yet planned: effects that nobody sees."""
        self._prepare()
        with self._fenced_first():
            self.engine.begin(self.site.plan, plan, self.site)

    def run(self, plan: EpochPlan, last: bool = False) -> Prepared:
        """2 to 4: read and compute, judge, and decide."""
        began = self.clock.monotonic()
        self._prepare()
        with self._fenced_first(), self._tidied():
            reports = self.engine.run(self.site.plan, plan, self.site)
            signals.at("epoch.ran", epoch=plan.epoch)
            prepared = judging.judge(self.site.plan, plan, reports, self.head)
        written = {file.path for report in reports for file in report.files}
        self._written |= written
        self.site.staged -= written
        prepared.last = (last or plan.publish == "epoch") and not self._holds(prepared)
        prepared.seconds = self.clock.monotonic() - began
        prepared.engine = self.engine.name
        if self.head is not None and self.head.engine != prepared.engine:
            seam = {"epoch": plan.epoch, "from": self.head.engine, "to": prepared.engine, "positions": self.head.progress}
            prepared.seam = seam
        signals.at("epoch.judged", epoch=plan.epoch)
        self.lease.check()
        self.journal.publish("prepared", plan.epoch, prepared)
        self.head = prepared
        signals.at("epoch.prepared", epoch=plan.epoch)
        return prepared

    @contextlib.contextmanager
    def _fenced_first(self) -> Iterator[None]:
        """Who was overtaken finds files gone that its successor no longer needs: say that, not what is missing."""
        try:
            yield
        except MainstemError:
            self.lease.check()
            raise

    @contextlib.contextmanager
    def _tidied(self) -> Iterator[None]:
        """An epoch that fails leaves no staged files: tried again and again on a full disk, they would take all room there is."""
        try:
            yield
        except MainstemError:
            for path in tuple(self.site.staged):   # tasks that read ahead may still add to it
                durable.discard(Path(path))
            raise

    def mark_last(self) -> None:
        """A bounded run is complete: an empty epoch says that everything up to it is to be published."""
        if self.head is None or self.head.last or self.head.epoch == (self.done.epoch if self.done else 0):
            return
        head, epoch = self.head, self.number
        plan = standing(self.site, head, epoch, head.release, publish="run")
        if epoch in self.journal.epochs("plan"):              # a run that died had planned it; it is closed without that
            self._prepare()
        else:
            self.plan(plan)
        nothing: dict[str, Any] = {"outputs": {}, "account": {}, "notes": {}, "orders": [], "rows": 0, "seconds": 0.0, "seam": {}}
        prepared = msgspec.structs.replace(head, epoch=epoch, last=True, **nothing)
        self.journal.publish("prepared", epoch, prepared)
        self.head = prepared
        signals.at("epoch.prepared", epoch=epoch)

    def finish(self) -> Manifest | None:
        """5 and 6: publish everything that is prepared, if the newest is marked last."""
        if self.head is None or not self.head.last:
            return self.done
        if self.done and self.done.epoch >= self.head.epoch:
            orders.done(self.site.work, self.head.orders)         # it was killed before it could say so
            return self.done
        first = self.done.epoch + 1 if self.done else 1
        waiting = [self.journal.prepared(epoch) for epoch in range(first, self.head.epoch)] + [self.head]
        manifest = Manifest(
            epoch=self.head.epoch,
            first=first,
            pipeline=self.site.place.pipeline,
            environment=self.site.place.environment,
            incarnation=self.journal.incarnation,
            release=self.head.release,
            clock=self.head.clock,
            marks=self.head.marks,
            outputs=dict(self.done.outputs) if self.done else {},
        )
        for prepared in waiting:
            law.add(manifest.account, prepared.account)
            manifest.rows += prepared.rows
            manifest.seconds += prepared.seconds
        sinks = self.site.sinks()
        files = {name: [file for prepared in waiting for file in prepared.outputs.get(name, [])] for name in sinks}
        law.published(manifest.account, {name: sum(file.rows for file in files[name]) for name in sinks if name != QUARANTINE})
        for name, sink in sinks.items():
            with self._fenced_first():
                manifest.outputs[name] = self._commit(name, sink, files[name], manifest, manifest.outputs.get(name))
        self.lease.check()
        self.journal.publish("manifest", manifest.epoch, manifest)
        self.done = manifest
        self._written.clear()
        signals.at("epoch.finished", epoch=manifest.epoch)
        for name, progress in self.head.progress.items():
            self.site.source(name).acknowledge(progress)
        for prepared in waiting:
            orders.done(self.site.work, prepared.orders)
        self._finished(manifest)
        signals.at("epoch.acknowledged", epoch=manifest.epoch)
        return manifest

    def _commit(
        self, name: str, sink: plugs.Sink, files: Sequence[File], manifest: Manifest, before: dict[str, Any] | None
    ) -> dict[str, Any]:
        before = before or {"version": None, "epoch": 0, "rows": 0, "identity": sink.prepare()}
        fresh = self.fresh and self.done is None
        if not files and not fresh:
            return before | {"rows": 0}
        self.lease.check()
        signals.at("epoch.committing", epoch=manifest.epoch, output=name)
        transaction = plugs.Transaction(
            app=self.site.app(self.journal.incarnation, name),
            version=manifest.epoch,
            release=manifest.release,
            first=manifest.first,
            facts={
                "pipeline": manifest.pipeline,
                "environment": manifest.environment,
                "incarnation": manifest.incarnation,
                "epoch": str(manifest.epoch),
            },
            fresh=fresh,
        )
        staged = [plugs.Staged(file.path, file.rows, file.bytes, file.sha256) for file in files]
        self._intact(sink, transaction, [file for file in staged if file.path not in self._written])
        committed = sink.commit(transaction, staged)
        rows = sum(file.rows for file in files)
        if committed.rows != rows:
            raise Bug(
                "law.broken",
                f"output {name} committed {committed.rows} rows of {rows}",
                where=f"{name}, version {committed.version}",
                fix="please report this; the journal still names every file of the epoch",
            )
        signals.at("epoch.committed", epoch=manifest.epoch, output=name, version=committed.version)
        return {"version": committed.version, "epoch": manifest.epoch, "rows": rows, "identity": before["identity"]}

    def _intact(self, sink: plugs.Sink, transaction: plugs.Transaction, files: Sequence[plugs.Staged]) -> None:
        """Files that an earlier run staged are what they were when it decided; of a commit that is there they may be gone."""
        if files and (sink.last(transaction.app) or 0) < transaction.version:
            for file in files:
                journals.intact(file, self.site.work)
                for part in sink.parts(file):
                    journals.intact(part, self.site.work)
