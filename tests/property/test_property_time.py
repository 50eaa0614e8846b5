"""Event time from the first row to the last, through restarts and crashes (semantics A1, A6, A7, A9, A11, B5, F1). Times are seconds."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from drawing import cut, events, whole
from scripted import BEGIN, DAY, SECOND, Bench, Move, Ran, Scripted, compiled, play, seeds, source

from mainstem.clock import HandClock
from mainstem.engines.planning import Wish
from mainstem.plugs import Budget
from mainstem.testing import Crash, crash_at

FOLDS = """
steps:
  good:
    from: events
    check: [{name: even, that: v % 2 = 0, else: drop}]
  minutes:
    from: good
    window: {size: 1m, by: [k], late: quarantine}
    select: count(*) AS n
  visits:
    from: events
    session: {gap: 15s, by: [k]}
    select: count(*) AS n
  rolling:
    from: events
    over: {by: [k], range: 1m}
    select: sum(v) AS recent
outputs:
  minutes: {from: minutes, delta: {table: minutes}}
  visits: {from: visits, delta: {table: visits}}
  rolling: {from: rolling, delta: {table: rolling}}
"""
POINTS = ("epoch.planned", "epoch.ran", "epoch.judged", "epoch.prepared", "epoch.committing", "epoch.committed", "epoch.finished",
          "epoch.acknowledged")


def rows(*seconds: int, odd: bool = False) -> list[dict[str, Any]]:
    return [{"t": BEGIN + t * SECOND, "k": "a", "v": 2 * t + odd, "seq": t, "x": 0.0} for t in seconds]


def following(text: str, folder: Path, partitions: Any, moves: list[Move], **more: Any) -> Bench:
    """A bench over an endless source, every epoch published."""
    clock = HandClock(BEGIN + DAY)
    script = Scripted(partitions, moves, False, clock)
    return Bench(compiled(text), folder, {"events": script}, clock=clock, wish=Wish(follow=True, budget=Budget(100, 1 << 20)), **more)


def windows(ran: Ran) -> Counter[tuple[int, int]]:
    """(start, rows) of each window that was emitted."""
    return Counter((round(row["window_start"].timestamp()) - BEGIN // SECOND, row["n"]) for row in ran.outputs["minutes"])


@pytest.mark.parametrize("seed", seeds(3))
def test_a1_the_watermark_never_goes_back_whatever_happens_between_epochs(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    partitions = events(rng, 2, 80, disorder=60)
    moves = next(moves for _ in iter(int, 1) if len(moves := cut(rng, partitions, 9)) > 3)      # fewer looks show no going back
    bench = following(source("10s") + FOLDS, tmp_path, partitions, moves)
    for _ in range(3):
        try:
            with crash_at(rng.choice(POINTS), rng.randrange(1, 4)):
                bench.run(random.Random(seed))
        except Crash:
            continue
    bench.run(random.Random(seed))
    history = [bench.home.prepared(number).marks for number in bench.home.epochs("prepared")]
    assert len(history) > 2
    for fold in ("minutes", "visits", "rolling"):
        marks = [marks[fold] for marks in history]
        assert marks == sorted(marks), f"seed {seed}: {fold}"
        assert len(set(marks)) > 1
        assert all(mark < BEGIN or mark >= min(row["t"] for mine in partitions.values() for row in mine) - 10 * SECOND for mark in marks)


@pytest.mark.parametrize("seed", seeds(4))
def test_a6_disorder_within_the_lateness_makes_nothing_late_and_no_cut_shows(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    partitions = {part: [dict(row, t=BEGIN + index * 2 * SECOND + rng.randrange(-4, 5) * SECOND) for index, row in enumerate(mine)]
                  for part, mine in events(rng, rng.choice([1, 2, 3]), 90).items()}
    plan, count = compiled(source("10s") + FOLDS), sum(map(len, partitions.values()))
    first = play(plan, tmp_path, partitions, whole(partitions))
    for number in range(3):
        ran = play(plan, tmp_path, partitions, cut(rng, partitions, 8), tasks=1 + number, restart=rng)
        assert not ran.late()
        assert sum(row["n"] for row in ran.outputs["visits"]) == len(ran.outputs["rolling"]) == count
        for name in ran.outputs:
            assert ran.content(name) == first.content(name), f"seed {seed}, cut {number}: {name}"


@pytest.mark.parametrize("seed", seeds(2))
def test_a7_beyond_the_lateness_every_row_has_its_fate_and_the_same_batches_the_same_late_set(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    partitions = events(rng, 2, 90, disorder=90)
    plan, moves, count = compiled(source("10s") + FOLDS), cut(rng, partitions, 6), sum(map(len, partitions.values()))
    one, other = (play(plan, tmp_path, partitions, moves, tasks=tasks) for tasks in (1, 3))
    assert sum(one.late().values()) > 10
    assert one.set_aside() == other.set_aside()
    used = {"minutes": sum(row["n"] for row in one.outputs["minutes"]), "visits": sum(row["n"] for row in one.outputs["visits"]),
            "rolling": len(one.outputs["rolling"])}
    for fold, here in used.items():
        leg = one.account[f"events -> {fold}"]
        assert here + leg["late"] + leg["quarantined"] + leg["filtered"] == count == leg["made"], fold
        assert leg["late"] == sum(one.late(fold).values())


def test_a9_a_time_that_is_none_is_neither_now_nor_1970(tmp_path: Path) -> None:
    times = [None, "soon", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", float("nan"), "99999-01-01T00:00:00Z"]
    bad = [{"k": "a", "v": 2}, *({"t": time, "k": "a", "v": 2} for time in times)]
    old = {"t": "1969-12-31T23:59:30Z", "k": "a", "v": 2}
    partitions = {0: [old, *rows(0, 30), *bad, *rows(31, 100)]}
    text = (source("10s") + FOLDS).replace("t: timestamp!", "t: timestamp")
    bench = following(text, tmp_path, partitions, [Move({0: 3}), Move({0: len(bad)}), Move({0: 2})])
    ran = bench.run()
    assert Counter((row["fate"], row["node"], row["reason"]) for row in ran.aside) == Counter(
        {("quarantined", "events", "bad_timestamp"): 6, ("quarantined", "events", "not_json"): 1})
    marks = [(marks["minutes"] - BEGIN) // SECOND for marks in ran.marks]
    assert marks == [20, 20, 90], "what has no time moves none"
    assert windows(ran) == Counter({(-60 - BEGIN // SECOND, 1): 1, (0, 3): 1}), "a reading of 1969 is one of 1969"


def test_a11_an_epoch_without_rows_for_anybody_commits_nothing_and_still_goes_on(tmp_path: Path) -> None:
    text = source("10s") + """
steps:
  good:
    from: events
    check: [{name: even, that: v % 2 = 0, else: drop}]
  minutes:
    from: good
    window: {size: 1m, late: quarantine}
    select: count(*) AS n
outputs:
  good: {from: good, delta: {table: good}}
  minutes: {from: minutes, delta: {table: minutes}}
"""
    partitions = {0: [*rows(0, 30), *rows(31, 32, odd=True), *rows(100, odd=True), *rows(101)]}
    bench = following(text, tmp_path, partitions, [Move({0: 2}), Move({0: 2}), Move(), Move({0: 1}), Move({0: 1})])
    ran = bench.run()
    commits = {name: [epoch for epoch, _ in sink.commits] for name, sink in bench.sinks.items()}
    manifests = bench.home.epochs("manifest")
    done = [bench.home.prepared(number).progress["events"]["done"]["0"] for number in bench.home.epochs("prepared")]
    assert done == sorted(done)
    dropped = next(number for number in bench.home.epochs("prepared")
                   if bench.home.prepared(number).account.get("events -> good/output", {}).get("filtered") == 2)
    closing = next(number for number in bench.home.epochs("prepared") if bench.home.prepared(number).rows == 1 and number > dropped)
    assert commits["good/output"] == [1, closing + 1], "rows that are all filtered are no commit"
    assert commits["minutes/output"] == [closing], "a row that is filtered moves time, and a window closes without one"
    assert commits["quarantine"] == []
    assert dropped in manifests
    assert {"step": 2, "done": {"0": 4}} in [dict(progress) for progress in bench.sources["events"].acknowledged]
    assert windows(ran) == Counter({(0, 2): 1})


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_b5_killed_anywhere_around_an_idle_close_the_window_is_emitted_once(point: str, times: int, tmp_path: Path) -> None:
    text = source("10s", idle="{after: 20s, then: flush}") + FOLDS.replace("v % 2 = 0", "v >= 0")
    bench = following(text, tmp_path, {0: rows(0, 30, 65)}, [Move({0: 3}), Move({}, wait=1), Move({}, wait=60), Move({}, wait=1)])
    with contextlib.suppress(Crash), crash_at(point, times) as reached:
        bench.run(idle_looks=40)
    assert reached.fired or times == 3
    ran = bench.run(idle_looks=40)
    assert windows(ran) == Counter({(0, 2): 1, (60, 1): 1})
    assert not ran.aside
    assert bench.home.prepared(bench.home.epochs("prepared")[-1]).live == {"events": {0: "idle"}}


@pytest.mark.parametrize("point", ["epoch.planned", "epoch.ran", "epoch.judged", "epoch.prepared", "epoch.committed"])
def test_f1_a_planned_epoch_is_run_again_with_its_ranges_though_more_has_come(point: str, tmp_path: Path) -> None:
    partitions = {0: rows(*range(40)), 1: rows(*range(40, 60))}
    bench = following(source("10s") + FOLDS, tmp_path, partitions, [Move({0: 5, 1: 5}), Move({0: 5}), Move({0: 30, 1: 15})])
    with pytest.raises(Crash), crash_at(point, 1 if point == "epoch.committed" else 2) as reached:
        bench.run()
    assert reached.fired
    begun = bench.home.epochs("plan")[-1]
    planned = bench.home.plan(begun)
    more = Scripted(partitions, [Move({0: 5, 1: 5}), Move({0: 35, 1: 15}, wait=3600), Move({0: 35, 1: 15})], False, bench.clock)
    bench.sources = {"events": more}
    ran = bench.run()
    assert bench.home.plan(begun).ranges == planned.ranges
    assert bench.home.plan(begun).clock == planned.clock
    assert bench.home.prepared(begun).rows == sum(one["ref"]["last"] - one["ref"]["first"] for one in planned.ranges["events"])
    assert ran.account["events -> rolling"]["made"] == 60
