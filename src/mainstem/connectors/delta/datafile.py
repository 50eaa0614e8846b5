"""The data files of a Delta table: Parquet with honest statistics, the actions that add and remove them, reading them back."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem import durable
from mainstem.errors import Bug

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_STATS = 32                      # longer texts have no bounds: cut ones would have to be rounded


@dataclass(frozen=True)
class DataFile:
    """A data file of one version of a table. The file holds every column, those it is partitioned by included."""

    path: str                         # absolute
    rows: int
    bytes: int
    partition: Mapping[str, Any]
    time: int = 0                     # when it came into the table, milliseconds


def write(path: Path, rows: pa.Table, codec: str) -> tuple[int, str]:
    """One Parquet file, fsynced with its name; (bytes, sha256). Columns with NaN get no bounds: readers would prune wrongly."""
    bounded = [name for name in rows.column_names if _has_bounds(rows.column(name))]
    return write_stream(path, [rows], rows.schema, bounded, codec)


def write_stream(path: Path, parts: Iterable[pa.Table], schema: pa.Schema, bounded: Sequence[str], codec: str) -> tuple[int, str]:
    """The same from tables that come one after the other; `bounded`: columns that get bounds."""
    import pyarrow.parquet as pq

    def fill(file: Any) -> None:
        with pq.ParquetWriter(file, schema, compression=codec, write_statistics=list(bounded) or False,
                              store_schema=False) as writer:
            for part in parts:
                writer.write_table(part, row_group_size=1 << 20)

    size, sha256 = durable.write(path, fill)
    durable.sync_folder(path.parent)
    return size, sha256


def _has_bounds(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        return not pc.any(pc.is_nan(column), min_count=0).as_py()
    return not pa.types.is_nested(column.type) and not pa.types.is_binary(column.type)


def split(rows: pa.Table, by: Sequence[str]) -> Iterator[tuple[dict[str, str | None], pa.Table]]:
    """The rows of each partition with its values as the log writes them; the order within each is kept."""
    import numpy as np
    import pyarrow as pa

    codes, values = np.zeros(rows.num_rows, np.int64), []
    for name in by:
        encoded = rows.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        values.append(encoded.dictionary.to_pylist())
        codes = codes * len(values[-1]) + encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    seen, starts = np.unique(codes[order], return_index=True)
    for code, start, end in zip(seen.tolist(), starts.tolist(), [*starts.tolist()[1:], len(order)]):
        found: dict[str, str | None] = {}
        for name, choices in zip(reversed(by), reversed(values)):
            code, place = divmod(code, len(choices))
            found[name] = partition_text(choices[place])
        yield {name: found[name] for name in by}, rows.take(pa.array(order[start:end]))


def partition_text(value: Any) -> str | None:
    """A partition value as the Delta log writes it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def statistics(path: Path) -> dict[str, Any]:
    """numRecords, bounds and NULL counts of a file, from its own footer, as an add action wants them."""
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for index in range(footer.num_columns if footer.num_rows else 0):
        name = footer.schema.column(index).path
        found = [footer.row_group(group).column(index).statistics for group in range(footer.num_row_groups)]
        if "." in name or any(part is None or not part.has_null_count for part in found):
            continue
        nulls[name] = sum(part.null_count for part in found)
        if all(part.has_min_max for part in found):
            try:
                least, most = _bound(min(part.min for part in found)), _bound(max(part.max for part in found))
            except (ValueError, OverflowError, TypeError):        # a date that Python cannot hold
                continue
            if least is not None and most is not None:
                low[name], high[name] = least, most
    return {"numRecords": footer.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _bound(value: Any) -> Any:
    """A bound as Delta's statistics write it, None for kinds that get none."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.year >= 1000 else None
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return value if len(value) <= _TEXT_STATS else None
    return value if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else None


def rows_in(path: Path) -> int:
    """The number of rows of a file, from its own footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def rows_added(actions: Sequence[Any]) -> int:
    """The number of rows that add actions bring, as their statistics say, which are those of the files' footers."""
    return sum(int(json.loads(action.stats)["numRecords"]) for action in actions)


def conserved(what: str, where: Path, wanted: int, found: int) -> None:
    """Raises Bug `law.broken` where rows were lost or doubled on their way into a commit: before anybody sees it."""
    if wanted != found:
        raise Bug("law.broken", f"{what}: there should be {wanted} rows, there are {found}", where=str(where),
                  fix="nothing of this was committed; please report this with the pipeline file")


def add_action(root: Path, path: Path, partition: Mapping[str, str | None], time_ms: int, data_change: bool) -> Any:
    """The action that makes a file part of the table."""
    from deltalake.transaction import AddAction

    return AddAction(str(path.relative_to(root)), path.stat().st_size, dict(partition), time_ms, data_change,
                     json.dumps(statistics(path), allow_nan=False))


def remove_action(root: Path, file: DataFile, time_ms: int, data_change: bool) -> Any:
    """The action that takes a file out of the table."""
    from deltalake.transaction import RemoveAction

    return RemoveAction(str(Path(file.path).relative_to(root)), data_change, time_ms, file.bytes,
                        {name: partition_text(value) for name, value in file.partition.items()})


def read(files: Sequence[DataFile], wanted: pa.Schema) -> pa.Table:
    """All rows of these files in one table; a column that a file lacks is NULL, or its partition's value."""
    import pyarrow as pa

    parts = [part for file in files if (part := read_one(file, wanted)).num_rows]
    return pa.concat_tables(parts) if parts else wanted.empty_table()


def read_one(file: DataFile, wanted: pa.Schema) -> pa.Table:
    """The rows of one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.ParquetFile(file.path, coerce_int96_timestamp_unit="us")     # Spark writes INT96; nanoseconds do not reach all years
    there = set(found.schema_arrow.names)
    present = [name for name in wanted.names if name in there]
    rows = found.read(columns=present)
    arrays = []
    for field in wanted:
        if field.name in file.partition:
            value = pa.scalar(file.partition[field.name]).cast(field.type) if file.partition[field.name] is not None else None
            arrays.append(pa.repeat(value, file.rows) if value is not None else pa.nulls(file.rows, field.type))
        elif field.name in present:
            arrays.append(rows.column(field.name).cast(field.type))
        else:
            arrays.append(pa.nulls(file.rows, field.type))
    return pa.table(arrays, schema=wanted)
