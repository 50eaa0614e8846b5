"""Origins, ends and legs: a row goes every way exactly once, whatever the shape of the plan."""

from __future__ import annotations

import re

import pytest
from plan_wish import READINGS, SENSORS, greenhouse, output, plan, source, step, table

from mainstem.engines.kernels import duck
from mainstem.plan import words
from mainstem.plan.legs import carried, legs

GIVEN = source("readings", READINGS)
HOT = step("hot", "readings", "sql", "SELECT sensor_id, seq FROM readings WHERE temperature > 20")
COLD = step("cold", "readings", "sql", "SELECT sensor_id, seq FROM readings WHERE temperature < 0")
UNION = "SELECT * FROM hot UNION ALL SELECT * FROM cold"


def names(made: words.Plan) -> list[str]:
    return [leg.name for leg in made.legs]


def test_fan_out_is_two_legs() -> None:
    made = plan(GIVEN, HOT, COLD, output("h", "hot"), output("c", "cold"))
    assert made.origins == ("readings",)
    assert names(made) == ["readings -> h/output", "readings -> c/output"]


def test_branches_of_one_origin_that_meet_become_origins() -> None:
    made = plan(GIVEN, HOT, COLD, step("both", ("hot", "cold"), "sql", UNION), output("o", "both"))
    assert made.origins == ("readings", "both/meet1", "both/meet2")
    assert names(made) == ["readings -> both/meet1", "readings -> both/meet2", "both/meet1 -> o/output", "both/meet2 -> o/output"]
    assert [made.node(name).origin for name in made.origins] == [0, 1, 2]
    for number, name in ((1, "both/meet1"), (2, "both/meet2")):
        word = made.node(name).word
        assert isinstance(word, words.Sql)
        assert word.remakes
        assert f"{{'o': {number}, 'p': \"_at\".p, " in word.branches[0].query


def test_a_branch_that_filters_and_meets_is_counted_before_it_is_remade() -> None:
    text = "SELECT seq FROM readings WHERE seq > 1 UNION ALL SELECT seq FROM readings WHERE seq <= 1"
    made = plan(GIVEN, step("both", "readings", "sql", text), output("o", "both"))
    assert [node.name for node in made.nodes] == [
        "readings",
        "both/branch1",
        "both/meet1",
        "both/branch2",
        "both/meet2",
        "both",
        "o/output",
    ]
    assert made.legs[0].path == ("both/branch1",)
    word = made.node("both/branch1").word
    assert isinstance(word, words.Sql)
    assert [reason for reason, _ in word.branches[0].dropped] == ["where"]


def test_rows_of_two_sources_meet_as_they_are() -> None:
    union = step("both", ("readings", "more"), "sql", "SELECT seq FROM readings UNION ALL SELECT seq FROM more")
    made = plan(GIVEN, source("more", READINGS), union, output("o", "both"))
    assert made.origins == ("readings", "more")
    assert names(made) == ["readings -> o/output", "more -> o/output"]


def test_children_of_rows_of_two_sources_keep_their_places_apart() -> None:
    union = step("both", ("readings", "more"), "sql", "SELECT seq FROM readings UNION ALL SELECT seq FROM more")
    child = step("items", "both", "sql", "SELECT seq, unnest([1, 2]) AS item FROM both WHERE seq > 0")
    made = plan(GIVEN, source("more", READINGS), union, child, output("o", "items"))
    word = made.node("items").word
    assert isinstance(word, words.Sql)
    assert '"_parent".p + ("_parent".o::INTEGER << 16)' in word.branches[0].query
    rows = duck.query(
        "SELECT 1::BIGINT AS seq, unnest([{'o': 0::SMALLINT, 'p': 0::INTEGER, 'n': 5::BIGINT, 'c': 0::BIGINT, 't': 1::BIGINT,"
        " 'wm': 0::BIGINT, 'i': 0::INTEGER}, {'o': 1, 'p': 0, 'n': 5, 'c': 0, 't': 1, 'wm': 0, 'i': 1}]) AS _at"
    )
    places = duck.query(word.branches[0].query, **{"items/where": rows}).column("_at").to_pylist()
    assert len({(at["o"], at["p"], at["n"], at["c"]) for at in places}) == 4


def test_whole_input_sql_over_two_branches_of_one_source() -> None:
    given = source("readings", READINGS, growing=False, lateness=None)
    joined = step("j", ("hot", "cold"), "sql", "SELECT h.seq FROM hot h JOIN cold c ON h.sensor_id = c.sensor_id")
    made = plan(given, HOT, COLD, joined, output("o", "j"))
    fold = made.node("j")
    assert fold.inputs == ("j/meet1", "j/meet2")
    assert isinstance(fold.word, words.Fold)
    assert '"j/meet1"' in fold.word.body.query  # type: ignore[union-attr]
    assert names(made) == ["readings -> j/meet1", "readings -> j/meet2", "j/meet1 -> j", "j/meet2 -> j", "j -> o/output"]


def test_a_filter_before_unnest_is_on_the_parents_leg() -> None:
    made = plan(
        GIVEN, step("items", "readings", "sql", "SELECT unnest([1]) AS item FROM readings WHERE seq > 0"), output("o", "items")
    )
    assert names(made) == ["readings -> items", "items -> o/output"]
    assert made.legs[0].path == ("items/where",)


def test_a_lookup_of_many_makes_rows() -> None:
    many = step("m", "readings", "lookup", {"table": "sensors", "on": ["sensor_id"], "many": True})
    made = plan(GIVEN, table("sensors", SENSORS, ()), many, output("o", "m"))
    assert names(made) == ["readings -> m/join", "m/join -> o/output"]
    assert made.legs[1].path == ("m",)


def test_every_node_lies_on_a_leg() -> None:
    made = plan(*greenhouse())
    seen = {name for leg in made.legs for name in (leg.origin, *leg.path, leg.end)}
    assert seen == {node.name for node in made.nodes}


def test_numbers_of_origins_can_be_carried_over() -> None:
    old = plan(GIVEN, step("items", "readings", "sql", "SELECT unnest([1]) AS item FROM readings"), output("o", "items"))
    new = plan(
        source("first", READINGS),
        GIVEN,
        step("items", "readings", "sql", "SELECT unnest([1]) AS item FROM readings"),
        output("o", "items"),
        output("p", "first"),
    )
    assert new.origins == ("first", "readings", "items")
    kept = carried(new, old.origins)
    assert kept.origins == ("readings", "items", "first")
    assert [kept.node(name).origin for name in kept.origins] == [0, 1, 2]
    assert re.findall(r"'o': (\d+),", kept.node("items").word.branches[0].query) == ["1"]  # type: ignore[union-attr]
    assert legs(kept.nodes, kept.origins) == kept.legs
    gone = carried(old, ("gone", "readings"))
    assert gone.origins == ("gone", "readings", "items")
    assert carried(old, old.origins) is old


@pytest.mark.parametrize("number", range(3))
def test_no_plan_reaches_one_end_twice(number: int) -> None:
    texts = [
        "SELECT seq FROM readings UNION ALL SELECT seq FROM readings",
        "SELECT seq FROM readings UNION ALL SELECT unnest([1]) FROM readings",
        "SELECT seq FROM readings UNION ALL SELECT seq FROM more UNION ALL SELECT seq + 1 FROM readings",
    ]
    made = plan(
        GIVEN,
        source("more", READINGS),
        step("u", ("readings", "more"), "sql", texts[number]),
        output("o", "u"),
        output("m", "more"),
    )
    pairs = [(leg.origin, leg.end) for leg in made.legs]
    assert len(pairs) == len(set(pairs))
