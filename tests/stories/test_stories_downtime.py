"""A follower that was away for days: the backlog gives what it would have given, and being away is not being idle (2-H 1, 2, 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, lines, opened, rows, write

from mainstem import signals
from mainstem.clock import HandClock
from mainstem.project.place import locate
from mainstem.project.run import run

PIPELINE = """\
version: 1
pipeline: away
sources:
  readings:
    files: {path: "inbox/*.jsonl"}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!}
    time: {column: at, lateness: 10s, max_future: 5m, idle: {after: 3s, then: flush}}
steps:
  fresh: {from: readings, dedupe: {by: [sensor, value], within: 30s}}
  minutes:
    from: fresh
    window: {size: 1m, by: [sensor], late: quarantine}
    select: count(*) AS n
  visits: {from: fresh, session: {gap: 40s, by: [sensor]}, select: count(*) AS n}
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  visits: {from: visits, delta: {table: visits, mode: append}}
"""
START, DAY = 1_770_000_000_000_000, 86_400_000_000              # long after the readings


def readings(first: int, last: int) -> str:
    """One a second of three sensors; `s9` says nothing after the first minute, every 50th reading is a minute too late."""
    return lines({"sensor": "s9" if n < 60 and n % 4 == 0 else f"s{n % 3}", "at": at(n - 70 if n % 50 == 49 else n), "value": float(n)}
                 for n in range(first, last))


def follow(file: Path, clock: HandClock, epochs: int = 1) -> list[tuple[int, int]]:
    """Follow for some epochs; (clock, rows so far) at the end of each."""
    seen: list[tuple[int, int]] = []

    def listen(name: str, facts: dict[str, Any]) -> None:
        if name == "run.progress":
            seen.append((clock.now(), facts["rows"]))

    with signals.listening(listen):
        assert balances(run(locate(file, None, {}), follow=True, clock=clock, max_epochs=epochs).account)
    return seen


def told(file: Path) -> dict[str, Any]:
    aside = [(row["id"], row["fate"], row["reason"]) for row in opened(file).read("quarantine").to_pylist()]
    return {name: rows(file, name) for name in ("minutes", "visits")} | {"quarantine": sorted(aside)}


@pytest.mark.parametrize("days", [0, 1, 400])
def test_a_backlog_gives_what_it_would_have_given(days: int, tmp_path: Path) -> None:
    answers = []
    for name, parts in (("never away", [(0, 125), (125, 320), (320, 330)]), ("away", [(0, 125), (125, 320), (320, 330)])):
        file = write(tmp_path / name, PIPELINE)
        (file.parent / "inbox").mkdir()
        clock = HandClock(START)
        for number, (first, last) in enumerate(parts):
            (file.parent / f"inbox/{number}.jsonl").write_text(readings(first, last))
            if name == "away":
                clock.set(clock.now() + days * DAY)
            assert follow(file, clock)[-1][1] == last - first            # one epoch each, none of them idle
        answers.append(told(file))
    assert answers[0] == answers[1]
    assert len(answers[0]["minutes"]) > 10
    assert {row["sensor"] for row in answers[0]["visits"]} >= {"s9"}      # closed by the time of others, days after its last row
    assert {reason for _, _, reason in answers[0]["quarantine"]} == {"late"}


def test_being_away_is_not_being_idle_but_being_idle_afterwards_is(tmp_path: Path) -> None:
    file = write(tmp_path, PIPELINE, inbox___0__jsonl=readings(0, 49))
    clock = HandClock(START)
    follow(file, clock)
    assert rows(file, "minutes") == []
    clock.set(START + 10 * DAY)
    ((flushed, _),) = follow(file, clock)
    assert 3_000_000 <= flushed - (START + 10 * DAY) < 4_000_000          # the rule counts from the start of this process
    assert sum(row["n"] for row in rows(file, "minutes")) == 49
