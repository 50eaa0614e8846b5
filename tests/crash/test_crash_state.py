"""Damaged state, lost or replaced tables, full disks: a clear stop, never a wrong answer."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from crashing import content, make, run

from mainstem.errors import MainstemError


def journal(file: Path) -> Path:
    return next((file.parent / ".mainstem").glob("*/crashing/incarnations/*"))


@pytest.mark.parametrize("damage", ["cut", "zero", "flip"])
def test_a_damaged_state_file_is_a_clear_stop(damage: str, tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    assert run(file, each=True, max_epochs=2).why == "limit"
    states = sorted((file.parent / ".mainstem").rglob("*.arrow"), key=lambda path: path.stat().st_size)
    assert states
    stopped = 0
    for path in states:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[:-20], "zero": b"", "flip": whole[:-60] + bytes([whole[-60] ^ 1]) + whole[-59:]}[damage])
        done = subprocess.run([sys.executable, "-c", _RUN, str(file)], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "state.damaged" in done.stderr
        assert path.name in done.stderr
        stopped += 1
        path.write_bytes(whole)
    assert stopped
    clean = make(tmp_path / "clean")
    run(clean, each=True)
    run(file, each=True)
    assert content(file) == content(clean)


_RUN = "import sys; from mainstem import project; project.open(sys.argv[1], flags={'epoch': {'rows': 150}}).run(each=True)"


def test_a_table_deleted_behind_our_back_is_refused_and_rebuild_works(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, each=True, max_epochs=2)
    shutil.rmtree(file.parent / "lake" / "minutes")
    with pytest.raises(MainstemError) as caught:
        run(file, each=True)
    assert caught.value.code == "sink.reset"
    run(file, each=True, accept="rebuild")
    clean = make(tmp_path / "clean")
    run(clean, each=True)
    assert content(file) == content(clean)


def test_a_lost_state_folder_is_refused_and_rebuild_works(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, each=True)
    shutil.rmtree(file.parent / ".mainstem")
    with pytest.raises(MainstemError) as caught:
        run(file, each=True)
    assert caught.value.code == "checkpoint.lost"
    run(file, each=True, accept="rebuild")
    clean = make(tmp_path / "clean")
    run(clean, each=True)
    assert content(file) == content(clean)


def test_a_damaged_journal_is_a_clear_stop_and_rebuild_works(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, each=True, max_epochs=3)
    newest = sorted(journal(file).glob("prepared-*.json"))[-1]
    newest.write_bytes(newest.read_bytes()[:-40])
    with pytest.raises(MainstemError) as caught:
        run(file, each=True)
    assert caught.value.code == "state.damaged"
    run(file, each=True, accept="rebuild")
    clean = make(tmp_path / "clean")
    run(clean, each=True)
    assert content(file) == content(clean)


def test_a_full_disk_stops_cleanly_and_goes_on_later(tmp_path: Path) -> None:
    file = make(tmp_path / "p", rows=4000)
    limit = ("import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
             "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); ")
    done = subprocess.run([sys.executable, "-c", limit + _RUN, str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "disk.full" in done.stderr
    run(file, each=True)
    clean = make(tmp_path / "clean", rows=4000)
    run(clean, each=True)
    assert content(file) == content(clean)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
