"""JSON that we wrote -> the rows it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from mainstem.columns import DECLARABLE, Column, Type
from mainstem.formats.restored import from_json
from mainstem.plugs import Chunk, no_query

if TYPE_CHECKING:
    from mainstem.formats.json.format import Json


def restore(plug: Json, data: bytes) -> pa.Table:
    """The rows of a file. Raises ValueError or DataError if it is not what was written."""
    named = plug.options.nan == "string"
    usual = {column.name: (column.type.name in DECLARABLE or column.type.name == "decimal")
             and not (named and column.type.name in ("float", "double")) for column in plug.columns}
    columns = tuple(Column(column.name, column.type if usual[column.name] else Type("json"), coerce=True) for column in plug.columns)
    options = plug.options.model_copy(update={"max_depth": 500, "max_record_bytes": 1 << 40, "records": None})
    made = type(plug)(options, columns, "quarantine", "quarantine").decode(Chunk(data, 0), no_query)
    if made.rejects.num_rows:
        raise ValueError(made.rejects.column("detail")[0].as_py())
    cells = [made.rows.column(column.name) for column in plug.columns]
    return pa.table({column.name: cell if usual[column.name] else from_json(cell, column.type.arrow)
                     for column, cell in zip(plug.columns, cells)})
