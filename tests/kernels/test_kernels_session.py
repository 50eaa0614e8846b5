"""Sessions: strict gap, bridging rows, closing, identity; the same for every cut."""

from __future__ import annotations

import random

import harness
import pytest
import reference
from harness import SECOND, Row, fold, play, stamped

from mainstem.engines.kernels import session
from mainstem.errors import Bug
from mainstem.plan.words import Session

NEEDS = {"k": "string", "v": "int64"}
COLUMNS = {"k": "string", "session_id": "string", "session_start": "timestamp", "session_end": "timestamp",
           "closes_at": "timestamp", "n": "int64", "vs": "list<int64>"}
QUERY = ("SELECT k, md5(coalesce('=' || k, '-') || epoch_us(session_start)::VARCHAR) AS session_id, session_start, session_end, "
         'closes_at, count(*) AS n, list(v) AS vs FROM "rows" GROUP BY k, session_start, session_end, closes_at')


def node(gap: int, **more: object) -> object:
    return fold(Session(gap=gap * SECOND, query=QUERY, **more), ("k",), NEEDS, COLUMNS)


def rows_of(*times: int, k: str | None = "a", p: int = 0) -> list[Row]:
    return [Row(p, n, t * SECOND, {"k": k, "v": n}) for n, t in enumerate(times)]


def micros(moment: object) -> int:
    return round(moment.timestamp() * 1_000_000)


def spans(played: harness.Played) -> list[tuple[int, int, int]]:
    return sorted((micros(row["session_start"]) // SECOND, micros(row["session_end"]) // SECOND, row["n"]) for row in played.rows)


@pytest.mark.parametrize("seed", harness.seeds(8))
def test_every_cut_gives_the_sessions_and_late_rows_of_the_reference(seed: int) -> None:
    choose = random.Random(seed)
    gap, lateness = choose.choice([2, 8, 30]), choose.choice([0, 5, 20])
    clock, rows = [0, 0], []
    for n in range(70):
        p = choose.randrange(2)
        clock[p] += choose.choice([0, 1, 3, 8, 25]) * SECOND
        t = clock[p] - choose.choice([0, 0, 0, 4, 18]) * SECOND
        rows.append(Row(p, n, t, {"k": choose.choice([None, "a", "b", "c"]), "v": n}))
    found, late = reference.sessions(stamped(rows, lateness * SECOND), ("k",), gap * SECOND)
    expected = {(key[0], start, members[-1].t, members[-1].t + gap * SECOND): [row.values["v"] for row in members]
                for (key, start), members in found.items()}
    contents = []
    for cut, most in enumerate([10**6, choose.choice([1, 4]), 15]):
        played = play(session, node(gap), rows, NEEDS, lateness=lateness * SECOND, seed=seed * 10 + cut, most=most)
        assert {(row["k"], micros(row["session_start"]), micros(row["session_end"]), micros(row["closes_at"])): row["vs"]
                for row in played.rows} == expected
        assert len(played.rows) == len(expected)
        assert all(row["_at"]["t"] == micros(row["closes_at"]) - 1 for row in played.rows)
        assert played.late() == late
        contents.append(played.content())          # identities of sessions too (C5)
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.parametrize("most", [1, 10**6])
def test_touching_rows_are_two_sessions_and_nearer_ones_are_one(most: int) -> None:
    assert spans(play(session, node(10), rows_of(0, 10), NEEDS, lateness=99 * SECOND, most=most)) == [(0, 0, 1), (10, 10, 1)]
    assert spans(play(session, node(10), rows_of(10, 0), NEEDS, lateness=99 * SECOND, most=most)) == [(0, 0, 1), (10, 10, 1)]
    assert spans(play(session, node(10), rows_of(0, 9), NEEDS, lateness=99 * SECOND, most=most)) == [(0, 9, 2)]


@pytest.mark.parametrize("most", [1, 2, 10**6])
def test_a_row_between_open_sessions_joins_them_whenever_it_comes(most: int) -> None:
    for times in ((0, 8, 16), (0, 16, 8), (16, 0, 8)):
        assert spans(play(session, node(10), rows_of(*times), NEEDS, lateness=99 * SECOND, most=most)) == [(0, 16, 3)]     # C4
    three = play(session, node(10), rows_of(0, 18, 36, 9, 27), NEEDS, lateness=99 * SECOND, most=most)
    assert spans(three) == [(0, 36, 5)]


@pytest.mark.parametrize("most", [1, 10**6])
def test_a_row_that_would_touch_a_closed_session_is_late(most: int) -> None:
    played = play(session, node(10), rows_of(0, 30, 5), NEEDS, lateness=10 * SECOND, most=most)
    assert spans(played) == [(0, 0, 1), (30, 30, 1)]
    (late,) = played.aside
    assert late["_detail"] == "its session could have closed by 1970-01-01T00:00:05.000001Z, time had passed 1970-01-01T00:00:20Z"


def test_a_session_closes_exactly_when_time_reaches_closes_at() -> None:
    assert spans(play(session, node(10), rows_of(0, 20), NEEDS, lateness=10 * SECOND, closing=False)) == [(0, 0, 1)]
    assert spans(play(session, node(10), rows_of(0, 19), NEEDS, lateness=10 * SECOND, closing=False)) == []


def test_dropped_late_rows_are_counted_only() -> None:
    played = play(session, node(10, late="drop"), rows_of(0, 30, 5), NEEDS, lateness=10 * SECOND)
    assert not played.aside
    assert played.counts() == {("late", "late"): 1, ("delivered", ""): 2}


def test_a_query_that_loses_a_session_breaks_the_law() -> None:
    spoilt = fold(Session(gap=5 * SECOND, query=f"{QUERY} HAVING count(*) > 1"), ("k",), NEEDS, COLUMNS)
    with pytest.raises(Bug, match=r"a group got lost \[law\.broken\]; 3 rows went in, the groups that came out have 2"):
        play(session, spoilt, rows_of(1, 2, 60), NEEDS, lateness=900 * SECOND, tasks=1)
