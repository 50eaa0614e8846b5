"""The command as a process: how quickly it answers, what it imports, and how it takes a closed pipe."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "mainstem")
HEAVY = {"pyarrow", "duckdb", "deltalake", "sqlalchemy", "alembic", "sqlglot", "numpy", "mainstem.project"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_what_answers_at_once(arguments):
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([COMMAND, *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(took) < 0.4, "seconds of work; on a busy machine the wall clock says more"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["quarantine", "replay", "--help"]])
def test_it_imports_nothing_heavy_for_that(arguments):
    code = (f"import sys\nfrom mainstem.cli.command import invoke\ninvoke({arguments})\n"
            f"print(sorted(set(sys.modules) & {HEAVY}), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "mainstem.cli", "--help"],
                          stdout=write, stderr=subprocess.PIPE, check=False, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_named():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "mainstem.cli", "--help"], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 4
    assert "error: printing failed\n  where: standard output\n" in done.stderr


def test_python_dash_m_is_the_same_command(tmp_path):
    done = subprocess.run([sys.executable, "-m", "mainstem.cli", "check", "none.yaml"], cwd=tmp_path, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2
    assert "error: there is no file none.yaml" in done.stderr
    assert "mainstem explain spec.no_file" in done.stderr
