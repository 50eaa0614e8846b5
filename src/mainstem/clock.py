"""The only place that asks what time it is, sleeps, or makes a random identity."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time in int64 microseconds UTC, and a monotonic one in seconds for waiting."""

    def now(self) -> int: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class HandClock:
    """A clock that moves only when told to: `sleep` advances it.

    >>> c = HandClock(5); c.sleep(1.0); c.now()
    1000005
    """

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._now / 1e6

    def sleep(self, seconds: float) -> None:
        self._now += int(seconds * 1e6)

    def set(self, now: int) -> None:
        self._now = now


def uuid7(now_us: int) -> str:
    """A UUID of version 7 (RFC 9562) for this instant: sortable by time, random in its tail."""
    value = (now_us // 1000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def attempt() -> str:
    """Twelve random hexadecimal digits: what tells the files of one attempt from those of any other."""
    return secrets.token_hex(6)


def jitter() -> float:
    """At least 0 and less than 1, by chance: so that two who wait for each other do not try again together."""
    return secrets.randbelow(1000) / 1000


def iso(us: int) -> str:
    """RFC 3339 in UTC, with as many digits of the second as are needed.

    >>> iso(0), iso(1_500_000)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:01.500000Z')
    """
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)
    return moment.isoformat().replace("+00:00", "Z")
