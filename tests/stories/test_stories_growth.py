"""A run that goes on for ever: what an epoch writes and remembers does not grow with the epochs before it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from telling import CLOCK, at, lines, rows, write

from mainstem import signals
from mainstem.clock import HandClock
from mainstem.engines import journal
from mainstem.project import tally
from mainstem.project.place import locate
from mainstem.project.run import RunResult, run

PIPELINE = """\
version: 1
pipeline: growing
sources:
  readings:
    files: {path: "inbox/*"}
    format: json
    columns: {sensor: string!, at: timestamp!, n: int64!}
    time: {column: at, lateness: 10s, partition: file}
tables:
  places: {files: {path: places.csv}, format: csv, key: [sensor], columns: {sensor: string!, house: string!}}
steps:
  located: {from: readings, lookup: {table: places, on: [sensor], take: [house], unmatched: quarantine}}
  minutes:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: count(*) AS n
outputs:
  located: {from: located, delta: {table: located, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""


def followed(folder: Path, epochs: int, same: bool = False) -> tuple[RunResult, list[int]]:
    """A file that comes and goes in every epoch; the result, and the size of each epoch's journal but for the source's own progress."""
    file = write(folder, PIPELINE, places__csv="sensor,house\ns0,a\n", inbox___00000=lines([{"sensor": "s0", "at": at(0), "n": 0}]))
    sizes, done = [], 0
    home = folder / ".mainstem/default/growing"

    def next_file(name: str, facts: dict[str, object]) -> None:
        nonlocal done
        if name == "run.progress":
            done += 1
            newest = journal.current(home)
            assert newest is not None
            epoch = int(str(facts["epoch"]))
            written = sum(newest.path(kind, epoch).stat().st_size for kind in ("plan", "prepared", "manifest"))
            sizes.append(written - 2 * len(msgspec.json.encode(newest.prepared(epoch).progress)))      # which has a bulk of its own
            for old in (folder / "inbox").iterdir():
                old.unlink()
            text = lines([{"sensor": "s0", "at": at(done * 20), "n": done}])
            (folder / f"inbox/{done:05d}").write_text(text)
            if same:
                (folder / f"inbox/{done:05d}-again").write_text(text)
            (folder / "places.csv").write_text(f"sensor,house\ns0,a\ns{done},b\n")

    with signals.listening(next_file):
        return run(locate(file, None, {}), follow=True, clock=HandClock(CLOCK.now()), max_epochs=epochs), sizes


def test_the_journal_of_an_epoch_does_not_grow_with_the_files_that_were_read(tmp_path: Path) -> None:
    result, sizes = followed(tmp_path, 60)
    assert result.rows == 60
    assert max(sizes[45:]) < 1.15 * max(sizes[10:25]), sizes
    home = journal.current(tmp_path / ".mainstem/default/growing")
    assert home is not None
    head = home.prepared(home.epochs("prepared")[-1])
    assert len(head.carry["readings"]) <= 2, "of files that time has passed only the largest time is carried"
    assert head.live == {"readings": {}}
    assert len(rows(tmp_path / "pipeline.yaml", "located")) == 60
    assert sum(row["n"] for row in rows(tmp_path / "pipeline.yaml", "minutes")) >= 55


def test_of_outcomes_of_files_the_newest_are_told_and_all_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_FILES", 5)
    result, _ = followed(tmp_path, 20, same=True)
    assert len(result.files) == 5
    assert result.outcomes["duplicate"] == 19
    assert result.files[-1]["file"].endswith("-again")
