"""Which state files are written anew: few files, few rows written twice, and never out of their order."""

from __future__ import annotations

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.engines.contract import File
from mainstem.engines.staging import bounds, worn


def file(number: int, rows: int, low: int = 0, high: int = 256) -> File:
    return File(kind="state", node="n", path=f"{number}", rows=rows, bytes=rows, sha256="", low=low, high=high, until=1)


@pytest.mark.parametrize("rows", [lambda _: 10, lambda epoch: 1 + epoch * 7919 % 100, lambda epoch: max(1, 1000 - epoch)])
def test_files_stay_few_and_rows_are_written_anew_as_often_as_the_logarithm(rows) -> None:  # type: ignore[no-untyped-def]
    files, written, added, epochs = list[File](), 0, 0, 3000
    for epoch in range(epochs):
        again = worn(files, 0, 256)
        files = [one for one in files if one not in again] + [file(epoch, rows(epoch) + sum(one.rows for one in again))]
        added += rows(epoch)
        written += files[-1].rows
        assert len(files) <= 25
    assert sum(one.rows for one in files) == added
    assert written < added * log2(epochs)


@given(st.lists(st.integers(1, 10**6), max_size=60))
def test_what_is_written_anew_is_the_newest_in_a_row(sizes: list[int]) -> None:
    files = [file(number, rows) for number, rows in enumerate(sizes)]
    again = worn(files, 0, 256)
    assert again == files[len(files) - len(again):]
    assert (len(again) >= 12) == (len(files) > 24)


@pytest.mark.parametrize(("before", "after"), [(before, after) for before in range(1, 8) for after in range(1, 8)])
def test_files_that_were_cut_for_another_number_of_tasks_are_written_anew_by_all_whom_they_concern(before: int, after: int) -> None:
    """Where no new task shares a file with another one, nothing is written anew; else every file is, by each of its tasks."""
    files = [file(task, 5, *bounds(task, before)) for task in range(before)]
    ranges = [bounds(task, after) for task in range(after)]
    for one in files:
        concerned = [span for span in ranges if one.low < span[1] and one.high > span[0]]
        takers = [span for span in concerned if one in worn(files, *span)]
        assert takers == (concerned if before % after else [])
    assert all(worn(files, *bounds(task, before)) == [] for task in range(before))
