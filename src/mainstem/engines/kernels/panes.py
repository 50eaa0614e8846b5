"""Which windows a moment is in: fixed windows counted from the epoch, and calendar windows in a time zone.

Windows are numbered by k and start every `every`; both kinds answer three questions on int64 microsecond arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from mainstem.plan.words import Window

DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall time of no zone


class Panes(Protocol):
    """The windows of a step. `overlaps`: whether a moment can be in several."""

    @property
    def overlaps(self) -> bool: ...

    def first(self, t: np.ndarray) -> np.ndarray:
        """The smallest k whose window ends after t."""

    def last(self, t: np.ndarray) -> np.ndarray:
        """The largest k whose window starts at or before t."""

    def bounds(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start and end of window k: [start, end)."""


@dataclass(frozen=True)
class Fixed:
    """[offset + k * every, ... + size): floor division, right for times before 1970; never date_trunc or time_bucket."""

    size: int
    every: int
    offset: int

    @property
    def overlaps(self) -> bool:
        return self.size > self.every

    def first(self, t: np.ndarray) -> np.ndarray:
        return (t - self.size - self.offset) // self.every + 1

    def last(self, t: np.ndarray) -> np.ndarray:
        return (t - self.offset) // self.every

    def bounds(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = k * self.every + self.offset
        return start, start + self.size


@dataclass(frozen=True)
class Calendar:
    """The same on the wall clock of a zone: a day is 23, 24 or 25 hours long."""

    size: int
    every: int
    offset: int
    zone: str

    @property
    def overlaps(self) -> bool:
        return self.size > self.every

    def first(self, t: np.ndarray) -> np.ndarray:
        numbers = self._near(t)
        return numbers[np.searchsorted(self.bounds(numbers)[1], t, "right")]

    def last(self, t: np.ndarray) -> np.ndarray:
        numbers = self._near(t)
        return numbers[np.searchsorted(self.bounds(numbers)[0], t, "right") - 1]

    def bounds(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        numbers, back = np.unique(k, return_inverse=True)
        walls = [number * self.every + self.offset for number in numbers.tolist()]
        starts = np.array([instant(self.zone, wall) for wall in walls], np.int64)
        ends = np.array([instant(self.zone, wall + self.size) for wall in walls], np.int64)
        return starts[back], ends[back]

    def _near(self, t: np.ndarray) -> np.ndarray:
        """Every window within two days of one of these moments, in order: no zone is further from UTC than that."""
        days = np.unique(t // DAY)
        low = (days * DAY - 2 * DAY - self.size - self.offset) // self.every
        high = (days * DAY + 3 * DAY - self.offset) // self.every
        return np.unique(spread(low, high - low + 1)[1])


def panes(body: Window) -> Panes:
    """The windows that a step asks for."""
    if body.zone is None:
        return Fixed(body.size, body.every, body.offset)
    return Calendar(body.size, body.every, body.offset, body.zone)


def spread(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count from each `first` as many steps as `count` says -> (index of the row, number)."""
    row = np.repeat(np.arange(len(first)), count)
    begins = np.cumsum(count) - count
    return row, first[row] + np.arange(len(row)) - begins[row]


@lru_cache(65_536)
def instant(zone: str, wall: int) -> int:
    """The moment at which the clocks of a zone first show a wall time or, where they skip it, jump over it.

    Both in microseconds. Outside of the years 1 to 9999 the zone counts as UTC.
    """
    try:
        local = (_EPOCH + timedelta(microseconds=wall)).replace(tzinfo=ZoneInfo(zone))
        early, late = _moment(local), _moment(local.replace(fold=1))
    except OverflowError:
        return wall
    if early <= late:                      # it exists once (equal), or twice: the first
        return early
    low, high = late, early                # in a gap: the jump lies between, on a whole second
    while high - low > 1_000_000:
        middle = (low + high) // 2_000_000 * 1_000_000
        shown = (_EPOCH + timedelta(microseconds=middle)).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        low, high = (low, middle) if _wall(shown) >= wall else (middle, high)
    return high


def _moment(local: datetime) -> int:
    return _wall(local.astimezone(UTC))


def _wall(moment: datetime) -> int:
    return (moment.replace(tzinfo=None, fold=0) - _EPOCH) // timedelta(microseconds=1)
