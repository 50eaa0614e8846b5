"""Who is late, and why: at the edges of the mark, the watermark and the bound, and behind a partition that had slept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from harness import SECOND, fold

from mainstem.batch import AT, NONE, Fate, Fates, identity
from mainstem.engines.contract import Times
from mainstem.engines.kernels import late as lateness
from mainstem.plan.words import Over

NODE = fold(Over(range=SECOND, query=""), (), {}, {})
BOUND = 100


def row(mark: int, partition: int = 3, origin: int = 5) -> pa.Table:
    """One row with this mark."""
    one = np.array([1], np.int64)
    return pa.table({AT: identity(origin, np.array([partition]), one, one, np.array([mark], np.int64))})


def judged(mark: int, before: int, **times: object) -> str | None:
    """The reason for which a row whose bound is 100 is late, None if it is not; counted and set aside alike."""
    fates: Fates = Counter()
    late, aside = lateness.judge(NODE, row(mark), np.array([BOUND]), Times(2, before, **times), "it ended at", fates)
    reasons = [] if aside is None else aside.column("_reason").to_pylist()
    assert {fate: count for fate, count in fates.items() if count} == {Fate(5, "f", "late", reason): 1 for reason in reasons}
    assert late.tolist() == [bool(reasons)]
    return reasons[0] if reasons else None


@pytest.mark.parametrize(("mark", "before", "late"), [
    (NONE, NONE, False),               # before the first row nothing is late
    (BOUND - 1, BOUND - 1, False),
    (BOUND, NONE, True),               # exact equality closes
    (NONE, BOUND, True),
    (BOUND, BOUND, True),
    (BOUND + 1, BOUND - 1, True),
])
def test_a_row_is_late_once_its_mark_or_the_watermark_has_reached_the_bound(mark: int, before: int, late: bool) -> None:
    assert judged(mark, before) == ("late" if late else None)


@pytest.mark.parametrize(("mark", "before", "reason"), [
    (BOUND - 1, BOUND - 1, None),
    (BOUND - 1, BOUND, "woke_after_idle"),       # its own partition would have let it pass
    (NONE, BOUND + 50, "woke_after_idle"),
    (BOUND, BOUND, "late"),                      # mark and watermark agree: it is late in its own partition too
    (BOUND, BOUND + 50, "late"),                 # behind the watermark, and late in its own partition all the same
    (BOUND + 10, BOUND + 50, "late"),
    (BOUND + 50, BOUND + 10, "late"),
])
def test_a_row_is_late_for_its_sleep_only_where_its_own_partition_would_have_let_it_pass(
    mark: int, before: int, reason: str | None
) -> None:
    assert judged(mark, before, idled={5: [1, 3]}) == reason


@pytest.mark.parametrize("idled", [{}, {5: [1, 2]}, {4: [3]}])
def test_only_rows_of_partitions_that_have_slept_are_late_for_it(idled: dict[int, list[int]]) -> None:
    assert judged(BOUND - 1, BOUND, idled=idled) == "late"


def test_rows_that_are_not_judged_and_rows_that_are_not_kept() -> None:
    fates: Fates = Counter()
    late, aside = lateness.judge(NODE, row(BOUND), np.array([BOUND]), Times(2), "it ended at", fates, np.array([False]))
    assert not late.any()
    assert aside is None
    assert not sum(fates.values())
    late, aside = lateness.judge(NODE, row(BOUND), np.array([BOUND]), Times(2), "it ended at", fates, keep=False)
    assert late.all()
    assert aside is None
    assert fates == {Fate(5, "f", "late", "late"): 1}
