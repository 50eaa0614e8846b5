"""One setting of memory: every connection and the kept state obey it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from mainstem.engines import memory, staging
from mainstem.engines.kernels import duck


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads, limit, kept = duck._threads, duck._memory, staging._cache.limit
    yield
    duck.configure(threads, limit)
    staging.keep_at_most(kept)


def _limit_of_a_new_task() -> str:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(
        str(duck.query("SELECT current_setting('memory_limit') AS m").column(0)[0])))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(("given", "tasks", "each"), [(1 << 30, 2, "256.0 MiB"), (1 << 30, 4, "128.0 MiB"), (64 << 20, 8, "32.0 MiB")])
def test_every_task_gets_its_share_for_queries(given: int, tasks: int, each: str) -> None:
    memory.share(given, tasks)
    assert _limit_of_a_new_task() == each


def test_no_limit_of_our_own_where_none_is_set() -> None:
    memory.share(256 << 20, 1)
    bound = _limit_of_a_new_task()
    memory.share(0, 1)
    assert _limit_of_a_new_task() == bound                     # an engine without a setting leaves the limits alone


def test_state_beyond_its_share_leaves_memory_and_the_least_used_goes_first() -> None:
    memory.share(80 << 20, 1)                                  # 10 MiB of state
    cache = staging.StateCache()
    cache.limit = staging._cache.limit
    rows = pa.table({"n": pa.array(range(500_000), pa.int64())})    # 4 MB
    for name in "abc":
        cache.put(name, rows)
    assert [cache.get(name) is not None for name in "abc"] == [False, True, True]
