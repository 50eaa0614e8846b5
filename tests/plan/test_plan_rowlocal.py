"""SQL over a stream: what is let through gives f(a + b) = f(a) + f(b) and loses no row unseen; what is not names the step to use."""

from __future__ import annotations

import plan_relations as relations
import pyarrow as pa
import pytest
from plan_relations import OTHER, READINGS, TABLES

from mainstem.engines.kernels import duck
from mainstem.engines.kernels.binder import DuckBinder
from mainstem.errors import SpecError
from mainstem.plan import sql
from mainstem.plan.words import Branch

BINDER = DuckBinder()

ACCEPTED = [
    "SELECT * FROM readings",
    "FROM readings",
    "SELECT * EXCLUDE (note, xs) FROM readings",
    "SELECT * EXCLUDE (xs) REPLACE (upper(note) AS note) FROM readings",
    "SELECT * RENAME (seq AS number) FROM readings",
    "SELECT r.* FROM readings r",
    "SELECT r.*, seq + 1 AS next FROM readings AS r",
    "SELECT sensor_id, temperature FROM readings WHERE temperature > 20",
    "SELECT SENSOR_ID, Temperature FROM READINGS",
    "SELECT sensor_id, temperature * 1.8 + 32 AS f, f > 70 AS hot FROM readings WHERE f > 30",
    "SELECT sensor_id FROM readings WHERE temperature BETWEEN -40 AND 60 AND NOT ok",
    "SELECT sensor_id FROM readings WHERE note IS NULL OR note LIKE 'a%'",
    "SELECT sensor_id FROM readings WHERE sensor_id IN ('a', 'b')",
    "SELECT temperature / seq AS r, seq // small AS q, seq % small AS m, mod(seq, 3) AS m3 FROM readings",
    "SELECT temperature / 0 AS never FROM readings",
    "SELECT CASE WHEN ok THEN 'y' WHEN NOT ok THEN 'n' END AS answer FROM readings",
    "SELECT coalesce(note, sensor_id, '-') AS n, nullif(note, '') AS e, greatest(temperature, humidity) AS g FROM readings",
    "SELECT TRY_CAST(note AS BIGINT) AS number, CAST(small AS VARCHAR) AS words, seq::DOUBLE AS d FROM readings",
    "SELECT abs(seq) AS a, round(temperature, 1) AS r, floor(humidity) AS f, sqrt(abs(humidity)) AS s FROM readings",
    "SELECT isnan(temperature) AS n, isfinite(temperature) AS fin, isinf(temperature) AS inf FROM readings",
    "SELECT lower(note) AS l, length(note) AS n, trim(note) AS t, substr(note, 1, 2) AS s, note || '!' AS x FROM readings",
    "SELECT regexp_matches(note, '^[a-z]') AS m, regexp_full_match(note, '[0-9]+') AS f, regexp_replace(note, '[aeiou]', '_', 'g') AS r,"
    " regexp_extract(note, '([a-z])-([0-9])', 2) AS e FROM readings",
    "SELECT date_trunc('hour', t) AS h, extract(hour FROM t) AS hr, epoch(t) AS s, epoch_ms(t) AS ms, strftime(t, '%Y-%m-%d') AS d"
    " FROM readings",
    "SELECT date_diff('minute', t, t + INTERVAL 90 SECOND) AS m, t + INTERVAL '1 day' AS tomorrow FROM readings",
    "SELECT t AT TIME ZONE 'Europe/Berlin' AS wall FROM readings",
    "SELECT strptime('2026-01-01 00:00:00 +0200', '%Y-%m-%d %H:%M:%S %z') AS s, to_timestamp(seq % 100) AS ts FROM readings",
    "SELECT xs[1] AS first, len(xs) AS n, list_contains(tags, 'u') AS u, list_value(1, 2) AS l, [seq, 1] AS two FROM readings",
    "SELECT list_transform(xs, lambda x: x * 2) AS doubled, [x + 1 FOR x IN xs IF x > 1] AS larger FROM readings",
    "SELECT place.lat AS lat, place.lon FROM readings",
    "SELECT readings.place.lat AS lat FROM readings",
    "SELECT payload ->> '$.a' AS a, payload -> 'b' ->> 'c' AS c, json_extract_string(payload, '$.b.c') AS d FROM readings",
    "SELECT {'id': sensor_id, 'n': seq} AS pair FROM readings",
    "SELECT sensor_id -- the key\n , /* and */ seq FROM readings",
    'SELECT sensor_id AS "Ort am Meer", seq AS größe FROM readings',
    "SELECT readings.*, house FROM readings JOIN sensors USING (sensor_id)",
    "SELECT * FROM readings JOIN sensors USING (sensor_id)",
    "SELECT r.sensor_id, s.house FROM readings r LEFT JOIN sensors s ON r.sensor_id = s.sensor_id",
    "SELECT r.sensor_id, s.house FROM readings r LEFT JOIN sensors s ON s.sensor_id = upper(lower(r.note)) WHERE s.house IS NULL",
    "SELECT r.seq, house FROM readings r JOIN sensors s ON r.sensor_id = s.sensor_id AND s.floor > 1",
    "SELECT r.seq, p.label FROM readings r JOIN pairs p ON p.seq = r.seq AND p.sensor_id = r.sensor_id",
    "SELECT r.seq, p.label, s.house FROM readings r JOIN pairs p USING (sensor_id, seq) JOIN sensors s ON s.sensor_id = p.sensor_id"
    " WHERE label <> 'two'",
    "SELECT sensor_id, unnest(xs) AS x FROM readings",
    "SELECT sensor_id, unnest(xs) AS x, unnest(tags) AS tag FROM readings WHERE ok",
    "SELECT sensor_id, u.x FROM readings, UNNEST(xs) AS u(x) WHERE x > 1",
    "SELECT r.seq, tag FROM readings r CROSS JOIN UNNEST(r.tags) AS u(tag)",
    "SELECT sensor_id, seq FROM readings UNION ALL SELECT sensor_id, seq FROM other",
    "SELECT sensor_id, temperature FROM readings WHERE ok UNION ALL (SELECT sensor_id, temperature FROM other)",
    "SELECT seq, sensor_id FROM readings UNION ALL BY NAME SELECT sensor_id, seq FROM other",
    "SELECT seq AS n FROM readings UNION ALL SELECT NULL FROM other",
]

# text -> (code, a word of the remedy)
REFUSED = {
    "SELECT count(*) AS n FROM readings": ("sql.across", "window"),
    "SELECT sensor_id, avg(temperature) AS a FROM readings GROUP BY sensor_id": ("sql.across", "window"),
    "SELECT sum(seq) FILTER (WHERE ok) AS s FROM readings": ("sql.across", "window"),
    "SELECT seq FROM readings GROUP BY ALL": ("sql.across", "window"),
    "SELECT max(seq) AS m FROM readings HAVING max(seq) > 1": ("sql.across", ""),
    "SELECT DISTINCT sensor_id FROM readings": ("sql.across", "dedupe"),
    "SELECT DISTINCT ON (sensor_id) sensor_id, seq FROM readings": ("sql.across", "dedupe"),
    "SELECT seq FROM readings LIMIT 10": ("sql.across", "--limit"),
    "SELECT seq FROM readings OFFSET 10": ("sql.across", ""),
    "SELECT seq FROM readings ORDER BY seq": ("sql.across", "sort"),
    "SELECT row_number() OVER (ORDER BY seq) AS n FROM readings": ("sql.across", "over"),
    "SELECT sum(seq) OVER (PARTITION BY sensor_id) AS n FROM readings": ("sql.across", "over"),
    "SELECT sum(seq) OVER w AS n FROM readings WINDOW w AS (PARTITION BY sensor_id)": ("sql.across", "over"),
    "SELECT lag(seq) OVER (ORDER BY t) AS n FROM readings": ("sql.across", "over"),
    "SELECT seq FROM readings QUALIFY row_number() OVER (ORDER BY seq) = 1": ("sql.across", "latest"),
    "SELECT seq FROM readings WHERE seq > (SELECT avg(seq) FROM readings)": ("sql.subquery", "lookup"),
    "SELECT seq FROM readings WHERE sensor_id IN (SELECT sensor_id FROM sensors)": ("sql.subquery", "lookup"),
    "SELECT seq FROM readings r WHERE EXISTS (SELECT 1 FROM sensors s WHERE s.sensor_id = r.sensor_id)": ("sql.subquery", "lookup"),
    "SELECT seq FROM (SELECT seq FROM readings)": ("sql.subquery", "step"),
    "WITH a AS (SELECT seq FROM readings) SELECT seq FROM a": ("sql.across", "step"),
    "SELECT a.seq FROM readings a JOIN readings b ON a.seq = b.seq": ("sql.stream_join", "window"),
    "SELECT readings.seq FROM readings JOIN other ON readings.seq = other.seq": ("sql.stream_join", "latest"),
    "SELECT readings.seq FROM readings, other": ("sql.stream_join", "latest"),
    "SELECT seq FROM readings UNION SELECT seq FROM other": ("sql.across", "dedupe"),
    "SELECT seq FROM readings EXCEPT SELECT seq FROM other": ("sql.across", "lookup"),
    "SELECT seq FROM readings INTERSECT SELECT seq FROM other": ("sql.across", "lookup"),
    "SELECT readings.seq, w FROM readings JOIN loose USING (sensor_id)": ("sql.many", "many: true"),
    "SELECT readings.seq FROM readings JOIN pairs USING (sensor_id)": ("sql.many", "full key"),
    "SELECT readings.seq FROM readings JOIN sensors ON readings.sensor_id <> sensors.sensor_id": ("sql.many", "full key"),
    "SELECT readings.seq FROM readings JOIN sensors ON sensors.sensor_id = sensors.house": ("sql.many", "full key"),
    "SELECT readings.seq FROM readings JOIN sensors ON readings.sensor_id = sensors.sensor_id OR readings.ok": (
        "sql.many",
        "full key",
    ),
    "SELECT readings.seq FROM readings RIGHT JOIN sensors USING (sensor_id)": ("sql.join_kind", "LEFT JOIN"),
    "SELECT readings.seq FROM readings FULL JOIN sensors USING (sensor_id)": ("sql.join_kind", "LEFT JOIN"),
    "SELECT readings.seq FROM readings CROSS JOIN sensors": ("sql.join_kind", "JOIN"),
    "SELECT readings.seq FROM readings NATURAL JOIN sensors": ("sql.join_kind", "JOIN"),
    "SELECT readings.seq FROM readings, sensors WHERE readings.sensor_id = sensors.sensor_id": ("sql.join_kind", "JOIN"),
    "SELECT readings.seq FROM readings ASOF JOIN sensors ON readings.small >= sensors.floor": ("sql.join_kind", "JOIN"),
    "SELECT readings.seq FROM readings POSITIONAL JOIN sensors": ("sql.join_kind", "JOIN"),
    "SELECT house FROM sensors": ("sql.from_table", "stream"),
    "SELECT r.seq FROM sensors s JOIN readings r USING (sensor_id)": ("sql.from_table", "stream"),
    "SELECT 1 AS one": ("sql.no_from", "FROM readings"),
    "SELECT seq FROM redings": ("sql.unknown_relation", "readings"),
    "SELECT seq FROM main.readings": ("sql.unknown_relation", ""),
    "SELECT * FROM 'data.csv'": ("sql.unknown_relation", ""),
    "SELECT * FROM read_csv('data.csv')": ("sql.function_refused", "sources"),
    "SELECT * FROM range(10)": ("sql.not_a_relation", "sources"),
    "SELECT * FROM (VALUES (1)) AS v(a)": ("sql.not_a_relation", ""),
    "SELECT seq FROM readings TABLESAMPLE 10%": ("sql.function_refused", ""),
    "SELECT tempreature FROM readings": ("sql.unknown_column", "temperature"),
    "SELECT r.nope FROM readings r": ("sql.unknown_column", ""),
    "SELECT seq FROM readings WHERE nope > 1": ("sql.unknown_column", ""),
    "SELECT random() AS r FROM readings": ("sql.function_refused", "python"),
    "SELECT uuid() AS u FROM readings": ("sql.function_refused", ""),
    "SELECT now() AS n FROM readings": ("sql.function_refused", "event time"),
    "SELECT current_date AS d FROM readings": ("sql.function_refused", "event time"),
    "SELECT current_timestamp AS d FROM readings": ("sql.function_refused", "event time"),
    "SELECT age(t) AS a FROM readings": ("sql.function_refused", "date_diff"),
    "SELECT hash(seq) AS h FROM readings": ("sql.function_refused", "md5"),
    "SELECT getenv('HOME') AS h FROM readings": ("sql.function_refused", ""),
    "SELECT lenght(note) AS n FROM readings": ("sql.unknown_function", "length"),
    "SELECT my_function(note) AS n FROM readings": ("sql.unknown_function", ""),
    "SELECT seq + 1 FROM readings": ("sql.unnamed", "AS name"),
    "SELECT seq, small AS SEQ FROM readings": ("sql.duplicate_name", "AS"),
    "SELECT *, house FROM readings JOIN sensors ON readings.sensor_id = sensors.sensor_id": ("sql.duplicate_name", ""),
    "SELECT _at FROM readings": ("sql.hidden", "event time"),
    'SELECT sensor_id AS "order" FROM readings': ("sql.name", "order_value"),
    'SELECT sensor_id AS "a""b" FROM readings': ("sql.name", "letters"),
    "SELECT seq AS _at FROM readings": ("sql.hidden", ""),
    "SELECT seq AS _mine FROM readings": ("sql.hidden", "mine"),
    "SELECT COLUMNS('s.*') FROM readings": ("sql.function_refused", "columns"),
    "SELECT NULL AS n FROM readings": ("sql.null_type", "CAST"),
    "SELECT t - t AS i FROM readings": ("sql.interval", "epoch"),
    "SELECT seq FROM readings; SELECT 1": ("sql.statements", "step"),
    "INSERT INTO readings VALUES (1)": ("sql.not_select", "SELECT"),
    "DELETE FROM readings": ("sql.not_select", "SELECT"),
    "UPDATE readings SET seq = 1": ("sql.not_select", "SELECT"),
    "CREATE TABLE x AS SELECT seq FROM readings": ("sql.not_select", "SELECT"),
    "COPY readings TO 'x.csv'": ("sql.not_select", "SELECT"),
    "PRAGMA version": ("sql.not_select", "SELECT"),
    "SET threads = 1": ("sql.not_select", "SELECT"),
    "ATTACH 'x.db'": ("sql.not_select", "SELECT"),
    "PIVOT readings ON sensor_id USING sum(seq)": ("sql.not_select", "SELECT"),
    "SELECT seq FROM readings WHERE seq = ?": ("sql.parameter", "value"),
    "SELECT seq FROM readings WHERE (seq > 1": ("sql.syntax", ""),
    "SELECT seq FROM readings WHERE note = 'open": ("sql.syntax", ""),
    "SELECT seq, FROM readings WHERE": ("sql.syntax", ""),
    "SELECT list_sum(note) AS u FROM readings": ("sql.invalid", ""),
    "SELECT unnest(xs, recursive := true) AS x, unnest(place) AS p FROM readings": ("sql.unnest", "s.field"),
    "SELECT unnest(xs, recursive := true) AS x FROM readings": ("sql.unnest", "list"),
    "SELECT unnest(note) AS x FROM readings": ("sql.invalid", ""),
    "SELECT seq FROM readings UNION ALL SELECT seq, sensor_id FROM other": ("sql.union", "same columns"),
    "SELECT temperature FROM readings r JOIN (SELECT 1 AS a) x ON true": ("sql.subquery", "step"),
    "SELECT x.w FROM readings LEFT JOIN loose x ON readings.temperature = x.w": ("sql.float_key", "decimal"),
}


def lowered(text: str) -> sql.Rows:
    return sql.row_local(text, [READINGS, OTHER], TABLES, BINDER, "step/where")


def run(rows: sql.Rows, given: dict[str, pa.Table]) -> pa.Table:
    """The answer of all branches."""
    if rows.before is not None:
        given = {**given, "step/where": duck.query(rows.before.query, readings=given["readings"])}
    return pa.concat_tables(
        [duck.query(sql.numbered(branch.query, 9, False), **relevant(branch, given)) for branch in rows.branches]
    )


def relevant(branch: Branch, given: dict[str, pa.Table]) -> dict[str, pa.Table]:
    return {name: given[name] for name in (branch.input, *branch.tables)}


def other(rows: pa.Table) -> pa.Table:
    picked = rows.select(["sensor_id", "seq", "temperature", "_at"])
    return picked.set_column(2, "temperature", picked.column("temperature").cast("float32"))


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_queries_do_not_care_how_the_rows_are_cut(text: str) -> None:
    rows = lowered(text)
    whole = relations.readings(60, 1)
    both = {"readings": whole, "other": other(relations.readings(20, 2, origin=1)), **relations.tables()}
    assert len(both["readings"]) == 60
    expected = run(rows, both)
    assert expected.column_names == [column.name for column in rows.columns] + ["_at"]
    for cut in (0, 1, 17, 60):
        parts = [whole.slice(0, cut), whole.slice(cut)]
        others = [both["other"].slice(0, 7), both["other"].slice(7)]
        made = [run(rows, {**both, "readings": one, "other": two}) for one, two in zip(parts, others)]
        assert relations.multiset(pa.concat_tables(made)) == relations.multiset(expected)


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_queries_lose_no_row_unseen(text: str) -> None:
    rows = lowered(text)
    given = {"readings": relations.readings(60, 3), "other": other(relations.readings(20, 4, origin=1)), **relations.tables()}
    for branch in rows.branches if not rows.remakes else [rows.before] if rows.before else []:
        made = duck.query(branch.query, **relevant(branch, given))
        dropped = [duck.query(query, **relevant(branch, given)) for _, query in branch.dropped]
        assert all(table.column_names == ["o", "n"] for table in dropped)
        assert made.num_rows + sum(sum(table.column("n").to_pylist()) for table in dropped) == given[branch.input].num_rows
        places = [row["n"] for row in made.column("_at").to_pylist()]
        assert len(set(places)) == len(places)


@pytest.mark.parametrize("text", [text for text in ACCEPTED if "unnest" in text.lower()])
def test_children_have_identities_of_their_own_and_keep_their_parents_time(text: str) -> None:
    rows = lowered(text)
    assert rows.remakes
    given = {"readings": relations.readings(60, 5), **relations.tables()}
    made = run(rows, given).column("_at").to_pylist()
    assert made
    assert len({(at["o"], at["p"], at["n"], at["c"]) for at in made}) == len(made)
    assert {at["o"] for at in made} == {9}
    times = {at["n"]: at["t"] for at in given["readings"].column("_at").to_pylist()}
    assert all(at["t"] == times[at["n"]] for at in made)


@pytest.mark.parametrize(("text", "expected"), REFUSED.items())
def test_refused_queries_name_the_way_on(text: str, expected: tuple[str, str]) -> None:
    code, remedy = expected
    with pytest.raises(SpecError) as caught:
        lowered(text)
    assert caught.value.code == code, str(caught.value)
    assert remedy in caught.value.fix


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(ACCEPTED) + len(REFUSED) >= 80
    assert len(set(ACCEPTED)) == len(ACCEPTED)


def test_types_are_those_of_duckdb_and_integer_sums_stay_int64() -> None:
    rows = lowered("SELECT seq, seq + small AS a, temperature / seq AS r, price * 2 AS p, payload ->> 'a' AS j FROM readings")
    assert [str(column.type) for column in rows.columns] == ["int64", "int64", "double", "decimal(18,2)", "string"]


def test_division_by_zero_is_null() -> None:
    rows = lowered(
        "SELECT seq / 0 AS a, seq // 0 AS b, seq % 0 AS c, temperature / 0.0 AS d, fmod(temperature, 0) AS e,"
        " divide(seq, small - small) AS f FROM readings"
    )
    made = run(rows, {"readings": relations.readings(20, 6)})
    assert all(made.column(name).null_count == 20 for name in "abcdef")


def test_a_place_inside_the_text_is_known() -> None:
    with pytest.raises(SpecError) as caught:
        lowered("SELECT\n  sensor_id,\n  tempreature\nFROM readings")
    assert caught.value.spot == (3, 3)  # type: ignore[attr-defined]
    with pytest.raises(SpecError) as caught:
        lowered("SELECT seq FROM readings\nWHERE frobnicate(seq)")
    assert caught.value.spot == (2, 7)  # type: ignore[attr-defined]
