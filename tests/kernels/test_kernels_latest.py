"""The newest row per key: by time, by columns, by arrival; changes, the table, and its state."""

from __future__ import annotations

import random

import harness
import pyarrow as pa
import pytest
import reference
from harness import SECOND, Row, fold, play

from mainstem.batch import AT
from mainstem.engines.contract import Times
from mainstem.engines.kernels import latest
from mainstem.plan.words import Latest

NEEDS = {"k": "string", "v": "int64", "id": "int64"}


def node(*order: str) -> object:
    return fold(Latest(order=order), ("k",), NEEDS, NEEDS)


def table_after(rows: list[Row], order: tuple[str, ...], most: int, seed: int) -> tuple[harness.Played, dict]:
    """Upsert the changes in the order of their identity, as an output would."""
    played = play(latest, node(*order), rows, NEEDS, lateness=0, seed=seed, most=most)
    upserted = {}
    for row in sorted(played.rows, key=lambda row: (row[AT]["p"], row[AT]["n"])):
        upserted[row["k"]] = row
    return played, upserted


@pytest.mark.parametrize("seed", harness.seeds(5))
def test_upserting_the_changes_gives_the_newest_rows_for_every_cut(seed: int) -> None:
    choose = random.Random(seed)
    rows = [Row(choose.randrange(2), n, choose.randrange(20) * SECOND,
                {"k": choose.choice([None, "a", "b", "c"]), "v": choose.choice([None, 1, 2, 3]), "id": n}) for n in range(60)]
    for order in ((), ("v",)):
        newest = reference.latest(rows, ("k",), order[0] if order else None)
        expected = {key[0]: (row.values["id"], row.t) for key, row in newest.items()}
        for cut, most in enumerate([10**6, 2, 9]):
            played, upserted = table_after(rows, order, most, seed * 10 + cut)
            assert {key: (row["id"], row[AT]["t"]) for key, row in upserted.items()} == expected
            assert played.counts() == {("delivered", ""): 60}


def test_an_epoch_emits_a_key_once_and_an_older_row_changes_nothing() -> None:
    rows = [Row(0, n, t * SECOND, {"k": "a", "v": 1, "id": n}) for n, t in enumerate([5, 9, 7])]
    assert [row["id"] for row in play(latest, node(), rows, NEEDS, lateness=0).rows] == [1]
    assert [row["id"] for row in play(latest, node(), rows, NEEDS, lateness=0, most=1, tasks=1).rows] == [0, 1]


def test_the_table_has_one_row_per_key_and_outlives_the_end_of_the_input() -> None:
    rows = [Row(0, n, n * SECOND, {"k": f"k{n % 3}", "v": n, "id": n}) for n in range(9)]
    here = harness.table(rows, NEEDS)
    state = latest.schema(node(), {"in": here.drop_columns([AT]).schema}).empty_table()
    for epoch, part in enumerate([here.slice(0, 4), here.slice(4, 5)], 1):
        state = pa.concat_tables([state, latest.run(node(), {"in": part}, state, Times(epoch)).state])
    assert state.num_rows > 3
    found = latest.table(node(), state)
    assert found.column_names == ["k", "v", "id"]
    assert sorted(found.column("id").to_pylist()) == [6, 7, 8]
    kept = latest.compact(node(), state, 2**62)
    assert kept.num_rows == 3
    assert min(kept.column("_until").to_pylist()) > 2**62
