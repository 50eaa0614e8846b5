"""The watermark: semantics 2-A and 2-B on scripted partitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.batch import FOREVER, NONE
from mainstem.columns import Column, parse_type
from mainstem.engines import watermark
from mainstem.engines.contract import EpochPlan, Fact
from mainstem.engines.watermark import DRAINED, IDLE, LEFT, LIVE
from mainstem.plan.words import Dedupe, Fold, Node, Plan, Read, Time

COLUMNS = (Column("k", parse_type("string")),)


def source(name: str, time: Time | None) -> Node:
    return Node(name=name, step=name, origin=0, columns=COLUMNS,
                word=Read(source="files", options={}, format="json", format_options={}, declared=COLUMNS, time=time))


def fold(name: str, *inputs: str) -> Node:
    return Node(name=name, step=name, inputs=inputs, columns=COLUMNS, word=Fold(body=Dedupe(within=1), by=("k",), needs=(("k",),)))


def epoch(**over: object) -> EpochPlan:
    fields: dict = {"epoch": 1, "incarnation": "i", "pipeline": "p", "environment": "e", "release": "r", "clock": 0, "ranges": {},
                    "progress": {}, "carry": {}, "marks": {}, "live": {}, "tables": {}}
    return EpochPlan(**(fields | over))


TIME = Time(column="t", lateness=10)


def test_before_the_first_row_there_is_no_watermark() -> None:
    assert watermark.of_source(TIME, {}, {0: LIVE}, NONE) == NONE


def test_minimum_over_live_partitions_less_lateness() -> None:
    assert watermark.of_source(TIME, {0: 100, 1: 50}, {0: LIVE, 1: DRAINED}, NONE) == 40


def test_a_live_partition_without_a_row_holds_but_a_drained_one_does_not() -> None:
    assert watermark.of_source(TIME, {0: 100}, {0: LIVE, 1: LIVE}, NONE) == NONE
    live = {part: DRAINED if part > 2 else LIVE for part in range(16)}
    assert watermark.of_source(TIME, {0: 100, 1: 90, 2: 80}, live, NONE) == 70


def test_an_idle_partition_leaves_the_minimum_and_rejoins() -> None:
    assert watermark.of_source(TIME, {0: 100, 1: 50}, {0: LIVE, 1: IDLE}, NONE) == 90
    assert watermark.of_source(TIME, {0: 100, 1: 55}, {0: LIVE, 1: LIVE}, NONE) == 45


@pytest.mark.parametrize(("then", "expected"), [("hold", NONE), ("catch_up", 100), ("flush", 100)])
def test_all_idle_goes_by_its_rule(then: str, expected: int) -> None:
    time = Time(column="t", lateness=10, idle_after=1, idle_then=then)
    assert watermark.of_source(time, {0: 100, 1: 50}, {0: IDLE, 1: IDLE}, NONE) == expected


def test_files_read_to_their_end_leave_and_the_last_one_gives_the_time() -> None:
    time = Time(column="t", lateness=10, partition="file")
    assert watermark.of_source(time, {0: 100}, {0: LEFT, 1: LIVE}, NONE) == NONE
    assert watermark.of_source(time, {0: 100, 1: 60}, {0: LEFT, 1: LEFT}, NONE) == 90


def test_a_source_without_lateness_says_nothing() -> None:
    assert watermark.of_source(Time(column="t"), {0: 100}, {0: LIVE}, NONE) == NONE


def test_two_sources_merge_by_minimum_and_a_quiet_one_keeps_its_value() -> None:
    plan = Plan(pipeline="p", nodes=(source("a", TIME), source("b", TIME), fold("f", "a", "b")), origins=("a", "b"))
    live = {"a": {0: LIVE}, "b": {0: LIVE}}
    assert watermark.advance(plan, epoch(live=live), {"a": {0: 100}}) == {"f": NONE}
    assert watermark.advance(plan, epoch(live=live), {"a": {0: 100}, "b": {0: 70}}) == {"f": 60}
    assert watermark.advance(plan, epoch(live=live, marks={"f": 60}), {"a": {0: 200}, "b": {0: 70}}) == {"f": 60}


def test_it_never_goes_backwards_and_ends_in_forever() -> None:
    plan = Plan(pipeline="p", nodes=(source("a", TIME), fold("f", "a")), origins=("a",))
    live = {"a": {0: LIVE, 1: LIVE}}
    assert watermark.advance(plan, epoch(live=live, marks={"f": 90}), {"a": {0: 100, 1: 20}}) == {"f": 90}
    assert watermark.advance(plan, epoch(live=live, closing=True), {"a": {0: 100, 1: 20}}) == {"f": FOREVER}


def test_segments_of_a_partition_carry_on_in_order() -> None:
    facts = [Fact(source="a", partition=0, segment=segment, made=1, largest=largest)
             for segment, largest in ((1, 40), (0, 70), (2, 50))]
    before = watermark.before_segments({"a": {0: 30}}, facts)
    assert before == {("a", 0, 0): 30, ("a", 0, 1): 70, ("a", 0, 2): 70}
    assert watermark.carry_on({"a": {0: 30}}, facts) == {"a": {0: 70}}


FILES = Time(column="t", lateness=10, partition="file")
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300)), max_size=4)
RANGES = st.lists(st.tuples(ROWS, st.sets(st.integers(0, 5), max_size=2)), min_size=1, max_size=12)


@given(RANGES)
def test_files_that_time_has_passed_need_not_be_carried(epochs: list[tuple[list[tuple[int, int]], set[int]]]) -> None:
    """Each epoch reads (file, event time) and leaves some files unfinished. All rows are judged as with the whole carry."""
    plan = Plan(pipeline="p", nodes=(source("a", FILES), fold("f", "a")), origins=("a",))
    carry, marks = dict[str, dict[int, int]](), dict[str, int]()
    short = carry
    for number, (rows, unfinished) in enumerate(epochs, 1):
        facts = [Fact(source="a", partition=part, segment=segment, made=1, largest=time) for segment, (part, time) in enumerate(rows)]
        live = {"a": dict.fromkeys(unfinished, LIVE)}
        judged = []
        for carried in (carry, short):
            before = watermark.before_segments(carried, facts)
            own = [max(before["a", part, segment] - 10, marks.get("f", NONE)) for segment, (part, _) in enumerate(rows)]
            after = watermark.carry_on(carried, facts)
            judged.append((own, watermark.advance(plan, epoch(epoch=number, carry=carried, marks=marks, live=live), after)))
        assert judged[0] == judged[1]
        marks, carry = judged[0][1], watermark.carry_on(carry, facts)
        short = watermark.without_past(plan, live, watermark.carry_on(short, facts), marks)
        assert set(short.get("a", {})) <= {watermark.PAST} | unfinished | {
            part for part, time in carry.get("a", {}).items() if time - 10 > marks["f"]}


def test_a_file_that_is_ahead_of_time_is_carried_until_time_has_passed_it() -> None:
    plan = Plan(pipeline="p", nodes=(source("a", FILES), fold("f", "a")), origins=("a",))
    carry = {"a": {0: 50, 1: 500, 2: 60}}
    assert watermark.without_past(plan, {"a": {2: LIVE}}, carry, {"f": 50}) == {"a": {1: 500, 2: 60, watermark.PAST: 50}}
    assert watermark.without_past(plan, {"a": {2: LIVE}}, carry, {}) == carry
    assert watermark.without_past(plan, {"a": {}}, carry, {"f": 490}) == {"a": {watermark.PAST: 500}}
    assert watermark.of_source(FILES, {watermark.PAST: 500}, {}, NONE) == 490


def test_a_topic_keeps_what_its_partitions_carry() -> None:
    plan = Plan(pipeline="p", nodes=(source("a", TIME), fold("f", "a")), origins=("a",))
    carry = {"a": {0: 50, 1: 60}}
    assert watermark.without_past(plan, {"a": {0: DRAINED, 1: IDLE}}, carry, {"f": FOREVER}) == carry
