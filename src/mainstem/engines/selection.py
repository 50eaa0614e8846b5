"""Rows on their way through one task: a table and which of its rows were left out, copied only for those who need it so."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa

from mainstem.engines.kernels.failing import without


class Selection:
    """All rows of `table` but those at the indexes `out`. A few bad rows among many are no reason to move the many."""

    def __init__(self, table: pa.Table, out: np.ndarray | None = None) -> None:
        self.table = table
        self.out = out if out is not None and len(out) else None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows) - (0 if self.out is None else len(self.out))

    @cached_property
    def rows(self) -> pa.Table:
        """Just these rows, in order."""
        return self.table if self.out is None else without(self.table, self.out)
