"""The process that Spark forks its Python workers from: it imports first, and keeps what it has out of the garbage collector's way.

Spark collects garbage after every task; what was there before the fork need not be looked at (45 -> 10 ms a task).
"""

from __future__ import annotations

import gc

from pyspark.daemon import manager

from mainstem.engines.spark import worker  # noqa: F401 (imported before the fork, for all workers)

if __name__ == "__main__":
    gc.freeze()
    manager()
