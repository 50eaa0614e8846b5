"""In every Python process of a test's executors (Python imports a module of this name when it starts): faults where a test ordered them.

An order is an empty file `<signal>~<stage>~<fault>~<number>` in the folder `$MAINSTEM_FAULTS`; whoever takes it away carries it out, once.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

FOLDER = os.environ.get("MAINSTEM_FAULTS", "")


def hear(name: str, facts: dict[str, Any]) -> None:
    """Carry out what is ordered for this signal of this stage."""
    for order in Path(FOLDER).glob(f"{name}~{facts.get('stage', '')}~*"):
        try:
            order.unlink()
        except FileNotFoundError:
            continue                                 # somebody else was quicker
        FAULTS[order.name.split("~")[2]]()


def wait(seconds: float) -> None:
    """Do nothing for so long."""
    from mainstem.clock import SystemClock

    SystemClock().sleep(seconds)


def parents() -> list[int]:
    """The processes above this one that are a Java virtual machine, the nearest first."""
    found, pid = [], os.getppid()
    while pid > 1:
        about = Path(f"/proc/{pid}/stat").read_text()
        if about.split("(", 1)[1].startswith("java"):
            found.append(pid)
        pid = int(about.rsplit(")", 1)[1].split()[1])
    return found


def kill_executor() -> None:
    """kill -9 the executor that this task runs in."""
    os.kill(parents()[0], signal.SIGKILL)
    wait(30)                                         # what it has made may not go on


def kill_host() -> None:
    """kill -9 the cluster's worker and every executor of it: a host is gone."""
    os.killpg(os.getpgid(parents()[0]), signal.SIGKILL)
    wait(30)


def kill_task() -> None:
    """kill -9 the Python process of this task."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_driver() -> None:
    """kill -9 the Python of a local driver, which started the Java that this task belongs to."""
    java = parents()[0]
    os.kill(int(Path(f"/proc/{java}/stat").read_text().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    wait(30)


def fail() -> None:
    """An exception that nobody expects."""
    raise RuntimeError("planted by a test")


def sleep() -> None:
    """Slow enough to be taken for a straggler, and to live on after another attempt has won."""
    wait(8)


FAULTS = {"kill_executor": kill_executor, "kill_host": kill_host, "kill_task": kill_task, "kill_driver": kill_driver,
          "fail": fail, "sleep": sleep}

if FOLDER:
    from mainstem import signals

    _ever = signals.listening(hear)
    _ever.__enter__()
