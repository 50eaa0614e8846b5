"""How much an epoch may take: little at first, then what is done in a few seconds."""

from __future__ import annotations

from mainstem.project.tally import Tally


def test_the_first_epoch_is_small_so_that_a_run_that_is_killed_gets_somewhere() -> None:
    assert Tally().pace(0.0) == 50_000


def test_later_ones_take_what_is_done_in_five_seconds_and_never_less_than_the_first() -> None:
    assert Tally(epochs=3, rows=600_000).pace(2.0) == 1_500_000
    assert Tally(epochs=3, rows=60_000).pace(20.0) == 50_000
    assert Tally(epochs=1, rows=0).pace(0.0) == 50_000
