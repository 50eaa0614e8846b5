"""The conservation law: every row has exactly one fate on every leg of its way (design section 5).

Per leg and epoch: made + held before = delivered + filtered + quarantined + late + held after. Every number comes from a
count of its own, so the law can fail; when it does, the pipeline stops before the epoch is decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.batch import DELIVERED, FILTERED, HELD, LATE, QUARANTINED
from mainstem.engines.contract import Report
from mainstem.errors import Bug
from mainstem.plan.words import Fold, Leg, Plan, Write

REPLAY = 1 << 14  # added to the origin number of rows that are replayed from the quarantine

_SET_ASIDE = (FILTERED, QUARANTINED, LATE)


def account(
    plan: Plan, reports: Sequence[Report], held_before: Mapping[str, Mapping[str, int]], through: str | None = None
) -> dict[str, dict[str, Any]]:
    """The account of every leg; raises Bug `law.broken` naming the leg, its numbers and what does not match.

    `held_before` is what the epoch before left in each fold (fold -> origin -> rows): the state must still hold it.
    `through`: in a replay, the node where the rows had left; they take only the legs that pass it.
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

    legs = {}
    origins = {*made, *(origin for origin, *_ in fates), *(origin for _, origin in found)}
    for leg in _legs(plan, origins, through):
        row = _leg(leg, made[leg.origin], found[(leg.end, leg.origin)], fates)
        _balance(leg, row)
        if isinstance(_end(plan, leg).word, Fold):
            expected = held_before.get(leg.end, {}).get(leg.origin, 0)
            if expected != row["held_before"]:
                raise _off(leg, row, f"the epoch before left {expected} rows in {leg.end}, its state has {row['held_before']}")
        legs[leg.name] = row
    _outputs(plan, legs, reports)
    _quarantine(plan, reports)
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


def _end(plan: Plan, leg: Leg) -> Any:
    return plan.node(leg.end)


def _legs(plan: Plan, origins: set[str], through: str | None) -> list[Leg]:
    """The plan's legs, and for origins that are replayed the same ways again."""
    replayed = {name.removeprefix("replay:") for name in origins if name.startswith("replay:")}
    more = [
        Leg(origin=f"replay:{leg.origin}", end=leg.end, path=leg.path)
        for leg in plan.legs
        if leg.origin in replayed and (through is None or through in (leg.origin, *leg.path, leg.end))
    ]
    return [*plan.legs, *more]


def _leg(leg: Leg, made: int, held_before: int, fates: Mapping[tuple[str, str, str, str], int]) -> dict[str, Any]:
    on_the_way = {leg.origin.removeprefix("replay:"), *leg.path, leg.end}
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
    for (origin, node, fate, reason), count in sorted(fates.items()):
        if origin != leg.origin or node not in on_the_way or not count:
            continue
        if fate in (DELIVERED, HELD):
            if node == leg.end:
                row[fate] += count
        else:
            row[fate] += count
            row["reasons"][f"{fate}: {node}: {reason}"] = count
    return row


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


def _outputs(plan: Plan, legs: Mapping[str, Mapping[str, Any]], reports: Sequence[Report]) -> None:
    """Ends are physical: what the legs deliver to an output is what its staged files hold."""
    staged: Counter[str] = Counter()
    for report in reports:
        for file in report.files:
            if file.kind == "output":
                staged[file.node] += file.rows
    for node in plan.of(Write):
        delivered = sum(row[DELIVERED] for name, row in legs.items() if name.endswith(f" -> {node.name}"))
        if delivered != staged[node.name]:
            raise broken(f"output {node.name} does not match its legs", node.name,
                         f"the legs deliver {delivered} rows, its files hold {staged[node.name]}")


def _quarantine(plan: Plan, reports: Sequence[Report]) -> None:
    """Every row that was counted as quarantined, or late where late rows are kept, is in the quarantine's files exactly once."""
    wanted = sum(count for report in reports for _, node, fate, _, count in report.fates
                 if fate == QUARANTINED or (fate == LATE and _keeps_late(plan, node)))
    stored = sum(file.rows for report in reports for file in report.files if file.kind == "aside")
    if stored != wanted:
        raise broken("the quarantine does not match the fates", "quarantine",
                     f"{wanted} rows are to be set aside, its files hold {stored}")


def _keeps_late(plan: Plan, node: str) -> bool:
    word = plan.node(node).word
    return not isinstance(word, Fold) or getattr(word.body, "late", "quarantine") != "drop"
