"""The law: it holds on honest reports and fires on every kind of lie (semantics 2-S 7)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mainstem.columns import Column, parse_type
from mainstem.engines import law
from mainstem.engines.contract import EpochPlan, Fact, File, Report
from mainstem.errors import Bug
from mainstem.plan.words import Check, Fold, Leg, Node, Plan, Read, Rule, Window, Write

COLUMNS = (Column("k", parse_type("string")),)
PLAN = Plan(
    pipeline="p", origins=("src", "win"),
    nodes=(
        Node(name="src", step="src", origin=0, columns=COLUMNS,
             word=Read(source="files", options={}, format="json", format_options={}, declared=COLUMNS)),
        Node(name="good", step="good", inputs=("src",), columns=COLUMNS, word=Check(rules=(Rule(name="r", that="true"),))),
        Node(name="win", step="win", inputs=("good",), origin=1, columns=COLUMNS,
             word=Fold(body=Window(size=1, every=1, query=""), by=("k",), needs=(("k",),))),
        Node(name="out", step="out", inputs=("win",), columns=COLUMNS, word=Write(sink="delta", options={})),
        Node(name="raw", step="raw", inputs=("good",), columns=COLUMNS, word=Write(sink="delta", options={})),
    ),
    legs=(Leg(origin="src", end="win", path=("good",)), Leg(origin="src", end="raw", path=("good",)), Leg(origin="win", end="out")),
)


RANGE = {"partition": 0, "start": 0, "end": 100, "ref": {}, "records": 10, "bytes": 100}


def epoch(**changes: Any) -> EpochPlan:
    """The plan of an epoch that reads one range."""
    given: dict[str, Any] = {"epoch": 3, "incarnation": "i", "pipeline": "p", "environment": "e", "release": "r", "clock": 0,
                             "ranges": {"src": [RANGE]}, "progress": {}, "carry": {}, "marks": {}, "live": {}, "tables": {}}
    return EpochPlan(**given | changes)


def refused(reports: list[Report], held: dict[str, dict[str, int]] | None = None, **changes: Any) -> str:
    """What the law says against these reports."""
    with pytest.raises(Bug) as caught:
        law.account(PLAN, epoch(**changes), reports, {"win": {"src": 2}} if held is None else held)
    assert caught.value.code == "law.broken"
    return str(caught.value)


def honest() -> list[Report]:
    read = Report(stage="src", task=0, facts=[Fact(source="src", partition=0, segment=0, made=10, largest=5, bytes=100)],
                  fates=[(0, "src", "quarantined", "not_json", 1), (0, "good", "quarantined", "rule", 2), (0, "raw", "delivered", "", 7)],
                  files=[File(kind="output", node="raw", path="x", rows=7, bytes=1, sha256=""),
                         File(kind="aside", node="", path="q", rows=3, bytes=1, sha256="")])
    fold = Report(stage="win", task=0, fates=[(0, "win", "late", "late", 1), (0, "win", "delivered", "", 5), (0, "win", "held", "", 3),
                                              (1, "out", "delivered", "", 2)],
                  held_before=[(0, "win", 2)], made=[("win", 2)],
                  files=[File(kind="output", node="out", path="y", rows=2, bytes=1, sha256=""),
                         File(kind="aside", node="", path="q", rows=1, bytes=1, sha256="")])
    return [read, fold]


def test_an_honest_epoch_balances_on_every_leg() -> None:
    account = law.account(PLAN, epoch(), honest(), {"win": {"src": 2}})
    assert account["src -> win"] == {
        "made": 10, "held_before": 2, "delivered": 5, "filtered": 0, "quarantined": 3, "late": 1, "held": 3,
        "reasons": {"quarantined: good: rule": 2, "quarantined: src: not_json": 1, "late: win: late": 1}}
    assert account["src -> raw"]["delivered"] == 7
    assert account["win -> out"] == {"made": 2, "held_before": 0, "delivered": 2, "filtered": 0, "quarantined": 0, "late": 0,
                                     "held": 0, "reasons": {}}


def _lies() -> list[tuple[int, str, int, int]]:
    return [(r, "fates", i, step) for r, report in enumerate(honest()) for i in range(len(report.fates)) for step in (-1, 1)]


@pytest.mark.parametrize(("which", "field", "index", "step"), _lies())
def test_one_row_more_or_less_of_any_fate_is_found(which: int, field: str, index: int, step: int) -> None:
    reports = copy.deepcopy(honest())
    fates = getattr(reports[which], field)
    fates[index] = (*fates[index][:4], fates[index][4] + step)
    assert "does not" in refused(reports)


@pytest.mark.parametrize(("where", "changes"), [
    ("made", {"made": [("win", 1)]}),
    ("a file of an output", {"files": [File(kind="output", node="out", path="y", rows=1, bytes=1, sha256=""), honest()[1].files[1]]}),
    ("a file of the quarantine", {"files": honest()[1].files[:1]}),
])
def test_a_row_lost_where_it_was_made_or_stored_is_found(where: str, changes: dict[str, Any]) -> None:
    reports = honest()
    for name, value in changes.items():
        setattr(reports[1], name, value)
    assert "does not" in refused(reports), where


def test_rows_that_waited_must_still_be_there() -> None:
    assert "left 3 rows in win, its state has 2" in refused(honest(), {"win": {"src": 3}})
    assert "left 2 rows in win, its state has 0" in refused(honest(), {"win": {"src": 2, "replay:src": 2}})
    reports = honest()
    reports[1].held_before.append((law.REPLAY, "win", 1))
    reports[1].fates.append((law.REPLAY, "win", "held", "", 1))
    assert "left 0 rows in win, its state has 1" in refused(reports)


def test_nothing_may_wait_behind_the_end_of_the_input() -> None:
    assert "rows are still held" in refused(honest(), closing=True)


@pytest.mark.parametrize("fate", [(0, "out", "delivered", "", 1), (1, "good", "filtered", "where", 1), (1, "win", "held", "", 1),
                                  (law.REPLAY + 1, "out", "delivered", "", 1), (0, "good", "held", "", 1)])
def test_a_fate_where_no_leg_leads_is_found(fate: tuple[int, str, str, str, int]) -> None:
    reports = honest()
    reports[1].fates.append(fate)
    assert refused(reports)


def _facts(*facts: tuple[int, int, int, int]) -> list[Fact]:
    return [Fact(source="src", partition=partition, segment=segment, made=made, bytes=size, largest=5)
            for partition, segment, made, size in facts]


@pytest.mark.parametrize(("facts", "said"), [
    ([], "planned are 1, read were the numbers []"),
    (_facts((0, 0, 10, 100), (0, 0, 0, 0)), "read were the numbers [0, 0]"),
    (_facts((0, 0, 10, 100), (0, 1, 0, 0)), "read were the numbers [0, 1]"),
    (_facts((0, 0, 10, 100), (1, 0, 0, 0)), "src, partition 1"),
    (_facts((0, 0, 9, 100)), "it has 10 records, read were 9"),
    (_facts((0, 0, 10, 99)), "it has 100 bytes, read were 99"),
], ids=["never", "twice", "more", "another", "a record less", "a byte less"])
def test_a_range_that_was_not_read_once_and_to_its_end_is_found(facts: list[Fact], said: str) -> None:
    reports = honest()
    reports[0].facts = facts
    assert said in refused(reports)


def test_ranges_that_overlap_are_found() -> None:
    reports = honest()
    reports[0].facts = _facts((0, 0, 5, 50), (0, 1, 5, 50))
    first = RANGE | {"records": None, "bytes": None, "end": 50}
    assert law.account(PLAN, epoch(ranges={"src": [first, first | {"start": 50, "end": 100}]}), reports, {"win": {"src": 2}})
    assert "49 lies before 50" in refused(reports, ranges={"src": [first, first | {"start": 49, "end": 100}]})


def replayed(rows: int) -> list[Report]:
    """Rows that left at `good` are replayed: they pass it, and reach both of its ends."""
    return [Report(stage="src", task=0, made=[("replay:src", rows)], fates=[(law.REPLAY, "raw", "delivered", "", 3)],
                   files=[File(kind="output", node="raw", path="x", rows=3, bytes=1, sha256="")]),
            Report(stage="win", task=0, held_before=[(0, "win", 2)],
                   fates=[(0, "win", "held", "", 2), (law.REPLAY, "win", "held", "", 3)])]


ORDER = {"source": "src", "node": "good", "rows": 3}


def test_a_replay_is_an_origin_of_its_own_and_every_ordered_row_comes_back() -> None:
    account = law.account(PLAN, epoch(ranges={}, orders=[ORDER]), replayed(3), {"win": {"src": 2}})
    assert account["replay:src -> win"]["held"] == account["replay:src -> raw"]["delivered"] == 3
    assert account["src -> win"]["held"] == 2
    assert "3 rows were ordered, 2 came back" in refused(replayed(2), ranges={}, orders=[ORDER])


def test_rows_of_an_earlier_replay_wait_through_one_that_does_not_pass_them() -> None:
    """What left at `raw` goes to `raw` only; the window keeps what an earlier replay brought it."""
    reports = replayed(3)
    reports[1].fates = [(0, "win", "held", "", 2), (law.REPLAY, "win", "held", "", 4)]
    reports[1].held_before = [(0, "win", 2), (law.REPLAY, "win", 4)]
    order = ORDER | {"node": "raw"}
    account = law.account(PLAN, epoch(ranges={}, orders=[order]), reports, {"win": {"src": 2, "replay:src": 4}})
    assert account["replay:src -> win"]["made"] == 0
    assert account["replay:src -> win"]["held"] == 4
    assert account["replay:src -> raw"]["made"] == 3


def test_two_faults_that_make_up_for_each_other_are_found_where_they_are() -> None:
    """One task stores a row too many, another a row too few: of an output, or of the quarantine."""
    reports = honest()
    reports.append(Report(stage="src", task=1, fates=[(0, "raw", "delivered", "", 1)]))
    reports[0].fates[2] = (0, "raw", "delivered", "", 6)
    assert "raw does not match what was delivered to it" in refused(reports)
    reports = honest()
    reports[0].files[1] = File(kind="aside", node="", path="q", rows=4, bytes=1, sha256="")
    reports[1].files[1] = File(kind="aside", node="", path="q", rows=0, bytes=1, sha256="")
    assert "quarantine does not match what was delivered to it" in refused(reports)


def test_what_is_published_is_what_the_epochs_delivered() -> None:
    account = law.account(PLAN, epoch(), honest(), {"win": {"src": 2}})
    total = law.add(law.add({}, account), {"replay:src -> raw": {**account["src -> raw"], "delivered": 1}})
    law.published(total, {"raw": 8, "out": 2})
    for wrong in ({"raw": 7, "out": 2}, {"raw": 8, "out": 3}):
        with pytest.raises(Bug, match=r"law\.broken"):
            law.published(total, wrong)


def test_accounts_of_epochs_add_up_and_what_was_held_between_counts_once() -> None:
    first = law.account(PLAN, epoch(), honest(), {"win": {"src": 2}})
    total: dict = {}
    law.add(total, first)
    law.add(total, {"src -> win": {**first["src -> win"], "held_before": 3, "held": 4}})
    row = total["src -> win"]
    assert row["made"] == 20
    assert row["held_before"] == 2
    assert row["held"] == 4
    assert row["reasons"]["late: win: late"] == 2
