"""Replay: rows of the quarantine enter again at Read, under the present release, in an ordinary epoch.

They go only down the legs where they were set aside, pass unjudged every dedupe that they had passed, neither move nor
hold the watermark, and are late where their window has closed (design section 5). One epoch carries out one order, so
that one set of legs and passed dedupes holds for all of its rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mainstem import plugs
from mainstem.engines import orders
from mainstem.engines.contract import EpochPlan
from mainstem.engines.kernels.duck import query
from mainstem.engines.law import REPLAY
from mainstem.engines.read import stamp
from mainstem.engines.site import Site
from mainstem.engines.tasks import Outcome, Task
from mainstem.errors import DataError, RefusedError
from mainstem.plan.words import Dedupe, Fold, Node, Plan, Read

_AT_ONCE = 1000  # records that are decoded together

@dataclass(frozen=True)
class Way:
    """Where replayed rows may go."""

    only: frozenset[str]  # nodes above and below the one where they left
    passed: frozenset[str]  # dedupes that they had passed


def way(plan: Plan, epoch: EpochPlan) -> Way | None:
    """The way of this epoch's replay, None if it has none."""
    if not epoch.orders:
        return None
    node = epoch.orders[0]["node"]
    above, below = _reach(plan, node, up=True), _reach(plan, node, up=False)
    passed = {name for name in above - {node} if _dedupes(plan, name)}
    return Way(frozenset(above | below), frozenset(passed))


def _dedupes(plan: Plan, name: str) -> bool:
    word = plan.node(name).word
    return isinstance(word, Fold) and isinstance(word.body, Dedupe)


def _reach(plan: Plan, name: str, *, up: bool) -> set[str]:
    found, open_ = set(), [name]
    while open_:
        here = open_.pop()
        if here not in found:
            found.add(here)
            open_ += plan.node(here).inputs if up else [reader.name for reader in plan.readers(here)]
    return found


def run_replay(plan: Plan, epoch: EpochPlan, site: Site, tables: Mapping[str, pa.Table]) -> list[Callable[[], Outcome]]:
    """The read task of an epoch's replay order."""
    found = way(plan, epoch)
    return [lambda: _read(plan, epoch, site, tables, found)] if found else []


def pinned(site: Site, source: str, progress: Mapping[str, Any] | None, rows: pa.Table) -> pa.Table:
    """The rows of an order with all that replaying them needs: `_data`, `_start`, `_facts`, `_path`, `_arrival`.

    Bytes come from the source where it still has exactly these, with what its file says of itself (a CSV header), else from
    the quarantine. Raises RefusedError `replay.gone` for a record that neither has. The clock is the one that judged the
    record when it came, so that a time that was in the future then is so again.
    """
    data, starts, facts, paths, arrivals = [], [], [], [], []
    judged = rows.column("clock").cast(pa.int64()).to_pylist()
    for row, clock in zip(rows.select(["id", "partition", "position", "raw", "raw_hash"]).to_pylist(), judged):
        chunk = fetched(site, source, progress, row)
        if chunk is None and row["raw"] is None:
            raise RefusedError(
                "replay.gone", f"the bytes of {row['id']} cannot be had any more", where=source,
                why="only its typed row was kept, and the source does not have the record as it was read",
                fix="put the file back as it was, or discard the record")
        if chunk is None:
            chunk = plugs.Chunk(data=row["raw"], start=row["position"])
        data.append(bytes(chunk.data) if chunk.path is None else b"")
        starts.append(chunk.start)
        facts.append(json.dumps(dict(chunk.facts)))
        paths.append(chunk.path)
        arrivals.append(clock if chunk.clock is None else int(chunk.clock[0]))
    for name, values, kind in (("_data", data, pa.binary()), ("_start", starts, pa.int64()),
                               ("_facts", facts, pa.string()), ("_path", paths, pa.string()),
                               ("_arrival", arrivals, pa.int64())):
        rows = rows.append_column(name, pa.array(values, kind))
    return rows


def fetched(site: Site, source: str, progress: Mapping[str, Any] | None, row: Mapping[str, Any]) -> plugs.Chunk | None:
    """The record of a quarantine row read again; None if the source does not have it, or has other bytes there."""
    chunk: plugs.Chunk | None = site.source(source).fetch(progress, row["partition"], row["position"])
    if chunk is None or row["raw_hash"] is None:
        return chunk
    there = bytes_of(site, source, chunk, row["position"])
    return chunk if there is not None and hashlib.sha256(there).hexdigest() == row["raw_hash"] else None


def bytes_of(site: Site, source: str, chunk: plugs.Chunk, position: int) -> bytes | None:
    """The bytes of the record at a position of a chunk, without its line end."""
    word = site.plan.node(source).word
    assert isinstance(word, Read)
    try:
        decoded = site.format(source, word).decode(chunk, query)
    except DataError:
        return None
    found = np.flatnonzero(decoded.position == position)
    return decoded.raw[int(found[0])].as_py() if len(found) else None


def _read(plan: Plan, epoch: EpochPlan, site: Site, tables: Mapping[str, pa.Table], where: Way) -> Outcome:
    order = epoch.orders[0]
    node = plan.node(order["source"])
    assert node.origin is not None
    rows = orders.rows_of(site.work, order["id"]).select(["partition", "position", "_data", "_start", "_facts", "_path", "_arrival"])
    task = Task(site, epoch, node.name, 0, tables, (0, node.name, 0, 0), only=where.only)
    source, progress = site.source(node.name), epoch.progress.get(node.name)

    def place(partition: int, position: int) -> str:
        return source.place({"partition": partition, "position": position, "progress": progress})

    def alike(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return row["partition"], row["_facts"], row["_path"], row["_arrival"] is None

    for _, group in itertools.groupby(rows.to_pylist(), alike):
        for chunk, decoded, partition in _decoded(site, node, list(group)):
            task.made[f"replay:{node.name}"] += len(decoded.position)
            stamp(task, node, chunk, decoded, partition, None, place, origin=node.origin + REPLAY)
    return task.finish()


def _decoded(site: Site, node: Node, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[plugs.Chunk, plugs.Decoded, int]]:
    """Records decoded anew, many at once where that gives the same records, each with the position it always had."""
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        found = _together(site, node, part)
        yield from [found] if found else [_alone(site, node, row) for row in part]


def _together(site: Site, node: Node, rows: Sequence[Mapping[str, Any]]) -> tuple[plugs.Chunk, plugs.Decoded, int] | None:
    assert isinstance(node.word, Read)
    plain = [bytes(row["_data"]).rstrip(b"\r\n") for row in rows]
    if len(rows) == 1 or rows[0]["_path"] is not None or b"" in plain:
        return None
    clock = None if rows[0]["_arrival"] is None else np.array([row["_arrival"] for row in rows], np.int64)
    chunk = plugs.Chunk(b"\n".join(plain) + b"\n", 0, facts=json.loads(rows[0]["_facts"]), clock=clock)
    try:
        decoded = site.format(node.name, node.word).decode(chunk, query)
    except DataError:
        return None
    if [bytes(raw) for raw in decoded.raw.to_pylist()] != plain:
        return None
    position = np.array([row["position"] for row in rows], np.int64)
    return chunk, dataclasses.replace(decoded, position=position), rows[0]["partition"]


def _alone(site: Site, node: Node, row: Mapping[str, Any]) -> tuple[plugs.Chunk, plugs.Decoded, int]:
    """One record; one that its file does not have any more is set aside again."""
    assert isinstance(node.word, Read)
    position, partition = int(row["position"]), int(row["partition"])
    data = bytes(row["_data"])
    if row["_path"] is None and not data.endswith(b"\n"):
        data += b"\n"
    clock = None if row["_arrival"] is None else np.array([row["_arrival"]], np.int64)
    chunk = plugs.Chunk(data, int(row["_start"]), True, row["_path"], json.loads(row["_facts"]), clock)
    try:
        if row["_path"] is not None:
            chunk = dataclasses.replace(chunk, data=Path(row["_path"]).read_bytes() if _whole(site, node) else b"")
        decoded = site.format(node.name, node.word).decode(chunk, query)
        record = int(np.flatnonzero(decoded.position == position)[0])
    except (DataError, OSError, IndexError) as error:
        return chunk, _gone(node, position, str(error)), partition
    mine = pa.array(np.asarray(decoded.record) == record)
    rejects = decoded.rejects.filter(pc.equal(decoded.rejects.column("record"), record))
    zeros = pa.array(np.zeros(rejects.num_rows, np.int64))
    return chunk, plugs.Decoded(
        rows=decoded.rows.filter(mine),
        record=np.zeros(pc.sum(mine).as_py() or 0, np.int64),
        rejects=rejects.set_column(rejects.column_names.index("record"), "record", zeros),
        position=np.array([position], np.int64),
        raw=decoded.raw.slice(record, 1),
        unknown=decoded.unknown,
        absent=decoded.absent,
    ), partition


def _whole(site: Site, node: Node) -> bool:
    assert isinstance(node.word, Read)
    return bool(site.format(node.name, node.word).cut_by == "whole")


def _gone(node: Node, position: int, why: str) -> plugs.Decoded:
    schema = pa.schema([(column.name, column.type.arrow) for column in node.columns])
    rejects = pa.table({"record": pa.array([0], pa.int64()), "reason": ["gone"], "detail": [why], "column": pa.array([None], pa.string())})
    return plugs.Decoded(schema.empty_table(), np.empty(0, np.int64), rejects, np.array([position], np.int64),
                         pa.array([None], pa.binary()))
