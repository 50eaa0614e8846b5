"""`run`: recover what was begun, then epoch after epoch until the input ends, a limit is met or somebody says stop."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainstem import signals
from mainstem.clock import Clock, SystemClock
from mainstem.engines import journal, orders, sweep
from mainstem.engines.agreement import agree
from mainstem.engines.contract import Engine, EpochPlan
from mainstem.engines.epoch import Epochs
from mainstem.engines.journal import Journal, Manifest, Prepared
from mainstem.engines.kernels import tables
from mainstem.engines.lease import Lease
from mainstem.engines.memory import epoch_bytes
from mainstem.engines.planning import Planner, Wish, full
from mainstem.errors import UserCodeError
from mainstem.plan.words import Fold
from mainstem.plugs import Budget
from mainstem.project import engines, history, incarnation, release, upkeep
from mainstem.project.tally import Tally

if TYPE_CHECKING:
    from mainstem.engines.site import Site
    from mainstem.project.place import Opened

_WAIT = 0.1  # seconds between looks at a source that has nothing new


@dataclass
class RunResult:
    """How a run ended. `why`: end, hold, limit, stopped; `account` has one row per leg."""

    run_id: str
    why: str
    exit_code: int
    release: str
    incarnation: str
    account: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)       # named outcomes of files, the newest thousand
    outcomes: dict[str, int] = field(default_factory=dict)          # how many files had each, all of them
    drift: dict[str, dict[str, str]] = field(default_factory=dict)  # source -> what -> where first
    seams: list[dict[str, Any]] = field(default_factory=list)  # where another engine went on: {epoch, from, to, positions}
    epochs: int = 0
    rows: int = 0
    seconds: float = 0.0
    published: bool = True


class Stop:
    """Set by SIGTERM or Ctrl-C: finish the epoch, then end. A second one ends at once."""

    def __init__(self) -> None:
        self.asked = 0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)

    def _hear(self, number: int, _: object) -> None:
        if self.asked:
            signals.tell("log", level="warning", message="stopping now; it goes on from here when started again")
            raise SystemExit(128 + number)
        self.asked = number
        signals.tell("log", level="info", message="finishing this epoch, then stopping; once more to stop now")


def run(
    opened: Opened,
    *,
    follow: bool = False,
    flush: bool = False,
    accept: str | None = None,
    takeover: bool = False,
    clock: Clock | None = None,
    budget: Budget | None = None,
    each: bool = False,
    only_orders: bool = False,
    max_epochs: int | None = None,
    engine: str | None = None,
) -> RunResult:
    """Run the pipeline; every error that ends it is a MainstemError."""
    clock = clock or SystemClock()
    name = engines.known(engine or opened.settings.engine)
    opened.plan  # noqa: B018 (problems of the file come before anything else)
    engines.carries(opened, name)
    with Stop() as stop, contextlib.ExitStack() as open_:
        lease = opened.lease(clock, takeover)
        open_.callback(lease.release)
        new = release.build(opened)
        home, fresh = incarnation.home_of(opened, clock, new, accept, lease)
        orders.void_others(opened.work, home.incarnation)
        carrier = engines.open_engine(opened, name)
        open_.callback(carrier.close)
        ledger = history.History(opened, new, home.incarnation, clock, name)
        try:
            result = _Runner(opened, home, lease, carrier, clock, ledger, stop, fresh).run(
                new, Wish(follow, flush, budget, each, only_orders), max_epochs
            )
        except BaseException as error:
            ledger.failed(error)
            raise
        ledger.ended(result)
        return result


class _Runner:
    """One run of one incarnation."""

    def __init__(
        self,
        opened: Opened,
        home: Journal,
        lease: Lease,
        engine: Engine,
        clock: Clock,
        ledger: history.History,
        stop: Stop,
        fresh: bool,
    ) -> None:
        self.opened, self.home, self.lease, self.engine, self.clock = opened, home, lease, engine, clock
        self.ledger, self.stop, self.fresh = ledger, stop, fresh
        self.tally, self.began = Tally(), clock.monotonic()
        self.upkeep = upkeep.Rounds(opened, home, lease, clock, lambda: ledger.store)

    def run(self, new: str, wish: Wish, max_epochs: int | None) -> RunResult:
        signals.tell("run.started", pipeline=self.opened.name, release=new, incarnation=self.home.incarnation)
        self._recover(new)
        loop = self._loop(self.opened.site(code=release.code_of(self.opened.work, new)))
        adapts = wish.budget is None
        planner = Planner(loop.site, self.clock, wish)
        why, due = "end", self.clock.monotonic()
        if (wish.follow or wish.each) and not self._over_limit():      # what an earlier run left
            loop.mark_last()
            loop.finish()
        while True:
            if self.stop.asked:
                why = "stopped"
                break
            if not wish.only_orders and self._over_limit():
                why = "limit"
                break
            if max_epochs is not None and self.tally.epochs >= max_epochs:
                why = "limit"
                break
            if adapts:
                planner.wish = dataclasses.replace(wish, budget=self._budget())
            plan = planner.next(loop.number, self.home.incarnation, new, loop.head)
            if plan is None and not wish.follow:
                why = "end" if planner.ended(loop.head) or wish.flush else "hold"
                break
            if plan is None or (wish.follow and not full(plan) and self.clock.monotonic() < due):
                self.upkeep.idle(loop.site)
                self.clock.sleep(_WAIT)
                continue
            due = self.clock.monotonic() + self.opened.settings.epoch_interval / 1e6
            plan = loop.plan(plan)
            loop.begin(plan)
            for following in planner.ahead(plan):
                loop.begin(following)
            self.ledger.open()
            self.ledger.store  # noqa: B018 (a ledger that cannot be used stops the run before anything is decided)
            self._epoch(loop, plan)
        return self._end(loop, new, why, wish, self.clock.monotonic() - self.began)

    def _budget(self) -> Budget:
        """One epoch's rows, and the bytes that so many records of the usual length have; never more than memory allows."""
        rows, memory = self.opened.settings.epoch_rows, self.opened.settings.memory
        rows = min(rows, self.tally.pace(self.clock.monotonic() - self.began))
        return self.engine.wants(rows, int(max(4096, min(epoch_bytes(memory), rows * self.tally.record))))

    def _known(self) -> list[str]:
        return [found.incarnation for found in journal.incarnations(self.opened.work)]

    def _loop(self, site: Site) -> Epochs:
        return Epochs(site, self.engine, self.home, self.lease, self.clock, self.ledger.finished, self.fresh, self._over_limit)

    def _recover(self, new: str) -> None:
        """Finish what an earlier run began, each part under the release that it names."""
        plans, prepared = self.home.epochs("plan"), self.home.epochs("prepared")
        if prepared:
            name = self.home.prepared(prepared[-1]).release
            loop = self._loop(self._site(name))
            agree(loop, self._known())
            sweep.orphans(self.opened.work, loop.head)
            sweep.between(self.opened.work)
            self.ledger.caught_up(journal.incarnations(self.opened.work))
            loop.finish()
            for epoch in prepared:
                if epoch > (loop.done.epoch if loop.done else 0):
                    self.tally.left(self.home.prepared(epoch))
        else:
            agree(self._loop(self.opened.site()), self._known())
        if plans and plans[-1] > (prepared[-1] if prepared else 0):
            plan = self.home.plan(plans[-1])
            try:
                self._epoch(self._loop(self._site(plan.release)), plan)
            except UserCodeError:
                if plan.release == new:
                    raise
                self._again(plan, new)

    def _again(self, plan: EpochPlan, new: str) -> None:
        """An epoch that a function of the user failed, and that nobody decided yet, goes on under the mended release."""
        loop = self._loop(self.opened.site(code=release.code_of(self.opened.work, new)))
        folds = {fold.name for fold in loop.site.plan.of(Fold)}
        plan.release, plan.state = new, [file for file in plan.state if file.node in folds]
        plan.tables = tables.pin_all(loop.site, loop.head.tables if loop.head else {}, plan.clock)
        self._epoch(loop, plan)

    def _site(self, name: str) -> Site:
        work = self.opened.work
        return self.opened.site(release.plan_of(work, name), release.code_of(work, name))

    def _epoch(self, loop: Epochs, plan: EpochPlan) -> None:
        prepared = loop.run(plan)
        self.tally.add(plan, prepared)
        sweep.state(self.opened.work, plan.state, prepared.state)
        done = loop.finish()
        sweep.journal(self.home, loop.done, self.opened.settings.retention_epochs)
        if done is not None and done.epoch == plan.epoch:
            self.upkeep.published(loop.site)
        signals.tell("run.progress", epoch=plan.epoch, rows=self.tally.rows, seconds=prepared.seconds)

    def _over_limit(self, epoch: Prepared | None = None) -> bool:
        """Whether to stop, with an epoch that is about to be decided: it is then not published. A replay is no new dirt."""
        limits = self.opened.plan.limits
        return limits.then == "stop" and not (epoch and epoch.orders) and self.tally.exceeded(limits, epoch) is not None

    def _end(self, loop: Epochs, new: str, why: str, wish: Wish, seconds: float) -> RunResult:
        tally = self.tally
        over = tally.exceeded(self.opened.plan.limits)
        held = loop.head is not None and not loop.head.last
        unpublished = why in ("limit", "stopped") and (held or not (wish.follow or wish.each))
        manifest: Manifest | None = loop.done
        if not unpublished:
            loop.mark_last()
            manifest = loop.finish()
            sweep.journal(self.home, loop.done, self.opened.settings.retention_epochs)
        if over:
            way = "; nothing of that is published: raise `limits` and run again to go on with it, or mend the rules and rebuild"
            signals.tell("log", level="warning", message=over + (way if unpublished else ""))
        code = 3 if over else (128 + self.stop.asked if why == "stopped" and unpublished else 0)
        signals.tell("run.finished", why=why, rows=tally.rows)
        return RunResult(
            run_id=self.ledger.run_id,
            why=why,
            exit_code=code,
            release=new,
            incarnation=self.home.incarnation,
            account=[{"leg": leg, **row} for leg, row in tally.account.items()],
            outputs=dict(manifest.outputs) if manifest else {},
            notes=tally.notes,
            files=tally.files,
            outcomes=tally.outcomes,
            drift=loop.head.drift if loop.head else {},
            seams=tally.seams,
            epochs=tally.epochs,
            rows=tally.rows,
            seconds=seconds,
            published=not unpublished,
        )

