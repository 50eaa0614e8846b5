"""Settings: six layers, each overrides the ones before, and every value knows where it was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstem.errors import SpecError
from mainstem.spec.project import read, settings

PROJECT = """\
version: 1
project: farm
memory: 2GiB
tasks: 3
epoch: {rows: 100}
python: src
notifications:
  ops: {kind: webhook, url: "https://x/${secret:HOOK}"}
environments:
  staging:
    tasks: 4
  production:
    lake: ${env:LAKE:-/srv/lake}
    epoch:
      rows: 200
      interval: 500ms
"""


def test_without_a_file_everything_is_built_in(tmp_path: Path) -> None:
    found = settings(tmp_path, "default", {}, {})
    assert (found.lake_folder, found.state_folder) == (str(tmp_path / "lake"), str(tmp_path / ".mainstem"))
    assert found.ledger_url == f"sqlite:///{tmp_path}/.mainstem/ledger.db"
    assert (found.memory, found.tasks, found.epoch_rows, found.epoch_interval) == (1 << 30, 2, 300_000, 1_000_000)
    assert (found.python_folders, found.project) == ((str(tmp_path),), tmp_path.name)
    assert {origin for _, _, origin in found.rows()} == {"built-in"}
    assert ("memory", "1GiB", "built-in") in list(found.rows())


def test_each_layer_overrides_the_ones_before(tmp_path: Path) -> None:
    (tmp_path / "mainstem.yaml").write_text(PROJECT)
    (tmp_path / "mainstem.local.yaml").write_text("# mine\nepoch:\n  interval: 2s\n")
    environ = {"MAINSTEM__TASKS": "7", "MAINSTEM__RETENTION__VERSIONS": "3d", "MAINSTEM_ENV": "x", "MAINSTEM_SECRET_A": "x"}
    found = settings(tmp_path, "production", environ, {"memory": "64MiB", "tasks": None})
    assert {path: (value, origin) for path, value, origin in found.rows() if origin != "built-in"} == {
        "lake": ("/srv/lake", "mainstem.yaml:13:5 (environment production)"),
        "memory": ("64MiB", "--set memory"),
        "tasks": (7, "MAINSTEM__TASKS"),
        "epoch.rows": (200, "mainstem.yaml:15:7 (environment production)"),
        "epoch.interval": ("2s", "mainstem.local.yaml:3:3"),
        "retention.versions": ("3d", "MAINSTEM__RETENTION__VERSIONS"),
        "python": (["src"], "mainstem.yaml:6:1"),
        "notifications.ops.kind": ("webhook", "mainstem.yaml:8:9"),
        "notifications.ops.url": ("https://x/${secret:HOOK}", "mainstem.yaml:8:24"),
    }
    assert (found.project, found.lake_folder, found.memory, found.tasks) == ("farm", "/srv/lake", 64 << 20, 7)
    assert found.origin("epoch.rows").startswith("mainstem.yaml:15")
    assert found.origin("retention.staged") == "built-in"
    assert settings(tmp_path, "staging", {}, {}).epoch_rows == 100


def test_every_problem_of_every_layer_at_once(tmp_path: Path) -> None:
    (tmp_path / "mainstem.yaml").write_text(PROJECT.replace("tasks: 3", "taks: 3").replace("interval: 500ms", "interval: 500"))
    (tmp_path / "mainstem.local.yaml").write_text("memory: 1KiB\nenvironments: {}\n")
    found, problems = read(tmp_path, "prod", {"MAINSTEM__TASKS": "many", "MAINSTEM__EPOCH__ROW": "1"}, {"lke": "x"})
    assert found is None
    assert [(Path(problem.file).name, problem.line, problem.code, problem.fix) for problem in problems] == [
        ("--set lke", 0, "spec.unknown_key", "did you mean `lake`?"),
        ("mainstem.local.yaml", 1, "spec.value", "give at least 16MiB"),
        ("mainstem.local.yaml", 2, "spec.unknown_key", problems[2].fix),
        ("mainstem.yaml", 4, "spec.unknown_key", "did you mean `tasks`?"),
        ("mainstem.yaml", 9, "project.unknown_environment", "did you mean `production`?"),
        ("mainstem.yaml", 16, "spec.value", "write a number with a unit, like 30s, 15m, 1h30m or 2d"),
        ("MAINSTEM__EPOCH__ROW", 0, "spec.unknown_key", "did you mean `rows`?"),
        ("MAINSTEM__TASKS", 0, "spec.value", ""),
    ]
    with pytest.raises(SpecError) as raised:
        settings(tmp_path, "prod", {}, {})
    assert raised.value.code == "spec.problems"
    assert "did you mean `tasks`?" in raised.value.why


def test_one_problem_is_raised_as_itself(tmp_path: Path) -> None:
    (tmp_path / "mainstem.yaml").write_text("lake: ${env:NOWHERE}\n")
    with pytest.raises(SpecError) as raised:
        settings(tmp_path, "default", {}, {})
    assert (raised.value.code, raised.value.where) == ("spec.env", f"{tmp_path}/mainstem.yaml:1:7")
    assert settings(tmp_path, "default", {"NOWHERE": "s3://bucket/lake"}, {}).lake_folder == "s3://bucket/lake"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "x-own: 1\n", "environments: {}\n"])
def test_an_empty_project_is_fine(tmp_path: Path, text: str) -> None:
    (tmp_path / "mainstem.yaml").write_text(text)
    assert settings(tmp_path, "default", {}, {}).tasks == 2


@pytest.mark.parametrize(("text", "code"), [
    ("- a\n", "spec.not_a_mapping"), ("a: b: c\n", "spec.colon"), ("tasks: 0\n", "spec.value"), ("epoch: 5\n", "spec.value"),
    ("environments: {Prod: {}}\n", "spec.value"), ("version: 3\n", "spec.value"), ("project: My Farm\n", "spec.value"),
    ("tasks: 1\ntasks: 2\n", "spec.duplicate_key"),
])
def test_bad_project_files(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "mainstem.yaml").write_text(text)
    assert code in [problem.code for problem in read(tmp_path, "default", {}, {})[1]]


def test_an_environment_needs_a_declaration(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"project\.unknown_environment"):
        settings(tmp_path, "production", {}, {})
