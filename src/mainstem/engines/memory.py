"""One setting of memory, shared out: what an epoch reads, what DuckDB may use, and the state that stays in memory."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

from mainstem.engines import staging
from mainstem.engines.kernels import duck
from mainstem.errors import RefusedError
from mainstem.quantities import format_size

_of_task = 0       # bytes

_LEAST = 32 << 20  # a connection of DuckDB that has less cannot sort anything


def epoch_bytes(memory: int) -> int:
    """Bytes of input that one epoch takes at most: decoded, computed and staged they need about six times as much."""
    return memory // 16


def share(memory: int, tasks: int, spill: str = "") -> None:
    """Set the limits of this process, which runs `tasks` tasks at a time. 0 bytes: no limits of our own.

    `spill`: the folder for what a query cannot hold in memory; the system's temporary folder if empty.
    """
    global _of_task
    _keep_freed()
    _of_task = memory // tasks
    if memory:
        duck.configure(1, max(memory // (2 * tasks), _LEAST), spill)
        staging.keep_at_most(memory // 8)


@contextlib.contextmanager
def sufficient(node: str) -> Iterator[None]:
    """A clear end for the task of a node where it needs more memory than it may use: RefusedError `engine.memory`."""
    try:
        yield
    except duck.memory_errors() as error:
        said = str(error).strip().splitlines() or ["no more memory"]
        raise lacking(node, said[0]) from error


def lacking(node: str, said: str) -> RefusedError:
    """The error for a task that needs more memory than there is; `said`: by whoever gave none."""
    part = f"; of `memory:` each task that runs at the same time has {format_size(_of_task)}" if _of_task else ""
    return RefusedError("engine.memory", "a task needs more memory than it may use", where=node, why=f"{said}{part}",
                        fix="say more `memory:` in mainstem.yaml, or give a task less to do: a smaller `epoch:`, more tasks; "
                            "nothing of the epoch was published, start again to go on")


def _keep_freed() -> None:
    """What an epoch frees stays with the process for the next one: page by page from the system it would come back slowly (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        trim, by_mapping = -1, -3                     # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        mallopt(trim, 1 << 30)
        mallopt(by_mapping, 32 << 20)                 # the most that glibc takes
