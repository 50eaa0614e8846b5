"""Deciding what the next epoch is: ranges, partition states, clock, tables, and whether it closes.

Everything that an epoch depends on is fixed here, before its first external effect, and written into plan-N.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import msgspec

from mainstem.batch import FOREVER, NONE
from mainstem.clock import Clock
from mainstem.engines import orders, watermark
from mainstem.engines.contract import EpochPlan
from mainstem.engines.journal import Prepared
from mainstem.engines.kernels import tables
from mainstem.engines.site import Site
from mainstem.errors import RefusedError
from mainstem.plan.words import Fold, Node, Read
from mainstem.plugs import Budget, Discovery

_USUAL = Budget(300_000, 32 << 20)
_AHEAD = 2  # epochs that are read before their turn: while one is decided, the tasks of the next go on


@dataclass(frozen=True)
class Wish:
    """How the person wants the run to go."""

    follow: bool = False  # go on when the input is exhausted, and publish every epoch
    flush: bool = False  # close every window at the end, even of growing input
    budget: Budget | None = None          # about how much one epoch takes; 300,000 rows if nobody says
    each: bool = False  # publish every epoch, though the run ends
    only_orders: bool = False  # carry out the pending replays and nothing else


@dataclass
class Planner:
    """Remembers between epochs only what the wall clock says: since when a partition has been quiet."""

    site: Site
    clock: Clock
    wish: Wish
    quiet: dict[tuple[str, int], float] = field(default_factory=dict)
    begun: list[EpochPlan] = field(default_factory=list)  # the next epochs, as far as they are known before their turn

    def next(self, epoch: int, incarnation: str, release: str, head: Prepared | None) -> EpochPlan | None:
        """plan-N, or None if there is nothing to do now."""
        ready = head is not None and head.last            # what is replayed must have been published
        if (ready or self.wish.only_orders) and (order := orders.due(self.site.work, incarnation, self._names)):
            self.begun = []
            return self._replay(order, epoch, incarnation, release, head)
        if self.wish.only_orders:
            return None
        last = head or Prepared(epoch=0, incarnation=incarnation, release=release)
        if known := bool(self.begun) and self.begun[0].epoch == epoch:
            plan = self.begun.pop(0)
        else:
            plan, self.begun = self._look(epoch, last), []
        plan.incarnation, plan.release = incarnation, release
        plan.carry, plan.marks = last.carry, last.marks
        folds = {fold.name for fold in self.site.plan.of(Fold)}
        plan.state = [file for file in last.state if file.node in folds]
        plan.flushed = self._flushed(plan)
        plan.closing = plan.closing and self._unclosed(last, head)
        if not (plan.ranges or plan.closing or plan.outcomes or self._moves(plan, last)):
            return None
        if not known:
            plan.tables = tables.pin_all(self.site, last.tables, plan.clock)
        return plan

    @property
    def _names(self) -> set[str]:
        return {node.name for node in self.site.plan.nodes}

    def ahead(self, plan: EpochPlan) -> list[EpochPlan]:
        """What the next epochs after `plan` will read, as far as that is not better decided later: two, so that no task waits.

        Each is `next`'s plan but for what only the end of its predecessor tells: state, carry and marks.
        """
        if plan.orders or any(table.latest for table in self.site.plan.tables) or orders.pending(self.site.work, plan.incarnation):
            self.begun = []
        else:
            while len(self.begun) < _AHEAD and (begun := self._following(self.begun[-1] if self.begun else plan)):
                self.begun.append(begun)
        return self.begun

    def _following(self, plan: EpochPlan) -> EpochPlan | None:
        if not full(plan):
            return None
        last = Prepared(
            epoch=plan.epoch,
            incarnation=plan.incarnation,
            release=plan.release,
            progress=plan.progress,
            live=plan.live,
            idled=plan.idled,
            clock=plan.clock,
        )
        begun = self._look(plan.epoch + 1, last)
        if not begun.ranges or (self.wish.follow and not full(begun)):
            return None
        begun.tables = tables.pin_all(self.site, plan.tables, begun.clock)
        return begun

    def _look(self, epoch: int, last: Prepared) -> EpochPlan:
        """What there is to read after `last`, and what every partition is to the watermark."""
        found = {node.name: self._discover(node, last) for node in self.site.plan.of(Read)}
        live = {name: self._live(self.site.plan.node(name), discovery, last) for name, discovery in found.items()}
        ranges = {name: [asdict(range_) for range_ in discovery.ranges] for name, discovery in found.items() if discovery.ranges}
        return EpochPlan(
            epoch=epoch,
            incarnation=last.incarnation,
            pipeline=self.site.place.pipeline,
            environment=self.site.place.environment,
            release=last.release,
            clock=max(last.clock, self.clock.now()),
            ranges=ranges,
            progress={name: dict(discovery.progress) for name, discovery in found.items()},
            carry={},
            marks={},
            live=live,
            idled=_idled(last, live),
            closing=not ranges and all(discovery.ended or self.wish.flush for discovery in found.values()),
            tables={},
            publish="epoch" if self.wish.follow or self.wish.each else "run",
            outcomes=[{"source": name, **note} for name, discovery in found.items() for note in discovery.notes],
        )

    def _replay(self, order: orders.Order, epoch: int, incarnation: str, release: str, head: Prepared | None) -> EpochPlan:
        """An epoch of its own that carries out one replay order and leaves time and positions as they are."""
        if head is None or not head.last:
            raise RefusedError(
                "replay.unpublished",
                "an unfinished run has not published what is quarantined",
                where=str(self.site.work),
                fix="finish it with `mainstem run`, then replay",
            )
        clock = max(head.clock, self.clock.now())
        return msgspec.structs.replace(
            standing(self.site, head, epoch, release, publish="epoch"),
            incarnation=incarnation,
            clock=clock,
            tables=tables.pin_all(self.site, head.tables, clock),
            closing=head.closing,
            orders=[msgspec.to_builtins(order)],
        )

    def ended(self, head: Prepared | None) -> bool:
        """Whether every source has complete input and has been read to its end."""
        last = head or Prepared(epoch=0, incarnation="", release="")
        return all(self._discover(node, last).ended for node in self.site.plan.of(Read))

    def _discover(self, node: Node, last: Prepared) -> Discovery:
        return self.site.source(node.name).discover(last.progress.get(node.name), self.wish.budget or _USUAL)

    def _live(self, node: Node, discovery: Discovery, last: Prepared) -> dict[int, str]:
        """What every partition is to the watermark now, but those that have left: of files there are more and more."""
        assert isinstance(node.word, Read)
        time, states = node.word.time, {}
        brings = {range_.partition for range_ in discovery.ranges}
        for partition in discovery.partitions:
            key = (node.name, partition)
            if partition not in discovery.drained:
                states[partition] = watermark.LIVE
            elif time is not None and time.partition == "file":
                pass
            elif partition in brings:
                states[partition] = watermark.DRAINED
            else:
                since = self.quiet.setdefault(key, self.clock.monotonic())
                idle_after = time.idle_after if time else None
                was_idle = last.live.get(node.name, {}).get(partition) == watermark.IDLE
                gone = idle_after is not None and self.clock.monotonic() - since >= idle_after / 1e6
                states[partition] = watermark.IDLE if was_idle or gone else watermark.DRAINED
                continue
            self.quiet.pop(key, None)
        return states

    def _flushed(self, plan: EpochPlan) -> dict[str, int]:
        """`idle: {then: flush}`: the end of the newest open window of every fold behind a source that went all idle."""
        flushed = {}
        for node in self.site.plan.of(Read):
            assert isinstance(node.word, Read)
            time, states = node.word.time, plan.live.get(node.name, {})
            if time is None or time.idle_then != "flush" or not states or any(s != watermark.IDLE for s in states.values()):
                continue
            folds = {fold.name for fold in self.site.plan.of(Fold) if node.name in self.site.plan.sources_of(fold.name)}
            ends = [file.until for file in plan.state if file.node in folds and file.until < FOREVER]
            if ends:
                flushed[node.name] = max(ends)
        return flushed

    def _unclosed(self, last: Prepared, head: Prepared | None) -> bool:
        """A closing epoch is due where there are folds, whether they hold something or not, and never twice in a row."""
        return head is not None and not last.closing and bool(self.site.plan.of(Fold))

    def _moves(self, plan: EpochPlan, last: Prepared) -> bool:
        """Whether an epoch without rows would still change something: positions, idle states, a watermark."""
        if last.closing and not plan.ranges and plan.live == last.live:
            return False
        before = last.progress
        if before and plan.progress != before:
            return True
        idle = {(name, part) for name, parts in plan.live.items() for part, state in parts.items() if state == watermark.IDLE}
        was = {(name, part) for name, parts in last.live.items() for part, state in parts.items() if state == watermark.IDLE}
        if idle != was:
            return True
        marks = watermark.advance(self.site.plan, plan, plan.carry)
        return any(mark > plan.marks.get(fold, NONE) for fold, mark in marks.items())


def standing(site: Site, head: Prepared, epoch: int, release: str, publish: str) -> EpochPlan:
    """The plan of an epoch that reads nothing: time, positions and state stay where the epoch before it left them."""
    return EpochPlan(
        epoch=epoch,
        incarnation=head.incarnation,
        pipeline=site.place.pipeline,
        environment=site.place.environment,
        release=release,
        clock=head.clock,
        ranges={},
        progress=head.progress,
        carry=head.carry,
        marks=head.marks,
        live=head.live,
        idled=head.idled,
        tables=head.tables,
        state=head.state,
        publish=publish,
    )


def full(plan: EpochPlan) -> bool:
    """Whether an epoch need not wait for the end of its interval: more is there than it takes, or it carries out an order."""
    return bool(plan.orders) or any(state == watermark.LIVE for states in plan.live.values() for state in states.values())


def _idled(last: Prepared, live: dict[str, dict[int, str]]) -> dict[str, list[int]]:
    """Every partition that was idle before or is now."""
    found = {name: set(parts) for name, parts in last.idled.items()}
    for name, states in live.items():
        idle = {partition for partition, state in states.items() if state == watermark.IDLE}
        if idle:
            found.setdefault(name, set()).update(idle)
    return {name: sorted(parts) for name, parts in found.items()}
