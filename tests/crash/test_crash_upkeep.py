"""Crashed from inside while an incarnation changes, rows are replayed or discarded, tables are tidied up, a release is built.

The command is given again until it goes through; then everything equals what it leaves when nothing disturbs it. Before every
single durable call, and by a kill -9, in tests/soak.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from changing import CHANGES, prepared
from killing import crashed, journal_of, make
from remains import remains


@pytest.mark.parametrize("what", CHANGES)
def test_a_command_that_is_crashed_and_given_again(what: str, tmp_path: Path) -> None:
    change, file = CHANGES[what], make(tmp_path / "p")
    prepared(file, change)
    shutil.copytree(tmp_path / "p", tmp_path / "kept")
    before = remains(file)
    change.command(file)
    change.after(file)
    whole = remains(file)
    assert whole != before
    assert whole["tables"]["spans"]
    assert whole["state"]["spans"]
    times = 1 + list(CHANGES).index(what) % change.stride
    while True:
        shutil.rmtree(tmp_path / "p")
        shutil.copytree(tmp_path / "kept", tmp_path / "p")
        if not crashed("durable", times, change.command, file):
            break
        change.command(file)
        change.after(file)
        assert remains(file) == whole, f"durable call {times} of {what}"
        assert not journal_of(file).closed()
        times += change.stride
    assert times > change.least
