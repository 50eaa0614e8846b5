"""Episodes: when they fire and end, what NULL does, what they are called; the same for every cut."""

from __future__ import annotations

import random

import harness
import pytest
import reference
from harness import SECOND, Row, fold, play

from mainstem.batch import AT
from mainstem.engines.kernels import alert
from mainstem.plan.words import Alert

NEEDS = {"k": "string", "_when": "boolean", "_clear": "boolean", "v": "double"}
COLUMNS = {"k": "string", "episode": "string", "state": "string", "severity": "string", "started_at": "timestamp",
           "changed_at": "timestamp", "rule": "string", "v": "double"}


def node(hold: int = 0, rule: str = "frost", order: str = "position") -> object:
    return fold(Alert(rule=rule, hold=hold * SECOND, severity="critical", values=("v",)), ("k",), NEEDS, COLUMNS, order)


def micros(moment: object) -> int:
    return round(moment.timestamp() * 1_000_000)


def rows_of(*steps: tuple[int, bool | None, bool | None], k: str = "a") -> list[Row]:
    return [Row(0, n, t * SECOND, {"k": k, "_when": when, "_clear": clear, "v": float(n)})
            for n, (t, when, clear) in enumerate(steps)]


def episodes(played: harness.Played) -> list[tuple[str, int, int]]:
    ordered = sorted(played.rows, key=lambda row: (row[AT]["p"], row[AT]["n"]))
    return [(row["state"], micros(row["started_at"]) // SECOND, micros(row["changed_at"]) // SECOND) for row in ordered]


@pytest.mark.parametrize("seed", harness.seeds(8))
def test_every_cut_has_the_episodes_of_the_reference(seed: int) -> None:
    choose = random.Random(seed)
    hold, clock, rows = choose.choice([0, 5, 20]), [0, 0], []
    for n in range(120):
        p = choose.randrange(2)
        clock[p] += choose.choice([0, 1, 3, 8]) * SECOND
        key = f"{p}{choose.randrange(3)}" if choose.random() < 0.9 else None if p else "x"
        rows.append(Row(p, n, clock[p] - choose.choice([0, 0, 2]) * SECOND,
                        {"k": key, "_when": choose.choice([True, True, False, False, None]),
                         "_clear": choose.choice([True, False, None]), "v": float(n)}))
    wanted = sorted(((key[0] or "", state, start, at) for key, state, start, at in
                     reference.alerts(sorted(rows, key=lambda row: (row.p, row.n)), ("k",), hold * SECOND)))
    contents = []
    for cut, most in enumerate([10**6, 3, 20]):
        played = play(alert, node(hold), rows, NEEDS, lateness=0, seed=seed * 10 + cut, most=most)
        assert sorted((row["k"] or "", row["state"], micros(row["started_at"]), micros(row["changed_at"])) for row in played.rows) == wanted
        assert all(row[AT]["t"] == micros(row["changed_at"]) for row in played.rows)
        assert played.counts() == {("delivered", ""): 120}
        contents.append(played.content())
    assert contents[0] == contents[1] == contents[2]
    assert len({(row["episode"], row["state"]) for row in played.rows}) == len({(k, s, start) for k, s, start, _ in wanted})


@pytest.mark.parametrize("most", [1, 10**6])
def test_it_fires_at_the_first_row_at_which_it_has_held_long_enough(most: int) -> None:
    rows = rows_of((0, True, False), (4, True, False), (5, True, False), (9, True, False), (10, False, True), (11, False, True))
    assert episodes(play(alert, node(5), rows, NEEDS, lateness=0, most=most)) == [("firing", 0, 5), ("resolved", 0, 10)]
    short = rows_of((0, True, False), (4, False, True), (5, True, False), (9, True, False))
    assert episodes(play(alert, node(5), short, NEEDS, lateness=0, most=most)) == []


@pytest.mark.parametrize("most", [1, 10**6])
def test_between_the_two_conditions_an_episode_goes_on(most: int) -> None:
    rows = rows_of((0, True, False), (1, False, False), (2, True, False), (3, False, False), (4, False, True), (5, True, False))
    found = episodes(play(alert, node(), rows, NEEDS, lateness=0, most=most))
    assert found == [("firing", 0, 0), ("resolved", 0, 4), ("firing", 5, 5)]


@pytest.mark.parametrize("most", [1, 10**6])
def test_null_is_unknown_and_changes_nothing(most: int) -> None:
    rows = rows_of((0, True, None), (3, None, None), (5, True, False), (6, None, True), (7, False, None), (8, False, True))
    assert episodes(play(alert, node(5), rows, NEEDS, lateness=0, most=most)) == [("firing", 0, 5), ("resolved", 0, 8)]


def test_an_episode_is_known_by_rule_key_and_start() -> None:
    rows = rows_of((0, True, False), (1, False, True), (2, True, False))
    played = play(alert, node(), rows, NEEDS, lateness=0)
    first, over, second = (row["episode"] for row in sorted(played.rows, key=lambda row: row[AT]["n"]))
    assert first == over != second
    assert {row["episode"] for row in play(alert, node(rule="heat"), rows, NEEDS, lateness=0).rows}.isdisjoint({first, second})
    others = rows_of((0, True, False), (1, False, True), (2, True, False), k="b")
    assert {row["episode"] for row in play(alert, node(), others, NEEDS, lateness=0).rows}.isdisjoint({first, second})
    assert first == "db2736d8fefec7debc4db1013eece788"


def test_a_row_of_an_episode_carries_its_values_and_severity() -> None:
    (row,) = play(alert, node(), rows_of((7, True, False)), NEEDS, lateness=0).rows
    assert (row["k"], row["state"], row["severity"], row["rule"], row["v"]) == ("a", "firing", "critical", "frost", 0.0)


def test_quiet_keys_leave_no_state() -> None:
    rows = [Row(0, n, n * SECOND, {"k": f"{n}", "_when": n % 10 == 0, "_clear": True, "v": 0.0}) for n in range(100)]
    assert play(alert, node(), rows, NEEDS, lateness=0, most=10).state_rows == 10


def test_made_rows_arrive_by_epoch_then_time_not_by_partition() -> None:
    """Rows of a fold lie in key groups: 9 comes before 3, and the second epoch after the first."""
    steps = [(9, 1 << 32, 10, True), (3, (1 << 32) | 1, 20, False), (9, 2 << 32, 30, True), (3, 2 << 32, 40, False)]
    rows = [Row(p, n, t * SECOND, {"k": "a", "_when": when, "_clear": not when, "v": 0.0}) for p, n, t, when in steps]
    played = play(alert, node(order="made"), rows, NEEDS, lateness=0)
    assert episodes(played) == [("firing", 10, 10), ("resolved", 10, 20), ("firing", 30, 30), ("resolved", 30, 40)]
