"""A place where a user's function runs: a child process of this thread, started when needed, kept, killed when it hangs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from typing import Any

import pyarrow as pa

from mainstem import signals
from mainstem.engines.kernels import child
from mainstem.errors import UserCodeError
from mainstem.quantities import format_duration

_local = threading.local()
_START = 60_000_000                   # microseconds to import the user's module
# The order of sets is the same in every run; Arrow takes memory as it needs it, so that the limit means what it says.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONUNBUFFERED": "1"}


class CallError(Exception):
    """One call failed: `kind` is raised, memory, hung, died or returned; `detail` says so for a person."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail

    @property
    def deadly(self) -> bool:
        """The process is gone, too."""
        return self.kind in ("hung", "died")


class Slot:
    """Calls one function in one child process."""

    def __init__(self, call: str, path: tuple[str, ...], memory: int) -> None:
        self.call, self.path, self.memory = call, path, memory
        self.deaths = 0
        self.proven = False                  # it gave the same rows alone and in company
        self._process: subprocess.Popen[bytes] | None = None
        self._said: deque[str] = deque(maxlen=20)
        self._listener: threading.Thread | None = None

    def __call__(self, rows: pa.Table, timeout: int) -> pa.Table:
        """The function's answer. Raises CallError if this call fails, UserCodeError if the function cannot be called at all."""
        if self._process is None:
            self._start()
        letter, content = self._exchange(b"T", child.table_bytes(rows), timeout)
        if letter == b"T":
            return child.read_table(content)
        wrong = json.loads(content)
        if wrong["kind"] == "memory":
            raise CallError("memory", f"it needs more memory than the {self.memory >> 20} MiB it may use")
        raise CallError(wrong["kind"], _last_lines(wrong["trace"]) or wrong["what"])

    def _start(self) -> None:
        self._said.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", child.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env={**os.environ, **_ENVIRONMENT})
        self._finalizer = weakref.finalize(self, _kill, self._process)
        self._listener = threading.Thread(target=_listen, args=(self._process, self.call, self._said), daemon=True)
        self._listener.start()
        order = {"call": self.call, "path": list(self.path), "memory": self.memory}
        try:
            letter, content = self._exchange(b"C", json.dumps(order).encode(), _START)
        except CallError as error:
            raise self._unusable("python.import", f"cannot import `{self.call.partition(':')[0]}`: {error.detail}") from error
        if letter == b"E":
            self.close()
            wrong = json.loads(content)
            module, _, name = self.call.partition(":")
            if wrong["kind"] == "not_found":
                raise self._unusable("python.not_found", f"`{module}` has no function `{name}`", fix=wrong["what"])
            raise self._unusable("python.import", f"cannot import `{module}`: {wrong['type']}: {wrong['what']}", wrong["trace"])

    def _unusable(self, code: str, what: str, trace: str = "", fix: str = "") -> UserCodeError:
        looked = f"looked in {', '.join(self.path) or 'no folder of yours'} and among the installed packages"
        return UserCodeError(code, what, where=f"call: {self.call}", why=f"{trace.strip()}\n{looked}".strip(),
                             fix=fix or "`call:` is module:function, the module beside the pipeline file or installed")

    def _exchange(self, letter: bytes, content: Any, timeout: int) -> tuple[bytes, bytes]:
        """One frame there, one back; CallError if the process hangs or dies over it."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(timeout / 1e6, give_up)
        timer.daemon = True
        timer.start()
        try:
            child.send(process.stdin, letter, content)           # type: ignore[arg-type]
            answer = child.receive(process.stdout)               # type: ignore[arg-type]
        except (EOFError, OSError) as error:
            status, said = self.close(), " | ".join(list(self._said)[-8:])
            self.deaths += 1
            if late.is_set():
                raise CallError("hung", f"it did not return within {format_duration(timeout)}") from error
            raise CallError("died", f"its process {_manner(status)}" + (f": {said}" if said else "")) from error
        finally:
            timer.cancel()
        return answer

    def close(self) -> int | None:
        """End the process, if there is one; its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            assert process.stdin is not None
            process.stdin.close()                # an idle child ends at this
            process.wait(1)
        _kill(process)
        if self._listener is not None:
            self._listener.join(2)
        self._finalizer.detach()
        return process.returncode


def slot(call: str, path: tuple[str, ...], memory: int) -> Slot:
    """This thread's slot for a function."""
    slots = getattr(_local, "slots", None)
    if slots is None:
        slots = _local.slots = {}
    key = (call, path, memory)
    if key not in slots:
        slots[key] = Slot(*key)
    return slots[key]  # type: ignore[no-any-return]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started (it leads a session of its own), and reap it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()


def _listen(process: subprocess.Popen[bytes], call: str, said: deque[str]) -> None:
    """What the function prints becomes lines of the log."""
    assert process.stderr is not None
    with process.stderr as pipe:
        for line in pipe:
            text = line.decode("utf-8", "replace").rstrip()
            said.append(text)
            signals.tell("log", level="info", message=f"{call}: {text}")


def _manner(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"


def _last_lines(trace: str) -> str:
    """The end of a traceback: where in the user's file, and what."""
    lines = [line.rstrip() for line in trace.splitlines() if line.strip() and set(line.strip()) - set("^~")]
    return "\n".join(lines[-5:])
