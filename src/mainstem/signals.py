"""The one hook by which the house reports what it is doing, and by which `testing` crashes or pauses it.

`at(point)` marks a numbered point of the epoch protocol or a durable call; `tell(event)` reports progress. Both go to
every listener, in the order they were added. Listeners run in the thread that speaks and may raise: that is how a crash
is injected.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Listener = Callable[[str, dict[str, Any]], None]

# The closed list of what may be said, with its meaning and the facts that go with it.
SIGNALS = {
    "epoch.planned": "1: plan-N is on disk; ranges, versions and clock are fixed (facts: epoch)",
    "epoch.ran": "2: every data file of the epoch is written and fsynced (facts: epoch)",
    "epoch.judged": "3: the watermark is computed and every leg balances (facts: epoch)",
    "epoch.prepared": "4: prepared-N is on disk; the decision (facts: epoch)",
    "epoch.committing": "5: about to commit one output (facts: epoch, output)",
    "epoch.committed": "5: one output is committed (facts: epoch, output, version)",
    "epoch.finished": "6: manifest-N is on disk (facts: epoch)",
    "epoch.acknowledged": "6: the sources and the ledger know (facts: epoch)",
    "durable.create": "a file is about to be created exclusively (facts: path)",
    "durable.link": "a finished file is about to get its final name (facts: path)",
    "durable.fsync": "a file or a folder is about to be fsynced (facts: path)",
    "durable.commit": "a table is about to be committed (facts: path, version)",
    "task.started": "a task begins (facts: epoch, stage, task)",
    "task.finished": "a task has its report (facts: epoch, stage, task)",
    "run.started": "a run begins (facts: pipeline, release, incarnation)",
    "run.progress": "rows so far (facts: epoch, rows, seconds)",
    "run.finished": "a run ended (facts: why, rows)",
    "log": "a line for the person at the screen (facts: level, message)",
}

_listeners: list[Listener] = []


def tell(name: str, **facts: Any) -> None:
    """Report `name` with its facts to every listener; `name` must be in SIGNALS."""
    if name not in SIGNALS:
        raise KeyError(f"signal {name!r} is not in signals.SIGNALS")
    for listener in tuple(_listeners):
        listener(name, facts)


at = tell


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` hear everything that is said inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
