"""The comparison that all crash tests stand on: whatever is planted in what a run left behind, it is seen."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake
from killing import child, journal_of, make, run
from remains import half_visible, remains, torn

from mainstem import project

Plant = Callable[[Path], None]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = make(tmp_path_factory.mktemp("kept") / "p", outputs=2, noisy=True)
    run(file, "each")
    return file


@pytest.fixture
def file(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept.parent, tmp_path / "p")
    return tmp_path / "p" / "pipeline.yaml"


def record(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record of the journal and sign it anew."""
    content = json.loads(path.read_bytes().rsplit(b"\n", 2)[0])
    change(content)
    body = json.dumps(content).encode()
    path.write_bytes(body + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n")


def state_file(file: Path, node: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a state file, and have the journal list it as it is now."""
    home = journal_of(file)
    work, epoch = home.folder.parents[1], home.epochs("prepared")[-1]

    def alter(prepared: dict[str, Any]) -> None:
        listed = max((one for one in prepared["state"] if one["node"] == node), key=lambda one: one["until"])
        rows = change(pa.ipc.open_file((work / listed["path"]).read_bytes()).read_all())
        with pa.ipc.new_file(work / listed["path"], rows.schema) as writer:
            writer.write_table(rows)
        content = (work / listed["path"]).read_bytes()
        listed |= {"rows": rows.num_rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    record(home.path("prepared", epoch), alter)


def times(by: int) -> Callable[[pa.Table], pa.Table]:
    """Keep every row, with another time."""
    def change(rows: pa.Table) -> pa.Table:
        return rows.set_column(rows.column_names.index("_max"), "_max", pc.add(rows.column("_max"), by))
    return change


def account(file: Path, fate: str) -> None:
    home = journal_of(file)
    record(home.path("manifest", 1), lambda manifest: manifest["account"]["readings -> spans"].__setitem__(fate, 99))


def ledger(file: Path, statement: str) -> None:
    with sqlite3.connect(file.parent / ".mainstem" / "ledger.db") as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def marks(file: Path) -> None:
    home = journal_of(file)
    record(home.path("prepared", home.epochs("prepared")[-1]), lambda prepared: prepared["marks"].__setitem__("spans", 7))


PLANTED: dict[str, tuple[str, Plant]] = {
    "a row of state gone": ("state", lambda file: state_file(file, "spans", lambda rows: rows.slice(1))),
    "a row of state twice": ("state", lambda file: state_file(file, "spans", lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]))),
    "a time of state": ("state", lambda file: state_file(file, "fresh", times(1))),
    "a watermark": ("times", marks),
    "a fate": ("account", lambda file: account(file, "late")),
    "a fate in the ledger": ("ledger", lambda file: ledger(file, "UPDATE legs SET delivered = delivered + 1 WHERE epoch = 1")),
    "an epoch lost in the ledger": ("ledger", lambda file: ledger(file, "DELETE FROM legs WHERE epoch = 2")),
    "a run that never ended": ("unended", lambda file: ledger(file, "UPDATE runs SET ended = NULL")),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_difference_is_seen(what: str, kept: Path, file: Path) -> None:
    assert remains(file) == remains(kept)
    where, plant = PLANTED[what]
    plant(file)
    found, whole = remains(file), remains(kept)
    assert {name for name in whole if found[name] != whole[name]} == {where}


def test_a_commit_that_no_manifest_knows_is_seen(file: Path) -> None:
    write_deltalake(file.parent / "lake" / "spans", project.open(file).read("spans").slice(0, 1), mode="append")
    with pytest.raises(AssertionError, match="newest version"):
        remains(file)


def test_an_epoch_that_is_decided_and_not_finished_is_seen(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    assert child(file.parent, run, file, "each", point="epoch.prepared", times=2).killed
    with pytest.raises(AssertionError, match="not finished"):
        remains(file)


def test_a_part_of_an_output_is_seen(kept: Path, file: Path) -> None:
    whole = remains(kept)
    assert not half_visible(file, whole, at_once=True)
    home = journal_of(file)
    os.unlink(home.path("manifest", home.epochs("manifest")[-1]))
    assert not half_visible(file, whole, at_once=False)
    assert half_visible(file, whole, at_once=True)
    less = whole | {"tables": whole["tables"] | {"spans": whole["tables"]["spans"][1:]}}
    assert half_visible(kept, less, at_once=False)


def test_two_ends_that_disagree_are_seen(file: Path) -> None:
    assert not torn(file)
    state_file(file, "spans", lambda rows: rows.set_column(rows.column_names.index("luck"), "luck", pc.add(rows.column("luck"), 1)))
    assert torn(file)
    assert remains(file)["state"], "what is not deterministic is left out of the comparison, and only that"
