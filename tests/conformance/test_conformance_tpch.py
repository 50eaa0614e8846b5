"""Eight queries of TPC-H as one pipeline over whole tables, against the standard's own text in plain DuckDB over the same files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from conforming import ENGINE, PIPELINES

from mainstem import project
from mainstem.testing.conformance import Answer, Case, differences, run_case

QUERIES = Path(__file__).parent / "tpch"
NAMES = ("q1", "q3", "q4", "q5", "q6", "q10", "q12", "q14")
TABLES = ("lineitem", "orders", "customer", "supplier", "part", "nation", "region")
TEXT = (PIPELINES / "tpch.yaml").read_text()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables at scale 0.01 (60175 line items), in row groups of 64 KiB so that several tasks read one file."""
    folder = tmp_path_factory.mktemp("tpch")
    program = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run([program, "parquet", "-s", "0.01", "--row-group-bytes", "65536", "-T", ",".join(TABLES), "-o", folder], check=True,
                   capture_output=True)
    return folder


@pytest.fixture(scope="module", params=[{}, {"epoch": {"rows": 7000}, "tasks": 3}], ids=["whole", "7000x3"])
def answer(files: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Answer:
    """One run for all of the queries."""
    case = Case("tpch", TEXT, {f"tpch/{name}.parquet": files / f"{name}.parquet" for name in TABLES})
    return run_case(case, ENGINE, tmp_path_factory.mktemp("run"), request.param)


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_that_of_plain_duckdb(name: str, answer: Answer, files: Path) -> None:
    with duckdb.connect() as plain:
        for table in TABLES:
            plain.execute(f"CREATE VIEW {table} AS SELECT * FROM '{files / table}.parquet'")
        wanted = plain.sql((QUERIES / f"{name}.sql").read_text()).to_arrow_table()
    assert wanted.num_rows
    assert differences(Answer({name: wanted}), Answer({name: answer.tables[name]})) == []


def test_every_line_item_is_accounted_for(answer: Answer) -> None:
    assert answer.account is not None
    assert answer.account["lineitem -> q1"]["made"] == 60175
    assert answer.quarantine is not None
    assert not answer.quarantine.num_rows


def test_joins_are_cut_by_their_key_and_groups_by_theirs(files: Path, tmp_path: Path) -> None:
    (tmp_path / "tpch.yaml").write_text(TEXT)
    stages = project.open(tmp_path / "tpch.yaml").plan("spark").stages
    cut = {fold: keys for stage in stages for fold, keys in stage.shuffled}
    assert cut == {"q1": "returnflag, linestatus", "building": "custkey", "unshipped": "orderkey", "overdue": "orderkey",
                   "q4": "orderpriority", "bought": "custkey", "supplied": "suppkey", "nearby": "nationkey", "returned": "orderkey",
                   "losses": "custkey", "shipped": "orderkey", "q12": "shipmode", "promoted": "partkey"}
    assert {fold for stage in stages for fold, _ in stage.alone} == {"q3", "q6", "q10", "q14"}
