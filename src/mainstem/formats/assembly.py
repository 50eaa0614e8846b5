"""Putting a `Decoded` together: rows of the vectorised path, rows read one by one, and rejects, in the order of the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mainstem.columns import Columns
from mainstem.formats.wrong import Wrong
from mainstem.plugs import Decoded

REJECTS = pa.schema([("record", pa.int64()), ("reason", pa.string()), ("detail", pa.string()), ("column", pa.string())])
EXTRA = "_extra"


def schema(columns: Columns, unknown: str) -> pa.Schema:
    """The declared columns, and `_extra` where undeclared members are kept."""
    fields = [pa.field(column.name, column.type.arrow) for column in columns]
    return pa.schema([*fields, pa.field(EXTRA, pa.string())] if unknown == "keep" else fields)


class OneByOne:
    """Collects what became of the records that were read singly."""

    def __init__(self, columns: pa.Schema) -> None:
        self.schema = columns
        self._records: list[int] = []
        self._rows: list[Sequence[Any]] = []
        self._rejects: list[tuple[int, str, str, str | None]] = []

    def good(self, record: int, row: Sequence[Any]) -> None:
        """This record is a row with these values, in the order of the schema."""
        self._records.append(record)
        self._rows.append(row)

    def bad(self, record: int, wrong: Wrong) -> None:
        """This record is set aside."""
        self._rejects.append((record, wrong.reason, wrong.detail, wrong.column))

    def replace(self, record: int, change: Callable[[Wrong], Wrong]) -> None:
        """Change what is said about a record, if it is set aside."""
        for place, (index, reason, detail, column) in enumerate(self._rejects):
            if index == record:
                wrong = change(Wrong(reason, detail, column))
                self._rejects[place] = (record, wrong.reason, wrong.detail, wrong.column)

    @property
    def records(self) -> np.ndarray:
        return np.array(self._records, np.int64)

    def rows(self) -> pa.Table:
        if not self._rows:
            return self.schema.empty_table()
        cells = zip(*self._rows) if self.schema.names else ()
        return pa.Table.from_arrays([pa.array(list(c), f.type) for c, f in zip(cells, self.schema)], schema=self.schema)

    def rejects(self) -> pa.Table:
        cells = list(zip(*sorted(self._rejects, key=lambda reject: reject[0]))) or [()] * len(REJECTS)
        return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(cells, REJECTS)], schema=REJECTS)


def assemble(fast: Iterable[tuple[pa.Table, np.ndarray]], single: OneByOne, position: np.ndarray, raw: pa.Array,
             unknown: Mapping[str, int], absent: Mapping[str, int]) -> Decoded:
    """Merge the parts by record index. `fast`: tables with the record index of each row; none overlaps another."""
    parts = [part for part in (*fast, (single.rows(), single.records)) if len(part[1])]
    rows = pa.concat_tables([table for table, _ in parts]) if parts else single.schema.empty_table()
    record = np.concatenate([index for _, index in parts]) if parts else np.empty(0, np.int64)
    if len(record) > 1 and (np.diff(record) < 0).any():
        order = np.argsort(record, kind="stable")
        rows, record = rows.combine_chunks().take(pa.array(order)), record[order]
    return Decoded(rows=rows, record=record, rejects=single.rejects(), position=position, raw=raw, unknown=unknown, absent=absent)
