"""How far event time has come: pure functions from facts to the watermark of every fold (design section 4).

W of a fold is the minimum over the sources that reach it of (largest event time of each live partition) minus lateness,
and never goes backwards. A source whose time is not judged says nothing until its input is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mainstem.batch import FOREVER, NONE
from mainstem.engines.contract import EpochPlan, Fact
from mainstem.plan.words import Fold, Plan, Read, Time

# What a partition is to the watermark
LIVE = "live"  # may bring rows at any time: holds W by its largest event time, or altogether if it had no row yet
DRAINED = "drained"  # read to its present end: holds W by its largest event time; not at all if it never had a row
IDLE = "idle"  # drained for so long that it no longer holds W; rejoins with its next row
LEFT = "left"  # a file read to its end (`partition: file`): no longer holds W; rejoins when it grows

PAST = -1  # stands in the carry for all partitions that have left and that W has passed

Carry = Mapping[str, Mapping[int, int]]


def carry_on(carry: Carry, facts: Iterable[Fact]) -> dict[str, dict[int, int]]:
    """The largest event time of every partition after these facts."""
    after = {source: dict(partitions) for source, partitions in carry.items()}
    for fact in facts:
        partitions = after.setdefault(fact.source, {})
        partitions[fact.partition] = max(partitions.get(fact.partition, NONE), fact.largest)
    return after


def before_segments(carry: Carry, facts: Iterable[Fact]) -> dict[tuple[str, int, int], int]:
    """For each (source, partition, segment) the largest event time before it: what raises the marks of its rows."""
    running = {(source, part): largest for source, parts in carry.items() for part, largest in parts.items()}
    found = {}
    for fact in sorted(facts, key=lambda fact: (fact.source, fact.partition, fact.segment)):
        key = (fact.source, fact.partition)
        found[(*key, fact.segment)] = running.get(key, NONE)
        running[key] = max(running.get(key, NONE), fact.largest)
    return found


def of_source(time: Time | None, carry: Mapping[int, int], live: Mapping[int, str], flushed: int) -> int:
    """How far one source has come; NONE while it cannot say."""
    if time is None or time.lateness is None:
        return NONE
    largest = [
        carry.get(part, NONE)
        for part, state in live.items()
        if state in (LIVE, DRAINED) and not (state == DRAINED and carry.get(part, NONE) == NONE)
    ]
    seen = [value for value in carry.values() if value > NONE]
    if largest:
        return NONE if min(largest) == NONE else max(min(largest) - time.lateness, flushed)
    if not seen:
        return flushed
    idle = any(state == IDLE for state in live.values())
    if idle and time.idle_then == "hold":
        return flushed  # nobody is left to judge by: W stays where it is
    if idle and time.idle_then in ("catch_up", "flush"):
        return max(max(seen), flushed)
    return max(max(seen) - time.lateness, flushed)  # every file has been read to its end


def advance(plan: Plan, epoch: EpochPlan, carry: Carry) -> dict[str, int]:
    """W(n) of every fold, from the carry after this epoch's facts."""
    sources = {}
    for node in plan.of(Read):
        assert isinstance(node.word, Read)
        sources[node.name] = of_source(
            node.word.time, carry.get(node.name, {}), epoch.live.get(node.name, {}), epoch.flushed.get(node.name, NONE)
        )
    marks = {}
    for node in plan.of(Fold):
        reached = [sources[source] for source in plan.sources_of(node.name)]
        marks[node.name] = FOREVER if epoch.closing else max(epoch.marks.get(node.name, NONE), min(reached, default=NONE))
    return marks


def without_past(plan: Plan, live: Mapping[str, Mapping[int, str]], carry: Carry, marks: Mapping[str, int]) -> dict[str, dict[int, int]]:
    """The carry without the partitions that have left and that every mark has passed: of them only the largest time is kept.

    Nothing is judged otherwise for it: should such a file grow again, its own mark would be below W, which judges its rows.
    """
    folds = {node.name: [fold.name for fold in plan.of(Fold) if node.name in plan.sources_of(fold.name)] for node in plan.of(Read)}
    kept = {}
    for source, partitions in carry.items():
        word = plan.node(source).word
        assert isinstance(word, Read)
        lateness = word.time.lateness if word.time and word.time.lateness is not None else None
        passed = min((marks.get(fold, NONE) for fold in folds[source]), default=FOREVER)
        here = live.get(source, {})
        past = {part: largest for part, largest in partitions.items()
                if here.get(part, LEFT) == LEFT and (lateness is None or largest - lateness <= passed)}
        kept[source] = {part: largest for part, largest in partitions.items() if part not in past}
        if past:
            kept[source][PAST] = max(past.values())
    return kept
