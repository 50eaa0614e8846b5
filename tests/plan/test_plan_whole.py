"""SQL that looks across rows of bounded input: where the plan cuts it, the parts together give what the whole gives."""

from __future__ import annotations

import plan_relations as relations
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from plan_relations import OTHER, READINGS, TABLES

from mainstem.engines.kernels import duck
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.errors import SpecError
from mainstem.plan import sql

BINDER = DuckBinder()

# text -> the columns by which it is cut
CUT = {
    "SELECT sensor_id, sum(seq % 100) AS s, count(*) AS n FROM readings GROUP BY sensor_id": ("sensor_id",),
    "SELECT sensor_id, first(seq) AS f, list(small) AS l FROM readings GROUP BY ALL": ("sensor_id",),
    "SELECT sensor_id AS id, max(seq) AS m FROM readings GROUP BY id": ("sensor_id",),
    "SELECT sensor_id, ok, count(*) AS n FROM readings GROUP BY 1, 2 HAVING count(*) > 2": ("sensor_id", "ok"),
    "SELECT sensor_id, upper(note) AS u, count(*) AS n FROM readings GROUP BY sensor_id, upper(note)": ("sensor_id",),
    "SELECT DISTINCT sensor_id, ok FROM readings": ("sensor_id", "ok"),
    "SELECT DISTINCT upper(note) AS u FROM readings": (),
    "SELECT count(*) AS n FROM readings": (),
    "SELECT sensor_id, seq, row_number() OVER (PARTITION BY sensor_id ORDER BY t) AS n FROM readings": ("sensor_id",),
    "SELECT sensor_id, seq FROM readings QUALIFY row_number() OVER (PARTITION BY sensor_id, ok ORDER BY t) = 1": (
        "sensor_id",
        "ok",
    ),
    "SELECT seq, sum(small) OVER (PARTITION BY sensor_id ORDER BY t) AS a, sum(small) OVER (PARTITION BY ok ORDER BY t) AS b FROM readings": (),
    "SELECT r.seq, o.seq AS other FROM readings r JOIN other o ON r.sensor_id = o.sensor_id": ("sensor_id",),
    "SELECT r.seq, o.seq AS other FROM readings r LEFT JOIN other o USING (sensor_id)": ("sensor_id",),
    "SELECT r.seq AS a, o.seq AS b FROM readings r FULL JOIN other o ON r.sensor_id = o.sensor_id AND r.seq > o.seq": (
        "sensor_id",
    ),
    "SELECT r.sensor_id, count(o.seq) AS n FROM readings r LEFT JOIN other o ON r.sensor_id = o.sensor_id GROUP BY r.sensor_id": (
        "sensor_id",
    ),
    "SELECT o.sensor_id, count(*) AS n FROM readings r LEFT JOIN other o ON r.sensor_id = o.sensor_id AND r.seq = 1 GROUP BY o.sensor_id": (),
    "SELECT r.ok, count(*) AS n FROM readings r JOIN other o ON r.sensor_id = o.sensor_id GROUP BY r.ok": (),
    "SELECT r.seq FROM readings r JOIN other o ON r.seq = o.seq + 1": (),
    "SELECT r.seq AS a, o.seq AS b FROM readings r, other o WHERE r.sensor_id = o.sensor_id": (),
    "SELECT sensor_id, seq FROM readings UNION SELECT sensor_id, seq FROM other": (),
    "SELECT seq FROM readings EXCEPT SELECT seq FROM other": (),
    "SELECT sensor_id, seq, t FROM readings ORDER BY t, seq LIMIT 5": (),
    "WITH m AS (SELECT sensor_id, avg(small) AS a FROM readings GROUP BY 1) SELECT * FROM m WHERE a > (SELECT avg(small) FROM readings)": (),
    "SELECT seq FROM readings WHERE sensor_id IN (SELECT sensor_id FROM other)": (),
    "SELECT * FROM (SELECT * EXCLUDE (xs) FROM readings) ORDER BY t": (),
}

REFUSED = {
    "SELECT sensor_id FROM readings LIMIT 5": "sql.limit",
    "SELECT row_number() OVER (PARTITION BY sensor_id) AS n FROM readings": "sql.order_needed",
    "SELECT first(o.seq) AS f FROM readings r JOIN other o ON r.sensor_id = o.sensor_id": "sql.order_needed",
    "SELECT house, count(*) AS n FROM readings JOIN sensors USING (sensor_id) GROUP BY house": "sql.table_in_whole",
    "SELECT count(*) FROM readings": "sql.unnamed",
    "SELECT count(*) AS n FROM nobody": "sql.unknown_relation",
    "SELECT count(*) AS n FROM range(10)": "sql.not_a_relation",
    "SELECT sum(random()) AS r FROM readings": "sql.function_refused",
    "SELECT DISTINCT _at FROM readings": "sql.hidden",
    "SELECT sensor_id, count(*) AS Sensor_Id FROM readings GROUP BY 1": "sql.duplicate_name",
    "SELECT max(t) - min(t) AS d FROM readings": "sql.interval",
    "DROP TABLE readings": "sql.not_select",
}


def inputs(query: str) -> list[sql.Relation]:
    return [one for one in (READINGS, OTHER) if one.name in sql.relations(query)]


def held(query: str, by: tuple[str, ...] = ()) -> sql.Held:
    return sql.whole(query, inputs(query), TABLES, by, BINDER)


def run(made: sql.Held, given: dict[str, pa.Table]) -> pa.Table:
    # the kernel hands over the needed columns, in order of arrival, and nothing hidden
    relations_ = {name: given[name].select(list(needs)) for name, needs in zip(given, made.needs)}
    return duck.query(made.sql, **relations_)


@pytest.mark.parametrize("query", CUT)
def test_the_parts_together_give_what_the_whole_gives(query: str) -> None:
    made = held(query)
    assert made.by == CUT[query], made.reason
    assert made.reason.startswith("cut by" if made.by else "one task")
    everything = {
        "readings": relations.readings(70, 41),
        "other": relations.readings(30, 42).select(["sensor_id", "seq", "temperature", "_at"]),
    }
    given = {one.name: everything[one.name] for one in inputs(query)}
    whole = run(made, given)
    assert whole.num_rows
    assert whole.column_names == [*(column.name for column in made.columns), *(["_rows"] if made.counted == "groups" else [])]
    if made.counted:
        counted = pc.sum(whole.column("_rows")).as_py() if made.counted == "groups" else whole.num_rows
        assert counted == next(iter(given.values())).num_rows, "no row got lost"
    if not made.by:
        return
    keys = {name: [tuple(str(row[key]) for key in made.by) for row in table.to_pylist()] for name, table in given.items()}
    distinct = sorted({key for found in keys.values() for key in found})
    for groups in ([distinct[::2], distinct[1::2]], [[key] for key in distinct]):
        parts = [
            run(
                made,
                {
                    name: table.filter(pc.is_in(pa.array([str(key) for key in keys[name]]), pa.array([str(k) for k in group])))
                    for name, table in given.items()
                },
            )
            for group in groups
        ]
        assert relations.multiset(pa.concat_tables(parts)) == relations.multiset(whole)


@pytest.mark.parametrize(("query", "counted"), [
    ("SELECT sensor_id, sum(seq % 100) AS s FROM readings GROUP BY sensor_id", "groups"),
    ("SELECT sensor_id, first(seq) AS f FROM readings GROUP BY ALL ORDER BY 1", "groups"),
    ("SELECT max(seq) AS m FROM readings", "groups"),
    ("SELECT sensor_id, seq, row_number() OVER (PARTITION BY sensor_id ORDER BY t) AS n FROM readings", "rows"),
    ("SELECT sensor_id, count(*) AS n FROM readings WHERE ok GROUP BY 1", ""),
    ("SELECT sensor_id, count(*) AS n FROM readings GROUP BY 1 HAVING count(*) > 2", ""),
    ("SELECT sensor_id, count(*) AS n FROM readings GROUP BY ROLLUP (sensor_id)", ""),
    ("SELECT sensor_id, count(*) AS n FROM readings GROUP BY CUBE (sensor_id)", ""),
    ("SELECT sensor_id, count(*) AS n FROM readings GROUP BY GROUPING SETS ((sensor_id), ())", ""),
    ("SELECT DISTINCT sensor_id FROM readings", ""),
    ("SELECT sensor_id, seq FROM readings ORDER BY seq LIMIT 5", ""),
    ("SELECT r.sensor_id, count(*) AS n FROM readings r JOIN other o ON r.seq = o.seq GROUP BY 1", ""),
    ("SELECT seq FROM readings UNION SELECT seq FROM other", ""),
    ("SELECT seq FROM readings QUALIFY row_number() OVER (PARTITION BY sensor_id ORDER BY t) = 1", ""),
])
def test_where_every_row_shows_in_the_answer_it_is_counted(query: str, counted: str) -> None:
    assert held(query).counted == counted


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_refused_even_over_bounded_input(query: str) -> None:
    with pytest.raises(SpecError) as caught:
        held(query)
    assert caught.value.code == REFUSED[query], str(caught.value)


def test_partition_by_is_taken_at_its_word_but_must_be_there() -> None:
    query = "SELECT seq FROM readings WHERE sensor_id IN (SELECT sensor_id FROM other)"
    assert held(query, ("sensor_id",)).by == ("sensor_id",)
    with pytest.raises(SpecError, match="house"):
        held(query, ("house",))


def test_only_needed_columns_are_held() -> None:
    assert held("SELECT sensor_id, sum(seq) AS s FROM readings GROUP BY 1").needs == (("sensor_id", "seq"),)
    assert held("SELECT count(*) AS n FROM readings").needs == (("sensor_id",),)
    assert len(held("SELECT DISTINCT * EXCLUDE (xs) FROM readings").needs[0]) == len(READINGS.columns)
