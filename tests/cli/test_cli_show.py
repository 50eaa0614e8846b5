"""How values look as JSON, CSV and in tables; the width of a table; what the screen says on stderr."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json

import pytest

from mainstem import signals
from mainstem.cli import show
from mainstem.cli.app import Output
from mainstem.cli.screen import Screen, watching
from mainstem.clock import HandClock


@pytest.mark.parametrize(("value", "expected"), [
    (dt.datetime(2026, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2026-01-01T00:00:00Z"),
    (dt.datetime(2026, 1, 1), "2026-01-01T00:00:00"),  # noqa: DTZ001  (a local time has no zone)
    (dt.date(2026, 1, 1), "2026-01-01"), (dt.time(1, 2), "01:02:00"), (decimal.Decimal("1.50"), "1.50"),
    (float("nan"), "nan"), (float("inf"), "inf"), (1.5, 1.5), (2**63, 2**63), (True, True), (None, None),
    (b"text", "text"), (b"\xff", "base64:/w=="), ({"a": (1, {2})}, {"a": [1, [2]]}), (dt.timedelta(seconds=1), "0:00:01"),
])
def test_values_as_json(value, expected):
    assert show.plain(value) == expected
    json.dumps(show.plain(value), allow_nan=False)


@pytest.mark.parametrize(("value", "expected"), [(None, ""), (True, "true"), (["a", "b"], "a, b"), ([1, 2], "[1, 2]"),
                                                 ({"a": "ü"}, '{"a": "ü"}'), (1.0, "1.0")])
def test_values_in_a_cell(value, expected):
    assert show.cell(value) == expected


def test_csv_quotes_what_would_be_misread(capsys):
    show.rows("x", [{"a": "line\nbreak", "b": " pad"}, {"a": None, "b": ""}], Output.csv)
    assert capsys.readouterr().out == 'a,b\n"line\nbreak"," pad"\n,""\n'


def test_no_rows_are_said_on_stderr_and_are_data_elsewhere(capsys):
    show.rows("x", [], Output.table, empty="nothing yet")
    assert capsys.readouterr() == ("", "nothing yet\n")
    show.rows("x", [], Output.json)
    assert json.loads(capsys.readouterr().out) == {"version": 1, "kind": "x", "data": []}


def test_a_table_is_as_wide_as_columns_says_and_else_never_cut(capsys, monkeypatch):
    rows = [["a" * 70, 1], ["line\nbreak", 20]]
    monkeypatch.delenv("COLUMNS", raising=False)
    show.table(["name", "n"], rows)
    lines = capsys.readouterr().out.splitlines()
    assert "a" * 70 in lines[2]
    assert "line\\nbreak" in lines[3]
    assert lines[2].rstrip().endswith(" 1")
    monkeypatch.setenv("COLUMNS", "40")
    show.table(["name", "n"], rows)
    narrow = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 40
    show.table(["name", "n"], rows)
    assert capsys.readouterr().out == narrow


@pytest.mark.parametrize(("name", "coloured"), [("NO_COLOR", False), ("FORCE_COLOR", True)])
def test_colour_is_obeyed(capsys, monkeypatch, name, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, "1")
    show.table(["name"], [["[red]text[/red]"]])
    told = capsys.readouterr().out
    assert "[red]text[/red]" in told, "what users write is never markup"
    assert ("\x1b[3" in told or "\x1b[1m" in told) == coloured


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_writes_over_itself_on_a_terminal_only(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    clock, stream = HandClock(), Terminal()
    screen = Screen(stream, 0, clock)
    clock.sleep(2)
    screen("run.progress", {"epoch": 1, "rows": 1000})
    screen("log", {"level": "info", "message": "a line"})
    assert stream.getvalue().startswith("\repoch 1   1,000 rows   500 rows/s")
    assert stream.getvalue().endswith("\r" + " " * 33 + "\ra line\n")


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_nothing_is_written_over_in_ci_or_on_a_dumb_terminal(monkeypatch, name, value):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    stream = Terminal()
    screen = Screen(stream, 0, HandClock())
    screen("run.progress", {"epoch": 1, "rows": 1000})
    assert stream.getvalue() == ""


def test_without_a_terminal_progress_is_a_line_every_five_seconds():
    clock, stream = HandClock(), io.StringIO()
    screen = Screen(stream, 0, clock)
    for second in range(12):
        screen("run.progress", {"epoch": second, "rows": second * 10})
        clock.sleep(1)
    assert stream.getvalue().splitlines() == ["epoch 5   50 rows   10 rows/s", "epoch 10   100 rows   10 rows/s"]


@pytest.mark.parametrize(("loud", "expected"), [(-1, ["error: e", "warning: w"]), (0, ["error: e", "warning: w", "i"]),
                                                (1, ["error: e", "warning: w", "i", "debug: d", "epoch.planned epoch=1"])])
def test_how_much_is_said(loud, expected):
    stream = io.StringIO()
    screen = Screen(stream, loud, HandClock())
    for level in ("error", "warning", "info", "debug"):
        screen("log", {"level": level, "message": level[0]})
    screen("epoch.planned", {"epoch": 1, "output": None})
    screen("durable.fsync", {"path": "p"})
    assert stream.getvalue().splitlines() == expected


def test_the_screen_listens_only_inside_its_block(capsys):
    with watching():
        signals.tell("log", level="info", message="inside")
    signals.tell("log", level="info", message="outside")
    assert capsys.readouterr() == ("", "inside\n")


def test_no_color_means_no_orders_to_the_terminal_at_all(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    show.table(["name"], [["a"]])
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    show.table(["name"], [["a"]])
    assert "\x1b" not in capsys.readouterr().out
