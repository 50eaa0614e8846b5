"""What `init` writes works from the first command on: check, plan, run, test, look, ask, read the quarantine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mainstem.cli.command import invoke

FILES = {".gitignore", "README.md", "data/sensors.csv", "greenhouse.yaml", "imports/imports.yaml", "imports/inbox/2026-01.csv",
         "mainstem.yaml", "tests/greenhouse.yaml", "schema/pipeline.schema.json", "schema/project.schema.json"}


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A fresh project."""
    folder = tmp_path_factory.mktemp("starter") / "climate"
    assert invoke(["init", str(folder)]) == 0
    return folder


@pytest.fixture
def ask(started, capsys, monkeypatch):
    """`ask("run", ...)` in the project: (exit code, stdout, stderr)."""
    monkeypatch.chdir(started)

    def call(*arguments):
        code = invoke(arguments)
        return (code, *capsys.readouterr())

    return call


def data(ask, *arguments):
    code, out, err = ask(*arguments, "-o", "json")
    assert code == 0, err
    return json.loads(out)["data"]


def test_init_writes_a_project_and_never_over_one(started, ask):
    written = {path.relative_to(started).as_posix() for path in started.rglob("*") if path.is_file()}
    assert written >= FILES
    code, _, err = ask("init")
    assert code == 1
    assert "init writes over nothing" in err


def test_every_yaml_file_points_an_editor_to_a_schema_that_is_there(started):
    for name in ("greenhouse.yaml", "imports/imports.yaml", "mainstem.yaml"):
        first = (started / name).read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        schema = (started / name).parent / first.split("$schema=")[1]
        assert json.loads(schema.read_text())["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("file", ["greenhouse.yaml", "imports", "."])
def test_check_and_plan(ask, file):
    assert ask("check", file)[0] == 0
    code, out, err = ask("plan", file)
    assert code == 0, err
    assert "exactly once" in out


def test_the_greenhouse_runs_and_the_truth_agrees(started, ask):
    account = {leg["leg"]: leg for leg in data(ask, "run", "-q")["account"]}
    first = account["readings -> climate"]
    assert first["made"] == 20_000
    assert first["made"] == sum(first[fate] for fate in ("delivered", "filtered", "quarantined", "late", "held"))
    truth = [json.loads(line) for line in (started / "truth.jsonl").read_text().splitlines()]
    kinds = {kind: sum(row.get("fault") == kind for row in truth) for kind in ("cut", "range", "duplicate", "late")}
    assert all(kinds.values())
    reasons = first["reasons"]
    assert reasons["quarantined: readings: not_json"] == kinds["cut"]
    assert reasons["quarantined: checked: rule"] == kinds["range"]
    assert reasons["filtered: fresh: duplicate"] == kinds["duplicate"]
    assert reasons["late: climate: late"] == kinds["late"]
    listed = data(ask, "quarantine", "list", "--reason", "rule", "--limit", "1")["rows"]
    every = data(ask, "quarantine", "list", "--reason", "rule", "--limit", "100000")["rows"]
    assert [row["clock"] for row in every] == sorted((row["clock"] for row in every), reverse=True)            # the newest first
    assert (every[0], len(every)) == (listed[0], kinds["range"])
    assert f"of {len(every):,} that are open" in ask("quarantine", "list", "--reason", "rule", "--limit", "1")[2]
    shown = data(ask, "quarantine", "show", listed[0]["id"])[0]
    assert '"temperature":' in shown["raw"]
    (counted,) = data(ask, "sql", "SELECT count(*) AS windows, sum(readings)::BIGINT AS readings FROM climate")["rows"]
    assert counted["readings"] == first["delivered"]
    assert [run["why"] for run in data(ask, "runs", "list")] == ["end"]
    assert data(ask, "runs", "show")["rows"] == 20_000


def test_the_imports_run_once_and_set_aside_what_is_wrong(ask):
    (leg,) = data(ask, "run", "imports", "-q")["account"]
    assert (leg["made"], leg["delivered"], leg["quarantined"]) == (9, 4, 5)
    assert data(ask, "run", "imports", "-q")["rows"] == 0
    found = data(ask, "quarantine", "list", "-f", "imports")["rows"]
    assert {row["reason"] for row in found} == {"missing", "bad_timestamp", "type", "rule", "field_count"}
    rows = data(ask, "sql", "-f", "imports", "SELECT station, temperature, remark FROM notes ORDER BY temperature")["rows"]
    assert rows[0] == {"station": "TARFALA", "temperature": -35.1, "remark": "two\r\nlines"}
    assert rows[-1] == {"station": "ABISKO", "temperature": None, "remark": "sensor frozen"}


def test_the_cases_hold(ask):
    code, out, err = ask("test", "-f", "greenhouse.yaml")
    assert (code, err.splitlines()[-1]) == (0, "3 passed, 0 failed"), out


def test_looking_at_a_step_writes_nothing(started, ask):
    def files():
        return sorted(path for path in started.rglob("*") if not path.name.startswith("ledger.db"))

    before = files()
    found = data(ask, "run", "--show", "located", "--limit", "3")["rows"]
    assert len(found) == 3
    assert {row["house"] for row in found} <= {"north", "east", "south", "west"}
    assert files() == before


def test_reading_the_history_needs_no_arrow_and_no_engine(started):
    code = ("import sys; from mainstem.cli.command import invoke; invoke(['runs', 'list']); "
            "print(sorted({'pyarrow', 'duckdb', 'deltalake', 'alembic'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=started, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
