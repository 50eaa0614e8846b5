"""Journal, lease and durable files: exclusive, checked, and one runner at a time."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mainstem import durable, signals
from mainstem.clock import HandClock
from mainstem.engines import journal, lease
from mainstem.engines.journal import Manifest, Prepared
from mainstem.engines.lease import SECONDS, Lease
from mainstem.errors import ConcurrencyError, RefusedError, TransientError


def begun(tmp_path: Path) -> journal.Journal:
    return journal.begin(tmp_path, 1_000_000, "first run")


def test_a_name_is_given_once(tmp_path: Path) -> None:
    durable.publish(tmp_path / "a", b"one")
    with pytest.raises(ConcurrencyError) as caught:
        durable.publish(tmp_path / "a", b"two")
    assert caught.value.code == "run.fenced"
    assert (tmp_path / "a").read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_crash_before_the_link_leaves_no_name(tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    def crash(name: str, facts: dict) -> None:
        if name == "durable.link":
            raise Crash

    with signals.listening(crash), pytest.raises(Crash):
        durable.publish(tmp_path / "a", b"one")
    assert not (tmp_path / "a").exists()
    durable.publish(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_a_read_only_folder_is_a_clear_error(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/mainstem-no-such")
    else:
        tmp_path.chmod(0o500)
        target = tmp_path / "a"
    with pytest.raises(TransientError) as caught:
        durable.write(target, lambda file: file.write(b"x"))
    assert caught.value.exit_code == 4
    assert caught.value.fix


@pytest.mark.parametrize(("give", "put"), [("link", durable.publish), ("replace", durable.replace)])
def test_a_name_that_cannot_be_given_is_a_clear_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give: str,
                                                                         put: Callable[[Path, bytes], None]) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(durable.os, give, refuse)
    with pytest.raises(TransientError) as met:
        put(tmp_path / "lease", b"content")
    assert met.value.code == "disk.full"
    assert list(tmp_path.iterdir()) == []


def test_a_record_comes_back_and_a_second_one_is_fenced(tmp_path: Path) -> None:
    home = begun(tmp_path)
    home.publish("prepared", 1, Prepared(epoch=1, incarnation=home.incarnation, release="r", carry={"a": {0: 7}}))
    assert home.prepared(1).carry == {"a": {0: 7}}
    with pytest.raises(ConcurrencyError):
        home.publish("prepared", 1, Prepared(epoch=1, incarnation=home.incarnation, release="other"))
    assert home.epochs("prepared") == [1]


@pytest.mark.parametrize("damage", ["cut", "zero", "flip"])
def test_a_damaged_record_is_a_clear_stop(tmp_path: Path, damage: str) -> None:
    home = begun(tmp_path)
    home.publish("prepared", 1, Prepared(epoch=1, incarnation=home.incarnation, release="r"))
    path = home.path("prepared", 1)
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "zero": b"", "flip": content.replace(b"r", b"s", 1)}[damage])
    with pytest.raises(RefusedError) as caught:
        home.prepared(1)
    assert caught.value.code == "state.damaged"
    assert str(path) in str(caught.value)


def test_a_closed_incarnation_is_not_current_and_its_next_number_is_taken(tmp_path: Path) -> None:
    home = begun(tmp_path)
    journal.close(home, "rebuild")
    assert journal.current(tmp_path) is None
    with pytest.raises(ConcurrencyError):
        home.publish("prepared", 1, Prepared(epoch=1, incarnation=home.incarnation, release="r"))


def test_an_incarnation_with_unfinished_epochs_cannot_be_closed(tmp_path: Path) -> None:
    home = begun(tmp_path)
    home.publish("prepared", 1, Prepared(epoch=1, incarnation=home.incarnation, release="r"))
    with pytest.raises(Exception, match="unfinished"):
        journal.close(home, "rebuild")
    home.publish("manifest", 1, Manifest(epoch=1, first=1, pipeline="p", environment="e", incarnation="i", release="r", clock=0))
    journal.close(home, "rebuild")
    assert home.closed() == "rebuild"


def test_a_second_runner_is_refused_and_may_take_over(tmp_path: Path) -> None:
    clock = HandClock(1_000_000)
    first = Lease(tmp_path, clock)
    with pytest.raises(ConcurrencyError) as caught:
        Lease(tmp_path, clock)
    assert caught.value.exit_code == 5
    assert str(os.getpid()) in caught.value.what
    second = Lease(tmp_path, clock, takeover=True)
    with pytest.raises(ConcurrencyError):
        first.check()
    second.check()
    first.release()
    second.check()
    second.release()
    Lease(tmp_path, clock).release()


def held_by(folder: Path, number: int, until: int, **other: object) -> None:
    """A lease of somebody who is like us but for this."""
    Lease(folder, HandClock(1_000_000)).release()
    mine = json.loads(max(folder.glob("lease-*.json")).read_text())
    (folder / f"lease-{number:06d}.json").write_text(json.dumps(mine | {"until": until} | other))


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def taken(folder: Path, clock: HandClock) -> int:
    """Whose the lease is after somebody takes it."""
    lease = Lease(folder, clock)
    pid = json.loads(max(folder.glob("lease-*.json")).read_text())["pid"]
    lease.release()
    return int(pid)


def test_the_lease_of_a_dead_process_is_void_at_once(tmp_path: Path) -> None:
    clock = HandClock(1_000_000)
    soon = clock.now() + SECONDS * 1_000_000
    held_by(tmp_path, 5, soon, pid=dead_process())
    assert taken(tmp_path, clock) == os.getpid()
    held_by(tmp_path, 9, soon, started="0" if Path("/proc/self/stat").exists() else "")     # our number was another's before
    if Path("/proc/self/stat").exists():
        assert taken(tmp_path, clock) == os.getpid()


@pytest.mark.parametrize("elsewhere", ["host", "boot", "processes"])
def test_a_holder_whose_process_we_cannot_see_is_waited_for(tmp_path: Path, elsewhere: str) -> None:
    """Another host, another boot, another container: its number is nobody's here, or somebody else's."""
    clock = HandClock(1_000_000)
    held_by(tmp_path, 5, clock.now() + SECONDS * 1_000_000, pid=dead_process(), **{elsewhere: "another"})
    with pytest.raises(ConcurrencyError) as caught:
        Lease(tmp_path, clock)
    assert caught.value.code == "run.held"
    clock.sleep(SECONDS + 1)
    Lease(tmp_path, clock).release()


def test_two_containers_on_one_volume_do_not_take_each_other_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same host name, same kernel, and to each the other's process number is nobody."""
    clock = HandClock(1_000_000)
    place = {"host": "runner", "boot": "b", "processes": "pid:[4026532001]"}
    monkeypatch.setattr(lease, "_here", lambda: dict(place))
    monkeypatch.setattr(lease.os, "getpid", lambda: 2**22 + 7)
    first = Lease(tmp_path, clock)
    monkeypatch.undo()
    place["processes"] = "pid:[4026532999]"
    monkeypatch.setattr(lease, "_here", lambda: dict(place))
    with pytest.raises(ConcurrencyError) as caught:
        Lease(tmp_path, clock)
    assert "runner" in caught.value.what
    first.check()
    first.release()
    Lease(tmp_path, clock).release()


def test_a_lease_from_a_clock_far_ahead_is_watched_and_taken_if_nobody_renews_it(tmp_path: Path) -> None:
    clock = HandClock(1_000_000)
    held_by(tmp_path, 5, 4 * 10**15, host="elsewhere")
    Lease(tmp_path, clock).release()
    assert clock.now() >= SECONDS * 1_000_000

    class Renewed(HandClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            held_by(tmp_path, 11, 4 * 10**15 + 1, host="elsewhere")

    held_by(tmp_path, 10, 4 * 10**15, host="elsewhere")
    with pytest.raises(ConcurrencyError):
        Lease(tmp_path, Renewed(1_000_000))


def test_a_process_that_may_not_be_looked_at_may_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_started", lambda _: "")
    assert not lease._gone(os.getpid(), "12")
    assert lease._gone(dead_process(), "12")
