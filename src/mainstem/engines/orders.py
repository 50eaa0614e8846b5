"""What people ask of a running pipeline: orders to replay or discard quarantined rows, as files that a plan takes up.

| file in orders/ | says |
| --- | --- |
| <id>.json, <id>.arrow | the order, and the quarantine rows that it is about, pinned |
| <id>.done | nothing is left to do: a replay's epoch has its manifest, or it is void (the file says why); a discard at once |
| settled-<uuid>.arrow | what became of the rows of finished orders, which upkeep gathers |

An order belongs to the incarnation that it was given under: in another one its rows are read again, or gone.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Container, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from mainstem import durable, signals
from mainstem.clock import uuid7

_TRIES = 3
_SETTLED = pa.schema([("id", pa.string()), ("incarnation", pa.string()), ("epoch", pa.int64()),
                      ("state", pa.string()), ("at", pa.int64())])


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One wish about rows that left at one node."""

    id: str
    kind: str  # replay | discard
    source: str  # the Read node that made the rows
    node: str  # where they left
    rows: int
    given: int  # when, microseconds UTC
    incarnation: str = ""  # under which it was given


Key = tuple[str, str, int]  # of a row of the quarantine: its id, and the incarnation and epoch that set it aside


# -------------------------------------------------------------------------------------------- giving, taking up


def give(work: Path, now: int, kind: str, source: str, node: str, rows: pa.Table, incarnation: str) -> Order:
    """Write an order durably; it counts from the moment that its .json is there."""
    order = Order(id=uuid7(now), kind=kind, source=source, node=node, rows=rows.num_rows, given=now, incarnation=incarnation)
    folder = durable.folder(work / "orders")
    durable.write(folder / f"{order.id}.arrow", lambda file: file.write(_bytes(rows)))
    if kind == "discard":
        durable.publish(folder / f"{order.id}.done", b"")
    durable.publish(folder / f"{order.id}.json", msgspec.json.encode(order))
    return order


def _bytes(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def _names(work: Path) -> dict[str, set[str]]:
    """The suffixes that exist for every order, by its id, the oldest first."""
    found: dict[str, set[str]] = {}
    for path in sorted((work / "orders").glob("[0-9a-f]*-*.*")):
        found.setdefault(path.stem, set()).add(path.suffix)
    return found


def _read(work: Path, name: str) -> Order:
    return msgspec.json.decode((work / "orders" / f"{name}.json").read_bytes(), type=Order)


def pending(work: Path, incarnation: str | None = None) -> list[Order]:
    """The replays that no finished epoch has carried out, the oldest first; of one incarnation, if one is named."""
    waiting = [_read(work, name) for name, parts in _names(work).items() if ".json" in parts and ".done" not in parts]
    return [order for order in waiting if incarnation is None or order.incarnation == incarnation]


def due(work: Path, incarnation: str, nodes: Container[str]) -> Order | None:
    """The next replay to carry out. One that has nowhere to go in this plan is void, and said to be."""
    for order in pending(work, incarnation):
        if order.source in nodes and order.node in nodes:
            return order
        _void(work, order, f"the pipeline has no `{order.node}` any more")
    return None


def void_others(work: Path, incarnation: str) -> None:
    """What was ordered before a reset or rebuild and not carried out is void, and said to be."""
    for order in pending(work):
        if order.incarnation != incarnation:
            _void(work, order, "it was given before a reset or rebuild of the pipeline")


def _void(work: Path, order: Order, why: str) -> None:
    signals.tell("log", level="warning", message=f"a replay of {order.rows} rows that left at {order.node} is void: {why}; "
                                                 "see `mainstem quarantine list`, and order it again if they are still there")
    durable.publish(work / "orders" / f"{order.id}.done", why.encode())


def rows_of(work: Path, order_id: str) -> pa.Table:
    """The quarantine rows that an order is about."""
    return pa.ipc.open_file(pa.memory_map(str(work / "orders" / f"{order_id}.arrow"))).read_all()


def done(work: Path, orders: Sequence[dict[str, Any]]) -> None:
    """Mark orders as carried out; doing it twice is fine."""
    for order in orders:
        path = work / "orders" / f"{order['id']}.done"
        if path.with_suffix(".json").exists() and not path.exists():
            durable.publish(path, b"")


# ------------------------------------------------------------------------------------------- what became of rows


def keys(rows: pa.Table) -> list[Key]:
    """The key of every row of the quarantine."""
    return list(zip(*(rows.column(name).to_pylist() for name in ("id", "incarnation", "epoch")), strict=True))


def handled(work: Path) -> dict[Key, str]:
    """What became of rows of the quarantine: `replayed`, `discarded` or `ordered`; open ones are not in it.

    A record that is set aside again when it is replayed is a new row, in a later epoch, and open.
    """
    for _ in range(_TRIES):
        try:
            return _handled(work)
        except FileNotFoundError:                 # upkeep was gathering them
            continue
    return _handled(work)


def _handled(work: Path) -> dict[Key, str]:
    known = settled(work)
    found = dict(zip(keys(known), known.column("state").to_pylist(), strict=True))
    for order in pending(work):
        found |= dict.fromkeys(keys(rows_of(work, order.id)), "ordered")
    return found


def settled(work: Path) -> pa.Table:
    """The rows of all finished orders: their key, `state` (replayed or discarded) and `at` (when that was asked for, us UTC)."""
    parts, _ = _settled(work)
    return pa.concat_tables([_SETTLED.empty_table(), *parts])


def _settled(work: Path) -> tuple[list[pa.Table], list[Path]]:
    """What finished orders say, and the files that say it, in an order in which they may go."""
    folder = work / "orders"
    gathered = sorted(folder.glob("settled-*.arrow"))
    parts = [pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all() for path in gathered]
    files = list(gathered)
    for name, suffixes in _names(work).items():
        if ".done" not in suffixes or ".json" not in suffixes:
            continue
        if not (folder / f"{name}.done").read_bytes():
            parts.append(_told(_read(work, name), rows_of(work, name)))
        files += [folder / f"{name}{suffix}" for suffix in (".json", ".done", ".arrow")]
    return parts, files


def _told(order: Order, rows: pa.Table) -> pa.Table:
    count = rows.num_rows
    columns = [rows.column(name) for name in ("id", "incarnation", "epoch")]
    state = "discarded" if order.kind == "discard" else "replayed"
    return pa.table([*columns, pa.array([state] * count, pa.string()), pa.array([order.given] * count, pa.int64())],
                    names=_SETTLED.names).cast(_SETTLED)


def gather(work: Path, now: int, forget: Collection[Key] = (), dry_run: bool = False) -> int:
    """Write what finished orders say into one file, without the rows to forget; how many files take up no room any more.

    A crash leaves the old files beside the new one: they say the same.
    """
    parts, files = _settled(work)
    if len(files) < 2 and not forget:
        return 0
    rows = pa.concat_tables([_SETTLED.empty_table(), *parts])
    rows = rows.filter(pa.array([key not in forget for key in keys(rows)], pa.bool_())) if forget else rows
    rows = rows.group_by(["id", "incarnation", "epoch"], use_threads=False).aggregate([("state", "last"), ("at", "max")])
    if dry_run:
        return len(files)
    if rows.num_rows:
        durable.publish(work / "orders" / f"settled-{uuid7(now)}.arrow", _bytes(rows.rename_columns(_SETTLED.names)))
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)
