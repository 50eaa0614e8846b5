"""A source that plays a script: rows, pauses, arrival times, an end and a crash, partition by partition.

    sources:
      readings:
        scripted:
          partitions:
            a: [{t: "2026-01-01T00:00:01Z", v: 1}, "not even json", {pause: true}, {t: "2026-01-01T00:00:09Z", v: 2}]
            b: [{arrival: "2026-01-01T00:00:02Z"}, {t: "2026-01-01T00:00:02Z", v: 7}, {end: true}]
        format: json

A mapping is a record, sent as one JSON line; a text is a record as it stands. `PAUSE`, `DRAINED`, `END`, `CRASH` and
`arrival(...)` are commands. `register()` makes the kind known.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from mainstem import plugs
from mainstem.testing.crash import Crash

PAUSE: dict[str, Any] = {"pause": True}        # this epoch takes no more of the partition, though more is there
DRAINED: dict[str, Any] = {"drained": True}    # the same, but the partition says that it has been read to its present end
END: dict[str, Any] = {"end": True}            # the partition brings nothing more, ever
CRASH: dict[str, Any] = {"crash": True}        # reading what comes next crashes, the first time
_STOPS = ("pause", "drained", "end")


def arrival(us: int) -> dict[str, Any]:
    """From here on records arrive at this instant (microseconds UTC)."""
    return {"arrival": us}


def register() -> None:
    """Let pipelines of this process use the kinds `scripted` and `collect`."""
    from mainstem.testing.collect import Collect

    plugs.register("sources", Scripted)
    plugs.register("sinks", Collect)


class ScriptedOptions(plugs.Options):
    """The script of each partition, and whether it is all there will ever be."""

    partitions: dict[str, list[Any]] = Field(description="name of a partition -> its records and commands, in order")
    complete: bool = Field(default=True, description="the input ends with the scripts; false: more might always come")
    per_epoch: int | None = Field(default=None, ge=1, description="at most so many records of a partition in one epoch")


@dataclass(frozen=True)
class _Record:
    step: int                                  # its place in the script
    at: int                                    # offset of its first byte in the partition
    raw: bytes
    clock: int | None
    crash: bool                                # a CRASH stands before it


class Scripted:
    """The source `scripted`."""

    kind: ClassVar[str] = "scripted"
    Options: ClassVar[type[plugs.Options]] = ScriptedOptions
    resumes: ClassVar[bool] = True
    replays: ClassVar[bool] = True
    crashed: ClassVar[set[tuple[str, str, int]]] = set()       # crashes that have happened in this process

    def __init__(self, options: ScriptedOptions, format: plugs.Format, scope: plugs.Scope) -> None:
        self.options, self.format, self.scope = options, format, scope
        self.names = tuple(options.partitions)
        self.scripts = [list(_records(script)) for script in options.partitions.values()]
        self.acknowledged: list[Mapping[str, Any]] = []

    @property
    def bounded(self) -> bool:
        return self.options.complete

    def discover(self, progress: Mapping[str, Any] | None, budget: plugs.Budget) -> plugs.Discovery:
        """The next records of every partition, up to its next command to stop."""
        steps = {name: int((progress or {}).get(name, 0)) for name in self.names}
        most = min(self.options.per_epoch or budget.rows, max(budget.rows // max(len(self.names), 1), 1))
        ranges, drained, after = [], set(), {}
        for number, name in enumerate(self.names):
            script = self.options.partitions[name]
            end, stop = _upto(script, steps[name], most)
            if end >= len(script) or stop in ("drained", "end"):
                drained.add(number)
            after[name] = len(script) if stop == "end" else end
            records = [record for record in self.scripts[number] if steps[name] <= record.step < end]
            if records:
                first, last = records[0], records[-1]
                end_at = last.at + len(last.raw)
                ranges.append(plugs.Range(number, first.at, end_at, {"from": first.step, "to": last.step + 1},
                                          bytes=end_at - first.at))
        over = all(after[name] >= len(self.options.partitions[name]) for name in self.names)
        ended = self.options.complete and over
        return plugs.Discovery(tuple(ranges), after, dict(enumerate(self.names)), frozenset(drained), ended)

    def read(self, range: plugs.Range) -> Sequence[plugs.Chunk]:
        """The records of the range as JSON lines; Crash where the script says so, once in a process."""
        import numpy as np

        records = [record for record in self.scripts[range.partition] if range.ref["from"] <= record.step < range.ref["to"]]
        for record in records:
            key = (f"{self.scope.work}/{self.scope.name}", self.names[range.partition], record.step)
            if record.crash and key not in Scripted.crashed:
                Scripted.crashed.add(key)
                raise Crash(f"the script of {self.scope.name}, partition {key[1]}, crashes before step {record.step}")
        clock = np.array([record.clock or 0 for record in records]) if any(record.clock is not None for record in records) else None
        return [plugs.Chunk(b"".join(record.raw for record in records), range.start, clock=clock)]

    def place(self, range_or_position: Mapping[str, Any]) -> str:
        """`readings[a] step 3`."""
        partition = int(range_or_position["partition"])
        found = [record.step for record in self.scripts[partition] if record.at <= int(range_or_position["position"])]
        return f"{self.scope.name}[{self.names[partition]}] step {found[-1] if found else 0}"

    def fetch(self, progress: Mapping[str, Any] | None, partition: int, position: int) -> plugs.Chunk | None:  # noqa: ARG002
        """The record that begins there."""
        import numpy as np

        found = [record for record in self.scripts[partition] if record.at == position]
        clock = np.array([found[0].clock]) if found and found[0].clock is not None else None
        return plugs.Chunk(found[0].raw, position, clock=clock) if found else None

    def acknowledge(self, progress: Mapping[str, Any]) -> None:
        self.acknowledged.append(progress)


def _command(step: Any) -> str | None:
    """The command of a script that this is, None for a record."""
    if isinstance(step, Mapping) and len(step) == 1:
        name, value = next(iter(step.items()))
        if name == "arrival" or (name in (*_STOPS, "crash") and value is True):
            return str(name)
    return None


def _records(script: Sequence[Any]) -> Iterator[_Record]:
    at, clock, crash = 0, None, False
    for number, step in enumerate(script):
        command = _command(step)
        if command == "arrival":
            clock = _moment(step["arrival"])
        elif command == "crash":
            crash = True
        elif command is None:
            text = step if isinstance(step, str) else json.dumps(step, ensure_ascii=False)
            raw = text.encode("utf-8", "surrogateescape") + b"\n"
            yield _Record(number, at, raw, clock, crash)
            at, crash = at + len(raw), False


def _moment(value: int | str) -> int:
    if isinstance(value, int):
        return value
    since = dt.datetime.fromisoformat(value) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since // dt.timedelta(microseconds=1)


def _upto(script: Sequence[Any], start: int, most: int) -> tuple[int, str]:
    """Where this epoch stops in the script, and the command that stopped it."""
    taken, place = 0, start
    while place < len(script):
        command = _command(script[place])
        if command in _STOPS:
            return place + 1, command or ""
        if command is None:
            if taken == most:
                return place, ""
            taken += 1
        place += 1
    return place, ""
