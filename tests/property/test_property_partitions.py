"""Idle, empty, new and waking partitions; clocks that are ahead (2-S 13, B1-B7, A10-A13, H3). Times are seconds after midnight."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from drawing import position
from scripted import BEGIN, DAY, HOUR, MINUTE, SECOND, Bench, Move, Ran, Scripted, compiled, play, source

from mainstem.clock import HandClock
from mainstem.engines.planning import Wish
from mainstem.plugs import Budget

WINDOW = """
steps:
  minutes:
    from: events
    window: {size: 1m, late: quarantine}
    select: count(*) AS n
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""


def plan(**options: str) -> Any:
    return compiled(source(**options) + WINDOW)


def rows(*seconds: int) -> list[dict[str, Any]]:
    return [{"t": BEGIN + t * SECOND, "k": "a", "v": t, "seq": index, "x": 0.0} for index, t in enumerate(seconds)]


def windows(ran: Ran) -> Counter[tuple[int, int]]:
    """(start in seconds, rows) of each window that was emitted."""
    return Counter((round(row["window_start"].timestamp()) - BEGIN // SECOND, row["n"]) for row in ran.outputs["minutes"])


def follow(partitions: Any, moves: list[Move], folder: Path, looks: int = 0, **options: str) -> Ran:
    """An endless source: what is open at the end stays held."""
    return play(plan(**options), folder, partitions, moves, ends=False, follow=True, idle_looks=looks)


# ---------------------------------------------------------------------------------------------- 13: clocks and empties


@pytest.mark.parametrize("place", ["first", "middle", "last", "alone"])
@pytest.mark.parametrize("ahead", [4 * MINUTE, 24 * HOUR], ids=["4min", "24h"])
def test_a_fast_clock_makes_no_honest_row_late(ahead: int, place: str, tmp_path: Path) -> None:
    honest = rows(*range(0, 200, 10))
    at = {"first": 0, "middle": 10, "last": 20, "alone": 10}[place]
    made = BEGIN + at * 10 * SECOND  # when the reading of the fast clock was really made
    fast = {"t": made + ahead, "k": "fast", "v": 0, "seq": 999, "x": 0.0}
    partitions = {0: honest, 1: [fast]} if place == "alone" else {0: [*honest[:at], fast, *honest[at:]]}

    def arrival(part: int, row: Any) -> int:
        """What the broker stamps: a second after the reading was really made."""
        return (made if row["k"] == "fast" else row["t"]) + SECOND

    answers = []
    for moves in (
        [Move({part: len(mine) for part, mine in partitions.items()})],
        [*(Move({0: 5}) for _ in range(5)), Move({1: 1})] if 1 in partitions else [Move({0: 5}) for _ in range(5)],
    ):
        for now in (BEGIN + HOUR, BEGIN + 400 * DAY):  # today, and a replay on another day
            answers.append(play(plan(), tmp_path, partitions, moves, now=now, arrival=arrival))
    for ran in answers:
        assert not ran.late()
        reasons = Counter(row["reason"] for row in ran.aside)
        assert reasons == (Counter(future_timestamp=1) if ahead > 5 * MINUTE else Counter())
        assert sum(row["n"] for row in ran.outputs["minutes"]) == 20 + (ahead <= 5 * MINUTE)
        assert ran.content("minutes") == answers[0].content("minutes")
        assert ran.set_aside() == answers[0].set_aside()
    if ahead > 5 * MINUTE:
        (row,) = answers[0].aside
        assert row["clock"].timestamp() * SECOND == made + SECOND
        assert row["event_time"].timestamp() * SECOND == fast["t"]


def test_thirteen_empty_partitions_of_sixteen_do_not_hold_time(tmp_path: Path) -> None:
    partitions = {part: rows(*range(part, 300, 10)) if part in (2, 7, 11) else [] for part in range(16)}
    moves = [Move(dict.fromkeys((2, 7, 11), 12)), Move(dict.fromkeys((2, 7, 11), 30))]
    ran = follow(partitions, moves, tmp_path)
    assert not ran.late()
    assert not ran.aside
    assert windows(ran) == Counter({(0, 17): 1, (60, 18): 1, (120, 18): 1, (180, 18): 1})
    assert ran.account["events -> minutes"]["held"] == 18


def test_an_empty_source_never_reaches_the_end_of_time(tmp_path: Path) -> None:
    ran = follow({0: [], 1: []}, [Move(), Move(wait=3600)], tmp_path, looks=3, idle="{after: 5s, then: flush}")
    assert not ran.outputs["minutes"]
    assert all(mark < BEGIN for marks in ran.marks for mark in marks.values())


# ---------------------------------------------------------------------------------------------- B1 to B7


def test_b1_a_partition_with_a_backlog_is_slow_and_not_idle(tmp_path: Path) -> None:
    """Partition 1 hands nothing out for an hour, but the broker says that it has more: it holds W, and none of its rows is late."""
    partitions = {0: rows(0, 30, 90, 200, 400), 1: rows(10, 20, 70)}
    moves = [Move({0: 2, 1: 1}), Move({0: 3}, wait=3600), Move({}, wait=3600), Move({1: 2}, wait=3600)]
    ran = follow(partitions, moves, tmp_path, idle="{after: 10s, then: catch_up}")
    assert not ran.late()
    assert windows(ran) == Counter({(0, 4): 1})


def test_b2_a_partition_that_wakes_is_judged_by_the_watermark_of_the_others(tmp_path: Path) -> None:
    partitions = {0: rows(0, 30, 90, 200, 400, 401), 1: rows(5, 10, 500)}
    ends = [{0: 2, 1: 1}, {0: 2, 1: 1}, {0: 5, 1: 1}, {0: 5, 1: 3}, {0: 6, 1: 3}]
    moves = [
        Move({0: 2, 1: 1}, ends[0]),
        Move({}, ends[1], wait=1),
        Move({0: 3}, ends[2], wait=60),
        Move({1: 2}, ends[3]),
        Move({0: 1}, ends[4]),
    ]
    ran = follow(partitions, moves, tmp_path, idle="{after: 30s, then: hold}")
    assert ran.late() == {(1, position(partitions, 1, 1)): 1}, "it slept while time went on"
    assert [row["reason"] for row in ran.aside] == ["woke_after_idle"]
    assert windows(ran) == Counter({(0, 3): 1, (60, 1): 1, (180, 1): 1})


@pytest.mark.parametrize(("newest", "late"), [(69, False), (70, True)])
def test_b2_at_the_edge_the_watermark_closes_what_it_has_just_reached(newest: int, late: bool, tmp_path: Path) -> None:
    """The row that wakes at 10 belongs to the window that ends at 60: W, 10 s behind the newest row, is 59 or exactly 60."""
    partitions = {0: rows(0, 30, newest, 200), 1: rows(5, 10, 8, 500)}
    ends = [{0: 1, 1: 1}, {0: 1, 1: 1}, {0: 3, 1: 1}, {0: 3, 1: 3}, {0: 4, 1: 4}]
    moves = [Move({0: 1, 1: 1}, ends[0]), Move({}, ends[1], wait=1), Move({0: 2}, ends[2], wait=60), Move({1: 2}, ends[3]),
             Move({0: 1, 1: 1}, ends[4])]
    ran = follow(partitions, moves, tmp_path, idle="{after: 30s, then: hold}")
    assert ran.marks[2]["minutes"] == BEGIN + (newest - 10) * SECOND
    assert [row["reason"] for row in ran.aside] == (["woke_after_idle"] * 2 if late else [])
    assert windows(ran)[0, 3 if late else 5] == 1


def test_b2_a_row_that_its_own_partition_makes_late_is_not_late_for_its_sleep(tmp_path: Path) -> None:
    """Partition 1 wakes with a row at 95, which is in time, and one at 10, which is 75 s behind it: late with or without the sleep."""
    partitions = {0: rows(0, 30, 100, 300), 1: rows(5, 95, 10, 310)}
    ends = [{0: 1, 1: 1}, {0: 1, 1: 1}, {0: 3, 1: 1}, {0: 3, 1: 3}, {0: 4, 1: 4}]
    moves = [Move({0: 1, 1: 1}, ends[0]), Move({}, ends[1], wait=1), Move({0: 2}, ends[2], wait=60), Move({1: 2}, ends[3]),
             Move({0: 1, 1: 1}, ends[4])]
    ran = follow(partitions, moves, tmp_path, idle="{after: 30s, then: hold}")
    assert ran.marks[2]["minutes"] == BEGIN + 90 * SECOND
    assert ran.late() == {(1, position(partitions, 1, 2)): 1}
    assert [row["reason"] for row in ran.aside] == ["late"]


@pytest.mark.parametrize(("then", "closed"), [("hold", {}), ("catch_up", {(0, 2): 1}), ("flush", {(0, 2): 1, (60, 1): 1})])
def test_b3_all_partitions_idle(then: str, closed: dict[tuple[int, int], int], tmp_path: Path) -> None:
    """10 s lateness: 0, 30 and 65 leave both windows open; `catch_up` drops the lateness, `flush` closes the newest window."""
    partitions = {0: rows(0, 30, 65), 1: []}
    ran = follow(partitions, [Move({0: 3}), Move(wait=1)], tmp_path, looks=30, idle=f"{{after: 20s, then: {then}}}")
    assert windows(ran) == Counter(closed)
    assert ran.account["events -> minutes"]["held"] == 3 - sum(rows * many for (_, rows), many in closed.items())
    assert all(mark <= BEGIN + 120 * SECOND for marks in ran.marks for mark in marks.values()), "never beyond the newest window"


def test_b3_a_row_that_comes_after_a_flush_is_late_and_the_window_is_not_emitted_twice(tmp_path: Path) -> None:
    partitions = {0: rows(0, 30, 65, 66, 130, 300)}
    ends = [{0: 3}] * 3 + [{0: 4}, {0: 6}]
    moves = [
        Move({0: 3}, ends[0]),
        Move({}, ends[1], wait=1),
        Move({}, ends[2], wait=60),
        Move({0: 1}, ends[3]),
        Move({0: 2}, ends[4]),
    ]
    ran = follow(partitions, moves, tmp_path, idle="{after: 20s, then: flush}")
    assert windows(ran) == Counter({(0, 2): 1, (60, 1): 1, (120, 1): 1})
    assert ran.late() == {(0, position(partitions, 0, 3)): 1}


@pytest.mark.parametrize("first", [0, 1])
def test_b4_the_order_of_falling_idle_does_not_change_the_final_watermark(first: int, tmp_path: Path) -> None:
    """`first` falls asleep a minute before the other; both wake in one epoch."""
    partitions, other = {0: rows(0, 100, 250), 1: rows(5, 110, 255)}, 1 - first
    early, late, all_ = {first: 2, other: 1}, {0: 2, 1: 2}, {0: 3, 1: 3}
    moves = [
        Move(early, early),
        Move({}, early, wait=1),
        Move({other: 1}, late, wait=60),
        Move({}, late, wait=1),
        Move({}, late, wait=60),
        Move({0: 1, 1: 1}, all_),
    ]
    ran = follow(partitions, moves, tmp_path, idle="{after: 30s, then: hold}")
    assert ran.marks[-1]["minutes"] == BEGIN + (250 - 10) * SECOND
    assert not ran.late()
    assert windows(ran) == Counter({(0, 2): 1, (60, 2): 1})


@pytest.mark.parametrize("point", [1, 2, 3])
def test_b5_killed_right_after_an_idle_close_the_window_is_emitted_once(point: int, tmp_path: Path) -> None:
    """The engine is thrown away after `point` epochs; what was idle stays so, and nothing is emitted again."""
    partitions = {0: rows(0, 30, 65)}
    clock = HandClock(BEGIN + HOUR)
    moves = [Move({0: 3}), Move({}, wait=1), Move({}, wait=60), Move({}, wait=1)]
    script = Scripted(partitions, moves, False, clock)
    bench = Bench(
        plan(idle="{after: 20s, then: flush}"),
        tmp_path,
        {"events": script},
        clock=clock,
        wish=Wish(follow=True, budget=Budget(100, 1 << 20)),
    )

    class Every:
        """Restart whenever `point` epochs have passed."""

        count = 0

        def random(self) -> float:
            Every.count += 1
            return 0.0 if Every.count == point else 1.0

    ran = bench.run(Every(), idle_looks=40)  # type: ignore[arg-type]
    assert windows(ran) == Counter({(0, 2): 1, (60, 1): 1})
    assert not ran.aside


def test_b6_a_new_partition_takes_part_from_its_first_row(tmp_path: Path) -> None:
    """Partition 1 appears empty: it does not hold W; once it has a row it does, and its rows before W are judged by W."""
    partitions = {0: rows(0, 50, 130, 200, 205), 1: rows(190, 195)}
    moves = [Move({0: 2}, {0: 2}), Move({0: 1}, {0: 3, 1: 0}), Move({0: 1, 1: 1}, {0: 4, 1: 1}), Move({0: 1, 1: 1}, {0: 5, 1: 2})]
    ran = follow(partitions, moves, tmp_path)
    assert ran.marks[1]["minutes"] == BEGIN + 120 * SECOND
    assert ran.marks[2]["minutes"] == BEGIN + 180 * SECOND
    assert not ran.late()
    assert windows(ran) == Counter({(0, 2): 1, (120, 1): 1})


def test_b7_a_partition_already_at_its_end_at_start_counts_as_drained(tmp_path: Path) -> None:
    partitions = {0: rows(0, 50, 130), 1: []}
    ran = follow(partitions, [Move({0: 3}, {0: 3, 1: 0})], tmp_path)
    assert windows(ran) == Counter({(0, 2): 1})


# ---------------------------------------------------------------------------------------------- A: what moves time, what does not

TWO = """\
version: 1
pipeline: two
sources:
  a:
    generator: {}
    format: json
    columns: {t: timestamp!, k: string, v: int64, seq: int64, x: double}
    time: {column: t, lateness: 10s}
  b:
    generator: {}
    format: json
    columns: {t: timestamp!, k: string, v: int64, seq: int64, x: double}
    time: {column: t, lateness: 10s}
steps:
  merged:
    from: [a, b]
    sql: SELECT t, v FROM a UNION ALL SELECT t, v FROM b
  minutes:
    from: merged
    window: {size: 1m, late: quarantine}
    select: count(*) AS n
outputs:
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""


def test_a13_a_source_without_news_keeps_its_last_value_and_a_silent_one_holds_time(tmp_path: Path) -> None:
    clock = HandClock(BEGIN + HOUR)
    a, b = {0: rows(0, 80, 200)}, {0: rows(20, 90)}
    first = Scripted(a, [Move({0: 1}), Move({0: 1}), Move({0: 1}), Move(), Move()], False, clock)
    second = Scripted(b, [Move(there={0: 0}), Move(there={0: 0}), Move({0: 1}), Move(), Move({0: 1})], False, clock)
    bench = Bench(
        compiled(TWO), tmp_path, {"a": first, "b": second}, clock=clock, wish=Wish(follow=True, budget=Budget(100, 1 << 20))
    )
    ran = bench.run()
    marks = [(mark["minutes"] - BEGIN) // SECOND for mark in ran.marks]
    assert max(marks[:2]) < 0, "a source that never had a row holds W at none"
    assert marks[2:] == [10, 10, 80]
    assert windows(ran) == Counter({(0, 2): 1})
    assert not ran.late()


def test_a12_rows_set_aside_by_a_rule_move_time_and_undecodable_ones_do_not(tmp_path: Path) -> None:
    text = source() + WINDOW.replace("from: events", "from: good", 1).replace(
        "steps:\n", "steps:\n  good:\n    from: events\n    check: [{name: even, that: v % 2 = 0}]\n"
    )
    partitions = {0: [*rows(0, 20, 41), *rows(101)[:1], b'{"t": "2100-01-01T00:00:00Z", "v": "no number"', *rows(30)]}
    ran = play(compiled(text), tmp_path, partitions, [Move({0: 4}), Move({0: 1}), Move({0: 1})], ends=False, follow=True)
    assert ran.marks[0]["minutes"] == BEGIN + 91 * SECOND, "101 is odd: quarantined, and time has come so far all the same"
    assert ran.marks[1]["minutes"] == ran.marks[0]["minutes"], "what cannot be read says nothing about time"
    assert windows(ran) == Counter({(0, 2): 1})
    assert Counter((row["fate"], row["reason"]) for row in ran.aside) == Counter(
        {("quarantined", "rule"): 2, ("quarantined", "not_json"): 1, ("late", "late"): 1}
    )


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_h3_a_jump_of_the_wall_clock_changes_no_window(jump: int, tmp_path: Path) -> None:
    partitions = {0: rows(0, 30, 90, 200, 400), 1: rows(10, 70, 210, 390)}
    answers = []
    for leap in (0, jump):
        clock = HandClock(BEGIN + DAY)
        script = Scripted(partitions, [Move({0: 1, 1: 1}), Move({0: 2, 1: 1}), Move({0: 2, 1: 2})], True, clock)
        read = script.read

        def leaping(range_: Any, clock: HandClock = clock, leap: int = leap, read: Any = read) -> Any:
            clock.set(clock.now() + leap * SECOND)
            return read(range_)

        script.read = leaping  # type: ignore[method-assign]
        bench = Bench(plan(), tmp_path / str(leap), {"events": script}, clock=clock)
        answers.append(bench.run())
    assert windows(answers[0]) == windows(answers[1]) == Counter({(0, 3): 1, (60, 2): 1, (180, 2): 1, (360, 2): 1})
    assert not answers[1].late()
