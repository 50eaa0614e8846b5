"""However the input is cut, interleaved and interrupted: the same rows, late set and counts (2-S 1, 9; A6, A8, D1)."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawing import cut, events, marks_of, position, whole
from scripted import BEGIN, MINUTE, SECOND, Move, Partitions, Ran, compiled, play, seeds, source

from mainstem.engines import staging

LATENESS, WITHIN, GAP = 10 * SECOND, 30 * SECOND, 15 * SECOND
PIPELINE = (
    source("10s")
    + """
steps:
  good:
    from: events
    check: [{name: v_high, that: v > -45}]
  fresh:
    from: good
    dedupe: {by: [k, v], within: 30s}
  minutes:
    from: fresh
    window: {size: 1m, by: [k], late: quarantine}
    select: count(*) AS n, sum(v) AS total, max(seq) AS newest
  tens:
    from: minutes
    window: {size: 10m, late: quarantine}
    select: sum(n) AS n, count(*) AS minutes
  visits:
    from: events
    session: {gap: 15s, by: [k]}
    select: count(*) AS n
  rolling:
    from: good
    over: {by: [k], range: 1m}
    select: sum(v) AS recent
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  tens: {from: tens, delta: {table: tens, mode: append}}
  visits: {from: visits, delta: {table: visits, mode: append}}
  rolling: {from: rolling, delta: {table: rolling, mode: append}}
"""
)
OUTPUTS = ("minutes", "tens", "visits", "rolling")


def stamped(partitions: Partitions) -> Iterator[tuple[int, int, Any, int]]:
    """(partition, index, row, mark) in (partition, position) order; no mark is minus infinity."""
    for part, rows in sorted(partitions.items()):
        for index, (row, mark) in enumerate(zip(rows, marks_of(rows, LATENESS))):
            yield part, index, row, -(2**62) if mark is None else mark


def dedupe(rows: list[tuple[int, int, Any, int]], within: int) -> tuple[list[Any], set[tuple[int, int]], int]:
    """(survivors, late, duplicates) by the words of the design: the running maximum of a key within one partition."""
    newest: dict[Any, int] = {}
    kept, late, doubles = [], set(), 0
    for part, index, row, mark in rows:
        t = row["t"]
        if t + within <= mark:
            late.add((part, index))
            continue
        key = (part, row["k"], row["v"])
        known = newest.get(key)
        if known is not None and known + 2 * within > mark and abs(t - known) <= within:
            doubles += 1
        else:
            kept.append((part, index, row, mark))
        newest[key] = t if known is None or known + 2 * within <= mark else max(known, t)
    return kept, late, doubles


def minutes(kept: list[Any]) -> tuple[dict[tuple[str, int], list[Any]], set[tuple[int, int]]]:
    windows, late = defaultdict(list), set()
    for part, index, row, mark in kept:
        end = (row["t"] // MINUTE + 1) * MINUTE
        if end <= mark:
            late.add((part, index))
        else:
            windows[row["k"], end].append(row)
    return windows, late


def visits(rows: list[Any]) -> tuple[list[tuple[str, int, int, int]], set[tuple[int, int]]]:
    times, late = defaultdict(list), set()
    for part, index, row, mark in rows:
        if row["t"] + 1 <= mark:
            late.add((part, index))
        else:
            times[row["k"]].append(row["t"])
    found = []
    for key, mine in times.items():
        mine.sort()
        start = before = mine[0]
        count = 0
        for t in mine:
            if t - before >= GAP:
                found.append((key, start, before, count))
                start, count = t, 0
            before, count = t, count + 1
        found.append((key, start, before, count))
    return found, late


def micros(moment: Any) -> int:
    return round(moment.timestamp() * SECOND)


def keyed(rng: random.Random, partitions: int, rows: int) -> dict[int, list[Any]]:
    """Events whose keys stay in one partition each, with re-sends of rows a few places back."""
    found = events(rng, partitions, rows)
    for part, mine in found.items():
        for index, row in enumerate(mine):
            mine[index] = dict(row, k=f"{row['k']}@{part}")
            if index > 3 and rng.random() < 0.15:
                mine[index] = dict(mine[index - rng.randrange(1, 4)])
    return found


@pytest.mark.parametrize("seed", seeds(4))
def test_every_cut_gives_the_rows_of_the_reference(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    partitions = keyed(rng, rng.choice([1, 2, 3]), 90)
    plan = compiled(PIPELINE)
    rows = list(stamped(partitions))
    good = [one for one in rows if one[2]["v"] > -45]
    kept, late_at_dedupe, doubles = dedupe(good, WITHIN)
    windows, late_at_window = minutes(kept)
    sessions, late_at_session = visits(rows)
    wanted_minutes = Counter(
        (key, end, len(mine), sum(row["v"] for row in mine), max(row["seq"] for row in mine))
        for (key, end), mine in windows.items()
    )
    first: Ran | None = None
    for number, moves in enumerate([whole(partitions), *(cut(rng, partitions) for _ in range(3))]):
        restart = random.Random(seed) if number > 1 else None
        monkeypatch.setattr(staging, "_MOST", rng.choice([0, 1, 2, 24]))      # so few epochs have so few files
        ran = play(plan, tmp_path, partitions, moves, tasks=1 + number % 2, restart=restart, ahead=number % 2 == 1)
        here = f"seed {seed}, cut {number}: {moves}"
        assert (
            Counter((row["k"], micros(row["window_end"]), row["n"], row["total"], row["newest"]) for row in ran.outputs["minutes"])
            == wanted_minutes
        ), here
        assert Counter(
            (row["k"], micros(row["session_start"]), micros(row["session_end"]), row["n"]) for row in ran.outputs["visits"]
        ) == Counter(sessions), here
        assert sum(row["n"] for row in ran.outputs["tens"]) == sum(len(mine) for mine in windows.values()), here
        assert sum(row["minutes"] for row in ran.outputs["tens"]) == len(windows), here
        for node, late in (("fresh", late_at_dedupe), ("minutes", late_at_window), ("visits", late_at_session)):
            assert ran.late(node) == Counter((part, position(partitions, part, index)) for part, index in late), f"{here} {node}"
        assert not ran.late("tens"), f"{here}: a window made its successor late"
        assert ran.account["events -> minutes"]["reasons"].get("filtered: fresh: duplicate", 0) == doubles, here
        if first is None:
            first = ran
            continue
        for name in OUTPUTS:
            assert ran.content(name) == first.content(name), f"{here}: {name}"
        assert ran.set_aside() == first.set_aside(), here
        assert ran.legs() == first.legs(), here


def test_the_reference_is_not_empty() -> None:
    """The random inputs have what they are for: duplicates, rows late at every fold, several sessions a key."""
    partitions = keyed(random.Random(0), 2, 90)
    rows = list(stamped(partitions))
    kept, late, doubles = dedupe([one for one in rows if one[2]["v"] > -45], WITHIN)
    windows, late_at_window = minutes(kept)
    sessions, late_at_session = visits(rows)
    assert doubles > 3
    assert late_at_session
    assert late | late_at_window
    assert len(windows) > 5
    assert len(sessions) > 8


DEDUPE = (
    source("10s")
    + """
steps:
  fresh:
    from: events
    dedupe: {by: [k, seq], within: 1m}
outputs:
  fresh: {from: fresh, delta: {table: fresh, mode: append}}
"""
)


@pytest.mark.parametrize("seed", seeds(3))
def test_wrapping_keys_and_re_sends_up_to_the_horizon(seed: int, tmp_path: Path) -> None:
    """A sequence number that wraps every 8 readings loses none; a re-send at exactly the horizon is still a duplicate."""
    rng = random.Random(seed)
    plan, partitions, wanted, doubles = compiled(DEDUPE), {}, Counter(), 0
    for part in range(2):
        mine = []
        for number in range(60):
            t = BEGIN + number * 20 * SECOND
            mine.append({"t": t, "k": f"s{part}", "v": number, "seq": number % 8, "x": 0.0})
            wanted[part, number] += 1
            if rng.random() < 0.3:
                back = rng.choice([0, 1, 2, 3])  # 0, 20, 40 or exactly 60 s behind: all within
                sent = [row for row in mine if row["v"] == number - back][:1]
                mine += [dict(row, x=1.0) for row in sent]
                doubles += len(sent)
        partitions[part] = mine
    assert doubles > 10
    late = {(part, index) for part, index, row, mark in stamped(partitions) if row["t"] + MINUTE <= mark}
    assert not late
    for number, moves in enumerate([whole(partitions), *(cut(rng, partitions, 9) for _ in range(3))]):
        ran = play(plan, tmp_path, partitions, moves, restart=rng if number > 1 else None)
        here = f"seed {seed}, cut {number}: {moves}"
        assert Counter((int(row["k"][1:]), row["v"]) for row in ran.outputs["fresh"]) == wanted, here
        assert all(row["x"] == 0.0 for row in ran.outputs["fresh"]), f"{here}: the first one passes"
        assert ran.account["events -> fresh/output"]["filtered"] == doubles, here


def test_every_single_cut_of_a_small_input(tmp_path: Path) -> None:
    """All places at which seven rows of one partition can be parted in two: A2, A4 and D1 at every boundary."""
    plan = compiled(PIPELINE)
    times = [0, 60, 49, 70, 35, 71, 61]
    rows = [{"t": BEGIN + t * SECOND, "k": "a", "v": v, "seq": v, "x": 0.0} for v, t in enumerate(times)]
    answers = []
    for first in range(8):
        moves = [Move({0: first}), Move({0: 7 - first})] if first else [Move({0: 7})]
        answers.append(play(plan, tmp_path, {0: rows}, moves))
    for name in OUTPUTS:
        assert all(answer.content(name) == answers[0].content(name) for answer in answers), name
    assert all(answer.set_aside() == answers[0].set_aside() for answer in answers)
    # after 70 the mark is 60: the row at 35 belongs to the window that ended exactly there, and 61 still has its own
    assert answers[0].late("minutes") == {(0, position({0: rows}, 0, 4)): 1}
