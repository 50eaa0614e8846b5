"""What people read when they make a mistake: every message against `messages/`, to be read as text when it changes.

`MAINSTEM_WRITE_MESSAGES=1 pytest tests/docs/test_docs_messages.py` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mainstem
from mainstem.cli.command import invoke

GOLDEN = Path(__file__).parent / "messages"
GOOD = """\
version: 1
pipeline: demo
sources:
  readings:
    generator: {rows: 100}
    format: json
    columns:
      sensor_id: string!
      observed_at: timestamp!
      temperature: double
    time: {column: observed_at, lateness: 30s}
steps:
  checked:
    check: [temperature > 0]
  climate:
    window: {size: 1m, by: [sensor_id], late: quarantine}
    select: avg(temperature) AS temperature
outputs:
  climate: {from: climate, delta: {table: climate}}
"""
ENDLESS = ("generator: {rows: 100}", "generator: {}")
CHECK = "check: [temperature > 0]"

# the mistake -> what is written instead of what
FILES: dict[str, list[tuple[str, str]]] = {
    "an option with a typing error": [("size: 1m", "szie: 1m")],
    "a section with a typing error": [("outputs:", "output:")],
    "a type that is none": [("temperature: double", "temperature: dubble")],
    "a duration without a unit": [("size: 1m", "size: 60")],
    "a duration in words": [("size: 1m", "size: 1 minute")],
    "a window without late": [(", late: quarantine", "")],
    "SQL that is not complete": [("avg(temperature) AS", "avg(temperature AS")],
    "a column with a typing error": [("avg(temperature)", "avg(temprature)")],
    "a function of another dialect": [("avg(temperature)", "average(temperature)")],
    "a function that reads the clock": [("temperature > 0", "observed_at < now()")],
    "a step that is none": [("check:", "chekc:")],
    "an input that is not there": [("{from: climate,", "{from: climat,")],
    "GROUP BY on a stream": [ENDLESS, (CHECK, "sql: SELECT sensor_id, avg(temperature) AS temperature FROM readings GROUP BY sensor_id")],
    "LIMIT on a stream": [ENDLESS, (CHECK, "sql: SELECT * FROM readings LIMIT 10")],
    "a step called like a word of SQL": [("checked:", "order:")],
    "a column called like a word of SQL": [("sensor_id: string!", "table: string!"), ("[sensor_id]", "[table]")],
    "a variable that is not set": [("rows: 100", 'rows: "${env:NO_SUCH_VARIABLE}"')],
    "a function that is not named module:function": [(CHECK, "python: {call: comfort.felt, rows: same}")],
    "a comma in a rule": [("temperature > 0", "coalesce(temperature, 0) > 0")],
    "a colon in a rule": [(CHECK, "check:\n      - that: note = a: b")],
    "a quote at the start of a rule": [("temperature > 0", "\"sensor_id\" = 'a'")],
    "a star at the start of a select": [("avg(temperature) AS temperature", "*")],
    "two verbs in one step": [(CHECK, f"{CHECK}\n    dedupe: {{by: [sensor_id], within: 1m}}")],
    "a source without a place": [("    generator: {rows: 100}\n", "")],
    "a source without a format": [("    format: json\n", "")],
    "a table that is not declared": [(CHECK, "lookup: {table: sensors, on: [sensor_id]}")],
    "a rule that is no condition": [("temperature > 0", "temperature + 1")],
    "a text compared with a number": [("temperature > 0", "sensor_id > 3")],
    "an upsert without a key": [("{table: climate}", "{table: climate, mode: upsert}")],
    "a window without event time": [("    time: {column: observed_at, lateness: 30s}\n", "")],
    "a growing source without lateness": [("generator: {rows: 100}", 'files: {path: "in/*.json"}'), (", lateness: 30s", "")],
    "a tab": [("    check:", "\tcheck:")],
    "an indentation": [("  climate:\n    window", "   climate:\n    window")],
    "a name with a blank": [("pipeline: demo", "pipeline: My Demo")],
    "a result without a name": [("avg(temperature) AS temperature", "avg(temperature)")],
    "a column outside of an aggregate": [("avg(temperature) AS temperature", "temperature")],
    "steps in a circle": [("  checked:\n", "  checked:\n    from: climate\n"), ("    window:", "    from: checked\n    window:")],
    "a file of another version": [("version: 1", "version: 2")],
}

# the mistake -> the command line
COMMANDS = {
    "a verb with a typing error": "rum",
    "an option of the command line with a typing error": "run --folow",
    "a file without its ending": "run demo",
    "a file that is not there": "run other.yaml",
    "a setting with a typing error": "run --set task=1",
    "a setting of the wrong type": "run --set tasks=many",
    "an environment that is not declared": "run -e staging",
    "an engine that is not there": "run --engine warp",
    "looking at a step that is not there": "run --show climat",
    "a way to print that is none": "plan --output xml",
    "a code with a typing error": "explain spec.unknwon_key",
    "a kind with a typing error": "catalog windo",
    "a replay of nothing in particular": "quarantine replay",
    "a command that writes": "sql COPY(SELECT(1))TO'x.csv'",
    "reading what is not there": "sql FROM(climat)",
}


def written(text: str, replaced: list[tuple[str, str]]) -> str:
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new)
    return text


def compare(name: str, said: list[str]) -> None:
    text = "\n".join(line.rstrip() for line in said).strip() + "\n"
    path = GOLDEN / name
    if os.environ.get("MAINSTEM_WRITE_MESSAGES"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_mistakes_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    said = []
    for mistake, replaced in FILES.items():
        Path("demo.yaml").write_text(written(GOOD, replaced))
        problems = mainstem.load("demo.yaml").check()
        assert problems, mistake
        assert all(problem.line > 0 and (problem.fix or problem.why) for problem in problems), mistake
        said.append(f"--- {mistake}")
        for problem in problems:
            said += [f"{problem.line}:{problem.column}: {problem.what} [{problem.code}]",
                     *(f"    {text}" for text in (problem.why, problem.fix) if text)]
    compare("files.txt", said)


def test_the_file_without_a_mistake_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(GOOD)
    assert mainstem.load(str(tmp_path / "demo.yaml")).check() == []


def test_mistakes_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAINSTEM_ENV", raising=False)
    Path("demo.yaml").write_text(GOOD)
    Path("mainstem.yaml").write_text("version: 1\nenvironments:\n  production: {lake: lake/production}\n")
    said = []
    for mistake, command in COMMANDS.items():
        arguments = command.split(" ")
        code = invoke([*arguments[:1], *([" ".join(arguments[1:])] if arguments[0] == "sql" else arguments[1:])])
        told = capsys.readouterr()
        assert code in (1, 2), mistake
        assert told.out == "", "what is wrong stands on stderr"
        assert str(tmp_path) + os.sep not in told.err, "paths are as seen from here"
        said += [f"--- mainstem {command}: {mistake}", *told.err.replace(str(tmp_path), "HERE").splitlines()]
    compare("commands.txt", said)
