"""Every verb: what it asks of the facade, what it prints where, and its exit code."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace

import pytest

from mainstem.cli.app import app
from mainstem.errors import Bug, ConcurrencyError, DataError, RefusedError, SpecError, TransientError, UserCodeError
from mainstem.project.run import RunResult

VERBS = ["init", "check", "plan", "run", "sql", "runs list", "runs show", "quarantine list", "quarantine show", "quarantine replay",
         "quarantine discard", "test", "build", "maintain", "reset", "config show", "catalog", "schema", "explain"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(face, capsys, verb):
    assert face(*verb.split(), "--help") == 0
    told = capsys.readouterr().out
    assert "Examples:" in told
    assert f"  mainstem {verb}" in told


def test_help_names_every_verb_in_the_order_of_use(face, capsys):
    assert face("--help") == 0
    told = capsys.readouterr().out
    places = [told.index(f"\n  {verb} ") for verb in ("init", "check", "plan", "run", "runs", "quarantine", "explain")]
    assert places == sorted(places)
    assert len(app.registered_commands) + len(app.registered_groups) == 15


def test_version(face, capsys):
    assert face("--version") == 0
    assert capsys.readouterr().out == "mainstem 0.1.0\n"


@pytest.mark.parametrize(("line", "says"), [
    ("rnu", "did you mean `run`?"),
    ("run --limit 3", "--show STEP"),
    ("run --accept maybe", "'maybe' is not one of"),
    ("runs list --limit 0", "greater than or equal to 1"),
    ("quarantine replay", "say which"),
    ("quarantine discard", "say which"),
    ("reset", "say --yes"),
    ("check --set tasks", "not KEY=VALUE"),
    ("catalog windw", "did you mean 'window'?"),
    ("explain", "Missing argument"),
    ("sql", "Missing argument"),
])
def test_a_wrong_command_line_is_exit_2_and_says_what_to_do(face, capsys, line, says):
    assert face(*line.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(("error", "code"), [
    (SpecError("spec.x", "wrong", where="a.yaml:1:2", why="w1\nw2", fix="mend it"), 2),
    (DataError("data.x", "bad"), 1), (RefusedError("run.breaking", "no"), 1), (UserCodeError("python.raised", "theirs"), 1),
    (TransientError("disk.full", "full"), 4), (ConcurrencyError("run.held", "held"), 5), (Bug("law.broken", "ours"), 1),
    (KeyboardInterrupt(), 130),
])
def test_errors_become_messages_and_exit_codes(face, capsys, error, code):
    def fail():
        raise error

    face.pipeline.result = fail
    assert face("run", "a.yaml") == code
    told = capsys.readouterr()
    assert told.out == ""
    if code == 2:
        assert told.err.splitlines()[-6:] == ["error: wrong", "  where: a.yaml:1:2", "  why:   w1", "         w2",
                                              "  do:    mend it", "  code:  spec.x   (mainstem explain spec.x)"]
    assert ("a mistake of mainstem" in told.err) == isinstance(error, Bug)


def test_what_nobody_expected_is_a_bug_with_its_traceback(face, capsys):
    def fail():
        raise ZeroDivisionError("by zero")

    face.pipeline.result = fail
    assert face("run") == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "bug.unexpected" in told


def test_check_without_problems(face, capsys):
    assert face("check", "a.yaml", "-e", "production", "--set", "tasks=1") == 0
    assert face.asked == [("open", "a.yaml", "production", {"tasks": "1"})]
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "greenhouse: no problems\n")


def test_check_prints_each_problem_with_its_place(face, capsys, problem):
    face.pipeline.problems = [problem, problem]
    assert face("check") == 2
    told = capsys.readouterr()
    assert told.out.splitlines()[:2] == ["a.yaml:3:5: unknown key `szie` [spec.unknown_key]", "    did you mean `size`?"]
    assert told.err == "greenhouse: 2 problems\n"
    assert face("check", "--output", "json") == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["kind"]) == (1, "check")
    assert found["data"][0] == {"file": "a.yaml", "line": 3, "column": 5, "code": "spec.unknown_key", "what": "unknown key `szie`",
                                "why": "", "fix": "did you mean `size`?"}


def test_plan_tells_steps_legs_guarantees_and_notes(face, capsys):
    assert face("plan") == 0
    told = capsys.readouterr().out
    for part in ("climate <- located", "temperature double [Cel]", "climate: exactly once", "- because", "- a note", "sensors"):
        assert part in told
    assert face("plan", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["guarantees"][0]["level"] == "exactly once"
    assert face("plan", "-o", "csv") == 0
    assert capsys.readouterr().out == "node,column,type,unit\nclimate,temperature,double,Cel\n"


def test_run_prints_the_account_on_stdout_and_the_rest_on_stderr(face, capsys):
    assert face("run", "a.yaml", "--follow", "--flush", "--accept", "rebuild", "--takeover") == 0
    assert face.asked[-1] == ("run", {"follow": True, "flush": True, "accept": "rebuild", "takeover": True, "engine": None})
    told = capsys.readouterr()
    first, _, line = told.out.splitlines()[:3]
    assert first.split() == ["leg", "made", "delivered", "filtered", "quarantined", "late"]
    assert line.split() == ["readings", "->", "climate", "12,345", "12,000", "300", "40", "5"]
    assert ["readings", "->", "climate", "quarantined", "checked", "rule", "40"] in [line.split() for line in told.out.splitlines()]
    assert told.err.splitlines() == ["hello", "warning: careful",
                                     "greenhouse: 12,345 rows in 2.0 s, 6,172 rows/s; read to the end of its input",
                                     "run run-1   release rel"]


def test_run_quiet_and_verbose(face, capsys):
    assert face("run", "-q") == 0
    assert capsys.readouterr().err == "warning: careful\n"
    assert face("run", "-v") == 0
    told = capsys.readouterr().err
    assert "epoch.planned epoch=3\n" in told


def test_run_as_json_is_versioned_and_whole(face, capsys):
    assert face("run", "-o", "json", "-q") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["kind"], found["data"]["exit_code"]) == (1, "run", 0)
    assert found["data"]["account"][0]["reasons"]["late: climate: late"] == 5


def test_run_gives_the_exit_code_of_its_result(face, capsys):
    face.pipeline.result = lambda: RunResult("r", "limit", 3, "rel", "inc", account=[], published=False)
    assert face("run") == 3
    told = capsys.readouterr()
    assert "nothing of it is published yet" in told.err
    assert told.out == "no new rows\n"


def test_run_can_look_without_writing(face, capsys):
    assert face("run", "--show", "located", "--limit", "2", "-o", "csv") == 0
    assert face.asked[-1] == ("look", "located", 2)
    assert capsys.readouterr().out == "a\n1\n2\n"


def test_sql_as_table_csv_and_json(face, capsys, monkeypatch):
    assert face("sql", "SELECT 1", "--at", "7", "-f", "a.yaml") == 0
    assert face.asked == [("open", "a.yaml", None, {}), ("sql", "SELECT 1", "7")]
    told = capsys.readouterr()
    assert "4 rows" in told.err
    assert face("sql", "SELECT 1", "-o", "csv") == 0
    text = capsys.readouterr().out
    assert text == 'name,n\na,1\n"",2\n,\n"q""x,",4\n', "NULL is empty, an empty text is quoted"
    assert [row["name"] for row in csv.DictReader(io.StringIO(text))] == ["a", "", "", 'q"x,']
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 2"))
    assert face("sql", "-", "-o", "json") == 0
    assert face.asked[-1] == ("sql", "SELECT 2", None)
    found = json.loads(capsys.readouterr().out)["data"]
    assert found["columns"] == [{"name": "name", "type": "string"}, {"name": "n", "type": "int64"}]
    assert found["rows"][2] == {"name": None, "n": None}


def test_runs(face, capsys):
    assert face("runs", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run_id", "started", "seconds", "why", "rows", "epochs"]
    assert "running" in lines[2]
    assert "failed: disk.full " in lines[3]
    assert face("runs", "list", "--limit", "1", "-o", "json") == 0
    assert [row["host"] for row in json.loads(capsys.readouterr().out)["data"]] == ["h"]
    assert face("runs", "show") == 0
    assert face.asked[-1] == ("show_run", "last")
    assert "12,000" in capsys.readouterr().out


def test_quarantine_list_and_show(face, capsys):
    assert face("quarantine", "list", "--step", "checked", "--rule", "cold", "--limit", "5") == 0
    assert face.asked[-1] == ("quarantine", {"step": "checked", "reason": None, "rule": "cold", "limit": None})
    told = capsys.readouterr().out
    assert "cold, wet" in told
    assert "1970-01-01T00:00:00Z" in told
    assert "raw" not in told
    assert face("quarantine", "list", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["rows"][0]["raw"] == "base64:/wA="
    assert face("quarantine", "show", "x") == 0
    assert capsys.readouterr().out == 'id     x\nrules  cold, wet\nraw\n  {"temperature": -300}\n'


def test_replay_and_discard_say_what_they_did(face, capsys):
    assert face("quarantine", "replay", "x", "y") == 0
    assert face.asked[-1] == ("replay", ("x", "y"), {})
    assert face("quarantine", "replay", "--all", "-o", "json") == 0
    assert face.asked[-1] == ("replay", (), {})
    assert face("quarantine", "discard", "--reason", "type") == 0
    assert face.asked[-1] == ("discard", (), {"reason": "type"})
    assert capsys.readouterr().out.endswith("discarded  1\n")


@pytest.mark.parametrize(("oks", "code", "says"), [
    ([True, True], 0, "2 passed, 0 failed"), ([True, False], 1, "1 passed, 1 failed"), ([], 2, "there are no cases")])
def test_test(face, capsys, oks, code, says):
    face.pipeline.cases = [SimpleNamespace(name=f"case {n}", file="t.yaml", ok=ok, seconds=0.012, diff="row 1: a 1 != 2")
                           for n, ok in enumerate(oks)]
    assert face("test") == code
    told = capsys.readouterr()
    assert says in told.err
    assert ("      row 1: a 1 != 2" in told.out) == (code == 1)


def test_the_other_nouns(face, capsys):
    assert face("build") == 0
    assert capsys.readouterr().out == "release  abc\nfolder   /f\n"
    assert face("config", "show") == 0
    assert "built-in" not in capsys.readouterr().out
    assert face("config", "show", "--origin", "-o", "csv") == 0
    assert capsys.readouterr().out == "setting,value,origin\ntasks,2,built-in\nlake,lake,mainstem.yaml:2:7\n"
    assert face("catalog") == 0
    assert "Cuts time." in capsys.readouterr().out
    assert face("catalog", "window") == 0
    assert "how long" in capsys.readouterr().out
    assert face("catalog", "window", "-o", "csv") == 0
    assert capsys.readouterr().out.splitlines() == ["what,kind,name,type,required,default,about",
                                                    "step,window,size,Duration,true,,how long"]
    assert face("schema") == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("draft-07/schema#")
    assert face("explain", "late") == 0
    assert capsys.readouterr().out == "late: a title\n\nIt means.\n\nDo that.\n"
    assert face("init", "with space") == 0
    assert "next:  cd 'with space' && mainstem run" in capsys.readouterr().err
    assert face("init", "x") == 0
    assert capsys.readouterr().out == "x/greenhouse.yaml\n"


def test_maintain_and_reset(face, capsys):
    assert face("maintain", "--dry-run") == 0
    assert face("reset", "--dry-run") == 0
    assert face("reset", "--yes") == 0
    assert [one for one in face.asked if one[0] != "open"] == [("maintain", True), ("reset", True), ("reset", False)]
