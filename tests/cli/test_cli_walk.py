"""A user who takes every wrong turn in a project: each gets an answer that says what to do, and never a traceback."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.command import invoke

PIPELINE = """\
version: 1
pipeline: walk
sources:
  readings:
    files: {path: "inbox/*", complete: true}
    format: csv
    columns: {sensor: string!, n: int64!}
tables:
  sensors: {files: {path: sensors.csv}, format: csv, key: [sensor], columns: {sensor: string!, house: string!}}
steps:
  checked: {from: readings, check: [{name: small, that: n < 100}]}
  located: {lookup: {table: sensors, on: [sensor], take: [house], unmatched: quarantine}}
outputs:
  located: {from: located, delta: {table: located, mode: append}}
"""
FILES = {"walk.yaml": PIPELINE, "sensors.csv": "sensor,house\na,north\n", "inbox/a.csv": "sensor,n\na,1\na,200\nb,2\na,3\n",
         "broken.yaml": PIPELINE.replace("walk", "broken", 1).replace("check:", "chekc:")}


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """`ask("run walk.yaml")` in the project: (exit code, stdout, stderr)."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    monkeypatch.chdir(tmp_path)

    def call(line: str) -> tuple[int, str, str]:
        code = invoke(shlex.split(line))
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


@pytest.mark.parametrize(("line", "says"), [
    ("run -f walk.yaml", "the pipeline file is an argument here: `mainstem run FILE`"),
    ("plan --file=walk.yaml", "the pipeline file is an argument here: `mainstem plan FILE`"),
    ("sql walk.yaml 'SELECT 1'", "name the pipeline file with `-f FILE`"),
    ("runs list walk.yaml", "name the pipeline file with `-f FILE`"),
    ("config show walk.yaml", "name the pipeline file with `-f FILE`"),
    ("test walk.yaml -f walk.yaml", "`mainstem test -f walk.yaml`"),
    ("run run walk.yaml", "unexpected extra argument"),
    ("quarantine list --step chekced -f walk.yaml", "did you mean 'checked'?"),
    ("quarantine list --reason lat -f walk.yaml", "did you mean 'late'?"),
    ("quarantine replay --rule smal -f walk.yaml", "did you mean 'small'?"),
    ("quarantine discard --reason nothing -f walk.yaml", "mainstem explain"),
    ("sql --at 99 'SELECT 1' -f walk.yaml", "the newest is"),
    ("sql 'SELECT nope FROM located' -f walk.yaml", '"nope" not found'),
    ("explain nope", "at the end of every error"),
    ("check sensor.yaml", "there is no file sensor.yaml"),
    ("check loop.yaml", "loop.yaml cannot be read"),
    ("check", "there are 2 pipeline files here"),
    ("runs list", "`mainstem sql -f FILE`"),
    ("init walk.yaml", "walk.yaml is a file"),
    ("init walk.yaml/inner", "Not a directory"),
])
def test_a_wrong_turn_says_the_way(line: str, says: str, ask: Any) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    assert ask("run walk.yaml -q")[0] == 0
    code, out, err = ask(line)
    assert (code, out) == (1 if line.startswith("init") and "inner" not in line else 4 if "inner" in line else 2, ""), err
    assert says in err


def test_init_beside_a_readme_and_a_gitignore_keeps_them(ask: Any) -> None:
    folder = Path("repository")
    folder.mkdir()
    for name in ("README.md", ".gitignore"):
        (folder / name).write_text("mine\n")
    code, out, err = ask("init repository")
    assert code == 0, err
    assert "repository/greenhouse.yaml" in out
    assert {(folder / name).read_text() for name in ("README.md", ".gitignore")} == {"mine\n"}
    assert "README.md" not in out
    assert "kept: repository/.gitignore, repository/README.md" in err
    assert ask("check repository")[0] == 0


@pytest.mark.parametrize("spoil", ["directory", "gone", "header"])
def test_a_table_that_cannot_be_read_is_no_empty_table(spoil: str, ask: Any) -> None:
    path = Path("sensors.csv")
    path.unlink()
    if spoil == "directory":
        path.symlink_to("/proc/self/mem")                 # there, and not to be read by anybody
    elif spoil == "header":
        path.write_bytes(b"\xff\xfes\x00e\x00\n\x00")
    code, out, err = ask("run walk.yaml -q")
    assert (code, out) == (2 if spoil == "gone" else 1, "")
    assert "sensors" in err
    assert "table.bad_file" in err or spoil == "gone"
    assert not Path("lake/located/_delta_log/00000000000000000001.json").exists()


def test_a_count_of_one_is_no_plural_and_bad_files_are_told_in_the_last_line(ask: Any) -> None:
    Path("inbox/a.csv").write_text("sensor,n\na,1\n")
    Path("inbox/b.csv").write_text("a;b\n1;2\n")
    Path("inbox/c.csv").write_text("")
    code, out, err = ask("run walk.yaml")
    assert code == 0
    assert "walk: 1 row in " in err
    assert "; 1 file was not read" in err
    assert "bad_format" in out
    assert "1 problem(s)" not in ask("run broken.yaml")[2]


def test_what_a_record_says_cannot_speak_to_the_terminal(ask: Any) -> None:
    Path("inbox/b.csv").write_text("\x1b[31mred\x07,green\n1,2\n")
    Path("inbox/c.csv").write_text("sensor,n\na,\x1b]0;title\x07\n\x1b[2Ja,1\n")
    _, out, err = ask("run walk.yaml")
    assert "\\x1b[31mred" in out
    _, listed, _ = ask("quarantine list -f walk.yaml")
    assert "\\x1b]0;title" in listed
    rows = json.loads(ask("quarantine list -f walk.yaml -o json")[1])["data"]["rows"]
    (title,) = [row["id"] for row in rows if "title" in row["raw"]]
    _, shown, _ = ask(f"quarantine show {title} -f walk.yaml")
    _, asked, _ = ask("sql -f walk.yaml 'SELECT raw, row FROM quarantine'")
    assert "\\x1b[2J" in asked
    assert not any(sign in text for text in (out, err, listed, shown, asked) for sign in ("\x1b", "\x07"))


def test_a_sum_of_integers_is_an_integer(ask: Any) -> None:
    ask("run walk.yaml -q")
    query = "sql -f walk.yaml 'SELECT sum(n) AS n, 1.50 AS exact, sum(n) / 3 AS third FROM located'"
    (row,) = json.loads(ask(f"{query} -o json")[1])["data"]["rows"]
    assert row["n"] == 4
    assert row["exact"] == "1.50"
    lines = ask(query)[1].splitlines()
    assert lines[0].split() == ["n", "exact", "third"]
    assert lines == [line.rstrip() for line in lines]
    assert lines[2].startswith("4    1.50")


@pytest.mark.parametrize("line", ["run walk.yaml", "runs show -f walk.yaml"])
def test_csv_has_its_header_though_nothing_is_new(line: str, ask: Any) -> None:
    full = ask("run walk.yaml -o csv -q")[1].splitlines()
    assert full[0] == "leg,made,held_before,delivered,filtered,quarantined,late,held,reasons"
    assert len(full) == 2
    assert ask("run walk.yaml -o csv -q")[1].splitlines() == full[:1]
    assert ask(f"{line} -o csv")[1].splitlines() == full[:1]


def test_runs_tell_how_long_they_took_and_quarantine_comes_last(ask: Any) -> None:
    _, out, _ = ask("run walk.yaml -q")
    outputs = [line.split() for line in out.splitlines() if line.startswith(("located ", "quarantine "))]
    assert outputs == [["located", "1", "2"], ["quarantine", "1", "2"]]
    for line in ("runs list -f walk.yaml", "runs show -f walk.yaml"):
        found = json.loads(ask(f"{line} -o json")[1])["data"]
        run = found[0] if isinstance(found, list) else found
        assert 0 < run["seconds"] < 60
        assert "seconds" in ask(line)[1]
    _, shown, _ = ask("runs show -f walk.yaml")
    assert shown.index("\nlocated  ") < shown.index("\nquarantine  ")


def test_help_names_arguments_as_people_write_them(ask: Any) -> None:
    _, told, _ = ask("sql --help")
    assert "mainstem sql [OPTIONS] QUERY" in told
    assert "<str>" not in told
    _, told, _ = ask("quarantine replay --help")
    assert "[OPTIONS] [ID]..." in told
    assert "list[str]" not in told
    assert "mainstem explain [OPTIONS] CODE" in ask("explain --help")[1]
    assert "[KIND]" in ask("catalog --help")[1]


def test_in_a_narrow_terminal_ids_and_numbers_stay_whole(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("inbox/a.csv").write_text("sensor,n\n" + "a,1\n" * 12_345 + "a,200\nb,2\n")
    monkeypatch.setenv("COLUMNS", "70")
    _, out, _ = ask("run walk.yaml")
    assert "12,347" in out
    _, out, _ = ask("quarantine list -f walk.yaml")
    assert "fate" not in out.split()
    monkeypatch.delenv("COLUMNS")
    ids = [row["id"] for row in json.loads(ask("quarantine list -f walk.yaml -o json")[1])["data"]["rows"]]
    assert len(ids) == 2
    assert all(id_ in out for id_ in ids)
    monkeypatch.setenv("COLUMNS", "70")
    _, out, _ = ask("runs list -f walk.yaml")
    run = out.splitlines()[2].split()[0]
    assert json.loads(ask(f"runs show {run} -f walk.yaml -o json")[1])["data"]["run_id"].startswith(run)
    assert max(map(len, out.splitlines())) <= 70


def test_the_manual_names_every_exit_code() -> None:
    from mainstem import errors

    page = (Path(__file__).parents[2] / "docs/language.md").read_text()
    table = page.split("| exit code | means |")[1].split("\n\n")[0]
    told = {int(code) for line in table.splitlines()[2:] for code in line.split("|")[1].split(",")}
    classes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MainstemError)}
    assert told == {0, 3, 130, 143} | classes
