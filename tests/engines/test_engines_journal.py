"""Journal, lease and durable files: exclusive, checked, and one runner at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mainstem import durable, signals
from mainstem.clock import HandClock
from mainstem.engines import journal
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


def test_the_lease_of_a_dead_process_is_void_and_that_of_another_host_runs_out(tmp_path: Path) -> None:
    clock = HandClock(1_000_000)
    Lease(tmp_path, clock).release()
    dead = {"host": os.uname().nodename, "boot": "other", "pid": 1, "started": "0", "until": 10**18}
    (tmp_path / "lease-000001.json").write_text(json.dumps(dead))
    Lease(tmp_path, clock).release()
    far = {"host": "elsewhere", "boot": "b", "pid": 1, "started": "0", "until": clock.now() + SECONDS * 1_000_000}
    (tmp_path / "lease-000009.json").write_text(json.dumps(far))
    with pytest.raises(ConcurrencyError):
        Lease(tmp_path, clock)
    clock.sleep(SECONDS + 1)
    Lease(tmp_path, clock).release()
