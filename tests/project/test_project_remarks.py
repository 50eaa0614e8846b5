"""What is accepted and not carried out yet is said by `check` and `plan`, with its line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mainstem

PIPELINE = """\
version: 1
pipeline: cold
sources:
  readings:
    files: {path: in.jsonl}
    format: json
    columns: {sensor: string!, at: timestamp!, temperature: double}
    time: {column: at}
steps:
  frost:
    from: readings
    alert:
      when: temperature < 2
      by: [sensor]
      notify: [ops, nobody]
outputs:
  frost: {from: frost, delta: {table: frost}}
"""
PROJECT = """\
version: 1
notifications:
  ops: {kind: webhook, url: "https://hooks.example.org/x"}
"""


def project(folder: Path, pipeline: str = PIPELINE, settings: str = PROJECT) -> Path:
    (folder / "cold.yaml").write_text(pipeline)
    (folder / "mainstem.yaml").write_text(settings)
    return folder / "cold.yaml"


def test_channels_that_nothing_is_sent_to_are_named_with_their_lines(tmp_path: Path) -> None:
    file = project(tmp_path)
    found = mainstem.load(str(file)).remarks()
    assert [(Path(remark.where).name, remark.code) for remark in found] == [
        ("cold.yaml:15:7", "alert.not_sent"), ("mainstem.yaml:3:9", "alert.not_sent")]
    assert "frost" in found[0].what
    assert found[0].why == "mainstem.yaml has no channel nobody"
    assert "ops" in found[1].what
    assert mainstem.load(str(file)).check() == []
    notes = [note for note in mainstem.load(str(file)).plan().notes if "not_sent" in note]
    assert [note.split(": ")[0].rsplit("/", 1)[-1] for note in notes] == ["cold.yaml:15:7", "mainstem.yaml:3:9"]


def test_whoever_asks_for_nothing_is_told_nothing(tmp_path: Path) -> None:
    file = project(tmp_path, PIPELINE.replace("      notify: [ops, nobody]\n", ""), "version: 1\n")
    assert mainstem.load(str(file)).remarks() == []


def test_a_file_with_problems_is_told_its_problems(tmp_path: Path) -> None:
    file = project(tmp_path, PIPELINE.replace("by: [sensor]", "by: [sensro]"))
    assert len(mainstem.load(str(file)).check()) == 1
    assert mainstem.load(str(file)).remarks() == []


def test_the_command_says_it_beside_its_answer_and_is_content(tmp_path: Path) -> None:
    file = project(tmp_path)
    done = subprocess.run([sys.executable, "-m", "mainstem.cli", "check", file.name], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "NO_COLOR": "1"}, check=False)
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.splitlines()[0].startswith("note: cold.yaml:15:7: the episodes of `frost` are stored, not sent [alert.not_sent]")
    assert done.stderr.splitlines()[-1] == "cold: no problems"
