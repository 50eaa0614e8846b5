"""Point 3 of the epoch protocol (epoch.py): what the reports of an epoch's tasks come to.

Pure: the watermark, the law, and what the next epoch starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mainstem import signals
from mainstem.batch import FOREVER, NONE
from mainstem.engines import law, watermark
from mainstem.engines.contract import EpochPlan, File, Report
from mainstem.engines.journal import Prepared
from mainstem.engines.site import QUARANTINE
from mainstem.plan.words import Plan


def judge(plan: Plan, epoch: EpochPlan, reports: Sequence[Report], head: Prepared | None) -> Prepared:
    """The decision of the epoch, without what only its runner knows: whether it is the last, its seconds, its engine."""
    facts = [fact for report in reports for fact in report.facts]
    carry = watermark.carry_on(epoch.carry, facts)
    marks = watermark.advance(plan, epoch, carry)
    account = law.account(plan, epoch, reports, head.held if head else {})
    outputs: dict[str, list[File]] = {}
    for report in reports:
        for file in report.files:
            if file.kind != "state":
                outputs.setdefault(QUARANTINE if file.kind == "aside" else file.node, []).append(file)
    notes: dict[str, dict[str, int]] = {}
    for report in reports:
        for node, counts in report.notes.items():
            mine = notes.setdefault(node, {})
            for what, count in counts.items():
                mine[what] = mine.get(what, 0) + count
    return Prepared(
        epoch=epoch.epoch,
        incarnation=epoch.incarnation,
        release=epoch.release,
        outputs=outputs,
        state=_state(epoch, reports, marks),
        marks=_kept(epoch, reports, marks),
        carry=watermark.without_past(plan, epoch.live, carry, _kept(epoch, reports, marks)),
        live=epoch.live,
        idled=epoch.idled,
        drift=_drift(head, reports),
        progress=epoch.progress,
        held=_held(account),
        account=account,
        notes=notes,
        tables=epoch.tables,
        orders=epoch.orders,
        clock=epoch.clock,
        rows=sum(fact.made for fact in facts),
        closing=epoch.closing,
    )


def _state(epoch: EpochPlan, reports: Sequence[Report], marks: dict[str, int]) -> list[File]:
    """The state files that are alive after the epoch: the old ones that time has not passed, and the new ones."""
    replaced = {path for report in reports for path in report.replaced}
    new = [file for report in reports for file in report.files if file.kind == "state"]
    old = [file for file in epoch.state if file.path not in replaced]
    return [file for file in [*old, *new] if file.until > marks.get(file.node, NONE)]


def _kept(epoch: EpochPlan, reports: Sequence[Report], marks: dict[str, int]) -> dict[str, int]:
    """The marks that judge later rows: after a closing epoch the largest bound that it released, not forever."""
    if not epoch.closing:
        return marks
    released = {fold: mark for fold, mark in epoch.marks.items() if mark < FOREVER}
    for report in reports:
        for fold, mark in report.released.items():
            released[fold] = max(released.get(fold, NONE), mark)
    return released


def _drift(head: Prepared | None, reports: Sequence[Report]) -> dict[str, dict[str, str]]:
    """Every difference from the declared columns, with where it was first seen; new ones are told at once."""
    found = {source: dict(seen) for source, seen in head.drift.items()} if head else {}
    for report in sorted(reports, key=lambda report: (report.stage, report.task)):
        for source, what, place in report.drift:
            if what not in found.setdefault(source, {}):
                found[source][what] = place
                signals.tell("log", level="warning", message=f"{source}: {what}, first at {place}")
    return found


def _held(account: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    held: dict[str, dict[str, int]] = {}
    for leg, row in account.items():
        origin, end = leg.split(" -> ")
        if row["held"]:
            held.setdefault(end, {})[origin] = row["held"]
    return held
