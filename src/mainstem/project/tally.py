"""What a run has come to so far: the account, counts and seams of its epochs, and whether a limit of set-aside rows is passed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mainstem.engines import law
from mainstem.engines.contract import EpochPlan
from mainstem.engines.journal import Prepared
from mainstem.plan.words import Limits

_FIRST, _LONG = 50_000, 5.0  # rows; seconds
_FILES = 1000  # named outcomes of files that are told one by one: a run may go on for ever


@dataclass
class Tally:
    """Sums over the epochs of one run, and over those that earlier runs left unpublished (`waiting`)."""

    account: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    seams: list[dict[str, Any]] = field(default_factory=list)
    epochs: int = 0
    rows: int = 0
    record: float = 200.0  # bytes of a usual record, learned from epoch to epoch
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting_rows: int = 0

    def add(self, plan: EpochPlan, prepared: Prepared) -> None:
        """An epoch of this run is decided."""
        self.epochs += 1
        self.rows += prepared.rows
        taken = sum(range_["end"] - range_["start"] for ranges in plan.ranges.values() for range_ in ranges)
        if prepared.rows and taken > prepared.rows:
            self.record = taken / prepared.rows
        law.add(self.account, prepared.account)
        for node, counts in prepared.notes.items():
            mine = self.notes.setdefault(node, {})
            for what, count in counts.items():
                mine[what] = mine.get(what, 0) + count
        self.files = [*self.files, *plan.outcomes][-_FILES:]
        for note in plan.outcomes:
            self.outcomes[note["outcome"]] = self.outcomes.get(note["outcome"], 0) + 1
        self.seams += [prepared.seam] if prepared.seam else []

    def pace(self, seconds: float) -> int:
        """How many rows an epoch may take at most, after so many seconds of the run: what is done in about five seconds.

        The first one is small: a run that is killed again and again, or a slow one, is to get somewhere.
        """
        if not self.epochs:
            return _FIRST
        return max(_FIRST, int(_LONG * self.rows / max(seconds, 1e-3)))

    def left(self, prepared: Prepared) -> None:
        """An epoch that an earlier run decided and did not publish."""
        law.add(self.waiting, prepared.account)
        self.waiting_rows += prepared.rows

    def exceeded(self, limits: Limits, epoch: Prepared | None = None) -> str | None:
        """Which limit is passed by this run and what it is to publish with it, `epoch` included; None if none."""
        rows = self.rows + self.waiting_rows + (epoch.rows if epoch else 0)
        account = law.add(law.add(law.add({}, self.waiting), self.account), epoch.account if epoch else {})
        aside = max((row["quarantined"] + row["late"] for leg, row in account.items() if not leg.startswith("replay:")), default=0)
        if limits.rows is not None and aside > limits.rows:
            return f"{aside} rows were set aside, the limit is {limits.rows}"
        if limits.share is not None and rows and aside / rows > limits.share:
            return f"{aside / rows:.2%} of the rows were set aside, the limit is {limits.share:.2%}"
        return None
