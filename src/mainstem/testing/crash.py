"""Failing on purpose: crash or kill at a numbered point of the protocol, or before any durable call; and counting those calls.

A crash in the process is a `Crash`, which no `except Exception` swallows. Once it has happened nothing durable goes through
any more: clean-up code that would write, link or commit meets the crash again, as it would if the process were gone.
What the process had in memory is gone for those who come after it once the test says `forget()`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from mainstem import durable, signals

_armed = ExitStack()                  # what stays armed to the end of the process
DURABLE = tuple(name for name in signals.SIGNALS if name.startswith("durable."))


class Crash(BaseException):
    """The process is to be thought of as dead from here on."""


@dataclass
class Reached:
    """How often the point was said; a test that asserts `fired` cannot pass without having crashed."""

    point: str
    count: int = 0
    fired: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def crash_at(point: str, times: int = 1, **facts: Any) -> Iterator[Reached]:
    """Raise Crash when `point` is said for the `times`-th time; `durable` means any durable call.

    `facts` narrow it down: `crash_at("epoch.committed", output="climate")`. The Crash leaves the block: catch it outside.

    >>> import pytest
    >>> with pytest.raises(Crash), crash_at("epoch.judged", times=2) as reached:
    ...     signals.at("epoch.judged", epoch=1)
    ...     signals.at("epoch.judged", epoch=2)
    >>> reached.fired, reached.count
    (True, 2)
    """
    with _hearing(point, times, facts, _crash) as reached:
        yield reached


@contextmanager
def kill_at(point: str, times: int = 1, **facts: Any) -> Iterator[Reached]:
    """Send this process SIGKILL there: for a child process of the test, with nothing of Python's to soften it."""
    with _hearing(point, times, facts, lambda _: os.kill(os.getpid(), signal.SIGKILL)) as reached:
        yield reached


def kill_from_environment() -> None:
    """For the start of a script: `MAINSTEM_KILL_AT=epoch.prepared:2` kills it at the second time of that point."""
    said = os.environ.get("MAINSTEM_KILL_AT")
    if said:
        point, _, times = said.partition(":")
        _armed.enter_context(kill_at(point, int(times or 1)))


def forget() -> None:
    """Lose what only memory knew, as a process that ends does: to be called between a crash and the reopening.

    Without it a file of state that never reached the disk could still be found by who reads it next.
    """
    durable.forget()


@contextmanager
def count_durable_calls() -> Iterator[list[tuple[str, str]]]:
    """Every durable call inside the block, as (signal, path), in order."""
    calls: list[tuple[str, str]] = []

    def listen(name: str, facts: dict[str, Any]) -> None:
        if name in DURABLE:
            calls.append((name, str(facts.get("path", ""))))

    with signals.listening(listen):
        yield calls


@contextmanager
def _hearing(point: str, times: int, facts: dict[str, Any], act: Any) -> Iterator[Reached]:
    if point != "durable" and point not in signals.SIGNALS:
        raise KeyError(f"{point!r} is not in signals.SIGNALS")
    reached, lock = Reached(point), threading.Lock()

    def listen(name: str, said: dict[str, Any]) -> None:
        with lock:
            if reached.fired:
                if name in DURABLE:
                    act(reached)
                return
            if (name in DURABLE if point == "durable" else name == point) and all(said.get(key) == facts[key] for key in facts):
                reached.count += 1
                reached.fired = reached.count == times
                reached.facts = dict(said)
            else:
                return
            if not reached.fired:
                return
        act(reached)

    with signals.listening(listen):
        yield reached


def _crash(reached: Reached) -> None:
    raise Crash(f"{reached.point}, time {reached.count}: {reached.facts}")
