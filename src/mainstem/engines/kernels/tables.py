"""Tables that rows are looked up in: read whole, checked, and kept as one Arrow file per content, so that an epoch can pin it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mainstem import durable, plugs
from mainstem.engines.kernels import duck
from mainstem.errors import ConcurrencyError, DataError, RefusedError
from mainstem.plan.words import Table
from mainstem.quantities import parse_duration

if TYPE_CHECKING:
    from mainstem.engines.site import Site

FOLDER = "tables"
_ALL = plugs.Budget(2**62, 2**62)
_HARMLESS = ("empty", "duplicate", "renamed", "deleted")      # outcomes of files that leave a table whole
_LIMIT = 4 << 30                      # bytes of input; a table is held in memory by every task


def pin_all(site: Site, previous: Mapping[str, Mapping[str, Any]], now: int) -> dict[str, dict[str, Any]]:
    """What plan-N says of every table of the plan: {path, version, hash, ...}; read again only where its input changed.

    `previous` is the same of the epoch before, `now` the clock of the plan. Raises DataError for a table that is wrong.
    """
    pinned = {}
    for table in site.plan.tables:
        if table.latest is None:
            source, format_ = site.once(f"table-source/{table.name}", partial(_open, site, table))
            pinned[table.name] = pin(table, source, format_, Path(site.work) / FOLDER, previous.get(table.name), now)
    return pinned


def _open(site: Site, table: Table) -> tuple[plugs.Source, plugs.Format]:
    shape: type[plugs.Format] = plugs.find("formats", table.format)
    place: type[plugs.Source] = plugs.find("sources", table.source)
    format_ = shape(site.options(shape, table.format_options), table.columns, "ignore", "null")
    return place(site.options(place, table.options), format_, site.scope(table.name)), format_


def pin(table: Table, source: plugs.Source, format_: plugs.Format, folder: Path, previous: Mapping[str, Any] | None,
        now: int) -> dict[str, Any]:
    """The version of a table to use from now on: {path, version, hash, rows, at}.

    `refresh: pinned` keeps the first one; `every:` looks again when that long has passed; `on_change` always looks, and
    reads only if the files are others than before (their identity, not their content, is compared for that).
    """
    if previous is not None and not _due(table, previous, now):
        return dict(previous)
    ranges = _ranges(table, source)
    version = hashlib.sha256(json.dumps([asdict(one) for one in ranges], sort_keys=True, default=str).encode()).hexdigest()[:16]
    if previous is not None and previous["version"] == version:
        return {**previous, "at": now}
    rows = _read(table, source, format_, ranges)
    content = _bytes(rows)
    digest = hashlib.sha256(content).hexdigest()
    path = durable.folder(folder) / f"{table.name}-{digest[:16]}.arrow"
    with contextlib.suppress(ConcurrencyError):          # somebody else has just written the same content
        if not durable.touched(path):
            durable.publish(path, content)
    return {"path": str(path), "version": version, "hash": digest, "rows": rows.num_rows, "at": now}


def open_pinned(path: str) -> pa.Table:
    """The rows of a pinned version; RefusedError `table.lost` or `table.damaged` if they are not there any more."""
    try:
        with pa.memory_map(path) as file:
            return pa.ipc.open_file(file).read_all()
    except FileNotFoundError as error:
        raise RefusedError("table.lost", "the pinned version of a table is gone", where=path,
                           why="an epoch that was planned with it must be finished with it",
                           fix="put the file back, or `mainstem reset` the pipeline") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise RefusedError("table.damaged", "the pinned version of a table cannot be read", where=path, why=str(error),
                           fix="put the file back as it was, or `mainstem reset` the pipeline") from error


def _due(table: Table, previous: Mapping[str, Any], now: int) -> bool:
    if table.refresh == "pinned":
        return False
    if table.refresh.startswith("every:"):
        return now - int(previous["at"]) >= parse_duration(table.refresh.removeprefix("every:"))
    return True


def _ranges(table: Table, source: plugs.Source) -> list[plugs.Range]:
    """Everything that the source has now."""
    found: list[plugs.Range] = []
    progress: Mapping[str, Any] | None = None
    while True:
        discovery = source.discover(progress, _ALL)
        for note in discovery.notes:
            if note["outcome"] not in _HARMLESS:
                raise DataError("table.bad_file", f"a file of table `{table.name}` cannot be read: {note['outcome']}", where=note["file"],
                                why=note["detail"], fix="mend the file: a table without its rows would give wrong answers in silence")
        found += discovery.ranges
        if not discovery.ranges or discovery.ended:
            return found
        if discovery.progress == progress:
            raise DataError("table.endless", f"table `{table.name}` does not come to an end", where=table.name,
                            why=f"its source `{table.source}` offers the same rows again and again", fix="use a source that ends")
        progress = discovery.progress


@dataclass
class _Places:
    """Where each row of a table was read, told only when it is asked for."""

    source: plugs.Source
    starts: list[int] = field(default_factory=list)
    parts: list[tuple[plugs.Range, np.ndarray]] = field(default_factory=list)
    count: int = 0

    def add(self, range_: plugs.Range, positions: np.ndarray) -> None:
        self.starts.append(self.count)
        self.parts.append((range_, positions))
        self.count += len(positions)

    def of(self, row: int) -> str:
        part = int(np.searchsorted(self.starts, row, "right")) - 1
        range_, positions = self.parts[part]
        return self.tell(range_, int(positions[row - self.starts[part]]))

    def tell(self, range_: plugs.Range, position: int) -> str:
        return self.source.place({"partition": range_.partition, "position": position, "ref": range_.ref})


def _read(table: Table, source: plugs.Source, format_: plugs.Format, ranges: list[plugs.Range]) -> pa.Table:
    schema = pa.schema([(column.name, column.type.arrow) for column in table.columns])
    places, parts, size = _Places(source), [schema.empty_table()], 0
    for range_ in ranges:
        for chunk in source.read(range_):
            decoded = format_.decode(chunk, duck.query)
            if decoded.rejects.num_rows:
                raise _rejected(table, decoded, places, range_)
            parts.append(decoded.rows.select(schema.names).cast(schema))
            places.add(range_, decoded.position[decoded.record])
            size += decoded.rows.nbytes
            if size > _LIMIT:
                raise DataError("table.too_large", f"table `{table.name}` is larger than {_LIMIT >> 30} GiB", where=table.name,
                                why="every task holds it in memory", fix="make it a source and join in bounded input")
    rows = pa.concat_tables(parts).combine_chunks()
    _check_key(table, rows, places)
    return rows


def _rejected(table: Table, decoded: plugs.Decoded, places: _Places, range_: plugs.Range) -> DataError:
    reject = decoded.rejects.slice(0, 1).to_pylist()[0]
    record = reject["record"]
    raw = bytes(decoded.raw[record].as_py() or b"")[:200].decode("utf-8", "replace")
    more = f" (and {decoded.rejects.num_rows - 1} more)" if decoded.rejects.num_rows > 1 else ""
    return DataError("table.bad_row", f"table `{table.name}` has a row that cannot be read{more}: {raw!r}",
                     where=places.tell(range_, int(decoded.position[record])),
                     why=": ".join(str(reject[part]) for part in ("reason", "column", "detail") if reject[part]),
                     fix="mend the row: a table with rows missing would give wrong answers in silence")


def _check_key(table: Table, rows: pa.Table, places: _Places) -> None:
    """No two rows with the same key; a row with a NULL in its key matches nothing and may repeat."""
    if not table.key:
        return
    keys = ", ".join(duck.quote(name) for name in table.key)
    present = " AND ".join(f"{duck.quote(name)} IS NOT NULL" for name in table.key)
    numbered = rows.select(list(table.key)).append_column("_row", pa.array(np.arange(rows.num_rows)))
    twice = duck.query(f'SELECT {keys}, min(_row) AS a, min(_row, 2)[2] AS b, count(*) OVER () AS n FROM "rows" WHERE {present} '
                       f"GROUP BY {keys} HAVING count(*) > 1 ORDER BY b LIMIT 1", rows=numbered).to_pylist()
    if twice:
        key = ", ".join(f"{name} = {twice[0][name]!r}" for name in table.key)
        more = f" ({twice[0]['n']} keys come more than once)" if twice[0]["n"] > 1 else ""
        raise DataError("table.duplicate_key", f"table `{table.name}` has two rows with {key}{more}",
                        where=f"{places.of(twice[0]['a'])} and {places.of(twice[0]['b'])}",
                        why="a lookup finds one row for each key, so the key must be unique",
                        fix="remove one of the rows, add a column to `key:`, or leave `key:` out and say `many: true` there")


def _bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]
