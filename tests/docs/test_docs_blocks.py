"""Every YAML block of the manual and of the README parses, plans to what its prose says, and runs (2-S 15)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import mainstem
from mainstem.plan.words import Check, Dedupe, Fold, Map, Plan, Read, Session, Sql, Window, Write

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str, language: str) -> list[Any]:
    """(what stands above it, text) of each block of a page, as parameters."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found, seen = [], {}
    for match in FENCE.finditer(text):
        if match[1] == language:
            heading = re.findall(r"^#+ (.*)$", text[:match.start()], re.MULTILINE)[-1]
            seen[heading] = seen.get(heading, 0) + 1
            found.append(pytest.param(heading, match[2], id=f"{name}: {heading} {seen[heading]}"))
    return found


def parsed(text: str) -> Any:
    return YAML(typ="safe").load(text)


LANGUAGE = blocks("docs/language.md", "yaml")
WHOLE = LANGUAGE[0].values[1]
COMFORT = blocks("docs/language.md", "python")[0].values[1]
FILES = {
    "data/sensors.csv": "sensor_id,house\n" + "".join(f"th-{n:03d},{'north' if n % 2 else 'south'}\n" for n in range(1, 41)),
    "inbox/a.csv": "station;measured_at;temperature;wind speed;gust\na;01.07.2026 12:00;26,5;3.5;9\nb;01.07.2026 13:00;-999;NA;-\n",
    "stations.json": json.dumps({"features": [{"id": "a", "properties": {"height": 12.5}}]}),
    "meters.csv": "meter,read_at,kwh\nm,2026-01-01T00:00:00Z,1\nm,2026-01-02T00:00:00Z,3.5\nm,2026-01-03T00:00:00Z,4\n",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the files that the blocks name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "comfort.py").write_text(COMFORT)
    pq.write_table(pa.table({"id": ["b"], "height": [7.0]}), tmp_path / "archive.parquet")
    return tmp_path


def completed(text: str) -> str:
    """A whole file: as it stands, or with what the page says that the later blocks leave out."""
    said = parsed(text)
    if "version" in said:
        return text
    whole = parsed(WHOLE)
    used = text[text.index("steps:"):]
    kept = {name: source for name, source in whole["sources"].items() if name in used and name not in said.get("sources", {})}
    tables = {name: table for name, table in whole["tables"].items() if name in used}
    read = {name for step in said["steps"].values() for name in ([step["from"]] if isinstance(step.get("from"), str) else step.get("from", ()))}
    names = list(said["steps"])
    read |= {before for before, step in zip(names, list(said["steps"].values())[1:]) if "from" not in step}
    outputs = {name: {"from": name, "delta": {"table": name}} for name in names if name not in read}
    added = {"version": 1, "pipeline": whole["pipeline"], **({"tables": tables} if tables else {}),
             **({} if "outputs" in said else {"outputs": outputs})}
    if "sources" not in said:
        added["sources"] = kept
    elif kept:
        raise AssertionError("a block with sources of its own reads `readings`")
    return text + "\n" + "\n".join(f"{key}: {json.dumps(value)}" for key, value in added.items()) + "\n"


def word(plan: Plan, step: str) -> Any:
    """The word that makes the rows of a step: its last node that is no output."""
    return [node for node in plan.nodes if node.step == step and not isinstance(node.word, Write)][-1].word


def body(plan: Plan, step: str) -> Any:
    found = word(plan, step)
    assert isinstance(found, Fold)
    return found.body


SECOND, MINUTE, HOUR = 10**6, 60 * 10**6, 3600 * 10**6

# What the prose of a section says of its blocks: what must be true of each plan.
CLAIMS = {
    "The language": lambda plan: body(plan, "climate").size == MINUTE and plan.sources_of("climate") == ("readings",),
    "Rules: `check`": lambda plan: isinstance(word(plan, "checked"), Check) and word(plan, "checked").rules[0].action == "quarantine",
    "Changes: `clean`": lambda plan: plan.node("repaired").columns[-1].name == "_changes",
    "Tables: `lookup`": lambda plan: isinstance(word(plan, "located"), Sql) and plan.node("located").columns[-1].name == "building",
    "Repetitions: `dedupe`": lambda plan: isinstance(body(plan, "fresh"), Dedupe) and body(plan, "fresh").within == 10 * MINUTE,
    "Sessions": lambda plan: isinstance(body(plan, "visits"), Session) and [column.name for column in plan.node("visits").columns] == [
        "sensor_id", "session_id", "session_start", "session_end", "closes_at", "readings", "warmest"],
    "Rolling columns: `over`": lambda plan: [column.name for column in plan.node("rolling").columns][-2:] == ["hourly", "in_this_hour"],
    "The newest: `latest`": lambda plan: next(iter(plan.of(Write))).word.key == ("sensor_id",),
    "Functions of yours: `python`": lambda plan: isinstance(word(plan, "felt"), Map) and word(plan, "felt").timeout == 10 * SECOND,
    "Outputs": lambda plan: sorted(node.word.mode for node in plan.of(Write)) == ["append", "append", "append", "upsert"],
    "Windows": lambda plan: all(isinstance(node.word.body, Window) for node in plan.of(Fold)),
    "Alerts": lambda plan: body(plan, "frost").hold == 3 * MINUTE and body(plan, "frost").severity == "critical",
    "SQL": lambda plan: [node.name for node in plan.of(Fold)] == (["used", "total"] if "used" in str(plan.nodes) else
                                                                  ["typical"] if "meters" in plan.origins else []),
    "Sources": lambda plan: all(isinstance(plan.node(name).word, Read) for name in plan.origins if "/" not in name),
}


@pytest.mark.parametrize(("heading", "text"), [block for block in LANGUAGE if block.values[0] != "Cases"])
def test_a_block_of_the_manual_means_what_it_says_and_runs(heading: str, text: str, place: Path) -> None:
    (place / "block.yaml").write_text(completed(text))
    pipeline = mainstem.load(str(place / "block.yaml"))
    assert [str(problem) for problem in pipeline.check()] == []
    assert CLAIMS[heading](pipeline.compiled), "the plan is not what the prose says"
    if "spark_sql:" in text:                  # tests/spark runs such a step
        with pytest.raises(mainstem.MainstemError, match=r"block.yaml:\d+:\d+.*`typical`|`typical`.*block.yaml:\d+:\d+"):
            pipeline.run()
        return
    result = pipeline.run(flush=True)
    assert result.rows > 0
    assert all(leg["made"] > 0 for leg in result.account if leg["leg"].split(" ")[0] in pipeline.compiled.origins[:1])
    assert sum(leg["delivered"] for leg in result.account) > 0


def test_every_claim_is_of_a_block() -> None:
    assert {block.values[0] for block in LANGUAGE} == {*CLAIMS, "Cases"}
    assert len(LANGUAGE) >= 18


def test_the_cases_of_the_manual_pass(place: Path) -> None:
    (text,) = [block.values[1] for block in LANGUAGE if block.values[0] == "Cases"]
    (place / "greenhouse.yaml").write_text(WHOLE)
    (place / "case.yaml").write_text(text)
    report = mainstem.load(str(place / "greenhouse.yaml")).test([str(place / "case.yaml")])
    assert [case.diff for case in report.cases] == [""]


@pytest.mark.parametrize("name", ["greenhouse", "weather", "history"])
def test_every_example_is_right_and_its_cases_pass(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / name, tmp_path / name, ignore=shutil.ignore_patterns("lake", ".mainstem", "report"))
    file = tmp_path / name / f"{name}.yaml"
    assert file.read_text().startswith("# yaml-language-server: $schema=../../docs/pipeline.schema.json\n")
    pipeline = mainstem.load(str(file))
    assert pipeline.check() == []
    report = pipeline.test()
    assert {case.name: case.diff for case in report.cases if not case.ok} == {}
    assert len(report.cases) >= 2


def test_there_are_no_other_examples() -> None:
    assert sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir() and any(path.glob("*.yaml"))) == [
        "greenhouse", "history", "weather"]


def test_the_weather_example_gives_what_was_counted_by_hand(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/weather", tmp_path / "weather", ignore=shutil.ignore_patterns("lake", ".mainstem"))
    pipeline = mainstem.load(str(tmp_path / "weather/weather.yaml"))
    result = pipeline.run()
    leg = next(leg for leg in result.account if leg["leg"] == "hours -> hours/output")
    assert [leg[fate] for fate in ("made", "delivered", "filtered", "quarantined")] == [217, 212, 1, 4]
    reasons = pipeline.sql("SELECT reason, count(*) AS n FROM quarantine GROUP BY 1 ORDER BY 1").to_pylist()
    assert {row["reason"]: row["n"] for row in reasons} == {"field_count": 1, "missing": 1, "rule": 1, "type": 1}
    assert pipeline.sql("SELECT count(*) AS n FROM hours WHERE _extra IS NOT NULL").to_pylist() == [{"n": 70}]
    assert pipeline.sql("SELECT count(*) AS n FROM showers").to_pylist() == [{"n": 18}]


def test_the_history_example_writes_a_table_and_a_report(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/history", tmp_path / "history", ignore=shutil.ignore_patterns("lake", ".mainstem", "report"))
    pipeline = mainstem.load(str(tmp_path / "history/history.yaml"))
    pipeline.run()
    days = pipeline.sql("SELECT meter, count(*) AS days, count(used) AS used FROM days GROUP BY 1 ORDER BY 1").to_pylist()
    assert [row["days"] for row in days] == [14, 14, 14]
    assert pipeline.sql("SELECT DISTINCT words FROM days ORDER BY 1").column(0).to_pylist() == ["little", "much", "usual"]
    assert list((tmp_path / "history/report").rglob("*.csv"))


def test_the_pipeline_of_the_readme_runs_and_is_short(tmp_path: Path) -> None:
    (text,) = [block.values[1] for block in blocks("README.md", "yaml")]
    assert len(text.splitlines()) <= 26
    (tmp_path / "climate.yaml").write_text(text)
    (tmp_path / "inbox").mkdir()
    lines = [{"sensor_id": "a", "observed_at": f"2026-01-01T00:{minute:02d}:30Z", "temperature": 20.0 + minute} for minute in range(5)]
    lines += [lines[-1], {"sensor_id": "a", "observed_at": "2026-01-01T00:04:40Z", "temperature": 99.0}]
    (tmp_path / "inbox/a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pipeline = mainstem.load(str(tmp_path))
    assert pipeline.check() == []
    leg = pipeline.run(flush=True).account[0]
    assert [leg[fate] for fate in ("made", "delivered", "filtered", "quarantined")] == [7, 5, 1, 1]
    assert pipeline.read("minutes").num_rows == 5


def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    shells = [block.values[1] for block in blocks("README.md", "sh")]
    assert [line.split()[1] for line in shells[0].splitlines()] == ["demo", "test"]
    commands = shells[1].strip().splitlines()
    assert len(commands) == 3
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert "readings -> climate" in done.stdout
    assert "not_json" in done.stdout


def test_what_the_readme_shows_of_the_demo_is_what_it_prints() -> None:
    """Numbers of the account and the truth follow from the seed; the demo itself exits 1 if they do not agree."""
    (shown,) = [block.values[1] for block in blocks("README.md", "text")]
    done = subprocess.run([sys.executable, str(ROOT / "examples/greenhouse/demo.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = {line.rstrip() for line in done.stdout.splitlines()}
    seconds = re.compile(r"in [\d.]+ s")
    missing = [line for line in shown.splitlines() if line.strip() and line.rstrip() not in printed and not seconds.search(line)]
    assert missing == []
    assert max(map(len, done.stdout.splitlines())) <= 110
