"""The pages that are written from the models are what they would be if they were written now; what other pages name is there."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools/reference.py"), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_sees_a_page_that_is_out_of_date(tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools/reference.py"))
    for name, text in tool["FILES"].items():
        (tmp_path / name).write_text(text(), encoding="utf-8")
    assert tool["stale"](tmp_path) == []
    (tmp_path / "codes.md").write_text("old")
    (tmp_path / "functions.md").unlink()
    assert tool["stale"](tmp_path) == ["functions.md", "codes.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) if "://" not in link]
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    named = re.findall(r"`((?:tests|tools|docs|examples|src|benchmarks)/[\w./*-]*)`", text)
    missing += [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
    assert missing == []


def test_every_file_that_the_architecture_page_names_is_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text[text.index("## Behaviour -> file"):text.index("## What lies on disk")]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "**" not in line and "---" not in line]
    missing = []
    for row in rows[1:]:
        folder = ""
        for name in re.findall(r"`([\w/*.<>]+)`", row.split("|")[2]):
            path = name.replace("<step>", "window").replace("<noun>", "run")
            folder = path.rpartition("/")[0] if "/" in path else folder
            if path.endswith((".py", "/")) and not any(list((ROOT / "src/mainstem").glob(guess)) for guess in
                                                       (path.strip("/"), f"{folder}/{path}".strip("/"))):
                missing.append(name)
    assert missing == []
    assert len(rows) > 50


def test_every_test_that_the_guarantees_name_is_there() -> None:
    text = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 8
    for row in rows:
        names = re.findall(r"`((?:tests|tools)/[\w./]+)`", row.split("|")[3])
        assert names, row
        assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_facade_answers_twice() -> None:
    from mainstem import project

    # a file of the room with the name of a function would take its place once it is imported
    for ask in (project.catalog, project.schema, lambda: project.explain("late")):
        assert ask() == ask()
    assert callable(project.catalog)
    assert callable(project.open)
    assert callable(project.init)
