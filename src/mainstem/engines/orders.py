"""What people ask of a running pipeline: orders to replay or discard quarantined rows, as files that a plan takes up.

An order is `orders/<id>.json` beside `orders/<id>.arrow` (the quarantine rows it is about, pinned). A replay is done when
`orders/<id>.done` exists: written after the manifest of its epoch. A discard is done at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from mainstem import durable
from mainstem.clock import uuid7


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One wish about rows that left at one node."""

    id: str
    kind: str  # replay | discard
    source: str  # the Read node that made the rows
    node: str  # where they left
    rows: int
    given: int  # when, microseconds UTC


def give(work: Path, now: int, kind: str, source: str, node: str, rows: pa.Table) -> Order:
    """Write an order durably."""
    order = Order(id=uuid7(now), kind=kind, source=source, node=node, rows=rows.num_rows, given=now)
    folder = durable.folder(work / "orders")

    def fill(file: object) -> None:
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)

    durable.write(folder / f"{order.id}.arrow", fill)
    durable.publish(folder / f"{order.id}.json", msgspec.json.encode(order))
    return order


def all_orders(work: Path) -> list[Order]:
    """Every order, the oldest first."""
    return [msgspec.json.decode(path.read_bytes(), type=Order) for path in sorted((work / "orders").glob("*.json"))]


def pending(work: Path) -> list[Order]:
    """The replays that no finished epoch has carried out."""
    return [order for order in all_orders(work) if order.kind == "replay" and not (work / "orders" / f"{order.id}.done").exists()]


def rows_of(work: Path, order_id: str) -> pa.Table:
    """The quarantine rows that an order is about."""
    return pa.ipc.open_file(pa.memory_map(str(work / "orders" / f"{order_id}.arrow"))).read_all()


def done(work: Path, orders: Sequence[dict[str, Any]]) -> None:
    """Mark orders as carried out; doing it twice is fine."""
    for order in orders:
        path = work / "orders" / f"{order['id']}.done"
        if not path.exists():
            durable.publish(path, b"")


Key = tuple[str, str, int]  # of a row of the quarantine: its id, and the incarnation and epoch that set it aside


def handled(work: Path) -> dict[Key, str]:
    """What became of rows of the quarantine: `replayed`, `discarded` or `ordered`; open ones are not in it.

    A record that is set aside again when it is replayed is a new row, in a later epoch, and open.
    """
    found: dict[Key, str] = {}
    waiting = {order.id for order in pending(work)}
    for order in all_orders(work):
        word = "discarded" if order.kind == "discard" else "ordered" if order.id in waiting else "replayed"
        found |= dict.fromkeys(keys(rows_of(work, order.id)), word)
    return found


def keys(rows: pa.Table) -> list[Key]:
    """The key of every row of the quarantine."""
    return list(zip(*(rows.column(name).to_pylist() for name in ("id", "incarnation", "epoch")), strict=True))
