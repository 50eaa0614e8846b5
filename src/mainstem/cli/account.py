"""The account of a run as a person reads it: per leg where every row went, and why those that went aside did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.cli import show

COLUMNS = ("leg", "made", "held_before", "delivered", "filtered", "quarantined", "late", "held", "reasons")
_FATES = ("made", "held_before", "delivered", "filtered", "quarantined", "late", "held")


def account(legs: Sequence[Mapping[str, Any]]) -> None:
    """One line per leg: made + held before = delivered + filtered + quarantined + late + held."""
    if not legs:
        print("no new rows")
        return
    used = [fate for fate in _FATES if fate in ("made", "delivered") or any(leg.get(fate) for leg in legs)]
    show.table(["leg", *(fate.replace("_", " ") for fate in used)],
               [[way(leg["leg"]), *(_Count(leg.get(fate, 0)) for fate in used)] for leg in legs])
    reasons = [[way(leg["leg"]), *_parts(reason), _Count(rows)] for leg in legs
               for reason, rows in sorted(leg.get("reasons", {}).items(), key=lambda item: (-item[1], item[0]))]
    if reasons:
        print()
        show.table(["leg", "fate", "step", "reason", "rows"], reasons)


def outputs(found: Mapping[str, Mapping[str, Any]]) -> None:
    """The version of each output that holds the last epoch."""
    last = sorted(found.items(), key=lambda item: item[0] == "quarantine")
    rows = [[name.removesuffix("/output"), fact.get("version"), _Count(fact.get("rows") or 0)] for name, fact in last]
    show.table(["output", "version", "rows"], rows)


def way(leg: str) -> str:
    """The name of a leg for a person: its end says that it is an output where a step has the same name.

    >>> way("climate -> climate/output")
    'climate -> output climate'
    """
    origin, _, end = leg.partition(" -> ")
    return f"{origin} -> output {end.removesuffix('/output')}" if end.endswith("/output") else leg


def _parts(reason: str) -> list[str]:
    """`fate: step: reason` as three cells."""
    fate, _, rest = reason.partition(": ")
    step, _, why = rest.partition(": ")
    return [fate, step, why]


class _Count(int):
    """A number of rows, with separators between thousands."""

    def __str__(self) -> str:
        return f"{int(self):,}"
