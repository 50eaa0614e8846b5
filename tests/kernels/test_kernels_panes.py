"""Calendar windows: days of 23, 24 and 25 hours, midnights that do not exist; tiling without gap or overlap."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from harness import Row, fold, play

from mainstem.engines.kernels import window
from mainstem.engines.kernels.panes import DAY, Calendar, Fixed, instant, panes
from mainstem.plan.words import Window

HOUR = 3_600_000_000


def us(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1_000_000)


def wall(text: str) -> int:
    return us(text + "+00:00")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)])
def test_a_day_in_berlin_has_23_24_or_25_hours(day: str, hours: int) -> None:
    grid = Calendar(DAY, DAY, 0, "Europe/Berlin")
    noon = np.array([us(f"{day}T12:00:00+00:00")])
    start, end = grid.bounds(grid.last(noon))
    assert (end - start).tolist() == [hours * HOUR]
    local = dt.datetime.fromtimestamp(start[0] / 1e6, ZoneInfo("Europe/Berlin"))
    assert local.strftime("%Y-%m-%d %H:%M") == f"{day} 00:00"


def test_half_hours_of_the_long_day_are_fifty_rows_of_one_window() -> None:
    """M5; and M4: the same night has 25 windows of an hour, none of them merged."""
    needs = {"k": "string"}
    columns = {"k": "string", "window_start": "timestamp", "window_end": "timestamp", "n": "int64"}
    query = 'SELECT k, window_start, window_end, count(*) AS n FROM "rows" GROUP BY ALL'
    first = us("2026-10-25T00:00:00+02:00")
    rows = [Row(0, n, first + n * HOUR // 2, {"k": "a"}) for n in range(-4, 60)]
    days = fold(Window(size=DAY, every=DAY, zone="Europe/Berlin", query=query), ("k",), needs, columns)
    assert [row["n"] for row in play(window, days, rows, needs, lateness=0, most=5, tasks=1).rows] == [4, 50, 10]
    hours = fold(Window(size=HOUR, every=HOUR, query=query), ("k",), needs, columns)
    found = play(window, hours, [row for row in rows if 0 <= row.t - first < 25 * HOUR], needs, lateness=0).rows
    assert [row["n"] for row in found] == [2] * 25
    spring = us("2026-03-29T00:00:00+01:00")
    short = [Row(0, n, spring + n * HOUR // 2, {"k": "a"}) for n in range(46)]
    assert len(play(window, hours, short, needs, lateness=0).rows) == 23


def test_a_midnight_that_does_not_exist_is_the_first_moment_that_does() -> None:
    assert instant("America/Sao_Paulo", wall("2018-11-04T00:00:00")) == us("2018-11-04T03:00:00+00:00")
    assert instant("America/Toronto", wall("1919-03-31T00:00:00")) == us("1919-03-31T04:30:00+00:00")     # 23:30 became 00:30
    assert instant("Pacific/Apia", wall("2011-12-30T00:00:00")) == us("2011-12-30T10:00:00+00:00")         # a whole day


def test_a_midnight_that_comes_twice_is_the_first() -> None:
    assert instant("America/Havana", wall("2023-11-05T00:00:00")) == us("2023-11-05T04:00:00+00:00")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "America/Havana"])
def test_days_tile_ten_years_without_gap_or_overlap(zone: str) -> None:
    grid = Calendar(DAY, DAY, 0, zone)
    start, end = grid.bounds(np.arange(14_600, 18_300))
    assert (end[:-1] == start[1:]).all()
    moments = np.sort(np.concatenate([start, start - 1, start + 1]))
    number = grid.last(moments)
    low, high = grid.bounds(number)
    assert ((low <= moments) & (moments < high)).all()
    assert (grid.first(moments) == number).all()


def test_days_may_begin_at_another_hour_and_be_several() -> None:
    grid = Calendar(7 * DAY, 7 * DAY, 4 * DAY + 6 * HOUR, "Europe/Berlin")          # weeks from Monday 06:00
    start, end = grid.bounds(grid.last(np.array([us("2026-10-26T04:59:59+00:00")])))
    assert start[0] == us("2026-10-19T06:00:00+02:00")
    assert end[0] == us("2026-10-26T06:00:00+01:00")


@pytest.mark.parametrize("grid", [Fixed(60, 15, 0), Fixed(16, 7, 3), Fixed(5, 5, -2),
                                  Calendar(3 * DAY, DAY, HOUR, "Europe/Berlin")])
def test_first_and_last_are_the_windows_around_a_moment(grid: Fixed | Calendar) -> None:
    scale = 1 if isinstance(grid, Fixed) else DAY // 7
    t = np.arange(-120, 120) * scale
    for moment, first, last in zip(t.tolist(), grid.first(t).tolist(), grid.last(t).tolist()):
        inside = [k for k in range(first - 3, last + 4) if (bounds := grid.bounds(np.array([k])))[0][0] <= moment < bounds[1][0]]
        assert inside == list(range(first, last + 1))


def test_the_ends_of_time_do_no_harm() -> None:
    for grid in (panes(Window(size=DAY, every=DAY, zone="Europe/Berlin", query="")), panes(Window(size=60, every=60, query=""))):
        far = np.array([-(2**62), 2**62, us("0001-01-01T00:00:00+00:00"), 253_402_300_799_999_999])
        start, end = grid.bounds(grid.last(far))
        assert ((start <= far) & (far < end)).all()
