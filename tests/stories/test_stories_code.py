"""A function of the user and the modules that it imports: what was begun with them is ended with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, edit, lines, opened, rows, write

from mainstem import signals
from mainstem.errors import UserCodeError
from mainstem.project import modules
from mainstem.testing import Crash, crash_at

PIPELINE = """\
version: 1
pipeline: code
sources:
  readings:
    files: {path: "inbox/*", complete: true}
    format: json
    columns: {at: timestamp!, n: int64!}
steps:
  scaled:
    from: readings
    python: {call: "mine:scaled", rows: same, columns: {at: timestamp, n: int64, how: string}}
outputs:
  scaled: {from: scaled, delta: {table: scaled, mode: append}}
"""
FILES = {
    "mine.py": """\
import pyarrow as pa
import one
from pack import two


def scaled(rows):
    import lib.three
    how = "+".join([one.NAME, two.NAME, lib.three.NAME])
    return rows.append_column("how", pa.array([how] * rows.num_rows))
""",
    "one.py": "import four\nNAME = 'old' + four.NAME\n", "four.py": "NAME = '-old'\n", "pack/__init__.py": "",
    "pack/two.py": "from . import five\nNAME = five.NAME\n", "pack/five.py": "NAME = 'old'\n",
    "lib/three.py": "from .six import NAME\n", "lib/six.py": "NAME = 'old'\n"}
HELPERS = ["four.py", "pack/five.py", "lib/six.py"]
OLD = "old-old+old+old"


def project(folder: Path) -> Path:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return write(folder, PIPELINE, inbox___a=lines({"at": at(n), "n": n} for n in range(400)))


SMALL = {"epoch": {"rows": 100}}


def once(when: str, what: Callable[[], None]) -> Callable[[str, dict[str, Any]], None]:
    """A listener that does something the first time that a signal is heard."""
    waiting = [what]

    def listen(name: str, _: dict[str, Any]) -> None:
        if name == when and waiting:
            waiting.pop()()
    return listen


@pytest.mark.parametrize("helper", HELPERS)
def test_an_edit_of_a_helper_during_a_run_waits_for_the_next(helper: str, tmp_path: Path) -> None:
    file = project(tmp_path)
    first = opened(file).build()["release"]
    with signals.listening(once("epoch.prepared", lambda: edit(tmp_path / helper, "old", "new"))):
        result = opened(file, **SMALL).run()
    assert result.epochs > 3
    assert result.release == first
    assert balances(result.account)
    assert [row["how"] for row in rows(file, "scaled")] == [OLD] * 400
    (tmp_path / "inbox/b").write_text(lines([{"at": at(900), "n": 900}]))
    again = opened(file).run()
    assert again.release != first
    assert {row["how"] for row in rows(file, "scaled") if row["n"] == 900} == {(OLD.replace("-old", "-new"), "old-old+new+old",
                                                                               "old-old+old+new")[HELPERS.index(helper)]}


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("point", ["epoch.planned", "epoch.prepared"])
def test_an_edit_of_a_helper_before_a_recovery_does_not_change_the_epoch_that_was_begun(point: str, helper: str, tmp_path: Path) -> None:
    file = project(tmp_path)
    with pytest.raises(Crash), crash_at(point, 2) as reached:
        opened(file, **SMALL).run(each=True)
    assert reached.fired
    begun = len(list((tmp_path / ".mainstem/default/code/incarnations").glob("*/plan-*.json")))
    edit(tmp_path / helper, "old", "new")
    opened(file, **SMALL).run(each=True)
    found = [row["how"] for row in sorted(rows(file, "scaled"), key=lambda row: row["n"])]
    assert len(found) == 400
    ended = int(opened(file).sql(f"SELECT sum(rows) AS n FROM epochs WHERE epoch <= {begun}").to_pylist()[0]["n"])
    assert set(found[:ended]) == {OLD}
    assert OLD not in found[ended:]
    assert found[ended:]


def test_a_helper_that_is_deleted_after_the_start_is_not_missed(tmp_path: Path) -> None:
    file = project(tmp_path)

    def delete() -> None:
        for helper in HELPERS:
            (tmp_path / helper).unlink()

    with signals.listening(once("epoch.prepared", delete)):
        opened(file, **SMALL).run()
    assert [row["how"] for row in rows(file, "scaled")] == [OLD] * 400


def test_a_run_under_another_version_says_so_and_is_another_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project(tmp_path)
    with pytest.raises(Crash), crash_at("epoch.planned", 2):
        opened(file, **SMALL).run(each=True)
    old = opened(file).build()["release"]
    installed = json.loads((tmp_path / ".mainstem/default/code/releases" / old / "installed.json").read_text())["pyarrow"]
    monkeypatch.setattr(modules, "_installed", lambda name: "pyarrow 99.1" if name == "pyarrow" else "")
    told: list[str] = []
    with signals.listening(lambda name, facts: told.append(facts["message"]) if facts.get("level") == "warning" else None):
        result = opened(file).run()
    assert set(told) == {f"release {old} was made with other versions: {installed} -> pyarrow 99.1"}
    assert result.release != old
    assert len(rows(file, "scaled")) == 400


def test_a_release_is_the_same_as_long_as_its_code_is(tmp_path: Path) -> None:
    file = project(tmp_path)
    first = opened(file).build()["release"]
    assert opened(file).build()["release"] == first
    (tmp_path / "unrelated.py").write_text("")
    assert opened(file).build()["release"] == first
    edit(tmp_path / "lib/six.py", "old", "new")
    assert opened(file).build()["release"] != first
    edit(tmp_path / "lib/six.py", "new", "old")
    assert opened(file).build()["release"] == first


def test_a_module_of_the_user_called_like_one_of_python(tmp_path: Path) -> None:
    file = project(tmp_path)
    (tmp_path / "four.py").write_text("import calendar\nNAME = calendar.NAME\n")
    (tmp_path / "calendar.py").write_text("NAME = 'mine'\n")
    with pytest.raises(UserCodeError) as caught:
        opened(file).run()
    assert caught.value.code == "python.shadows"
    assert "four.py:1" in caught.value.why
    assert not (tmp_path / "lake").exists()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/case.yaml").write_text("cases: [{name: a, given: {readings: []}, expect: {scaled: []}}]\n")
    report = opened(file).test()
    assert "python.shadows" in report.cases[0].diff
    (tmp_path / "four.py").write_text("NAME = ''\n")
    assert opened(file).test().exit_code == 0
