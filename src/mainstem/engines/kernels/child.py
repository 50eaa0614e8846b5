"""The process that runs a user's function: `python -P -m mainstem.engines.kernels.child`, spoken to over pipes.

One frame is a letter, a length (8 bytes, big-endian) and so many bytes. The parent sends `C` (what to call, as JSON) once,
then `T` (a table as an Arrow stream) for each call; the answer is `T` (a table, with SAID in its metadata), `K` (all right) or
`E` (what went wrong, as JSON). What the function prints goes to stderr, which the parent reads as a log; it never meets the
frames. The process ends with its standard input.
"""

from __future__ import annotations

import contextlib
import difflib
import faulthandler
import importlib
import inspect
import json
import os
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

HEAD = struct.Struct(">cQ")
AT = "_at"
SAID = b"mainstem.said"               # metadata of an answer: rows returned and rows left out, counted where they were made


def send(pipe: BinaryIO, letter: bytes, content: Any) -> None:
    """Write one frame. `content` is anything with a buffer."""
    view = memoryview(content)
    pipe.write(HEAD.pack(letter, view.nbytes))
    pipe.write(view)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[bytes, bytes]:
    """Read one frame; EOFError where the other side is gone."""
    letter, size = HEAD.unpack(_exactly(pipe, HEAD.size))
    return letter, _exactly(pipe, size)


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError
    return content


def table_bytes(table: Any) -> Any:
    """A table as an Arrow stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def read_table(content: bytes) -> Any:
    """The table that `table_bytes` wrote."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(content)).read_all()


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for the frames away from file descriptors 0 and 1, so that user code cannot reach them by accident."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


def _die_with_parent() -> None:
    """Linux: be killed when the thread that started this process ends, also while user code runs."""
    if sys.platform == "linux":
        import ctypes
        import signal

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)       # PR_SET_PDEATHSIG


def _limit_memory(bytes_: int) -> None:
    """The function may have this much on top of what Python and Arrow have mapped already (Linux)."""
    with contextlib.suppress(OSError, ValueError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + bytes_, mapped + bytes_))


class NotFoundError(Exception):
    """The module is there, the function is not."""


def _load(order: dict[str, Any]) -> Callable[[Any], Any]:
    """The user's function. Raises whatever its module raises, and NotFoundError if there is no such function in it."""
    path, _, name = order["call"].partition(":")
    sys.path[:0] = [folder for folder in order["path"] if folder not in sys.path]
    module = importlib.import_module(path)
    function = getattr(module, name, None)
    if not callable(function):
        functions = sorted(key for key, value in vars(module).items() if inspect.isfunction(value))
        close = difflib.get_close_matches(name, functions, 1)
        raise NotFoundError(f"did you mean `{close[0]}`?" if close else f"it has {', '.join(functions) or 'none'}")
    return function  # type: ignore[no-any-return]


def _wrong(kind: str, error: BaseException) -> bytes:
    """What went wrong, with the part of the traceback that is the user's."""
    frames = error.__traceback__
    while frames is not None and any(ours in frames.tb_frame.f_code.co_filename for ours in (__file__, "importlib")):
        frames = frames.tb_next
    trace = "".join(traceback.format_exception(type(error), error, frames, limit=-20))
    return _told(kind, error, str(error), trace)


def _told(kind: str, thing: Any, what: str, trace: str = "") -> bytes:
    return json.dumps({"kind": kind, "type": type(thing).__name__, "what": what[:2000], "trace": trace[-6000:]}).encode()


def _called(function: Callable[[Any], Any], content: bytes) -> tuple[bytes, Any]:
    """One call: the frame that answers it."""
    import pyarrow as pa

    given = read_table(content)
    try:
        made = function(given)
    except MemoryError as error:
        return b"E", _wrong("memory", error)
    except BaseException as error:  # noqa: BLE001 (sys.exit in a function is an error of that function, too)
        return b"E", _wrong("raised", error)
    try:
        table = made if isinstance(made, pa.Table) else pa.table(made)
    except (TypeError, ValueError, pa.ArrowException):
        return b"E", _told("returned", made, f"it returned a {type(made).__name__}, not a pyarrow.Table")
    said = json.dumps({"returned": table.num_rows, "left_out": _left_out(given, table)}).encode()
    return b"T", table_bytes(table.replace_schema_metadata({SAID: said}))


def _left_out(given: Any, made: Any) -> int:
    """How many of the rows that the function got it did not return; 0 where rows do not say which they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if AT not in given.column_names or AT not in made.column_names:
        return 0
    try:
        left = pc.invert(pc.is_in(given.column(AT), made.column(AT).cast(pa.int64())))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):    # the parent says what is wrong with it
        return 0
    return int(pc.sum(left, min_count=0).as_py())


def main() -> None:
    """Answer frames until the parent closes the pipe."""
    _die_with_parent()
    incoming, outgoing = _own_pipes()
    faulthandler.enable()
    import pyarrow as pa

    pa.set_cpu_count(1)                  # the machine is shared with the other tasks
    function: Callable[[Any], Any] | None = None
    while True:
        try:
            letter, content = receive(incoming)
        except EOFError:
            return
        if letter == b"C":
            order = json.loads(content)
            try:
                function = _load(order)
            except NotFoundError as error:
                send(outgoing, b"E", _told("not_found", error, str(error)))
                continue
            except BaseException as error:  # noqa: BLE001 (whatever a module does when it is imported)
                send(outgoing, b"E", _wrong("import", error))
                continue
            _limit_memory(order["memory"])
            send(outgoing, b"K", b"")
        else:
            assert function is not None
            send(outgoing, *_called(function, content))
            del content


if __name__ == "__main__":
    main()
