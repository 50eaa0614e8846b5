"""One runner per pipeline: a lease of 15 s that names its holder and is renewed while the runner lives.

A takeover creates the next numbered lease file exclusively, so two contenders cannot both win; the old holder finds a
higher number and stops. The lease of a process that is dead for sure is void at once: that can be told only of one whose
number means the same process to us (same host, same boot, same namespace of processes; two containers on one volume have
numbers of their own). Any other lease runs out. The journal's exclusive files are the fence behind it: even a holder that
slept through all this cannot publish an epoch twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mainstem import durable
from mainstem.clock import Clock, iso
from mainstem.errors import ConcurrencyError

SECONDS = 15
_NAME = re.compile(r"^lease-(\d{6})\.json$")


def _here() -> dict[str, str]:
    """Where the number of a process means one process. Empty texts where the system does not tell."""
    return {"host": socket.gethostname(), "boot": _told(lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip()),
            "processes": _told(lambda: os.readlink("/proc/self/ns/pid"))}


def _told(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (OSError, IndexError):
        return ""


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks: tells a living process from another with its old number."""
    return _told(lambda: Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])


def _gone(pid: int, started: str) -> bool:
    """Whether that process is no more; one that cannot be looked at may live."""
    now = _started(pid)
    if now and started:
        return now != started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Lease:
    """The right to run one pipeline; `check` before each step that others can see."""

    def __init__(self, folder: Path, clock: Clock, takeover: bool = False) -> None:
        self._folder, self._clock = folder, clock
        self._me: dict[str, Any] = _here() | {"pid": os.getpid(), "started": _started(os.getpid())}
        self._stop = threading.Event()
        number, holder = self._newest()
        if holder and not takeover and not self._void(number, holder):
            raise ConcurrencyError(
                "run.held",
                f"this pipeline is run by process {holder['pid']} on {holder['host']}",
                where=str(folder),
                why=f"its lease runs until {iso(holder['until'])}",
                fix="stop it, or wait, or take over with `--takeover` (the other one then stops by itself)",
            )
        self._number = number + 1
        self._lost = ""
        try:
            durable.publish(self._path(self._number), self._content())
        except ConcurrencyError:
            raise
        except BaseException:                 # it may have got its name all the same
            self._give_back()
            raise
        self.born = self._path(self._number).stat().st_mtime_ns // 1000     # us UTC by the folder's clock: what is older is not ours
        for older in range(max(1, number - 1), self._number):
            durable.discard(self._path(older))
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewer.start()

    def check(self) -> None:
        """Stop if somebody took over, or if the lease could not be renewed."""
        if not self._renewer.is_alive() and not self._lost:
            self._lost = "nobody renews it any more"
        if self._lost or self._newest()[0] != self._number:
            raise ConcurrencyError(
                "run.fenced",
                "another runner took this pipeline over",
                where=str(self._folder),
                why=self._lost,
                fix="see who runs it with `mainstem runs list`",
            )

    def release(self) -> None:
        """Give the right back. The file stays, void: its number is never used again."""
        self._stop.set()
        self._renewer.join()
        self._give_back()

    def _give_back(self) -> None:
        """Not every disk takes it, and it need not survive a power cut: the lease of a dead holder is void anyhow."""
        with contextlib.suppress(OSError):
            if self._newest()[0] == self._number:
                given_back = self._folder / f".{self._path(self._number).name}.void"
                try:
                    given_back.write_text(json.dumps(self._me | {"until": 0}))
                    given_back.replace(self._path(self._number))
                except OSError:
                    durable.discard(given_back)
                    os.truncate(self._path(self._number), 0)       # a full disk has room for this, and it says the same

    def _path(self, number: int) -> Path:
        return self._folder / f"lease-{number:06d}.json"

    def _content(self) -> bytes:
        return json.dumps(self._me | {"until": self._clock.now() + SECONDS * 1_000_000}).encode()

    def _newest(self) -> tuple[int, dict[str, Any]]:
        numbers = [int(match[1]) for entry in self._folder.iterdir() if (match := _NAME.match(entry.name))]
        if not numbers:
            return 0, {}
        try:
            return max(numbers), json.loads(self._path(max(numbers)).read_text())
        except (OSError, ValueError):
            return max(numbers), {}

    def _void(self, number: int, holder: dict[str, Any]) -> bool:
        """Whether nobody holds this lease any more."""
        now = self._clock.now()
        if holder["until"] < now:
            return True
        if all(holder.get(part) == self._me[part] for part in _here()):
            return _gone(holder["pid"], holder["started"])
        if holder["until"] <= now + SECONDS * 1_000_000:
            return False
        self._clock.sleep(SECONDS)            # no clock that agrees with ours wrote this: only watching tells if it is renewed
        return self._newest() == (number, holder)

    def _renew(self) -> None:
        while not self._stop.wait(SECONDS / 3):
            if self._newest()[0] != self._number:
                self._lost = "a newer lease is there"
                return
            try:
                durable.replace(self._path(self._number), self._content())
            except Exception as error:  # whatever it was: who cannot renew does not own  # noqa: BLE001
                self._lost = str(error)
                return
