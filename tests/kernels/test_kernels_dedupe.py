"""Dedupe: the first row of a key within the horizon passes; the same set for every cut, task number and forgotten state."""

from __future__ import annotations

import random
from collections import Counter

import harness
import numpy as np
import pyarrow as pa
import pytest
import reference
from harness import SECOND, Row, fold, play, stamped

from mainstem.batch import AT, NONE, identity
from mainstem.engines.contract import Times
from mainstem.engines.kernels import dedupe
from mainstem.engines.kernels.keys import key_hash
from mainstem.plan.words import Dedupe

NEEDS = {"k": "string", "s": "int64", "x": "double"}


def node(within: int, null: str = "quarantine", by: tuple[str, ...] = ("k", "s"), needs: dict[str, str] = NEEDS) -> object:
    return fold(Dedupe(within=within * SECOND, null=null), by, needs, needs)


def resent(seed: int, count: int = 90, nulls: bool = True) -> list[Row]:
    """A key lives in one partition; numbers wrap; rows are sent again at once, later, and after the horizon."""
    choose = random.Random(seed)
    rows: list[Row] = []
    clock, n = [0.0, 0.0, 0.0], Counter()
    for i in range(count):
        p = choose.randrange(3)
        clock[p] += choose.expovariate(1 / 3)
        t = int(clock[p] * SECOND) - (choose.random() < 0.2) * choose.randrange(60 * SECOND)
        k = None if nulls and choose.random() < 0.05 else f"{p}{choose.randrange(3)}"
        rows.append(Row(p, n[p], t, {"k": k, "s": i % 7, "x": choose.random()}))
        n[p] += 1
        if choose.random() < 0.2:
            old = choose.choice([row for row in rows if row.p == p])
            rows.append(Row(p, n[p], old.t + choose.choice([0, 0, 20, 21, -20, 45]) * SECOND, old.values))
            n[p] += 1
    return rows


def fates_of(played: harness.Played, rows: list[Row]) -> dict[tuple[int, int], str]:
    fates = {(row.p, row.n): "duplicate" for row in rows}
    passed = [(row[AT]["p"], row[AT]["n"]) for row in played.rows]
    assert len(passed) == len(set(passed))
    fates |= dict.fromkeys(passed, "passes")
    return fates | {(row[AT]["p"], row[AT]["n"]): row["_reason"] for row in played.aside}


@pytest.mark.parametrize("seed", harness.seeds(12))
def test_every_cut_has_the_survivors_of_the_reference(seed: int) -> None:
    choose = random.Random(seed)
    within, lateness, null = choose.choice([5, 20, 100]), choose.choice([0, 10, 30]), choose.choice(["keep", "quarantine"])
    rows = resent(seed)
    wanted = reference.dedupe(stamped(rows, lateness * SECOND), ("k", "s"), within * SECOND, null)
    for cut in range(3):
        played = play(dedupe, node(within, null), rows, NEEDS, lateness=lateness * SECOND, seed=seed * 10 + cut,
                      most=choose.choice([1, 4, 30, 10**6]))
        assert fates_of(played, rows) == wanted
        counts = Counter(wanted.values())
        assert played.counts() == {pair: counts[name] for pair, name in {
            ("filtered", "duplicate"): "duplicate", ("late", "late"): "late", ("quarantined", "null_key"): "null_key"}.items()
            if counts[name]}


def test_a_row_exactly_at_the_horizon_is_a_duplicate_and_one_beyond_is_not() -> None:
    rows = [Row(0, n, t, {"k": "a", "s": 1, "x": 0.0}) for n, t in enumerate([0, 10 * SECOND, 20 * SECOND + 1])]
    played = play(dedupe, node(10), rows, NEEDS, lateness=100 * SECOND, most=1)
    assert [row[AT]["n"] for row in played.rows] == [0, 2]


def test_a_number_that_wraps_loses_nothing() -> None:
    rows = [Row(0, n, n * SECOND, {"k": "a", "s": n % 50, "x": 0.0}) for n in range(200)]
    for most in (7, 60, 10**6):
        played = play(dedupe, node(20), rows, NEEDS, lateness=5 * SECOND, most=most)
        assert len(played.rows) == 200


def test_state_is_forgotten_once_nothing_can_ask_for_it() -> None:
    rows = [Row(0, n, n * SECOND, {"k": f"{n}", "s": n, "x": 0.0}) for n in range(400)]
    played = play(dedupe, node(10), rows, NEEDS, lateness=0, most=5)
    assert len(played.rows) == 400
    assert played.state_rows < 40          # two horizons and an epoch, not all keys (D3, D6)


def test_a_row_older_than_what_is_remembered_is_late_and_not_new() -> None:
    rows = [Row(0, 0, 0, {"k": "a", "s": 1, "x": 0.0}), Row(0, 1, 100 * SECOND, {"k": "b", "s": 1, "x": 0.0}),
            Row(0, 2, 0, {"k": "a", "s": 1, "x": 0.0})]
    played = play(dedupe, node(10), rows, NEEDS, lateness=5 * SECOND, most=1)
    assert [row[AT]["n"] for row in played.rows] == [0, 1]
    (late,) = played.aside
    assert (late["_fate"], late["_reason"]) == ("late", "late")
    assert late["_detail"] == "its horizon ended at 1970-01-01T00:00:10Z, time had passed 1970-01-01T00:01:35Z"


def test_null_keys_are_set_aside_or_all_pass() -> None:
    rows = [Row(0, n, 0, {"k": None, "s": 1, "x": 0.0}) for n in range(3)]
    aside = play(dedupe, node(10), rows, NEEDS, lateness=0).aside
    assert [(row["_fate"], row["_reason"], row["_rules"]) for row in aside] == [("quarantined", "null_key", [])] * 3
    assert len(play(dedupe, node(10, "keep"), rows, NEEDS, lateness=0).rows) == 3


def test_keys_compare_by_value_and_strings_by_code_point() -> None:
    nan = float("nan")
    for values, survivors in (([0.0, -0.0], 1), ([nan, -nan], 1), ([1.0, 2.0], 2)):
        rows = [Row(0, n, 0, {"k": "a", "s": 1, "x": value}) for n, value in enumerate(values)]
        for most in (1, 9):
            assert len(play(dedupe, node(10, by=("x",)), rows, NEEDS, lateness=0, most=most).rows) == survivors
    composed = [Row(0, n, 0, {"k": k, "s": 1, "x": 0.0}) for n, k in enumerate(["\u00e9", "e\u0301", "\u00c9"])]
    assert len(play(dedupe, node(10, by=("k",)), composed, NEEDS, lateness=0).rows) == 3


def test_rows_of_a_replay_pass_unjudged_and_are_remembered() -> None:
    rows = [Row(0, n, 0, {"k": "a", "s": 1, "x": 0.0}) for n in range(2)]
    played = play(dedupe, node(10), rows, NEEDS, lateness=0, passed=frozenset({"f"}))
    assert len(played.rows) == 2
    assert not played.fates
    one = harness.table(rows[:1], NEEDS)
    empty = dedupe.schema(node(10), {"in": one.drop_columns([AT]).schema}).empty_table()
    first = dedupe.run(node(10), {"in": one}, empty, Times(1, passed=frozenset({"f"})))
    again = dedupe.run(node(10), {"in": one}, first.state, Times(2))
    assert (first.rows.num_rows, again.rows.num_rows) == (1, 0)


def test_equal_hashes_of_unequal_keys_do_not_make_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "key_hash", lambda rows, by: np.zeros(rows.num_rows, np.uint64))
    rows = resent(3, nulls=False)
    wanted = reference.dedupe(stamped(rows, 10 * SECOND), ("k", "s"), 20 * SECOND)
    played = play(dedupe, node(20), rows, NEEDS, lateness=10 * SECOND, seed=1, most=20)
    assert fates_of(played, rows) == wanted


def test_a_batch_of_new_keys_among_a_million_known_ones() -> None:
    known, fresh = 1_100_000, 300_000
    numbers = np.arange(known, dtype=np.int64)
    by = ("s",)
    keys = pa.table({"s": numbers})
    hashes = key_hash(keys, by)
    state = pa.table({"_kg": (hashes % np.uint64(256)).astype(np.int16), "_until": np.full(known, 10**12),
                      "_h": hashes.view(np.int64), "_max": np.zeros(known, np.int64), "s": numbers})
    position = np.arange(fresh, dtype=np.int64)
    rows = pa.table({"s": position + known - 1000, "x": np.zeros(fresh),
                     AT: identity(0, 0, position, np.zeros(fresh, np.int64), np.full(fresh, NONE))})
    out = dedupe.run(node(10, by=by, needs={"s": "int64", "x": "double"}), {"in": rows}, state, Times(1))
    assert out.rows.num_rows == fresh - 1000
