"""What the crash tests share: a small dirty pipeline, the shapes of a run, and ways to fail it from inside and from outside."""

from __future__ import annotations

import json
import multiprocessing
import os
import pkgutil
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mainstem
from mainstem import signals
from mainstem.clock import SystemClock
from mainstem.engines import journal
from mainstem.errors import MainstemError
from mainstem.project import run as runner
from mainstem.project.place import Opened, locate
from mainstem.testing.crash import Crash, crash_at, forget, kill_at

PIPELINE = """\
version: 1
pipeline: crashing
sources:
  readings:
    files: {path: "inbox/*.jsonl"}
    format: json
    columns:
      sensor_id: string!
      observed_at: timestamp!
      temperature: double!
      seq: int64!
    time: {column: observed_at, lateness: 5s}
steps:
  checked:
    from: readings
    check:
      - {name: possible, that: temperature BETWEEN -40 AND 60}
  fresh:
    from: checked
    dedupe: {by: [sensor_id, seq], within: 20s}
%(python)s
  spans:
    from: %(before)s
    window: {size: 10s, by: [sensor_id], late: quarantine}
    select: count(*) AS n, sum(seq) AS seqs, max(temperature) AS hottest%(lucks)s
outputs:
  spans: {from: spans, delta: {table: spans, mode: append}}
%(more)s
"""
OUTPUTS = ("", "  fresh: {from: %s, delta: {table: fresh, mode: append}}\n",
           "  newest: {from: %s, delta: {table: newest, mode: upsert, key: [sensor_id]}}\n",
           "  plain: {from: %s, files: {path: out/plain}, format: csv}\n")
PYTHON = """\
  noisy:
    from: fresh
    python: {call: "noise:add", rows: same, columns: {sensor_id: string, observed_at: timestamp, temperature: double, seq: int64,
             luck: int64}, deterministic: false}
"""
NOISE = """\
import random
import pyarrow as pa


def add(rows):
    return rows.append_column("luck", pa.array([random.randrange(10**12) for _ in range(rows.num_rows)], pa.int64()))
"""
FLAGS = {"epoch": {"rows": 30, "interval": "100ms"}, "tasks": 2}
SHAPES: dict[str, dict[str, Any]] = {
    "bounded": {},                        # published at the end, with windows still open
    "flushed": {"flush": True},           # the same, and a closing epoch lets everything go
    "each": {"each": True},               # every epoch published, to the end of the input
    "following": {"follow": True},        # the same, until somebody says stop
}
AT_ONCE = ("bounded", "flushed")          # a reader of these finds all or nothing


def make(folder: Path, outputs: int = 2, noisy: bool = False, rows: int = 60, seed: int = 3) -> Path:
    """A project folder with its pipeline and its dirty input; the pipeline file.

    `outputs`: 1 appends windows to a table; 2 appends rows, too; 3 also upserts them; 4 also writes them to plain files.
    """
    (folder / "inbox").mkdir(parents=True, exist_ok=True)
    last = "noisy" if noisy else "fresh"
    more = "".join(output % last for output in OUTPUTS[1:outputs])
    (folder / "pipeline.yaml").write_text(PIPELINE % {"python": PYTHON if noisy else "", "before": last, "more": more,
                                                      "lucks": ", sum(luck)::BIGINT AS lucks" if noisy else ""})
    (folder / "noise.py").write_text(NOISE)
    text = list(readings(0, rows, seed))
    (folder / "inbox" / "a.jsonl").write_text("".join(text[: len(text) * 2 // 3]))
    (folder / "inbox" / "b.jsonl").write_text("".join(text[len(text) * 2 // 3:]))
    return folder / "pipeline.yaml"


def readings(first: int, last: int, seed: int = 3) -> Iterator[str]:
    """Lines of about one a second; every so many is cut, impossible, too late for its window, too late for anything, or twice there."""
    rng = random.Random(seed * 1_000_003 + first)
    for number in range(first, last):
        moment = 3600 + number + rng.randrange(3) - (300 if number % 29 == 28 else 17 if number % 13 == 12 else 0)
        line = json.dumps({"sensor_id": f"s{rng.randrange(4)}", "seq": number,
                           "temperature": 99.0 if number % 11 == 10 else round(rng.uniform(-5, 45), 2),
                           "observed_at": f"2026-01-01T{moment // 3600:02d}:{moment // 60 % 60:02d}:{moment % 60:02d}Z"})
        yield (line[:25] if number % 17 == 16 else line) + "\n"
        if number % 9 == 8:
            yield line + "\n"


def run(file: Path, shape: str = "bounded", **wishes: Any) -> runner.RunResult:
    """One run of small epochs."""
    opened = locate(file, None, FLAGS)
    return runner.run(opened, clock=Patient(opened) if shape == "following" else None, **SHAPES[shape], **wishes)


class Patient(SystemClock):
    """Waits in no time, and asks a run that follows its input to stop once all that was planned is finished and nothing comes."""

    def __init__(self, opened: Opened) -> None:
        self._opened, self._ahead, self._idle = opened, 0.0, 0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        super().sleep(0.001)
        self._ahead += seconds
        home = journal.incarnations(self._opened.work)[-1]
        planned, finished = (home.epochs(kind)[-1:] for kind in ("plan", "manifest"))
        done = bool(finished) and finished >= planned     # before the first epoch there is nothing to be done with
        self._idle = self._idle + 1 if done else 0
        if self._idle == 3:
            os.kill(os.getpid(), signal.SIGTERM)


# ------------------------------------------------------------------------------------------------ from inside


def crashed(point: str, times: int, what: Callable[..., Any], *arguments: Any) -> bool:
    """Do it with a Crash from inside at that point, and forget what only memory knew; whether it came so far."""
    try:
        with crash_at(point, times) as reached:
            what(*arguments)
    except Crash:
        assert reached.fired
        forget()
        return True
    assert not reached.fired, f"somebody swallowed the crash at {point} #{times}"
    return False


# ------------------------------------------------------------------------------------------------ from outside

_server = multiprocessing.get_context("forkserver")          # children begin with everything imported, and no thread of ours
_server.set_forkserver_preload(
    [found.name for found in pkgutil.walk_packages(mainstem.__path__, "mainstem.")
     if not found.name.startswith(("mainstem.cli", "mainstem.ledger.migrations", "mainstem.project.starter"))]
    + ["deltalake", "duckdb", "pyarrow.parquet", "pyarrow.dataset", "sqlalchemy.dialects.sqlite", "alembic.command", "numpy.ma"])


@dataclass(frozen=True)
class Ended:
    """How a child process ended: exit code (-9 for SIGKILL), the last signal that it said, the last point of the protocol, output."""

    code: int
    last: str
    point: str
    said: str

    @property
    def killed(self) -> bool:
        """Whether it was killed, and not ended by itself, well; anything else is a failure of the test."""
        assert self.code in (0, -signal.SIGKILL), f"exit {self.code}\n{self.said[-3000:]}"
        return self.code == -signal.SIGKILL


def child(folder: Path, what: Callable[..., Any], *arguments: Any, point: str = "", times: int = 1, limit: int | None = None,
          meanwhile: Callable[[Any], Any] = lambda _: None, facts: dict[str, Any] | None = None) -> Ended:
    """Do it in a process of its own, which kills itself with -9 when `point` is said for the `times`-th time.

    `limit`: no file may get more bytes, which is what a full disk looks like. `meanwhile` is given the process while it runs.
    """
    log = folder / "child.log"
    log.write_bytes(b" " * 64)
    process = _server.Process(target=_live, args=(log, folder, point, times, facts or {}, limit, what, arguments))
    process.start()
    meanwhile(process)
    process.join(100)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"it did not end: {log.read_text(errors='replace')[-3000:]}")
    said = log.read_text(errors="replace")
    return Ended(process.exitcode, said[:32].strip(), said[32:64].strip(), said[64:])


def _live(log: Path, folder: Path, point: str, times: int, facts: dict[str, Any], limit: int | None, what: Callable[..., Any],
          arguments: tuple[Any, ...]) -> None:
    """The life of a child: its output goes to the log, whose first 64 bytes are the last signal and the last point that it said."""
    os.chdir(folder)
    handle, last = os.open(log, os.O_WRONLY | os.O_APPEND), os.open(log, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    code = 0
    if limit is not None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with ExitStack() as open_:
        open_.enter_context(signals.listening(lambda name, _: said(last, name)))
        if point:
            open_.enter_context(kill_at(point, times, **facts))
        try:
            what(*arguments)
        except MainstemError as error:
            print(error, file=sys.stderr)
            code = error.exit_code
        except SystemExit as error:
            code = int(error.code or 0)
        except KeyboardInterrupt:                            # before the run listens to it
            code = 128 + signal.SIGINT
        except BaseException:                                # noqa: BLE001 (told to the test by its exit code)
            traceback.print_exc()
            code = 70
    sys.stderr.flush()
    os._exit(code)


def said(handle: int, name: str) -> None:
    """Put it on record so that a kill a moment later cannot take it back."""
    os.pwrite(handle, name.encode().ljust(32), 0)
    if name.startswith(("epoch.", "run.")):
        os.pwrite(handle, name.encode().ljust(32), 32)


def killed_after(file: Path, seconds: float, shape: str = "bounded") -> Ended:
    """Run in a process of its own and send it -9 that long after its beginning."""

    def kill(process: Any) -> None:
        SystemClock().sleep(seconds)
        process.kill()

    return child(file.parent, run, file, shape, meanwhile=kill)


def journal_of(file: Path) -> journal.Journal:
    """The journal of the newest incarnation."""
    return journal.incarnations(locate(file, None, FLAGS).work)[-1]


def afresh(file: Path) -> Path:
    """The same project at the same place, as if it had never run."""
    for name in (".mainstem", "lake", "out"):
        shutil.rmtree(file.parent / name, ignore_errors=True)
    return file
