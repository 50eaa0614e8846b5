"""The commands that the repository promises, and that nothing in it names the machine that it was written on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_make_has_every_promised_word():
    words = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert words >= {"setup", "demo", "test", "bench", "soak", "lint", "docs"}


def test_ci_runs_the_test_command_and_nothing_else():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test"
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_setup_says_clearly_that_a_python_is_too_old(tmp_path):
    # the same file, told that 3.99 is needed: no newer interpreter is on this PATH
    text = (ROOT / "tools/setup.py").read_text().replace("LEAST = (3, 11)", "LEAST = (3, 99)")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/setup.py").write_text(text)
    done = subprocess.run([sys.executable, str(tmp_path / "tools/setup.py")], capture_output=True, text=True, check=False,
                          env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "needs Python 3.99 or newer" in done.stderr
    assert "MAINSTEM_PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


def layers(*arguments, cwd=ROOT, **environment):
    return subprocess.run([sys.executable, str(cwd / "tools/layers.py"), *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})


@pytest.fixture
def small(tmp_path):
    """A repository with one test file per wish, and our runner."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/layers.py").write_text((ROOT / "tools/layers.py").read_text().replace("least=", "least=0 and "))
    (tmp_path / "tests/room").mkdir(parents=True)
    (tmp_path / "src/mainstem").mkdir(parents=True)
    (tmp_path / "src/mainstem/__init__.py").write_text("")
    (tmp_path / "tests/room/test_room_good.py").write_text("def test_good():\n    assert True\n")
    return tmp_path


def test_the_runner_prints_a_line_per_layer_and_the_sum(small):
    done = layers("unit", "property", cwd=small)
    assert done.returncode == 0
    assert re.match(r"ok +unit +1 tests +\d", done.stdout)
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_the_runner_fails_with_a_failing_test_and_shows_it(small):
    (small / "tests/room/test_room_bad.py").write_text("def test_bad():\n    assert 1 == 2\n")
    done = layers("unit", cwd=small)
    assert done.returncode == 1
    assert "assert 1 == 2" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_a_file_that_cannot_be_collected_is_a_failure(small):
    (small / "tests/room/test_room_bad.py").write_text("import nothing_of_that_name\n")
    done = layers("unit", cwd=small)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed")


def test_a_test_without_its_data_is_a_skip_at_home_and_a_failure_in_ci(small):
    (small / "tests/room/test_room_data.py").write_text("import pytest\ndef test_data():\n    pytest.skip('test data not found')\n")
    assert layers("unit", cwd=small, CI="").returncode == 0
    done = layers("unit", cwd=small, CI="true")
    assert done.returncode == 1
    assert "had no data" in done.stdout


def test_a_layer_with_too_few_tests_fails(small):
    unit = 'Layer("unit", files=("tests/*",), least='
    text = (small / "tools/layers.py").read_text().replace(unit, f"{unit}7 or ")
    (small / "tools/layers.py").write_text(text)
    done = layers("unit", cwd=small)
    assert done.returncode == 1
    assert "its floor is 7" in done.stdout


def test_an_unknown_layer_is_named(small):
    done = layers("unti", cwd=small)
    assert done.returncode == 2
    assert "no layer 'unti'" in done.stdout


def test_nothing_names_the_machine_that_it_was_written_on():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    private = re.compile(r"(^|[^a-z.])/(" + "work|farm|root)/")
    found = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".yaml", ".toml", "") and path.is_file() and path.name != "uv.lock":
            lines = path.read_text(errors="replace").splitlines()
            found += [f"{name}: {line.strip()[:80]}" for line in lines if private.search(line)]
    assert found == []
