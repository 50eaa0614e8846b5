"""The conservation law: every row has exactly one fate on every leg of its way (design section 5).

Per leg and epoch: made + held before = delivered + filtered + quarantined + late + held after. Every number comes from a
count of its own, so the law can fail; when it does, the pipeline stops before the epoch is decided.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mainstem.batch import DELIVERED, FILTERED, HELD, LATE, NOTED, QUARANTINED
from mainstem.engines.contract import EpochPlan, Fact, Report
from mainstem.engines.site import QUARANTINE
from mainstem.errors import Bug
from mainstem.plan.words import Fold, Leg, Plan, Write

REPLAY = 1 << 14  # added to the origin number of rows that are replayed from the quarantine

_SET_ASIDE = (FILTERED, QUARANTINED, LATE)


def account(
    plan: Plan, epoch: EpochPlan, reports: Sequence[Report], held_before: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, Any]]:
    """The account of every leg; raises Bug `law.broken` naming the leg, its numbers and what does not match.

    `held_before` is what the epoch before left in each fold (fold -> origin -> rows): the state must still hold it.
    """
    made: Counter[str] = Counter()
    fates: Counter[tuple[str, str, str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for report in reports:
        for name, count in report.made:
            made[name] += count
        for fact in report.facts:
            made[fact.source] += fact.made
        for origin, node, fate, reason, count in report.fates:
            fates[(name_of(plan, origin), node, fate, reason)] += count
        for origin, fold, count in report.held_before:
            found[(fold, name_of(plan, origin))] += count
    _consumed(epoch, reports, made)

    legs: dict[str, dict[str, Any]] = {}
    claimed: set[tuple[str, str]] = set()
    held = {(fold, origin): count for fold, origins in held_before.items() for origin, count in origins.items() if count}
    origins = {*made, *(origin for origin, *_ in fates), *(origin for _, origin in {**found, **held})}
    for leg, enters in _legs(plan, origins, epoch):
        place = (leg.end, leg.origin)
        nodes = {leg.origin.removeprefix("replay:"), *leg.path, leg.end}
        mine = {key: count for key, count in fates.items() if key[0] == leg.origin and key[1] in nodes}
        if not enters and not found[place] and place not in held and not mine:
            continue
        row = _leg(made[leg.origin] if enters else 0, found[place], mine)
        _balance(leg, row)
        if epoch.closing and row[HELD]:
            raise _off(leg, row, "the input is complete, and rows are still held")
        if held.get(place, 0) != row["held_before"]:
            raise _off(leg, row, f"the epoch before left {held.get(place, 0)} rows in {leg.end}, its state has {row['held_before']}")
        legs[leg.name] = row
        claimed |= {(leg.origin, node) for node in nodes}
    _unclaimed(claimed, fates, {**found, **held})
    for report in reports:
        _files(plan, report)
    return legs


def name_of(plan: Plan, origin: int) -> str:
    """The name of an origin number, `replay:NAME` for rows that come back from the quarantine."""
    return f"replay:{plan.origins[origin - REPLAY]}" if origin >= REPLAY else plan.origins[origin]


def add(total: dict[str, dict[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The account of two stretches of epochs, one after the other: what was held in between counts once."""
    for leg, row in more.items():
        if leg not in total:
            total[leg] = {**row, "reasons": dict(row["reasons"])}
            continue
        sum_, held = total[leg], row["held"]
        for key in ("made", DELIVERED, *_SET_ASIDE):
            sum_[key] += row[key]
        sum_["held"] = held
        for reason, count in row["reasons"].items():
            sum_["reasons"][reason] = sum_["reasons"].get(reason, 0) + count
    return total


def _consumed(epoch: EpochPlan, reports: Sequence[Report], made: Mapping[str, int]) -> None:
    """Beginnings are physical: every planned range was read once, and to its end; every ordered row came back."""
    planned: defaultdict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for name, ranges in epoch.ranges.items():
        for one in ranges:
            planned[name, one["partition"]].append(one)
    read: defaultdict[tuple[str, int], list[Fact]] = defaultdict(list)
    for fact in sorted((fact for report in reports for fact in report.facts), key=lambda fact: fact.segment):
        read[fact.source, fact.partition].append(fact)
    for name, partition in {**planned, **read}:
        _read(f"{name}, partition {partition}", planned[name, partition], read[name, partition])
    for order in epoch.orders:
        came = made[f"replay:{order['source']}"]
        if came != order["rows"]:
            raise broken(f"the replay of {order['source']} is not complete", order["node"],
                         f"{order['rows']} rows were ordered, {came} came back")


def _read(where: str, planned: Sequence[Mapping[str, Any]], read: Sequence[Fact]) -> None:
    """The ranges of one partition, and what was read of it."""
    if [fact.segment for fact in read] != list(range(len(planned))):
        raise broken("not every planned range was read once", where,
                     f"planned are {len(planned)}, read were the numbers {[fact.segment for fact in read]}")
    for one, fact in zip(planned, read):
        for what, count in (("records", fact.made), ("bytes", fact.bytes)):
            if one.get(what) is not None and one[what] != count:
                raise broken("a range was not read as planned", where,
                             f"from {one['start']} to {one['end']} it has {one[what]} {what}, read were {count}")
    for one, other in itertools.pairwise(planned):
        if other["start"] < one["end"]:
            raise broken("planned ranges overlap", where, f"{other['start']} lies before {one['end']}")


def _legs(plan: Plan, origins: Collection[str], epoch: EpochPlan) -> Iterator[tuple[Leg, bool]]:
    """Every leg, and whether rows of this epoch may enter it: the plan's, and for origins that are replayed the same ways again.

    What is replayed goes only down the legs that pass the node where it had left; the others may still hold rows of an
    earlier replay.
    """
    for leg in plan.legs:
        yield leg, True
    for leg in plan.legs:
        if f"replay:{leg.origin}" in origins:
            passes = any(order["node"] in (leg.origin, *leg.path, leg.end) for order in epoch.orders)
            yield Leg(origin=f"replay:{leg.origin}", end=leg.end, path=leg.path), passes


def _leg(made: int, held_before: int, fates: Mapping[tuple[str, str, str, str], int]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "made": made,
        "held_before": held_before,
        DELIVERED: 0,
        FILTERED: 0,
        QUARANTINED: 0,
        LATE: 0,
        HELD: 0,
        "reasons": {},
    }
    for (_, node, fate, reason), count in sorted(fates.items()):
        if fate != NOTED:
            row[fate] += count
        if fate in (*_SET_ASIDE, NOTED) and count:
            row["reasons"][f"{fate}: {node}: {reason}"] = count
    return row


def _unclaimed(claimed: Collection[Any], fates: Mapping[tuple[str, str, str, str], int],
               held: Mapping[tuple[str, str], int]) -> None:
    """Nobody has a fate, or waits, where no leg leads."""
    for (origin, node, fate, _), count in fates.items():
        if count and (origin, node) not in claimed:
            raise broken(f"{origin} has no way to {node}", node, f"{count} of its rows are said to be {fate} there")
    for (fold, origin), count in held.items():
        if count and (origin, fold) not in claimed:
            raise broken(f"{origin} has no way to {fold}", fold, f"{count} of its rows wait there")


def _balance(leg: Leg, row: Mapping[str, Any]) -> None:
    came = row["made"] + row["held_before"]
    went = sum(row[fate] for fate in (DELIVERED, FILTERED, QUARANTINED, LATE, HELD))
    if came != went:
        raise _off(leg, row, f"{came} rows came and {went} have a fate")


def _off(leg: Leg, row: Mapping[str, Any], why: str) -> Bug:
    numbers = ", ".join(f"{key} {value}" for key, value in row.items() if key != "reasons")
    return broken(f"leg {leg.name} does not balance", leg.name, f"{why} ({numbers})")


def broken(what: str, where: str, why: str) -> Bug:
    """The error for a row that has no fate, or more than one."""
    return Bug("law.broken", what, where=where, why=why,
               fix="nothing of this epoch was published; please report this with the pipeline file")


def _files(plan: Plan, report: Report) -> None:
    """Ends are physical: what a task delivered to outputs and set aside is what the files hold that it staged."""
    counted: Counter[str] = Counter()
    for _, node, fate, _, count in report.fates:
        if fate == DELIVERED and isinstance(plan.node(node).word, Write):
            counted[node] += count
        elif fate == QUARANTINED or (fate in (LATE, NOTED) and _keeps_late(plan, node)):
            counted[QUARANTINE] += count
    stored: Counter[str] = Counter()
    for file in report.files:
        if file.kind != "state":
            stored[QUARANTINE if file.kind == "aside" else file.node] += file.rows
    for name in counted | stored:
        if counted[name] != stored[name]:
            raise broken(f"{name} does not match what was delivered to it", f"{name}, task {report.task} of {report.stage}",
                         f"{counted[name]} rows are to be in it, its files hold {stored[name]}")


def published(account: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, int]) -> None:
    """Raises Bug `law.broken` if the files of some epochs do not have the rows that these delivered: output -> rows."""
    for name, rows in outputs.items():
        delivered = sum(row[DELIVERED] for leg, row in account.items() if leg.endswith(f" -> {name}"))
        if delivered != rows:
            raise broken(f"output {name} does not match its legs", name, f"they deliver {delivered} rows, its files hold {rows}")


def _keeps_late(plan: Plan, node: str) -> bool:
    word = plan.node(node).word
    return not isinstance(word, Fold) or getattr(word.body, "late", "quarantine") != "drop"
