"""The threads of the embedded engine: they take the most urgent call that waits."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Some = TypeVar("Some")


class Pool:
    """A fixed number of threads. The calls of an older epoch go before those that read ahead for the next."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="task")
        self._waiting: queue.PriorityQueue[tuple[int, int, Future[Any], Callable[[], Any]]] = queue.PriorityQueue()
        self._numbers = itertools.count()

    def submit(self, epoch: int, call: Callable[[], Some]) -> Future[Some]:
        """Have `call` carried out for this epoch; its result or what it raised is in the future."""
        future: Future[Some] = Future()
        self._waiting.put((epoch, next(self._numbers), future, call))
        self._threads.submit(self._take)
        return future

    def close(self) -> None:
        """Let the threads go once they are idle; what waits is not begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _take(self) -> None:
        _, _, future, call = self._waiting.get_nowait()
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 (whoever waits for it gets it)
            future.set_exception(error)
        else:
            future.set_result(result)
