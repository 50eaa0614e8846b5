"""A real standalone cluster on loopback: a master and workers, each in a process group of its own, and its driver."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pyspark

import mainstem
from mainstem.clock import SystemClock
from mainstem.errors import MainstemError

SOURCES = Path(mainstem.__file__).parents[1]
PLANTED = Path(__file__).with_name("planted")
_HOME = Path(pyspark.__file__).parent
_clock = SystemClock()
_QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


class Cluster:
    """Started with `with`; nothing of it is left behind. Its processes know nothing of this one's environment but the paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.master = ""
        self.workers = 0

    def __enter__(self) -> Cluster:
        try:
            said = self._daemon("master", "127.0.0.1", "master.Master", "--port", "0", until=r"Starting Spark master at (spark://\S+)")
            self.master = said[1]
            for _ in range(2):
                self.add()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in reversed(self._daemons):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)          # its executors are in its group
            daemon.wait()

    def add(self) -> None:
        """One more worker, under an address of its own: Spark gives no second attempt of a task to the host of the first."""
        self.workers += 1
        name, host = f"worker-{self.workers}", f"127.0.0.{self.workers}"
        self._daemon(name, host, "worker.Worker", "--cores", "2", "--memory", "2g", "--work-dir", str(self.folder / name), self.master,
                     until="Successfully registered with master")

    def lost(self) -> int:
        """How many of its processes are no more."""
        return sum(daemon.poll() is not None for daemon in self._daemons)

    def _daemon(self, name: str, host: str, what: str, *arguments: str, until: str) -> re.Match[str]:
        temporary = self.folder / "tmp" / name
        temporary.mkdir(parents=True)
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "JAVA_HOME", "LANG") if key in os.environ} | {
            "SPARK_HOME": str(_HOME), "SPARK_LOCAL_IP": host, "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": _QUICK,
            "SPARK_LOCAL_DIRS": str(temporary), "TMPDIR": str(temporary)}
        log = self.folder / f"{name}.log"
        command = [str(_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}", "--host", host, "--webui-port", "0", *arguments]
        with log.open("wb") as file:
            daemon = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True, cwd=temporary)
        self._daemons.append(daemon)
        deadline = _clock.monotonic() + 60
        while (found := re.search(until, log.read_text(errors="replace"))) is None:
            assert daemon.poll() is None, f"{name} did not start: {log.read_text(errors='replace')[-2000:]}"
            assert _clock.monotonic() < deadline, f"{name} is not there after a minute: {log.read_text(errors='replace')[-2000:]}"
            _clock.sleep(0.05)
        return found


class Driver:
    """A process with a session of its own, which does one thing after the other."""

    def __init__(self, master: str, faults: Path, conf: dict[str, str]) -> None:
        self.faults = faults
        settings = {
            "spark.cores.max": "2", "spark.executor.cores": "1", "spark.executor.memory": "512m", "spark.executor.extraJavaOptions": _QUICK,
            "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.extraJavaOptions": _QUICK,
            "spark.shuffle.io.retryWait": "100ms", "spark.shuffle.io.maxRetries": "1",       # who is gone here is gone at once
            "spark.executorEnv.PYTHONPATH": f"{PLANTED}{os.pathsep}{SOURCES}", "spark.executorEnv.MAINSTEM_FAULTS": str(faults)}
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, _begin, (master, settings | conf, sys.path))

    def __call__(self, what: Callable[..., Any], *arguments: Any, **wishes: Any) -> Any:
        """Do it in the driver; its answer, or the error of ours that it raised."""
        answer, error = self._pool.submit(_done, what, arguments, wishes).result(150)
        if error is not None:
            raise error
        return answer

    def order(self, point: str, stage: str, fault: str, times: int = 1) -> None:
        """Have a fault done at that signal of that stage, by the first tasks that come to it."""
        for number in range(times):
            (self.faults / f"{point}~{stage}~{fault}~{number}").touch()

    def done(self) -> bool:
        """Whether every order was carried out."""
        return not list(self.faults.iterdir())

    def forget(self) -> None:
        """Take back the orders that are left."""
        for order in self.faults.iterdir():
            order.unlink()

    def close(self) -> None:
        """End the session and its process."""
        self._pool.submit(_end).result(60)
        self._pool.shutdown()


@contextlib.contextmanager
def driver(master: str, folder: Path, **conf: str) -> Iterator[Driver]:
    """A driver with these settings of Spark, and a folder for the faults of its tasks."""
    folder.mkdir()
    one = Driver(master, folder, conf)
    try:
        yield one
    finally:
        one.close()


def _begin(master: str, conf: dict[str, str], path: list[str]) -> None:
    from mainstem.engines.spark.launch import start

    sys.path[:] = path
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    start(master, conf, "tests in a process of their own")


def _done(what: Callable[..., Any], arguments: tuple[Any, ...], wishes: dict[str, Any]) -> tuple[Any, MainstemError | None]:
    try:
        return what(*arguments, **wishes), None
    except MainstemError as error:
        return None, error
    except Exception:                                           # noqa: BLE001 (Spark's own cannot be sent to another process)
        raise RuntimeError(traceback.format_exc()) from None


def _end() -> None:
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    assert active is not None
    active.stop()
