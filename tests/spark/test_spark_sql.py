"""`spark_sql`: Spark's own dialect over what a step holds, refused where there is no Spark, and held where Spark refuses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mainstem import project
from mainstem.errors import SpecError, UserCodeError

PIPELINE = """\
version: 1
pipeline: asking
sources:
  readings:
    files: {path: "readings/*.jsonl", complete: true}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double, amount: "decimal(9,2)", seq: int64!}
    time: {column: at, lateness: 1m}
  sensors:
    files: {path: sensors.csv, complete: true}
    format: csv
    columns: {sensor: string!, house: string}
steps:
  good:
    from: readings
    check: [{name: cold, that: value > -5}]
  hours:
    from: good
    window: {size: 1h, by: [sensor], late: quarantine}
    select: count(*) AS n, sum(seq) AS seqs
  houses:
    from: [hours, sensors]
    %s
  large:
    from: houses
    check: [{name: many, that: n > 3}]
outputs:
  large: {from: large, delta: {table: large, mode: append}}
"""
SPARK = """spark_sql:
      query: >
        SELECT /*+ BROADCAST(sensors) */ house, CAST(sum(n) AS BIGINT) AS n, try_divide(sum(seqs), sum(n)) AS mean,
        max(window_start) AS newest FROM hours JOIN sensors USING (sensor) GROUP BY house
      columns: {house: string, n: int64, mean: double, newest: timestamp}"""
OURS = """sql: |
      SELECT house, sum(n)::BIGINT AS n, sum(seqs) / sum(n) AS mean, max(window_start) AS newest
      FROM hours JOIN sensors USING (sensor) GROUP BY house"""


def make(folder: Path, step: str) -> Path:
    (folder / "readings").mkdir(parents=True)
    for part in range(3):
        lines = [{"sensor": f"s{n % 7}", "at": f"2026-01-01T{n // 60:02d}:{n % 60:02d}:00Z", "value": -9.0 if n % 50 == 49 else n * 0.5,
                  "amount": round(n / 4, 2), "seq": n} for n in range(part * 200, part * 200 + 200)]
        (folder / f"readings/{part}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "sensors.csv").write_text("sensor,house\n" + "".join(f"s{n},{'north' if n % 2 else 'south'}\n" for n in range(6)) + "s6,tiny\n")
    (folder / "pipeline.yaml").write_text(PIPELINE % step)
    return folder / "pipeline.yaml"


def rows(file: Path, name: str) -> list[str]:
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in project.open(file).read(name).to_pylist())


def test_what_spark_answers_goes_on_like_any_rows(tmp_path: Path) -> None:
    asked, written = make(tmp_path / "asked", SPARK), make(tmp_path / "written", OURS)
    result = project.open(asked).run(engine="spark")
    plain = project.open(written).run()
    assert rows(asked, "large") == rows(written, "large")
    assert len(rows(asked, "large")) == 3
    assert {(one["leg"], one["made"], one["delivered"], one["quarantined"], one["held"]) for one in result.account} == {
        (one["leg"], one["made"], one["delivered"], one["quarantined"], one["held"]) for one in plain.account}
    assert (result.why, result.exit_code) == ("end", 0)


def test_what_is_held_embedded_is_answered_by_spark(tmp_path: Path) -> None:
    """`auto`: its small epochs are carried out embedded, the one that asks is not."""
    file, written = make(tmp_path / "asked", SPARK), make(tmp_path / "written", OURS)
    seams = project.open(file).run(engine="auto").seams
    project.open(written).run()
    assert [(seam["from"], seam["to"]) for seam in seams] == [("local", "spark")]
    assert rows(file, "large") == rows(written, "large")


def test_the_embedded_engine_refuses_it_with_file_and_line(tmp_path: Path) -> None:
    file = make(tmp_path / "p", SPARK)
    for ask in (project.open(file).plan, project.open(file).run):
        with pytest.raises(SpecError) as raised:
            ask()
        assert (raised.value.code, raised.value.where) == ("engine.lacks", f"{file}:23:5")
    told = str(project.open(file).plan(engine="spark"))
    assert "not portable" in told


@pytest.mark.parametrize(("old", "new", "code", "said"), [
    ("USING (sensor)", "USING (sensr)", "spark_sql.refused", "sensr"),
    ("SELECT /*+", "SELEC /*+", "spark_sql.refused", "SELEC"),
    ("AS mean,", "AS middle,", "spark_sql.columns", "middle"),
])
def test_a_statement_that_spark_refuses_is_mended_and_asked_again(old: str, new: str, code: str, said: str, tmp_path: Path) -> None:
    file, written = make(tmp_path / "asked", SPARK), make(tmp_path / "written", OURS)
    right = file.read_text()
    file.write_text(right.replace(old, new))
    with pytest.raises(UserCodeError) as raised:
        project.open(file).run(engine="spark")
    assert raised.value.code == code
    assert said in str(raised.value)
    file.write_text(right)
    project.open(file).run(engine="spark")
    project.open(written).run()
    assert rows(file, "large") == rows(written, "large")


def test_a_stream_has_no_whole_to_ask_about(tmp_path: Path) -> None:
    file = make(tmp_path / "p", SPARK)
    file.write_text(file.read_text().replace('"readings/*.jsonl", complete: true', '"readings/*.jsonl"'))
    assert [problem.code for problem in project.open(file).check()] == ["spark_sql.unbounded"]
