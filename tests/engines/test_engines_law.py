"""The law: it holds on honest reports and fires on every kind of lie (semantics 2-S 7)."""

from __future__ import annotations

import copy

import pytest

from mainstem.columns import Column, parse_type
from mainstem.engines import law
from mainstem.engines.contract import Fact, File, Report
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


def honest() -> list[Report]:
    read = Report(stage="src", task=0, facts=[Fact(source="src", partition=0, segment=0, made=10, largest=5)],
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
    account = law.account(PLAN, honest(), {"win": {"src": 2}})
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
    with pytest.raises(Bug, match=r"law\.broken|does not"):
        law.account(PLAN, reports, {"win": {"src": 2}})


def test_a_lost_row_of_the_source_a_lost_window_and_a_lost_file_row_are_found() -> None:
    for spoil in ("facts", "made", "files", "aside", "held"):
        reports = honest()
        held = {"win": {"src": 2}}
        if spoil == "facts":
            reports[0].facts = [Fact(source="src", partition=0, segment=0, made=9, largest=5)]
        elif spoil == "made":
            reports[1].made = [("win", 1)]
        elif spoil == "files":
            reports[1].files = [File(kind="output", node="out", path="y", rows=1, bytes=1, sha256=""), reports[1].files[1]]
        elif spoil == "aside":
            reports[0].files = reports[0].files[:1]
        else:
            held = {"win": {"src": 3}}
        with pytest.raises(Bug) as caught:
            law.account(PLAN, reports, held)
        assert caught.value.code == "law.broken"


def test_accounts_of_epochs_add_up_and_what_was_held_between_counts_once() -> None:
    first = law.account(PLAN, honest(), {"win": {"src": 2}})
    total: dict = {}
    law.add(total, first)
    law.add(total, {"src -> win": {**first["src -> win"], "held_before": 3, "held": 4}})
    row = total["src -> win"]
    assert row["made"] == 20
    assert row["held_before"] == 2
    assert row["held"] == 4
    assert row["reasons"]["late: win: late"] == 2
