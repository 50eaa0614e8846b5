"""The same pipelines on Spark: equal tables, quarantine and accounts; one job an epoch; nothing but reports to the driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import crashing
import pytest
from eventlog import jobs

from mainstem import project
from mainstem.errors import DataError, SpecError, UserCodeError
from mainstem.project import tally


def legs(result: Any) -> dict[str, Any]:
    return {row["leg"]: {key: value for key, value in row.items() if key != "reasons"} | row["reasons"] for row in result.account}


@pytest.mark.parametrize("each", [False, True], ids=["bounded", "each"])
def test_equal_to_embedded(each: bool, tmp_path: Path) -> None:
    embedded = crashing.make(tmp_path / "embedded")
    wanted = crashing.run(embedded, each=each)
    other = crashing.make(tmp_path / "spark")
    result = crashing.run(other, each=each, engine="spark")
    assert crashing.content(other) == crashing.content(embedded)
    assert legs(result) == legs(wanted)
    assert result.rows == wanted.rows > crashing.ROWS
    assert project.open(other).show_run("last")["engine"] == "spark"


def test_one_job_an_epoch_with_the_stages_of_the_plan(tmp_path: Path, events: Path) -> None:
    file = crashing.make(tmp_path, outputs=1, rows=20_000)
    file.write_text(file.read_text().replace("pipeline: crashing", "pipeline: counted"))
    result = project.open(file, flags={"epoch": {"rows": 3000}, "engine": {"spark": {"tasks": 3}}}).run(engine="spark")
    ran = jobs(events, "counted: ")
    assert len(ran) == result.epochs >= 3
    for job in ran:
        assert len(job.stages) == 3                            # read; dedupe; window
        assert [len(job.stages[stage]) for stage in sorted(job.stages)][1:] == [3, 3]
        assert job.result_bytes < 1 << 20
    assert max(len(job.stages[min(job.stages)]) for job in ran) > 1          # more than one task read


def test_a_step_that_is_not_deterministic_has_a_job_of_its_own(tmp_path: Path, events: Path) -> None:
    file = crashing.make(tmp_path, noisy=True)
    file.write_text(file.read_text().replace("pipeline: crashing", "pipeline: noisy").replace(
        "max(temperature) AS hottest", "max(temperature) AS hottest, sum(luck) AS luck"))
    result = crashing.run(file, engine="spark")
    ran = jobs(events, "noisy: ")
    assert [job.what.endswith("first part") for job in ran] == [True, False] * result.epochs
    pipeline = project.open(file)
    late = legs(result)["readings -> minutes"]["late"]
    assert late > 0
    rows = pipeline.sql("SELECT count(*) AS n, sum(luck) AS luck FROM fresh WHERE seq NOT IN (SELECT (row::JSON->>'seq')::BIGINT "
                        "FROM quarantine WHERE fate = 'late')").to_pylist()[0]
    sums = pipeline.sql("SELECT sum(n) AS n, sum(luck) AS luck FROM minutes").to_pylist()[0]
    assert sums == rows


def test_history_on_spark_then_on_in_this_process_and_back(tmp_path: Path) -> None:
    embedded = crashing.make(tmp_path / "embedded", rows=3000)
    crashing.run(embedded, each=True)
    file, seams = crashing.make(tmp_path / "seams", rows=3000), []
    for number, engine in enumerate(["spark", "local", "spark", "local"], 1):
        pipeline = project.open(file, flags={"epoch": {"rows": 50 * number}, "tasks": number})
        result = pipeline.run(engine=engine, each=True, max_epochs=None if number == 4 else 2)
        seams += result.seams
        assert pipeline.show_run("last")["seams"] == result.seams
    assert [(seam["from"], seam["to"]) for seam in seams] == [("spark", "local"), ("local", "spark"), ("spark", "local")]
    assert all(seam["positions"]["readings"] for seam in seams)           # where the one stopped and the other went on
    assert crashing.content(file) == crashing.content(embedded)


def test_auto_gives_large_epochs_to_spark_and_small_ones_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_FIRST", 10**9)                # else the first epochs are small
    embedded = crashing.make(tmp_path / "embedded", rows=200_000)
    project.open(embedded).run()
    file = crashing.make(tmp_path / "auto", rows=200_000)
    pipeline = project.open(file, flags={"engine": {"spark": {"above": "16MiB"}}})
    first = pipeline.run(engine="auto", each=True)
    assert [(seam["from"], seam["to"]) for seam in first.seams] in ([], [("spark", "local")])
    with (file.parent / "readings.jsonl").open("ab") as more, (embedded.parent / "readings.jsonl").open("ab") as too:
        for target in (more, too):
            target.write(b'{"sensor_id": "s1", "observed_at": "2026-01-05T00:00:00Z", "temperature": 1.5, "seq": 999999}\n')
    second = project.open(file, flags={"engine": {"spark": {"above": "16MiB"}}}).run(engine="auto", each=True, flush=True)
    assert [(seam["from"], seam["to"]) for seam in first.seams + second.seams] == [("spark", "local")]
    project.open(embedded).run(flush=True)
    assert crashing.content(file) == crashing.content(embedded)


STOPS = "      - that: temperature BETWEEN -40 AND 60\n"


def test_an_error_of_a_task_comes_as_it_is(tmp_path: Path) -> None:
    file = crashing.make(tmp_path)
    file.write_text(file.read_text().replace(STOPS, STOPS + "      - {name: never, that: seq < 700, else: stop}\n"))
    with pytest.raises(DataError) as error:
        crashing.run(file, engine="spark")
    assert error.value.code == "check.stop"
    assert "`never`" in error.value.what
    assert error.value.where.startswith("checked, row 0:0:")


def test_user_code_that_raises_in_a_task(tmp_path: Path) -> None:
    file = crashing.make(tmp_path, noisy=True)
    (file.parent / "noise.py").write_text("import nowhere\n\n\ndef add(rows):\n    return rows\n")
    with pytest.raises((UserCodeError, SpecError)) as error:
        crashing.run(file, engine="spark")
    assert "nowhere" in str(error.value)


def test_a_record_that_kills_its_function_costs_only_itself(tmp_path: Path) -> None:
    deadly = ("import os\nimport pyarrow as pa\n\n\ndef add(rows):\n    if 777 in rows.column('seq').to_pylist():\n"
              "        os.kill(os.getpid(), 11)\n    return rows.append_column('luck', pa.array([1] * rows.num_rows, pa.int64()))\n")
    contents = []
    for engine in ("local", "spark"):
        file = crashing.make(tmp_path / engine, noisy=True)
        (file.parent / "noise.py").write_text(deadly)
        crashing.run(file, engine=engine)
        contents.append(crashing.content(file))
    assert contents[0] == contents[1]
    assert any('"row": "{' in row and "777" in row for row in contents[1]["quarantine"])


def test_what_is_waiting_in_the_quarantine_is_replayed_on_spark(tmp_path: Path) -> None:
    contents = []
    for engine in ("local", "spark"):
        file = crashing.make(tmp_path / engine)
        crashing.run(file, engine=engine)
        file.write_text(file.read_text().replace("BETWEEN -40 AND 60", "BETWEEN -40 AND 70"))
        pipeline = project.open(file, flags=crashing.FLAGS)
        pipeline.replay(reason="rule")
        crashing.run(file, engine=engine, accept="reset") if pipeline.check() else crashing.run(file, engine=engine)
        contents.append(crashing.content(file))
    assert contents[0] == contents[1]
