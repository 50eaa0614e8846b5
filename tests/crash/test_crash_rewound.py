"""Tables and state that somebody put back to an earlier moment: refused by name, and a rebuild gives what was never disturbed (2-S 5)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from crashing import content, make, run
from deltalake import DeltaTable

from mainstem.errors import MainstemError


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run that nobody disturbed leaves behind."""
    file = make(tmp_path_factory.mktemp("clean") / "p")
    run(file, each=True)
    found = content(file)
    assert len(found["fresh"]) > 1000
    return found


def refused(file: Path, code: str) -> MainstemError:
    """Every start is refused, and changes nothing."""
    for _ in range(2):
        with pytest.raises(MainstemError) as caught:
            run(file, each=True)
        assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize("how", ["restored", "overwritten", "rows deleted", "an older copy"])
def test_a_table_that_was_put_back_is_refused_and_rebuild_works(how: str, tmp_path: Path, clean: dict[str, Any]) -> None:
    file = make(tmp_path / "p")
    table = file.parent / "lake/fresh"
    run(file, each=True, max_epochs=2)
    if how == "an older copy":
        shutil.copytree(table, tmp_path / "copy")
    run(file, each=True, max_epochs=2)
    now = DeltaTable(table)
    if how == "restored":
        now.restore(now.version() - 2)
    elif how == "overwritten":
        from deltalake import write_deltalake

        write_deltalake(table, now.to_pyarrow_table().slice(0, 10), mode="overwrite")
    elif how == "rows deleted":
        now.delete("seq > 100")
    else:
        shutil.rmtree(table)
        shutil.copytree(tmp_path / "copy", table)
    error = refused(file, "sink.reset")
    assert error.where == "fresh/output"
    run(file, each=True, accept="rebuild")
    assert content(file) == clean


def test_what_others_only_add_or_rewrite_is_no_harm(tmp_path: Path, clean: dict[str, Any]) -> None:
    file = make(tmp_path / "p")
    run(file, each=True, max_epochs=4)
    DeltaTable(file.parent / "lake/fresh").optimize.compact()
    run(file, each=True)
    assert content(file) == clean


def test_a_reset_accepts_a_table_as_it_is_now(tmp_path: Path) -> None:
    file = make(tmp_path / "p")
    run(file, each=True, max_epochs=4)
    table = DeltaTable(file.parent / "lake/fresh")
    table.delete("seq <= 100")
    kept = DeltaTable(file.parent / "lake/fresh").to_pyarrow_table().num_rows
    refused(file, "sink.reset")
    result = run(file, each=True, accept="reset")
    delivered = sum(leg["delivered"] for leg in result.account if leg["leg"].endswith("fresh/output"))
    assert delivered > 0
    found = content(file)["fresh"]
    assert len(found) == kept + delivered
    assert run(file, each=True).rows == 0


def test_an_older_copy_of_the_state_is_refused_and_rebuild_works(tmp_path: Path, clean: dict[str, Any]) -> None:
    file = make(tmp_path / "p")
    run(file, each=True, max_epochs=2)
    shutil.copytree(file.parent / ".mainstem", tmp_path / "copy")
    run(file, each=True, max_epochs=2)
    shutil.rmtree(file.parent / ".mainstem")
    shutil.copytree(tmp_path / "copy", file.parent / ".mainstem")
    refused(file, "checkpoint.lost")
    run(file, each=True, accept="rebuild")
    assert content(file) == clean
