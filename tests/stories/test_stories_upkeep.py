"""Many epochs, killed attempts, old releases: what stays is bounded, and what a recovery or a reader needs stays.

Three thousand epochs are in tests/soak.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from telling import at, edit, lines, opened, rows, write

from mainstem import signals
from mainstem.clock import HandClock, iso
from mainstem.errors import MainstemError
from mainstem.project import Pipeline
from mainstem.project.place import locate
from mainstem.project.run import run
from mainstem.testing import Crash, crash_at

PIPELINE = """\
version: 1
pipeline: kept
sources:
  readings:
    files: {path: "inbox/*"}
    format: json
    columns: {sensor: string!, at: timestamp!, value: double!}
    time: {column: at, lateness: 10s}
tables:
  places: {files: {path: places.csv}, format: csv, key: [sensor], columns: {sensor: string!, house: string!}}
steps:
  checked: {from: readings, check: [{that: value < 9}]}
  located: {from: checked, lookup: {table: places, on: [sensor], take: [house], unmatched: quarantine}}
  minutes:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: count(*) AS n
outputs:
  located: {from: located, delta: {table: located, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
  plain: {from: located, files: {path: out/plain}, format: csv}
"""
PROJECT = """\
tasks: 1
retention: {manifests: 10, versions: 0s, staged: 0s}
"""


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n % 10)} for n in range(first, last))


def started(folder: Path, text: str = PIPELINE) -> Path:
    file = write(folder, text, inbox___a=readings(0, 20), places__csv="sensor,house\ns0,a\ns1,b\ns2,c\n")
    (folder / "mainstem.yaml").write_text(PROJECT)
    return file


def files(folder: Path) -> dict[str, int]:
    """Number of files below each part of the state and of the lake."""
    found: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.parts[len(folder.parts)] in (".mainstem", "lake", "out"):
            part = "/".join(path.relative_to(folder).parts[:4 if ".mainstem" in path.parts else 2])
            found[part] = found.get(part, 0) + 1
    return found


def many(file: Path, epochs: int, tables: int = 0) -> None:
    """So many epochs of a few rows each; the lookup table changes now and then."""
    clock, done = HandClock(2_000_000_000_000_000), [0]
    inbox_rows = len((file.parent / "inbox/a").read_text().splitlines()) - 20

    def more(name: str, _: object) -> None:
        if name == "run.progress":
            done[0] += 1
            with (file.parent / "inbox/a").open("a") as inbox:
                begin = 20 * done[0] + inbox_rows
                inbox.write(readings(begin, begin + 20))
            if tables and done[0] % (epochs // tables) == 0:
                (file.parent / "places.csv").write_text(f"sensor,house\ns0,a\ns1,b\ns2,c{done[0]}\n")

    with signals.listening(more):
        run(locate(file, None, {}), follow=True, clock=clock, max_epochs=epochs)


def test_after_many_epochs_the_files_are_few(tmp_path: Path) -> None:
    file = started(tmp_path)
    counts = []
    for _ in range(6):
        many(file, 25, tables=3)
        opened(file).maintain()
        counts.append(files(tmp_path))
    for part in counts[-1]:
        if part != "out/plain":                                          # what a person asked for: one file per epoch
            assert counts[-1][part] <= max(count.get(part, 0) for count in counts[:3]) + 12, (part, counts)
    assert sum(count for part, count in counts[-1].items() if part.startswith(".mainstem")) < 80
    assert sum(count for part, count in counts[-1].items() if part.startswith("lake")) < 400
    assert len(rows(file, "located")) == sum(n % 10 < 9 for n in range(3000))
    assert opened(file).sql("SELECT count(*) AS n FROM plain").to_pylist() == [{"n": 2700}]


def test_leftovers_of_killed_attempts_go_and_what_is_needed_stays(tmp_path: Path) -> None:
    file = started(tmp_path)
    opened(file).run(each=True)
    for number in range(4):
        (tmp_path / f"inbox/{number}").write_text(readings(100 + number * 50, 150 + number * 50))
        with pytest.raises(Crash), crash_at("epoch.ran"):
            opened(file).run(each=True)
        with pytest.raises(Crash), crash_at("epoch.judged"):
            opened(file).run(each=True)
        if number % 2:
            opened(file).run(each=True)
    published = rows(file, "located")
    before = files(tmp_path)
    opened(file).maintain()
    after = files(tmp_path)
    assert after["lake/located"] < before["lake/located"]
    assert after.get("out/plain", 0) < before["out/plain"]
    assert rows(file, "located") == published
    opened(file).run(each=True)
    (tmp_path / "inbox/z").write_text(readings(300, 310))
    with pytest.raises(Crash), crash_at("epoch.prepared"):
        opened(file).run(each=True)
    opened(file).maintain()                                             # prepared and not committed: all of it stays
    opened(file).run(each=True)
    assert len(rows(file, "located")) == sum(n % 10 < 9 for n in [*range(20), *range(100, 310)])
    assert opened(file).run(flush=True).exit_code == 0


def test_an_unfinished_bounded_run_survives_upkeep(tmp_path: Path) -> None:
    file = started(tmp_path)
    (tmp_path / "inbox/b").write_text(readings(20, 500))
    flagged = {"epoch": {"rows": 50}}
    assert not opened(file, **flagged).run(max_epochs=4).published
    opened(file).maintain()
    opened(file).run(flush=True)
    assert len(rows(file, "located")) == 450
    assert sum(row["n"] for row in rows(file, "minutes")) == 450


def test_kept_versions_stay_readable_and_older_ones_are_refused(tmp_path: Path) -> None:
    file = started(tmp_path)
    many(file, 30)
    opened(file).maintain()
    newest = opened(file).show_run("last")["last_epoch"]
    assert opened(file).read("located", at=str(newest - 5)).num_rows < opened(file).read("located").num_rows
    with pytest.raises(MainstemError) as refused:
        opened(file).read("located", at="2")
    assert refused.value.code == "read.no_version"


def test_orders_releases_and_closed_incarnations_do_not_pile_up(tmp_path: Path) -> None:
    file = started(tmp_path)
    opened(file).run()
    for number in range(6):
        edit(file, f"value < 9{'0' * number}", f"value < 9{'0' * (number + 1)}")
        opened(file).replay()
        (tmp_path / f"inbox/{number}").write_text(readings(20 + number * 20, 40 + number * 20) + '{"sensor": 1}\n' * (number + 1))
        opened(file).run()
    for number in range(3):
        edit(file, f"size: {number + 1}m", f"size: {number + 2}m")
        opened(file).run(accept="reset")
    handled = opened(file).quarantine().num_rows
    size = opened(file).read("quarantine").num_rows
    opened(file).maintain()
    work = tmp_path / ".mainstem/default/kept"
    assert sum(len(list(folder.iterdir())) > 1 for folder in (work / "incarnations").iterdir()) <= 2
    assert len(list((work / "releases").iterdir())) <= 3
    assert opened(file).quarantine().num_rows == handled                # what was replayed stays replayed
    assert opened(file).read("quarantine").num_rows == size
    opened(file).run()
    assert opened(file).maintain(dry_run=True)["dry_run"]


def test_upkeep_beside_a_runner_is_refused_and_a_dead_reset_is_not_harmed(tmp_path: Path) -> None:
    file = started(tmp_path)
    (tmp_path / "inbox/b").write_text(readings(20, 90))
    opened(file).run()
    edit(file, "size: 1m", "size: 2m")
    for number in (3, 4, 5):
        with pytest.raises(Crash), crash_at("durable.link", number):
            opened(file).run(accept="reset")
        opened(file).maintain()
    opened(file).run(accept="reset")
    (tmp_path / "inbox/c").write_text(readings(90, 100))
    opened(file).run(flush=True)
    assert len(rows(file, "located")) == 90
    assert iso(0)
    assert isinstance(opened(file), Pipeline)
