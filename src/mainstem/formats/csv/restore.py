"""CSV that we wrote -> the rows it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mainstem.columns import Column, Type
from mainstem.formats.csv.write import textual
from mainstem.formats.restored import from_texts
from mainstem.plugs import Chunk, no_query

if TYPE_CHECKING:
    from mainstem.formats.csv.format import Csv, CsvOptions


def restore(plug: Csv, data: bytes) -> pa.Table:
    """The rows of a file. Raises ValueError or DataError if it is not what was written."""
    alone = len(plug.columns) == 1
    options = plug.options.model_copy(update={
        "header": plug.options.header is True, "skip": 0, "comment": None, "null": plug.options.null if alone else [],
        "max_record_bytes": 1 << 40})
    texts = tuple(Column(column.name, Type("string")) for column in plug.columns)
    reader = type(plug)(options, texts, "quarantine", "quarantine")
    facts = reader.open("", data)
    made = reader.decode(Chunk(memoryview(data)[facts["skip"]:], 0, facts=facts), no_query)
    if made.rejects.num_rows:
        raise ValueError(made.rejects.column("detail")[0].as_py())
    return pa.table({column.name: _values(made.rows.column(column.name), column.type.arrow, plug.options, alone)
                     for column in plug.columns})


def _values(texts: pa.ChunkedArray, kind: pa.DataType, options: CsvOptions, alone: bool) -> pa.ChunkedArray:
    if alone and not textual(kind):
        texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        texts = pc.replace_substring(texts, options.decimal, ".")
    return from_texts(texts, kind)
