"""Random plans with unnest, many-lookups, diamonds, HAVING and several outputs: every leg balances, whatever the cut (2-S 8, 11)."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from drawing import cut, events, whole
from scripted import SECOND, Ran, compiled, play, seeds, source

from mainstem.plan.words import Write
from mainstem.testing.conformance.drafts import TABLES, Draft

FATES = ("delivered", "filtered", "quarantined", "late", "held")
FILES = {"one.csv": "k,label,level\n", "several.csv": "k,tag\n"}


def tables(keys: list[str]) -> dict[str, pa.Table]:
    """`one` knows every key but the first; `several` has 0, 1 or 2 rows of a key."""
    known = keys[1:]
    many = [(key, f"tag{n}") for place, key in enumerate(keys) for n in range(place % 3)]
    return {
        "one": pa.table({"k": known, "label": [key.upper() for key in known], "level": pa.array(range(len(known)), pa.int64())}),
        "several": pa.table({"k": [key for key, _ in many], "tag": [tag for _, tag in many]}),
    }


def draft(seed: int) -> str:
    growing = Draft(random.Random(seed))
    growing.diamond() if seed % 2 else None
    for _ in range(growing.rng.randrange(5, 9)):
        growing.grow()
    growing.diamond() if not seed % 3 else None
    growing.grow()
    return growing.text(source("10s"))


def keyed(rng: random.Random) -> dict[int, list[Any]]:
    """Two partitions whose keys are their own, with some repeated and some broken records."""
    found: dict[int, list[Any]] = events(rng, 2, 70, keys=3)
    for part, mine in found.items():
        for index, row in enumerate(mine):
            mine[index] = dict(row, k=f"{row['k']}@{part}")
    return found


def balanced(ran: Ran, records: int, here: str) -> None:
    """Every leg from its own numbers, and the physical ends, counted apart from the engine."""
    plan = ran.plan
    assert {leg.name for leg in plan.legs} == set(ran.account) or not plan.legs, here
    for leg, row in ran.account.items():
        assert row["made"] == sum(row[fate] for fate in FATES), f"{here}: {leg} {row}"
        assert row["held"] == 0, f"{here}: {leg} holds rows after the end"
        assert row["made"] == (records if leg.startswith("events -> ") else row["made"]), here
    for leg in plan.legs:
        mine = [ran.account[other.name]["made"] for other in plan.legs if other.origin == leg.origin]
        assert len(set(mine)) == 1, f"{here}: the legs of {leg.origin} disagree: {mine}"
    for node in plan.of(Write):
        delivered = sum(row["delivered"] for leg, row in ran.account.items() if leg.split(" -> ")[1] == node.name)
        assert delivered == len(ran.outputs[node.step]), f"{here}: {node.name}"
    wanted: Counter[tuple[str, ...]] = Counter()
    for leg, row in ran.account.items():
        for text, count in row["reasons"].items():
            fate, node, reason = text.split(": ", 2)
            if fate == "quarantined" or (fate in ("late", "noted") and getattr(plan.node(node).word.body, "late", "") != "drop"):
                key = (leg.split(" -> ")[0], node, fate, reason)
                wanted[key] = max(wanted[key], count)
    assert Counter((row["origin"], row["node"], row["fate"], row["reason"]) for row in ran.aside) == wanted, here
    assert max(Counter(row["id"] for row in ran.aside).values(), default=1) == 1, f"{here}: one record is in the quarantine twice"


@pytest.mark.parametrize("seed", seeds(8))
def test_every_leg_of_a_random_plan_balances_in_every_cut(seed: int, tmp_path: Path) -> None:
    text, rng = draft(seed), random.Random(1000 + seed)
    plan, partitions = compiled(text, FILES), keyed(rng)
    records = sum(len(rows) for rows in partitions.values())
    looked = tables(sorted({row["k"] for rows in partitions.values() for row in rows}))
    answers = []
    for number, moves in enumerate([whole(partitions), cut(rng, partitions, 8)]):
        ran = play(plan, tmp_path, partitions, moves, tasks=1 + number % 3, restart=rng if number else None, tables=looked)
        here = f"seed {seed}, cut {number}: {moves}\n{text}"
        balanced(ran, records, here)
        answers.append((ran, here))
    first = answers[0][0]
    for ran, here in answers[1:]:
        for name in ran.outputs:
            assert ran.content(name) == first.content(name), f"{name}: {here}"
        assert ran.set_aside() == first.set_aside(), here
        assert ran.legs() == first.legs(), here


def test_the_random_plans_have_everything_in_them() -> None:
    texts = [draft(seed) for seed in range(8)]
    for word in (
        "unnest(",
        "many: true",
        "UNION ALL",
        "having:",
        "every:",
        "session:",
        "over:",
        "alert:",
        "dedupe:",
        "unmatched: drop",
        "unmatched: keep",
        "unmatched: quarantine",
        "else: flag",
        "late: drop",
    ):
        assert any(word in text for text in texts), word
    assert max(text.count("delta:") for text in texts) >= 4


# ------------------------------------------------------------------------------------ 11: f(a + b) = f(a) + f(b), on the engine

QUERIES = [
    "SELECT t, k || '-' || v::VARCHAR AS name FROM events",
    "SELECT t, CASE WHEN v > 0 THEN 'up' WHEN v < 0 THEN 'down' END AS way, NULLIF(v, 0) AS v FROM events",
    "SELECT * EXCLUDE (x) FROM events WHERE v IN (1, 2, 3, 5, 8) OR k LIKE 'k0%'",
    "SELECT t, v // 3 AS third, v % 3 AS rest, v / 3 AS share, round(x, 1) AS x FROM events",
    "SELECT t, TRY_CAST(k AS BIGINT) AS n, coalesce(TRY_CAST(substr(k, 2, 1) AS BIGINT), -1) AS digit FROM events",
    "SELECT t, unnest(string_split(k, '@')) AS part FROM events",
    "SELECT t, unnest([v, seq, v * seq]) AS number FROM events WHERE v <> 0",
    "SELECT t, v FROM events WHERE v > 10 UNION ALL SELECT t, -v AS v FROM events WHERE v < -10",
    "SELECT e.t, e.k, o.label FROM events e JOIN one o ON e.k = o.k",
    "SELECT e.t, e.k, o.label, o.level + e.v AS sum FROM events e LEFT JOIN one o ON e.k = o.k WHERE e.v > -30",
    "SELECT date_trunc('minute', t) AS minute, greatest(v, seq) AS most, least(x, v) AS least FROM events",
    "SELECT t, list_sum(list_transform([v, seq], lambda i: i * 2)) AS twice FROM events",
    "SELECT t, {'v': v, 'k': k} AS pair, [k, k] AS keys FROM events WHERE NOT (v BETWEEN -5 AND 5)",
    "SELECT t, regexp_replace(k, '[0-9]', '#', 'g') AS shape, md5(k) AS digest FROM events",
]


def test_accepted_queries_do_not_see_the_cut(tmp_path: Path) -> None:
    steps = "".join(f"  q{n}:\n    from: events\n    sql: |\n      {query}\n" for n, query in enumerate(QUERIES))
    outputs = "".join(f"  q{n}: {{from: q{n}, delta: {{table: q{n}}}}}\n" for n in range(len(QUERIES)))
    plan = compiled(source("10s") + TABLES + "\nsteps:\n" + steps + "outputs:\n" + outputs, FILES)
    rng = random.Random(11)
    partitions = keyed(rng)
    looked = tables(sorted({row["k"] for rows in partitions.values() for row in rows}))
    first = play(plan, tmp_path, partitions, whole(partitions), tables=looked)
    for number in range(3):
        ran = play(plan, tmp_path, partitions, cut(rng, partitions, 8), tasks=1 + number, tables=looked)
        balanced(ran, sum(map(len, partitions.values())), f"cut {number}")
        for name, rows in ran.outputs.items():
            assert rows, name
            assert ran.content(name) == first.content(name), QUERIES[int(name[1:])]
        assert ran.legs() == first.legs()


def test_a_row_on_which_an_expression_fails_costs_only_itself_in_every_cut(tmp_path: Path) -> None:
    text = (
        source("10s") + "\nsteps:\n  n:\n    from: events\n    sql: SELECT t, CAST(k AS BIGINT) + v AS n FROM events\n"
        "outputs:\n  n: {from: n, delta: {table: n}}\n"
    )
    rng = random.Random(5)
    rows = [
        {
            "t": 1_780_000_000 * SECOND + n * SECOND,
            "k": "9" if n % 7 else "nine",
            "v": 1 if n % 11 else 2**63 - 1,
            "seq": n,
            "x": 0.0,
        }
        for n in range(80)
    ]
    bad = sum(n % 7 == 0 or n % 11 == 0 for n in range(80))
    for moves in (whole({0: rows}), cut(rng, {0: rows}), cut(rng, {0: rows}, 12)):
        ran = play(compiled(text), tmp_path, {0: rows}, moves)
        assert Counter(row["reason"] for row in ran.aside) == {"expression": bad}
        assert Counter(row["n"] for row in ran.outputs["n"]) == {10: 80 - bad}
        assert all(row["raw"] is not None and row["detail"] for row in ran.aside)
        balanced(ran, 80, str(moves))
