"""Parquet: typed already, so what is declared is checked against what the file says; exact or set aside, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mainstem.columns import Columns
from mainstem.errors import DataError
from mainstem.plugs import Chunk, Decoded, Options, Query

if TYPE_CHECKING:
    import pyarrow as pa

_ROW = (1 << 40) - 1                  # a position is file number << 40 + row number


class ParquetOptions(Options):
    """How Parquet is written; reading needs no options."""

    compression: Literal["zstd", "snappy", "gzip", "none"] = Field("zstd", description="Writing: codec of the pages.")


class Parquet:
    """The format `parquet`. A chunk names the file; `facts` may say which rows: {"first": row, "count": rows}."""

    kind: ClassVar[str] = "parquet"
    Options: ClassVar[type[Options]] = ParquetOptions
    cut_by: ClassVar[str] = "rows"
    encodes: ClassVar[bool] = True

    def __init__(self, options: ParquetOptions, columns: Columns, unknown: str = "ignore", missing: str = "null") -> None:
        self.options = options
        self.columns = columns
        self.unknown = unknown
        self.missing = missing

    def open(self, path: str, head: bytes) -> Mapping[str, Any]:  # noqa: ARG002 (contract)
        """{"skip": 0, "rows": n, "groups": rows of each row group}. DataError where it is no Parquet file."""
        from mainstem.formats.parquet import read

        with read.opened(path) as file:
            meta = file.metadata
            groups = [meta.row_group(index).num_rows for index in range(meta.num_row_groups)]
        return {"skip": 0, "rows": sum(groups), "groups": groups}

    def cut(self, data: memoryview, facts: Mapping[str, Any], final: bool) -> int:  # noqa: ARG002 (contract)
        """Never cut by bytes."""
        return len(data) if final else 0

    def decode(self, chunk: Chunk, query: Query) -> Decoded:  # noqa: ARG002 (contract)
        """Rows and rejects of a range of rows. DataError where the file is damaged or a column has quite another type."""
        from mainstem.formats.parquet import read

        if chunk.path is None:
            raise DataError("format.parquet", "Parquet is read from a file, not from bytes", fix="use a source that has files")
        first = int(chunk.facts.get("first", chunk.start & _ROW))
        count = chunk.facts.get("count")
        return read.decode(self, chunk.path, chunk.start, first, None if count is None else int(count))

    def encode(self, rows: pa.Table) -> bytes:
        """The rows as one file."""
        import io

        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(rows, out, compression=self.options.compression)
        return out.getvalue()

    def restore(self, data: bytes) -> pa.Table:
        """The rows of a file that `encode` wrote."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = pa.schema([(column.name, column.type.arrow) for column in self.columns])
        return pq.read_table(pa.BufferReader(data)).select(wanted.names).cast(wanted)

    def counted(self, content: bytes) -> int:
        """Rows of a file that `encode` made, by its footer."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return int(pq.read_metadata(pa.BufferReader(content)).num_rows)
