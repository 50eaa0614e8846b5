"""The list of what engines lack is whole and short, and each thing is refused with file and line before anything runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mainstem import project
from mainstem.engines.lacks import LACKS
from mainstem.errors import SpecError
from mainstem.project import engines

PIPELINE = """\
version: 1
pipeline: lacking
sources:
  readings:
    files: {path: readings.csv}
    format: csv
    columns: {k: string!, n: int64}
steps:
  asked:
    from: readings
    %s
outputs:
  asked: {from: asked, delta: {table: asked}}
"""
# (engine, kind of step) -> one that the engine must refuse
ASKED = {
    ("local", "spark_sql"): "spark_sql: {query: SELECT k FROM readings, columns: {k: string}}",
}
LISTED = [(engine, kind) for engine, lacks in LACKS.items() for kind in lacks]


def test_the_list_is_short_and_each_entry_is_asked_for_here() -> None:
    assert set(LISTED) == set(ASKED)
    assert set(LACKS) <= set(engines.NAMES)
    assert {kind for _, kind in LISTED} <= {entry["kind"] for entry in project.catalog() if entry["what"] == "step"}
    assert all(len(lacks) <= 15 and all(lack.why and lack.fix for lack in lacks.values()) for lacks in LACKS.values())


@pytest.mark.parametrize(("engine", "kind"), LISTED)
def test_plan_and_run_refuse_it_with_file_and_line(engine: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "lacking.yaml"
    file.write_text(PIPELINE % ASKED[engine, kind])
    pipeline = project.open(file)
    assert pipeline.check() == []
    for ask in (pipeline.plan, pipeline.run):
        with pytest.raises(SpecError, match=re.escape(LACKS[engine][kind].why)) as raised:
            ask(engine=engine)
        assert (raised.value.code, raised.value.where) == ("engine.lacks", f"{file}:11:5")
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("engine", [name for name in engines.NAMES if name != "local"])
def test_an_engine_that_has_it_does_not_refuse_it(engine: str, tmp_path: Path) -> None:
    file = tmp_path / "lacking.yaml"
    file.write_text(PIPELINE % ASKED["local", "spark_sql"])
    assert project.open(file).plan(engine=engine).stages
