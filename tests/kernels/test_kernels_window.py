"""Windows: assignment, closing, lateness, hopping, calendar days, gaps; the same for every cut."""

from __future__ import annotations

import random

import harness
import pytest
import reference
from harness import SECOND, Row, fold, play, stamped

from mainstem.engines.kernels import window
from mainstem.plan.words import Window

NEEDS = {"k": "string", "v": "int64"}
COLUMNS = {"k": "string", "window_start": "timestamp", "window_end": "timestamp", "n": "int64", "total": "hugeint", "vs": "list<int64>",
           "oldest": "int64"}
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


@pytest.mark.parametrize("seed", range(20))
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
        assert played.counts() == {k: v for k, v in {("late", "late"): len(late), ("delivered", ""): len(rows) - len(late)}.items() if v}
