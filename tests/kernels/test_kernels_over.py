"""Rolling columns: what a row sees, when it goes on, what is kept; the same for every cut."""

from __future__ import annotations

import random

import harness
import pytest
import reference
from harness import SECOND, Row, fold, play, stamped

from mainstem.engines.kernels import over
from mainstem.errors import Bug
from mainstem.plan.words import Over

NEEDS = {"k": "string", "v": "int64", "id": "int64"}
COLUMNS = NEEDS | {"n": "int64", "total": "hugeint", "highest": "int64"}


def node(width: int, query: str = "", **more: object) -> object:
    query = query or ('SELECT "_row", count(*) OVER w AS n, sum(v) OVER w AS total, max(v) OVER w AS highest FROM "rows" '
                      f'WINDOW w AS (PARTITION BY k ORDER BY ("_at").t RANGE BETWEEN {width * SECOND} PRECEDING AND CURRENT ROW)')
    return fold(Over(range=width * SECOND, query=query, **more), ("k",), NEEDS, COLUMNS)


@pytest.mark.parametrize("seed", harness.seeds(8))
def test_every_cut_gives_the_rolling_values_of_the_reference(seed: int) -> None:
    choose = random.Random(seed)
    width, lateness = choose.choice([1, 10, 60]), choose.choice([0, 5, 20])
    clock, rows = [0, 0], []
    for n in range(60):
        p = choose.randrange(2)
        clock[p] += choose.choice([0, 1, 3, 8, 25]) * SECOND
        t = clock[p] - choose.choice([0, 0, 0, 4, 18]) * SECOND
        rows.append(Row(p, n, t, {"k": choose.choice([None, "a", "b"]), "v": choose.randrange(50), "id": n}))
    found, late = reference.over(stamped(rows, lateness * SECOND), ("k",), width * SECOND)
    by_place = {(row.p, row.n): row for row in rows}
    expected = {by_place[at].values["id"]: (by_place[at].t, len(seen), sum(row.values["v"] for row in seen),
                                            max(row.values["v"] for row in seen)) for at, seen in found.items()}
    for cut, most in enumerate([10**6, choose.choice([1, 4]), 15]):
        played = play(over, node(width), rows, NEEDS, lateness=lateness * SECOND, seed=seed * 10 + cut, most=most)
        assert {row["id"]: (row["_at"]["t"], row["n"], int(row["total"]), row["highest"]) for row in played.rows} == expected
        assert len(played.rows) == len(expected)
        assert played.late() == late
        assert all(rows[row["id"]].values["k"] == row["k"] for row in played.rows)


def test_a_row_waits_until_time_has_passed_it_and_is_context_for_the_range() -> None:
    rows = [Row(0, n, t * SECOND, {"k": "a", "v": 1, "id": n}) for n, t in enumerate([0, 5, 10])]
    played = play(over, node(5), rows, NEEDS, lateness=0, closing=False)
    assert [(row["id"], row["n"]) for row in played.rows] == [(0, 1), (1, 2)]       # W = 10: the row at 10 may get company
    whole = play(over, node(5), rows, NEEDS, lateness=0, most=1)
    assert [(row["id"], row["n"]) for row in whole.rows] == [(0, 1), (1, 2), (2, 2)]


def test_context_is_dropped_once_nothing_can_see_it() -> None:
    rows = [Row(0, n, n * SECOND, {"k": "a", "v": 1, "id": n}) for n in range(300)]
    played = play(over, node(10), rows, NEEDS, lateness=0, most=5)
    assert {row["n"] for row in played.rows[20:]} == {11}
    assert played.state_rows < 30


def test_late_rows_go_aside_or_are_dropped() -> None:
    rows = [Row(0, n, t * SECOND, {"k": "a", "v": 1, "id": n}) for n, t in enumerate([0, 50, 10])]
    played = play(over, node(60), rows, NEEDS, lateness=5 * SECOND)
    assert [row["_detail"] for row in played.aside] == [
        "rows of its time had gone on at 1970-01-01T00:00:10.000001Z, time had passed 1970-01-01T00:00:45Z"]
    assert not play(over, node(60, late="drop"), rows, NEEDS, lateness=5 * SECOND).aside


def test_a_query_that_loses_rows_is_a_bug_and_stops() -> None:
    rows = [Row(0, n, n, {"k": "a", "v": n, "id": n}) for n in range(3)]
    lossy = node(5, 'SELECT "_row", 1::BIGINT AS n, 1::HUGEINT AS total, v AS highest FROM "rows" WHERE v > 1')
    with pytest.raises(Bug, match=r"a row got lost \[law\.broken\]; 3 rows went in, of 1"):
        play(over, lossy, rows, NEEDS, lateness=900 * SECOND, tasks=1)
