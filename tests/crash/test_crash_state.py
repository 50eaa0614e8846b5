"""Damaged, lost or replaced state and tables: a clear stop, never a wrong answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from damaging import DAMAGES, STAGES, damaged
from killing import afresh, child, journal_of, make, run
from remains import remains

from mainstem import project
from mainstem.errors import MainstemError


@pytest.mark.parametrize("stage", STAGES)
def test_whatever_file_of_the_state_is_damaged(stage: str, tmp_path: Path) -> None:
    stopped, wrong = damaged(tmp_path, stage, list(DAMAGES))
    assert not wrong, "\n".join(wrong)
    assert stopped > 3


def test_a_table_deleted_behind_our_back_is_refused_and_rebuild_works(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, "each")
    whole = remains(file)
    shutil.rmtree(file.parent / "lake" / "spans")
    with pytest.raises(MainstemError) as caught:
        run(file, "each")
    assert caught.value.code == "sink.reset"
    run(file, "each", accept="rebuild")
    assert remains(file) == whole


def test_a_lost_state_folder_is_refused_and_rebuild_works(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, "each")
    whole = remains(file)
    shutil.rmtree(file.parent / ".mainstem")
    with pytest.raises(MainstemError) as caught:
        run(file, "each")
    assert caught.value.code == "checkpoint.lost"
    for name in ("spans", "quarantine"):                  # nor is it read as if nothing had ever been written
        with pytest.raises(MainstemError) as caught:
            project.open(file).read(name)
        assert caught.value.code == "checkpoint.lost"
    run(file, "each", accept="rebuild")
    assert remains(file) == whole


@pytest.mark.parametrize("kind", ["plan", "prepared", "manifest"])
def test_a_damaged_journal_is_a_clear_stop_and_rebuild_works(kind: str, tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, "each")
    whole = remains(file)
    assert child(file.parent, run, afresh(file), "each", point="epoch.planned" if kind == "plan" else "epoch.finished", times=2).killed
    home = journal_of(file)
    newest = home.path(kind, home.epochs(kind)[-1])
    newest.write_bytes(newest.read_bytes()[:-40])
    with pytest.raises(MainstemError) as caught:
        run(file, "each")
    assert caught.value.code == "state.damaged"
    assert newest.name in caught.value.where
    run(file, "each", accept="rebuild")
    assert remains(file) == whole
