"""Too many bad rows, columns that come and go: said once, counted, and never a silent change of the output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, command, edit, ended, lines, opened, rows, write

from mainstem.testing import Crash, crash_at

PIPELINE = """\
version: 1
pipeline: limited
sources:
  readings:
    files: {path: "inbox/*", complete: %(complete)s}
    format: %(format)s
    columns: {sensor: string!, at: timestamp!, value: double}
%(more)s
steps:
  checked: {from: readings, check: [{that: value < 90}]}
outputs:
  checked: {from: checked, delta: {table: checked, mode: append}}
%(limits)s
"""
EPOCHS = {"epoch": {"rows": 100}}


def pipeline(limits: str = "", more: str = "", form: str = "json", complete: bool = True) -> str:
    return PIPELINE % {"limits": f"limits: {{{limits}}}" if limits else "", "format": form, "complete": str(complete).lower(),
                       "more": "".join(f"    {line}\n" for line in more.splitlines())}


def readings(first: int, last: int, **more: Any) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n % 100)} | more for n in range(first, last))


@pytest.mark.parametrize("limits", ["quarantine: 1%, then: stop", "rows: 50, then: stop"])
def test_a_bounded_run_stops_unpublished_and_goes_on_when_the_limit_is_raised(limits: str, tmp_path: Path) -> None:
    file = write(tmp_path, pipeline(limits), inbox___a=readings(0, 2000))
    result = opened(file, **EPOCHS).run()
    assert (result.exit_code, result.why, result.published) == (3, "limit", False)
    assert 0 < result.rows < 2000
    assert balances(result.account)
    assert rows(file, "checked") == []
    assert not any(opened(file).quarantine().column("published").to_pylist())
    again = opened(file, **EPOCHS).run()
    assert (again.exit_code, again.published) == (3, False)            # the rows that wait count as well
    edit(file, limits, "quarantine: 20%, rows: 500, then: stop")
    last = opened(file, **EPOCHS).run()
    assert (last.exit_code, last.published) == (0, True)
    assert len(rows(file, "checked")) == 1800
    assert opened(file).read("quarantine").num_rows == 200


def test_warn_finishes_publishes_and_says_so(tmp_path: Path) -> None:
    file = write(tmp_path, pipeline("quarantine: 1%, rows: 1000, then: warn"), inbox___a=readings(0, 500))
    code, _, err = ended(command(file, "run"))
    assert code == 3
    assert "10.00% of the rows were set aside, the limit is 1.00%" in err
    assert len(rows(file, "checked")) == 450


@pytest.mark.parametrize("follow", [True, False], ids=["follow", "each"])
def test_a_stream_stops_before_it_publishes_what_is_too_bad(follow: bool, tmp_path: Path) -> None:
    file = write(tmp_path, pipeline("rows: 15, then: stop", complete=False), inbox___a=readings(0, 95))
    assert opened(file).run(each=True).exit_code == 0
    (tmp_path / "inbox/b").write_text(readings(95, 195))
    assert opened(file).run(follow=True, max_epochs=1).exit_code == 0  # ten more, in another run
    (tmp_path / "inbox/c").write_text(readings(195, 395))
    good = [sum(n % 100 < 90 for n in range(end)) for end in (195, 395, 405)]
    for _ in range(2):                                                 # what waits counts when it is started again
        result = opened(file).run(follow=follow, each=not follow)
        assert (result.exit_code, result.why, result.published) == (3, "limit", False)
        assert len(rows(file, "checked")) == good[0]
        assert opened(file).read("quarantine").num_rows == 15          # published ones; the others are listed as unpublished
        assert opened(file).quarantine().column("published").to_pylist().count(False) == 20
    assert result.rows == 0                                            # the second time it did not even read
    edit(file, "rows: 15", "rows: 25")
    if not follow:                                                     # nothing new has to come for it to be published
        result = opened(file).run(each=True)
        assert (result.exit_code, result.why, result.published, result.rows) == (0, "hold", True, 0)
        assert len(rows(file, "checked")) == good[1]
    (tmp_path / "inbox/d").write_text(readings(395, 405))
    result = opened(file).run(follow=follow, each=not follow, max_epochs=1)
    assert (result.exit_code, result.published, result.rows) == (0, True, 10)
    assert len(rows(file, "checked")) == good[2]


def test_a_bounded_run_that_stopped_at_its_last_epoch_stays_unpublished(tmp_path: Path) -> None:
    file = write(tmp_path, pipeline("rows: 15, then: stop"), inbox___a=readings(0, 300))
    for seen in (300, 0):
        result = opened(file).run()
        assert (result.exit_code, result.why, result.published, result.rows) == (3, "limit", False, seen)
        assert opened(file).show_run("last")["why"] == "limit"
        assert rows(file, "checked") == []
    edit(file, "then: stop", "then: warn")
    result = opened(file).run()
    assert (result.exit_code, result.published) == (3, True)
    assert len(rows(file, "checked")) == 270


def test_a_stream_that_was_killed_while_it_stopped_does_not_publish_when_it_recovers(tmp_path: Path) -> None:
    file = write(tmp_path, pipeline("rows: 15, then: stop", complete=False), inbox___a=readings(0, 300))
    with pytest.raises(Crash), crash_at("epoch.judged"):
        opened(file).run(each=True)
    result = opened(file).run(each=True)
    assert (result.exit_code, result.why, result.published, result.rows) == (3, "limit", False, 300)
    assert rows(file, "checked") == []


@pytest.mark.parametrize("unknown", ["ignore", "quarantine", "keep"])
def test_a_column_that_nobody_declared(unknown: str, tmp_path: Path) -> None:
    text = pipeline(more=f"unknown: {unknown}").replace("check: [{that: value < 90}]", "check: [{that: value < 900}]")
    file = write(tmp_path, text, inbox___a=readings(0, 100), inbox___b=readings(100, 103, color="red") + readings(103, 150))
    result = opened(file).run()
    found = rows(file, "checked")
    assert len(found) == (147 if unknown == "quarantine" else 150)
    assert balances(result.account)
    if unknown == "keep":
        extra = [row["_extra"] for row in found if row["_extra"] is not None]
        assert [json.loads(text) for text in extra] == [{"color": "red"}] * 3
    else:
        assert set(found[0]) == {"sensor", "at", "value"}
    if unknown == "quarantine":
        assert [(row["reason"], "color" in row["detail"]) for row in opened(file).quarantine().to_pylist()] == [("unknown_column", True)] * 3
    assert result.drift == {"readings": {"unknown column color": "inbox/b:0"}}
    assert opened(file).show_run("last")["drift"] == result.drift


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("missing", ["null", "quarantine"])
def test_a_declared_column_that_does_not_come(missing: str, form: str, tmp_path: Path) -> None:
    full, short = readings(0, 50), lines({"sensor": "s1", "at": at(n)} for n in range(50, 60))
    if form == "csv":
        full = "sensor,at,value\n" + "".join(f"s1,{at(n)},{n % 50}\n" for n in range(50))
        short = "sensor,at\n" + "".join(f"s1,{at(n)}\n" for n in range(50, 60))
    file = write(tmp_path, pipeline(more=f"missing: '{missing}'", form=form), inbox___a=full, inbox___b=short)
    result = opened(file).run()
    found = rows(file, "checked")
    assert len(found) == (60 if missing == "null" else 50)
    assert sum(row["value"] is None for row in found) == len(found) - 50
    assert balances(result.account)
    assert result.drift["readings"]["absent column value"].startswith("inbox/b")
    assert {row["reason"] for row in opened(file).quarantine().to_pylist()} == ({"absent_column"} if missing == "quarantine" else set())
    assert opened(file).show_run("last")["drift"] == result.drift


def test_drift_is_recorded_where_it_was_seen_first(tmp_path: Path) -> None:
    file = write(tmp_path, pipeline(complete=False), inbox___a=readings(0, 50, color="red"))
    first = opened(file).run().drift
    (tmp_path / "inbox/b").write_text(readings(50, 100, color="blue", size=3))
    second = opened(file).run().drift
    assert first == {"readings": {"unknown column color": "inbox/a:0"}}
    assert second == {"readings": {"unknown column color": "inbox/a:0", "unknown column size": "inbox/b:0"}}
