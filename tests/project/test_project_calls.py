"""`check` finds Python that is not there, with its place in the pipeline file, and runs none of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstem import project

PIPELINE = """\
version: 1
pipeline: calling
sources:
  events:
    files: {path: "in/*"}
    format: json
    columns: {a: int64}
steps:
  mine:
    from: events
    python:
      call: "%s"
outputs:
  mine: {from: mine, delta: {table: mine}}
"""
MODULE = """\
import os
from math import floor as down
raise SystemExit("it must not be run")

def add(rows):
    inner = 1
    return rows

if os.name == "posix":
    other = add
"""


def problems(folder: Path, call: str, module: str = MODULE) -> list[tuple[str, int, int, str, str]]:
    (folder / "pipeline.yaml").write_text(PIPELINE % call)
    (folder / "mine.py").write_text(module)
    return [(one.code, one.line, one.column, one.what, one.fix) for one in project.open(folder / "pipeline.yaml").check()]


@pytest.mark.parametrize("call", ["mine:add", "mine:other", "mine:down", "math:floor"])
def test_what_is_there_is_no_problem(call: str, tmp_path: Path) -> None:
    assert problems(tmp_path, call) == []


@pytest.mark.parametrize(("call", "what", "fix"), [
    ("mine:ad", "`mine` has no function `ad`", "did you mean `mine:add`?"),
    ("mine:inner", "`mine` has no function `inner`", "write it there, or correct `call:`"),
    ("mime:add", "there is no module 'mime'", "did you mean `mine`?"),
])
def test_what_is_not_there_is_told_with_its_place(call: str, what: str, fix: str, tmp_path: Path) -> None:
    assert problems(tmp_path, call) == [("python.not_found", 12, 13, what, fix)]


def test_a_module_that_is_no_python_is_told_with_its_line(tmp_path: Path) -> None:
    ((code, line, _, what, _),) = problems(tmp_path, "mine:add", "def add(rows)\n    return rows\n")
    assert (code, line) == ("python.import", 12)
    assert "the module mine is no Python" in what


@pytest.mark.parametrize("module", ["from os.path import *\n", "def __getattr__(name):\n    return print\n", "globals()['x'] = 1\n"])
def test_names_that_show_only_when_it_runs_are_left_to_the_run(module: str, tmp_path: Path) -> None:
    assert problems(tmp_path, "mine:join", module) == []
