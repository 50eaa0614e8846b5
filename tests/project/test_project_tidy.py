"""A run that commits again and again keeps its own tables small, and loses nothing by it."""

from __future__ import annotations

from pathlib import Path

import pytest

import mainstem
from mainstem.plugs import Budget
from mainstem.project import run, upkeep
from mainstem.project.place import locate

PIPELINE = """\
version: 1
pipeline: tidy
sources:
  readings: {files: {path: in.csv}, format: csv, columns: {n: int64!}}
outputs:
  kept: {from: readings, delta: {table: all_rows, mode: append}}
"""


def test_tables_are_compacted_and_vacuumed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chore every other epoch here; the rows stay what they are, in their order."""
    monkeypatch.setattr(upkeep, "_EVERY", 2)
    (tmp_path / "in.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(60)))
    (tmp_path / "tidy.yaml").write_text(PIPELINE)
    (tmp_path / "mainstem.yaml").write_text("version: 1\nretention: {versions: 1ms, manifests: 2}\n")
    opened = locate(str(tmp_path / "tidy.yaml"), None, {})
    result = run.run(opened, each=True, budget=Budget(2, 1))
    assert result.epochs >= 30
    files = list((tmp_path / "lake" / "all_rows").glob("*.parquet"))
    assert len(files) < 25
    rows = mainstem.load(str(tmp_path / "tidy.yaml")).read("kept")
    assert sorted(rows.column("n").to_pylist()) == list(range(60))
