"""Windows: assignment, closing, lateness, hopping, calendar days, gaps; the same for every cut."""

from __future__ import annotations

import random
from datetime import datetime

import harness
import pytest
import reference
from harness import SECOND, Row, fold, play, stamped

from mainstem.engines.kernels import window
from mainstem.errors import Bug, DataError
from mainstem.plan.words import Window

NEEDS = {"k": "string", "v": "int64"}
COLUMNS = {"k": "string", "window_start": "timestamp", "window_end": "timestamp", "n": "int64", "total": "hugeint",
           "vs": "list<int64>", "oldest": "int64"}
QUERY = ('SELECT k, window_start, window_end, count(*) AS n, sum(v) AS total, list(v) AS vs, first(v) AS oldest '
         'FROM "rows" GROUP BY k, window_start, window_end')


def node(size: int, every: int | None = None, **more: object) -> object:
    return fold(Window(size=size, every=every or size, query=QUERY, **more), ("k",), NEEDS, COLUMNS)


def micros(moment: object) -> int:
    return round(moment.timestamp() * 1_000_000)


def rows_of(*times: int, p: int = 0, k: str = "a") -> list[Row]:
    return [Row(p, n, t * SECOND, {"k": k, "v": n}) for n, t in enumerate(times)]


def scattered(seed: int, count: int = 120, keys: int = 4, parts: int = 3, step: int = 4, late: int = 40) -> list[Row]:
    """Rows out of order, keys in several partitions, NULL among them."""
    choose = random.Random(seed)
    rows, clock = [], [0.0] * parts
    for n in range(count):
        p = choose.randrange(parts)
        clock[p] += choose.expovariate(1 / step)
        t = int(clock[p] * SECOND) - (choose.random() < 0.3) * choose.randrange(late * SECOND)
        key = choose.choice([None, *(f"k{i}" for i in range(keys))])
        rows.append(Row(p, n, t - 50 * SECOND, {"k": key, "v": choose.randrange(100)}))
    return rows


def seen(played: harness.Played) -> dict[tuple[str | None, int], tuple[int, int, list[int], int]]:
    found = {}
    for row in played.rows:
        key = (row["k"],), micros(row["window_start"])
        assert key not in found, "a window came twice"
        assert row["_at"]["t"] == micros(row["window_end"]) - 1
        found[key] = (row["n"], int(row["total"]), row["vs"], row["oldest"])
    return found


def expected(panes: dict) -> dict:
    return {key: (len(rows), sum(row.values["v"] for row in rows), [row.values["v"] for row in rows], rows[0].values["v"])
            for key, rows in panes.items()}


@pytest.mark.parametrize("seed", harness.seeds(8))
def test_every_cut_gives_the_windows_and_late_rows_of_the_reference(seed: int) -> None:
    choose = random.Random(seed)
    size, every = choose.choice([(10, 10), (10, 10), (60, 15), (16, 7), (7, 7)])
    lateness, offset = choose.choice([0, 5, 20]), choose.choice([0, 3, -4])
    rows = scattered(seed)
    panes, late = reference.windows(stamped(rows, lateness * SECOND), ("k",), size * SECOND, every * SECOND, offset * SECOND)
    for cut in range(3):
        played = play(window, node(size * SECOND, every * SECOND, offset=offset * SECOND), rows, NEEDS, lateness=lateness * SECOND,
                      seed=seed * 10 + cut, most=choose.choice([1, 5, 30, 10**6]))
        assert seen(played) == expected(panes)
        assert played.late() == late
        partly = {("noted", "late_partial"): sum(row["_fate"] == "noted" for row in played.aside)}
        counts = {("late", "late"): len(late), ("delivered", ""): len(rows) - len(late)} | partly
        assert played.counts() == {fate: count for fate, count in counts.items() if count}


def test_lateness_is_judged_by_the_rows_own_mark_however_rows_are_cut() -> None:
    for most in (1, 2, 10**6):
        played = play(window, node(10 * SECOND), rows_of(60, 5), NEEDS, lateness=10 * SECOND, most=most)
        assert played.late() == {(0, 1)}                                                      # A2
        both = [*rows_of(60), *rows_of(5, p=1)]
        assert play(window, node(10 * SECOND), both, NEEDS, lateness=10 * SECOND, most=most).late() == set()
        older = play(window, node(60 * SECOND), rows_of(60, 5), NEEDS, lateness=10 * SECOND, most=most)
        assert seen(older)[("a",), 0] == (1, 1, [1], 1)         # A3


def test_a_late_row_says_what_had_ended_when() -> None:
    (row,) = play(window, node(10 * SECOND), rows_of(60, 5), NEEDS, lateness=10 * SECOND).aside
    assert row["_detail"] == "its window ended at 1970-01-01T00:00:10Z, time had passed 1970-01-01T00:00:50Z"
    assert (row["_fate"], row["_reason"], row["k"], "_kg" in row) == ("late", "late", "a", False)


def test_dropped_late_rows_are_counted_and_not_kept() -> None:
    played = play(window, node(10 * SECOND, late="drop"), rows_of(60, 5), NEEDS, lateness=10 * SECOND)
    assert not played.aside
    assert played.counts() == {("late", "late"): 1, ("delivered", ""): 1}


def test_a_window_closes_exactly_at_its_end_and_a_row_there_is_in_the_next() -> None:
    rows = rows_of(3, 20)                                                                     # W = 10 after the second row
    played = play(window, node(10 * SECOND), rows, NEEDS, lateness=10 * SECOND, closing=False)
    assert set(seen(played)) == {(("a",), 0)}                                                 # A4
    assert set(seen(play(window, node(10 * SECOND), rows_of(10), NEEDS, lateness=0))) == {(("a",), 10 * SECOND)}


def test_nothing_is_late_before_the_first_row_and_silence_closes_nothing() -> None:
    played = play(window, node(10 * SECOND), [*rows_of(500), *rows_of(1, p=1)], NEEDS, lateness=0, closing=False)
    assert not played.aside                                                                   # A1
    assert not play(window, node(10 * SECOND), [], NEEDS, lateness=0).rows


def test_windows_close_in_an_epoch_without_rows() -> None:
    played = play(window, node(10 * SECOND), rows_of(1), NEEDS, lateness=0)                   # A11: the closing epoch has none
    assert seen(played) == {(("a",), 0): (1, 0, [0], 0)}


def test_a_row_late_for_some_hopping_windows_is_in_the_others_and_noted_once() -> None:
    for most in (1, 10**6):
        played = play(window, node(60 * SECOND, 15 * SECOND), rows_of(100, 44), NEEDS, lateness=20 * SECOND, most=most)
        starts = {start // SECOND for (_, start), found in seen(played).items() if 1 in found[2]}
        assert starts == {30}                                                                 # of -15, 0, 15, 30; mark 80 (A5)
        assert played.counts() == {("delivered", ""): 2, ("noted", "late_partial"): 1}
        (row,) = played.aside
        assert (row["_fate"], row["_reason"], row["_at"]["t"]) == ("noted", "late_partial", 44 * SECOND)
        assert row["_detail"] == ("too late for 3 of its 4 windows, which began at 1969-12-31T23:59:45Z, 1970-01-01T00:00:00Z, "
                                  "1970-01-01T00:00:15Z; time had passed 1970-01-01T00:01:20Z")


def test_what_late_rows_are_dropped_for_is_noted_in_the_account_only() -> None:
    played = play(window, node(60 * SECOND, 15 * SECOND, late="drop"), rows_of(100, 44), NEEDS, lateness=20 * SECOND)
    assert not played.aside
    assert played.counts() == {("delivered", ""): 2, ("noted", "late_partial"): 1}


@pytest.mark.parametrize("seed", harness.seeds(10))
def test_the_windows_that_each_row_missed_are_those_of_the_reference(seed: int) -> None:
    choose = random.Random(seed)
    every = choose.choice([5, 10, 25]) * SECOND
    size, lateness = every * choose.randint(2, 5), choose.choice([0, 10]) * SECOND
    rows = scattered(seed)
    wanted = {}
    for row in stamped(rows, lateness):
        starts = [start for start in range((row.t // every - size // every) * every, row.t + 1, every) if row.t < start + size]
        missed = [start for start in starts if start + size <= row.wm]
        if missed and len(missed) < len(starts):
            wanted[row.p, row.n] = missed
    assert wanted
    for most in (3, 10**6):
        played = play(window, node(size, every), rows, NEEDS, lateness=lateness, seed=seed, most=most)
        found = {(row["_at"]["p"], row["_at"]["n"]): row["_detail"] for row in played.aside if row["_fate"] == "noted"}
        assert found.keys() == wanted.keys()
        for place, detail in found.items():
            told = detail.partition("began at ")[2].partition(";")[0].split(", ")
            assert [micros(datetime.fromisoformat(text)) for text in told] == wanted[place]


@pytest.mark.parametrize(("t", "start"), [(-1800, -3600), (0, 0), (-1, -3600), (3599, 0), (-3600, -3600)])
def test_windows_are_counted_from_the_epoch_also_before_it(t: int, start: int) -> None:
    assert set(seen(play(window, node(3600 * SECOND), rows_of(t), NEEDS, lateness=0))) == {(("a",), start * SECOND)}     # C1


def test_every_row_is_in_floor_or_ceiling_of_size_by_step_windows() -> None:
    rows = [Row(0, n, -(10**15) + n * 37_001, {"k": "a", "v": n}) for n in range(300)]         # C2: 1600 / 700 ms
    played = play(window, node(1_600_000, 700_000, offset=123), rows, NEEDS, lateness=10**9)
    count = [0] * len(rows)
    for row in played.rows:
        for v in row["vs"]:
            count[v] += 1
    assert set(count) == {2, 3}


def test_a_null_key_is_a_group_of_its_own_and_float_keys_compare_by_value() -> None:
    nan = float("nan")
    keyed = fold(Window(size=10 * SECOND, every=10 * SECOND, query='SELECT k, window_start, window_end, count(*) AS n FROM "rows" '
                        "GROUP BY ALL"), ("k",), {"k": "double"}, {"k": "double", "window_start": "timestamp",
                                                                   "window_end": "timestamp", "n": "int64"})
    values = [nan, -nan, -0.0, 0.0, None, None, 1.0]
    rows = [Row(0, n, 0, {"k": value}) for n, value in enumerate(values)]
    for most in (1, 10**6):
        found = play(window, keyed, rows, {"k": "double"}, lateness=0, most=most).rows
        assert sorted((repr(row["k"]), row["n"]) for row in found) == [("0.0", 2), ("1.0", 1), ("None", 2), ("nan", 2)]


def test_made_rows_are_ranked_within_their_key_group_by_time_and_key() -> None:
    rows = [Row(0, n, (n % 3) * 10 * SECOND, {"k": f"k{n % 40}", "v": n}) for n in range(240)]
    played = play(window, node(10 * SECOND), rows, NEEDS, lateness=1000 * SECOND, tasks=1)
    groups: dict[int, list] = {}
    for row in played.rows:
        groups.setdefault(row["_at"]["p"], []).append((row["_at"]["n"] & 0xFFFFFFFF, row["_at"]["t"], row["k"]))
        assert (row["_at"]["o"], row["_at"]["c"], row["_at"]["wm"], row["_at"]["i"]) == (7, 0, -(2**62), -1)
    for members in groups.values():
        assert [rank for rank, _, _ in members] == list(range(len(members)))
        assert sorted(members) == sorted(members, key=lambda one: (one[1], one[2]))


def test_an_overflow_stops_with_the_step_and_duckdbs_words() -> None:
    query = 'SELECT k, window_start, window_end, sum(v)::TINYINT AS n FROM "rows" GROUP BY ALL'
    narrow = fold(Window(size=SECOND, every=SECOND, query=query), ("k",), NEEDS,
                  {"k": "string", "window_start": "timestamp", "window_end": "timestamp", "n": "int8"})
    rows = [Row(0, n, 0, {"k": "a", "v": 100}) for n in range(2)]
    with pytest.raises(DataError) as caught:
        play(window, narrow, rows, NEEDS, lateness=0)
    assert (caught.value.code, caught.value.where) == ("sql.overflow", "f")
    assert "INT8" in caught.value.why
    wide = fold(Window(size=SECOND, every=SECOND, query=query.replace("::TINYINT", "")), ("k",), NEEDS,
                {"k": "string", "window_start": "timestamp", "window_end": "timestamp", "n": "int64"})
    huge = [Row(0, n, 0, {"k": "a", "v": 2**63 - 1}) for n in range(2)]
    with pytest.raises(DataError) as caught:
        play(window, wide, huge, NEEDS, lateness=0)
    assert caught.value.code == "sql.overflow"




def test_without_fill_there_are_no_windows_without_rows() -> None:
    played = play(window, node(10 * SECOND), rows_of(5, 38), NEEDS, lateness=20 * SECOND)
    assert [start // SECOND for _, start in sorted(seen(played))] == [0, 30]                   # C8


FILL = {"fill": True, "blank": 'SELECT count(*) AS n, sum(v) AS total, list(v) AS vs, first(v) AS oldest FROM "rows"'}


@pytest.mark.parametrize("most", [1, 2, 10**6])
def test_windows_without_rows_are_filled_for_keys_that_had_some(most: int) -> None:
    rows = [Row(0, 0, 5 * SECOND, {"k": "a", "v": 1}), Row(0, 1, 8 * SECOND, {"k": "b", "v": 1}),
            Row(0, 2, 38 * SECOND, {"k": "a", "v": 2}), Row(0, 3, 75 * SECOND, {"k": "c", "v": 3})]
    played = play(window, node(10 * SECOND, **FILL), rows, NEEDS, lateness=20 * SECOND, most=most)
    counts = {(row["k"], micros(row["window_start"]) // SECOND): row["n"] for row in played.rows}
    # the watermark came to 55; a window of which nobody can say yet that it is empty is not filled
    assert counts == {("a", 0): 1, ("a", 10): 0, ("a", 20): 0, ("a", 30): 1, ("a", 40): 0, ("b", 0): 1, ("b", 10): 0, ("b", 20): 0,
                      ("b", 30): 0, ("b", 40): 0, ("c", 70): 1}
    (blank,) = [row for row in played.rows if row["k"] == "a" and micros(row["window_start"]) == 10 * SECOND]
    assert (blank["total"], blank["vs"], blank["oldest"]) == (None, None, None)
    assert played.counts() == {("delivered", ""): 4}


@pytest.mark.parametrize("seed", harness.seeds(4))
def test_filled_windows_are_the_same_for_every_cut(seed: int) -> None:
    size, every = random.Random(seed).choice([(10, 10), (20, 5)])
    rows = scattered(seed, count=40, step=12)
    filled = node(size * SECOND, every * SECOND, **FILL)
    contents = [play(window, filled, rows, NEEDS, lateness=10 * SECOND, seed=cut, most=most).content()
                for cut, most in enumerate([10**6, 3, 8])]
    assert contents[0] == contents[1] == contents[2]
    assert any(dict(row[:-3])["n"] == 0 for row in contents[0])


def test_a_silent_key_is_filled_for_a_thousand_windows_and_no_more() -> None:
    rows = [Row(0, 0, 0, {"k": "old", "v": 1}), Row(0, 1, 10**6 * SECOND, {"k": "new", "v": 1}),
            Row(0, 2, 2 * 10**6 * SECOND, {"k": "new", "v": 1})]
    for most in (1, 10**6):
        played = play(window, node(10 * SECOND, **FILL), rows, NEEDS, lateness=0, most=most)
        assert len([row for row in played.rows if row["k"] == "old"]) == 1001


def test_aggregates_follow_the_rules_for_null_and_nan() -> None:
    nan = float("nan")
    needs = {"k": "string", "x": "double"}
    query = ('SELECT k, window_start, window_end, min(x) AS low, max(x) AS high, sum(x) AS total, avg(x) AS mean FROM "rows" '
             "GROUP BY k, window_start, window_end")
    columns = {"k": "string", "window_start": "timestamp", "window_end": "timestamp", "low": "double", "high": "double",
               "total": "double", "mean": "double"}
    rows = [Row(0, n, 0, {"k": k, "x": x}) for n, (k, x) in enumerate(
        [("a", 1.0), ("a", nan), ("a", None), ("a", 3.0), ("b", None), ("b", None)])]
    found = {row["k"]: repr([row[name] for name in ("low", "high", "total", "mean")])
             for row in play(window, fold(Window(size=SECOND, every=SECOND, query=query), ("k",), needs, columns), rows, needs,
                             lateness=0).rows}
    assert found == {"a": "[1.0, nan, nan, nan]", "b": "[None, None, None, None]"}


@pytest.mark.parametrize("lossy", ["HAVING count(*) > 1", "HAVING k = 'a'"])
def test_a_query_that_loses_a_group_breaks_the_law(lossy: str) -> None:
    spoilt = fold(Window(size=10 * SECOND, every=10 * SECOND, query=f"{QUERY} {lossy}"), ("k",), NEEDS, COLUMNS)
    with pytest.raises(Bug, match=r"a group got lost \[law\.broken\]; 3 rows went in, the groups that came out have 2"):
        play(window, spoilt, [*rows_of(1, 2), *rows_of(1, p=1, k="b")], NEEDS, lateness=900 * SECOND, tasks=1)
