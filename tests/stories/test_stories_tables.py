"""A table has one writer; a compatible edit gives it a column; what a reset gives up is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mainstem import project, signals
from mainstem.errors import RefusedError

PIPELINE = """\
version: 1
pipeline: {name}
sources:
  readings:
    files: {{path: "in/*.jsonl"}}
    format: json
    columns: {{k: string!, t: timestamp!, v: int64}}
    time: {{column: t, lateness: 10s}}
steps:
  minutes:
    window: {{size: {size}, by: [k], late: quarantine}}
    select: "count(*) AS n{more}"
outputs:
  minutes: {{from: minutes, delta: {{table: {table}, mode: append}}}}
"""


def written(folder: Path, name: str = "one", size: str = "1m", more: str = "", table: str = "minutes") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(PIPELINE.format(name=name, size=size, more=more, table=table))
    return file


def feed(folder: Path, number: int, first: int) -> None:
    (folder / "in").mkdir(exist_ok=True)
    rows = [{"k": "a", "t": f"2026-01-01T00:{minute:02d}:{second:02d}Z", "v": minute}
            for minute in range(first, first + 10) for second in (0, 30)]
    (folder / "in" / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_table_of_another_pipeline_is_refused(tmp_path: Path) -> None:
    feed(tmp_path, 1, 0)
    project.open(written(tmp_path, "one", table="shared")).run()
    with pytest.raises(RefusedError) as caught:
        project.open(written(tmp_path, "two", table="shared")).run()
    assert caught.value.code == "sink.foreign"
    assert "one" in str(caught.value)
    one = project.open(tmp_path / "one.yaml")
    before = one.read("minutes").num_rows
    assert before > 0
    with pytest.raises(RefusedError):
        project.open(tmp_path / "two.yaml").run(accept="rebuild")
    assert one.read("minutes").num_rows == before


def test_a_column_that_a_compatible_edit_adds_is_null_in_older_rows(tmp_path: Path) -> None:
    feed(tmp_path, 1, 0)
    project.open(written(tmp_path)).run()
    feed(tmp_path, 2, 10)
    pipeline = project.open(written(tmp_path, more=", count(*) * 2 AS twice"))
    assert {change.kind for change in pipeline.plan().changes if change.node == "minutes"} == {"compatible"}
    pipeline.run(flush=True)
    rows = {row["window_start"].minute: row for row in pipeline.read("minutes").to_pylist()}
    assert len(rows) == 20
    assert rows[0]["twice"] is None
    assert rows[15]["twice"] == 4
    assert sum(row["n"] for row in rows.values()) == 40


def test_a_reset_says_what_it_gives_up(tmp_path: Path) -> None:
    feed(tmp_path, 1, 0)
    held = {row["leg"]: row["held"] for row in project.open(written(tmp_path)).run().account}
    waiting = sum(held.values())
    assert waiting > 0
    told: list[Any] = []
    with signals.listening(lambda name, facts: told.append(facts.get("message", "")) if name == "log" else None):
        project.open(written(tmp_path, size="2m")).run(accept="reset")
    assert any(f"{waiting} rows that waited in minutes are given up" in line for line in told)
