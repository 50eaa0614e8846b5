"""Bad files, bad functions, bad disks: each costs what it must and nothing else, and says so."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, command, ended, lines, opened, rows, write

from mainstem.errors import MainstemError, UserCodeError

PIPELINE = """\
version: 1
pipeline: bad
sources:
  readings:
    files: {path: "inbox/*", complete: true}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double}
steps:
  doubled:
    from: readings
    python: {call: "functions:%(call)s", rows: same, timeout: %(timeout)s, memory: %(memory)s}
outputs:
  doubled: {from: doubled, delta: {table: doubled, mode: append}}
"""
FUNCTIONS = """\
import os
import time


def values(rows):
    return rows.column("value").to_pylist()


def fine(rows):
    return rows


def raises(rows):
    if 13.0 in values(rows):
        raise ValueError("unlucky")
    return rows


def hangs(rows):
    if 13.0 in values(rows):
        time.sleep(60)
    return rows


def aborts(rows):
    if 13.0 in values(rows):
        os.abort()
    return rows


def eats(rows):
    if 13.0 in values(rows):
        hoard = []
        while True:
            hoard.append(bytearray(16 << 20))
    return rows


def always(rows):
    raise RuntimeError("never works")
"""


def pipeline(call: str = "fine", timeout: str = "30s", memory: str = "1GiB") -> str:
    return PIPELINE % {"call": call, "timeout": timeout, "memory": memory}


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n)} for n in range(first, last))


def project(folder: Path, text: str, **files: Any) -> Path:
    return write(folder, text, functions__py=FUNCTIONS, **files)


def test_a_bad_file_is_a_named_outcome_and_costs_only_itself(tmp_path: Path) -> None:
    packed = gzip.compress(readings(20, 30).encode())
    file = project(tmp_path, pipeline(), inbox___a=readings(0, 10), inbox___b=packed[:-12], inbox___c=readings(10, 20), inbox___d=b"",
                   inbox___e=readings(0, 10))
    (tmp_path / "inbox/f").write_bytes(b"\xff\xfe\x00garbage\n" + readings(30, 35).encode())
    result = opened(file).run()
    assert sorted(row["value"] for row in rows(file, "doubled")) == [float(n) for n in [*range(20), *range(30, 35)]]
    assert balances(result.account)
    named = {outcome["file"]: outcome["outcome"] for outcome in result.files}
    assert named == {"inbox/b": "corrupt", "inbox/d": "empty", "inbox/e": "duplicate"}
    assert {one["file"]: one["outcome"] for one in opened(file).show_run("last")["files"]} == named
    assert [row["place"] for row in opened(file).quarantine().to_pylist()] == ["inbox/f:0"]
    assert opened(file).run().files == []                                    # said once


def test_a_plain_file_that_is_deleted_is_on_record_once(tmp_path: Path) -> None:
    file = project(tmp_path, pipeline().replace('"inbox/*", complete: true', "inbox/a.jsonl"), inbox___a__jsonl=readings(0, 10))
    assert opened(file).run().rows == 10
    (tmp_path / "inbox/a.jsonl").unlink()
    result = opened(file).run()
    assert [(note["file"], note["outcome"]) for note in result.files] == [("inbox/a.jsonl", "deleted")]
    assert opened(file).show_run("last")["files"] == result.files
    assert opened(file).run().files == []
    assert len(rows(file, "doubled")) == 10


@pytest.mark.parametrize(("call", "options"), [
    ("raises", {}), ("hangs", {"timeout": "500ms"}), ("aborts", {}), ("eats", {"memory": "512MiB"})])
def test_a_function_that_fails_on_a_row_costs_that_row(call: str, options: dict[str, str], tmp_path: Path) -> None:
    file = project(tmp_path, pipeline(call, **options), inbox___a=readings(0, 40))
    result = opened(file).run()
    assert result.exit_code == 0
    assert balances(result.account)
    assert sorted(row["value"] for row in rows(file, "doubled")) == [float(n) for n in range(40) if n != 13]
    aside = opened(file).quarantine().to_pylist()
    assert [(row["node"], row["reason"]) for row in aside] == [("doubled", "python")]
    assert aside[0]["raw"] == readings(13, 14).strip().encode()
    assert {"raises": "unlucky", "hangs": "500", "aborts": "sigabrt", "eats": "memory"}[call] in aside[0]["detail"].lower()


def test_a_function_that_never_works_sets_every_row_aside_and_a_limit_stops_it(tmp_path: Path) -> None:
    text = pipeline("always") + "limits: {quarantine: 50%, then: stop}\n"
    file = project(tmp_path, text, inbox___a=readings(0, 30))
    code, _, err = ended(command(file, "run"))
    assert code == 3
    assert "were set aside" in err
    assert "Traceback" not in err


def test_a_function_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    file = project(tmp_path, pipeline("absent"), inbox___a=readings(0, 30))
    code, _, err = ended(command(file, "run"))
    assert code == 1
    assert "python." in err
    assert "absent" in err
    with pytest.raises(UserCodeError):
        opened(file).run()
    (tmp_path / "functions.py").write_text(FUNCTIONS.replace("def fine", "def absent"))
    result = opened(file).run()                                              # the epoch in flight goes on with the mended code
    assert result.exit_code == 0
    assert result.rows == 30
    assert len(rows(file, "doubled")) == 30


@pytest.mark.parametrize("what", [".mainstem", "lake"])
def test_a_folder_that_nobody_may_write_to(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project(tmp_path, pipeline(), inbox___a=readings(0, 30))
    opened(file).run()
    (tmp_path / "inbox/b").write_text(readings(30, 60))
    usual = Path.open

    def refusing(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:        # tests may run as root, who may all
        if "x" in mode and path.is_relative_to(tmp_path / what):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return usual(path, mode, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refusing)
        with pytest.raises(MainstemError) as refused:
            opened(file).run()
    assert refused.value.exit_code == 4
    assert refused.value.code == "disk.read_only"
    assert what in refused.value.where
    assert len(rows(file, "doubled")) == 30
    opened(file).run()
    assert len(rows(file, "doubled")) == 60


@pytest.mark.parametrize("what", [".mainstem", "lake"])
def test_a_place_that_cannot_be_made_is_a_clear_error(what: str, tmp_path: Path) -> None:
    file = project(tmp_path, pipeline(), inbox___a=readings(0, 30))
    (tmp_path / what).write_text("a file where a folder should be")
    code, _, err = ended(command(file, "run"))
    assert code in (1, 4)
    assert what in err
    assert "Traceback" not in err, err
    (tmp_path / what).unlink()
    assert opened(file).run().exit_code == 0
    assert len(rows(file, "doubled")) == 30
