"""Every word of `retention:` does what it says, in `maintain`, in its dry run, and in the upkeep of a run that goes on and on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telling import CLOCK, at, edit, ended, lines, opened, quiet_end, rows, script, settled, states, until, write

from mainstem import signals
from mainstem.clock import HandClock
from mainstem.engines import orders
from mainstem.project import upkeep
from mainstem.project.place import locate
from mainstem.project.run import run
from mainstem.spec.project import RetentionWritten
from mainstem.testing import Crash, crash_at

DAY = 86_400_000_000
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
  checked: {from: readings, check: [{that: value < 8}]}
  located: {from: checked, lookup: {table: places, on: [sensor], take: [house], unmatched: quarantine}}
  minutes:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: count(*) AS n
outputs:
  located: {from: located, delta: {table: located, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""
PLACES = "sensor,house\ns0,a\ns1,b\ns2,c\n"
SHORT = "{manifests: 5, history: 5, quarantine: 1, staged: 0s, versions: 0s}"
LONG = "{manifests: 1000000, history: 1000000, quarantine: 36500, staged: 36500d, versions: 36500d}"


def readings(first: int, last: int) -> str:
    return lines({"sensor": f"s{n % 3}", "at": at(n), "value": float(n % 10)} for n in range(first, last))


def started(folder: Path, retention: str = SHORT) -> Path:
    file = write(folder, PIPELINE, inbox___a=readings(0, 20), places__csv=PLACES)
    retain(file, retention)
    return file


def retain(file: Path, retention: str) -> None:
    (file.parent / "mainstem.yaml").write_text(f"tasks: 1\nretention: {retention}\n")


def work(file: Path) -> Path:
    return file.parent / ".mainstem/default/kept"


def maintain(file: Path, days: float = 0, dry_run: bool = False) -> dict[str, Any]:
    """Upkeep so many days from now."""
    return upkeep.maintain(locate(file, None, {}), dry_run, HandClock(CLOCK.now() + int(days * DAY)))


def follow(file: Path, epochs: int, clock: HandClock | None = None) -> None:
    """So many epochs of 20 readings more, each published."""
    done, begin = [0], len((file.parent / "inbox/a").read_text().splitlines())

    def more(name: str, _: object) -> None:
        if name == "run.progress":
            first = begin + 20 * done[0]
            done[0] += 1
            with (file.parent / "inbox/a").open("a") as inbox:
                inbox.write(readings(first, first + 20))

    with signals.listening(more):
        run(locate(file, None, {}), follow=True, clock=clock or HandClock(CLOCK.now()), max_epochs=epochs)


def files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file() and not path.name.startswith("ledger.db"))


# ------------------------------------------------------------------------------------------------ word by word


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that has a little of everything that piles up."""
    file = started(tmp_path_factory.mktemp("used"), LONG)
    follow(file, 40)
    for name in ("tables/places-0123456789abcdef.arrow", "incarnations/.manifest.tmp"):
        (work(file) / name).write_bytes(b"killed")
    with pytest.raises(Crash), crash_at("epoch.judged"):
        follow(file, 1)
    follow(file, 2)
    opened(file).discard(rule=None)
    return file


# word -> what a dry run counts because of it
COUNTED = {"manifests": ("journal_files",), "history": ("ledger_rows",), "quarantine": ("quarantine_rows",),
           "staged": ("leftovers", "pinned_tables", "output located"), "versions": ("output located",)}


def test_every_word_that_is_accepted_is_here() -> None:
    assert set(COUNTED) == set(RetentionWritten.model_fields)


@pytest.mark.parametrize("word", COUNTED)
def test_each_word_alone_decides_what_goes(word: str, used: Path) -> None:
    def counted() -> dict[str, int]:
        said = maintain(used, days=200, dry_run=True)
        assert said["dry_run"]
        return {key: said[key]["deleted_files"] if key.startswith("output") else said[key] for key in COUNTED[word]}

    before = files(used.parent)
    retain(used, LONG)
    assert not any(counted().values()), "nothing goes when everything is kept for ever"
    short = dict(part.split(": ") for part in SHORT[1:-1].split(", "))
    long = dict(part.split(": ") for part in LONG[1:-1].split(", "))
    if word == "versions":                               # nothing has left the table until it is compacted
        long["manifests"] = "2"
        maintain_once = upkeep.maintain(locate(used, None, {}), False, HandClock(CLOCK.now()))
        assert maintain_once["output located"]["compacted_files"] > 20
        before = files(used.parent)
    retain(used, "{" + ", ".join(f"{name}: {value}" for name, value in (long | {word: short[word]}).items()) + "}")
    assert all(counted().values()), counted()
    assert files(used.parent) == before, "a dry run takes nothing away"


# ------------------------------------------------------------------------------------------------- the quarantine


def test_rows_that_were_replayed_or_discarded_leave_the_quarantine_when_their_time_is_over(tmp_path: Path) -> None:
    file = started(tmp_path, "{quarantine: 30, versions: 0s, manifests: 2}")
    (tmp_path / "inbox/b").write_text(readings(20, 60))                    # values 8 and 9 are set aside: 12 of 60
    opened(file).run(flush=True)
    account = opened(file).show_run("last")["account"]
    edit(file, "value < 8", "value < 9")
    first = sorted(opened(file).quarantine().to_pylist(), key=lambda row: row["position"])       # of value 8, 9, 8, 9 ...
    assert len(first) == 12
    opened(file).replay([row["id"] for row in first[:6]])
    opened(file).discard([row["id"] for row in first[6:9]])
    before = states(file)
    assert before["replayed"] == 6
    assert before["discarded"] == 3
    stored = opened(file).read("quarantine").num_rows

    assert maintain(file, days=29)["quarantine_rows"] == 0
    assert states(file) == before
    assert maintain(file, days=32, dry_run=True)["quarantine_rows"] == 9
    assert states(file) == before
    assert maintain(file, days=32)["quarantine_rows"] == 9
    assert states(file) == {"open": before["open"]}
    assert opened(file).read("quarantine").num_rows == stored - 9
    assert settled(file)
    assert maintain(file, days=32)["quarantine_rows"] == 0
    assert orders.settled(work(file)).num_rows == 0, "once the rows are gone, what became of them is forgotten too"
    assert not list((work(file) / "orders").iterdir())
    maintain(file, days=33)
    gone = first[0]["id"].encode()
    assert not any(gone in path.read_bytes() for path in (tmp_path / "lake/kept_quarantine").rglob("*.parquet")), "nowhere on disk"
    run_one = next(found for found in opened(file).runs() if found["rows"] == 60)
    assert opened(file).show_run(run_one["run_id"])["account"] == account, "the first account is never rewritten"
    opened(file).run(flush=True)
    assert opened(file).replay()["replayed"] == before["open"]
    assert settled(file)


def test_what_is_open_stays_for_ever(tmp_path: Path) -> None:
    file = started(tmp_path, "{quarantine: 1, versions: 0s, staged: 0s, manifests: 2, history: 2}")
    opened(file).run(flush=True)
    maintain(file, days=5000)
    assert states(file) == {"open": 4}
    assert opened(file).quarantine_show(opened(file).quarantine().to_pylist()[0]["id"])["raw"]


# --------------------------------------------------------------------------------------------- beside a live run


FOLLOWER = "import sys; from mainstem import project; project.open(sys.argv[1], flags={'epoch': {'interval': '100ms'}}).run(follow=True)"


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    file = started(tmp_path, "{manifests: 3, history: 3, staged: 0s, versions: 0s}")
    process = script(file, FOLLOWER)
    try:
        until(lambda: (work(file) / "lease").is_dir() and len(rows(file, "located")) >= 16)
        yield file, process
    finally:
        quiet_end(process)


def test_maintain_beside_a_live_run_does_what_is_safe(follower: tuple[Path, Any]) -> None:
    file, process = follower
    young, old = (work(file) / "state/located-x" / name for name in ("young.arrow", "old.arrow"))
    young.parent.mkdir(parents=True)
    for path in (young, old):
        path.write_bytes(b"left by a killed attempt")
    os.utime(old, (CLOCK.now() / 1e6 - 2 * 86_400,) * 2)
    for number in range(1, 13):
        with (file.parent / "inbox/a").open("a") as inbox:
            inbox.write(readings(number * 20, number * 20 + 20))
        done = opened(file).maintain()
        assert "process" in done["beside"]
        until(lambda number=number: len(rows(file, "located")) == sum(n % 10 < 8 for n in range(number * 20 + 20)))
    assert young.exists(), "somebody may be about to list it"
    assert not old.exists()
    assert done["journal_files"] + done["ledger_rows"] > 0
    assert process.poll() is None
    process.terminate()
    code, _, err = ended(process)
    assert code == 0, err
    assert files(work(file) / "incarnations") < 30
    opened(file).run(flush=True)
    assert sum(row["n"] for row in rows(file, "minutes")) == len(rows(file, "located")) == 208
    assert "beside" not in opened(file).maintain()
    assert not young.exists()


# ------------------------------------------------------------------------------------------ a run's own upkeep


def test_a_run_that_goes_on_keeps_everything_of_its_own_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `maintain`: tables, pinned tables, orders, leftovers, ledger."""
    monkeypatch.setattr(upkeep, "_EVERY", 2)
    file = started(tmp_path)
    counts, clock = [], HandClock(CLOCK.now())
    for turn in range(4):
        (tmp_path / "places.csv").write_text(PLACES + f"s{turn + 3},d\n")
        follow(file, 24, clock)
        for number in range(4):
            opened(file).discard([opened(file).quarantine().to_pylist()[number]["id"]])
        (work(file) / "tables" / f".t{turn}.tmp").write_bytes(b"killed")
        clock.sleep(100 * 86_400)
        counts.append(files(tmp_path))
    assert max(counts[2:]) <= max(counts[:2]) * 1.15, counts
    assert len(list((work(file) / "tables").glob("*.arrow"))) <= 3
    assert len(list((work(file) / "orders").iterdir())) <= 3 * 4 + 2
    assert opened(file).sql("SELECT count(*) AS n FROM epochs").to_pylist()[0]["n"] < 60
    assert len(rows(file, "located")) == sum(n % 10 < 8 for n in range(96 * 20))
    assert states(file).get("discarded", 0) <= 8, "of long ago only what the last turns left"


def test_upkeep_that_fails_is_said_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_EVERY", 1)
    monkeypatch.setattr(upkeep.Chores, "leftovers", lambda _: 1 / 0)
    file, said = started(tmp_path), list[str]()
    with signals.listening(lambda name, facts: said.append(facts["message"]) if name == "log" else None):
        follow(file, 12)
    assert any("upkeep of leftovers is put off: division by zero" in message for message in said)
    assert len(rows(file, "located")) == sum(n % 10 < 8 for n in range(12 * 20))


def test_a_run_that_waits_for_input_still_keeps_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_IDLE", 1.0)
    file = started(tmp_path)
    opened(file).run()
    opened(file).discard()
    leftover = work(file) / "tables/.x.tmp"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"killed")

    class Waiting(HandClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if not leftover.exists() and len(list((work(file) / "orders").iterdir())) == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    run(locate(file, None, {}), follow=True, clock=Waiting(CLOCK.now()))
    assert states(file) == {"discarded": 4}
