"""SQL over whole inputs: held to the end, answered once, whatever the number of tasks."""

from __future__ import annotations

import harness
import pyarrow as pa
import pytest
from harness import SECOND, Row, column

from mainstem.batch import AT, DELIVERED, FOREVER, HELD, Fate
from mainstem.engines.contract import Result, Times
from mainstem.engines.kernels import whole
from mainstem.engines.kernels.keys import key_groups
from mainstem.errors import Bug, DataError
from mainstem.plan.words import Fold, Node, Whole

READINGS, SENSORS = {"k": "string", "v": "int64"}, {"k": "string", "house": "string"}
JOIN = ('SELECT r.k, s.house, count(*) AS n, sum(r.v)::BIGINT AS total FROM "readings" r JOIN "sensors" s ON r.k = s.k '
        "GROUP BY r.k, s.house ORDER BY r.k")


def node(query: str, columns: dict[str, str], by: tuple[str, ...] = ("k",), needs: tuple = (("k", "v"), ("k", "house"))) -> Node:
    return Node(name="f", step="f", inputs=("readings", "sensors")[: len(needs)], origin=3,
                columns=tuple(column(name, kind) for name, kind in columns.items()),
                word=Fold(body=Whole(query=query), by=by, needs=needs))


def inputs(count: int = 60) -> dict[str, pa.Table]:
    readings = [Row(0, n, n * SECOND, {"k": f"k{n % 7}", "v": n}) for n in range(count)]
    sensors = [Row(0, n, 0, {"k": f"k{n}", "house": f"h{n % 2}"}) for n in range(5)]
    return {"readings": harness.table(readings, READINGS), "sensors": harness.table(sensors, SENSORS, origin=1)}


def run(fold: Node, epochs: int, tasks: int) -> tuple[list[dict], list[Result]]:
    """The inputs in so many epochs and tasks, then the closing one."""
    given = {name: table for name, table in inputs().items() if name in fold.inputs}
    schema = whole.schema(fold, {name: table.drop_columns([AT]).schema for name, table in given.items()})
    state, rows, results = schema.empty_table(), [], []
    for epoch in range(1, epochs + 2):
        kept = []
        for task in range(tasks):
            mine = {}
            for name, table in given.items():
                size = -(-table.num_rows // epochs)
                part = table.slice((epoch - 1) * size, size)
                mine[name] = part.filter(pa.array(key_groups(part, fold.word.by) % tasks == task))
            had = state.filter(pa.array(state.column("_kg").to_numpy() % tasks == task))
            result = whole.run(fold, mine, had, Times(epoch, now=FOREVER if epoch > epochs else 0))
            assert sum(result.fates.values()) == sum(result.held_before.values()) + sum(table.num_rows for table in mine.values())
            results.append(result)
            rows += result.rows.to_pylist()
            kept += [result.state] if result.replace else [had, result.state]
        state = whole.compact(fold, pa.concat_tables(kept), FOREVER if epoch > epochs else 0)
    assert not state.num_rows
    return rows, results


@pytest.mark.parametrize(("epochs", "tasks"), [(1, 1), (3, 1), (2, 3)])
def test_a_join_and_its_groups_are_answered_over_everything(epochs: int, tasks: int) -> None:
    rows, results = run(node(JOIN, {"k": "string", "house": "string", "n": "int64", "total": "int64"}), epochs, tasks)
    expected = {f"k{k}": (f"h{k % 2}", len(range(k, 60, 7)), sum(range(k, 60, 7))) for k in range(5)}
    assert {row["k"]: (row["house"], row["n"], row["total"]) for row in rows} == expected
    assert all(row[AT]["t"] == -(2**62) for row in rows)
    delivered = sum((result.fates for result in results), start=type(results[0].fates)())
    assert delivered[Fate(0, "f", DELIVERED, "")] == 60
    assert delivered[Fate(1, "f", DELIVERED, "")] == 5
    assert (Fate(0, "f", HELD, "") in delivered)


def test_identities_do_not_depend_on_the_number_of_tasks() -> None:
    for query, columns in ((JOIN, {"k": "string", "house": "string", "n": "int64", "total": "int64"}),
                           ('SELECT max(v) AS high FROM "readings" GROUP BY k ORDER BY high', {"high": "int64"}),
                           ('SELECT k || v AS k FROM "readings" ORDER BY v', {"k": "string"})):
        seen = []
        for tasks in (1, 2, 5):
            rows, _ = run(node(query, columns), 2, tasks)
            identities = [(row[AT]["p"], row[AT]["n"]) for row in rows]
            assert len(set(identities)) == len(identities)
            seen.append(sorted((*identity, *row.values()) for identity, row in zip(identities, [drop(row) for row in rows])))
        assert seen[0] == seen[1] == seen[2]


def drop(row: dict) -> dict:
    """A row without its hidden column."""
    return {name: value for name, value in row.items() if name != AT}


def test_without_a_cut_the_order_of_the_answer_stays() -> None:
    query = 'SELECT k, v FROM "readings" ORDER BY v DESC LIMIT 3'
    rows, _ = run(node(query, {"k": "string", "v": "int64"}, by=(), needs=(("k", "v"),)), 2, 1)
    assert [(row["v"], row[AT]["p"], row[AT]["n"] - (3 << 32)) for row in rows] == [(59, 0, 0), (58, 0, 1), (57, 0, 2)]


def test_rows_count_also_where_no_column_is_needed() -> None:
    rows, _ = run(node('SELECT count(*) AS n FROM "readings"', {"n": "int64"}, by=(), needs=((),)), 3, 1)
    assert [row["n"] for row in rows] == [60]


def test_a_failing_query_names_the_step() -> None:
    with pytest.raises(DataError) as caught:
        run(node('SELECT k, error(k) AS e FROM "readings"', {"k": "string", "e": "string"}, needs=(("k", "v"),)), 1, 1)
    assert (caught.value.code, caught.value.where) == ("sql.failed", "f")


GROUPS = 'SELECT k, sum(v)::BIGINT AS total, count(*) AS "_rows" FROM "readings" GROUP BY k'


@pytest.mark.parametrize(("counted", "query", "columns"), [
    ("groups", GROUPS, {"k": "string", "total": "int64"}),
    ("rows", 'SELECT k, row_number() OVER (PARTITION BY k ORDER BY v) AS n FROM "readings"', {"k": "string", "n": "int64"}),
])
def test_rows_that_get_lost_inside_duckdb_break_the_law(counted: str, query: str, columns: dict[str, str]) -> None:
    def fold(text: str) -> Node:
        return Node(name="f", step="f", inputs=("readings",), origin=3,
                    columns=tuple(column(name, kind) for name, kind in columns.items()),
                    word=Fold(body=Whole(query=text, counted=counted), by=("k",), needs=(("k", "v"),)))

    rows, _ = run(fold(query), 2, 2)
    assert len(rows) == (7 if counted == "groups" else 60)
    for lossy in (query.replace('FROM "readings"', """FROM "readings" WHERE k <> 'k3'"""), f"{query} LIMIT 6"):
        with pytest.raises(Bug, match=r"rows got lost \[law\.broken\]; 60 went in"):
            run(fold(lossy), 2, 1)
