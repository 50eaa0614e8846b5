"""What people did and what they should know: orders, accepted gaps, incidents, releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, insert, select, update

from mainstem.ledger import tables
from mainstem.ledger.runs import moment
from mainstem.ledger.store import Store


def order(store: Store, *, order_id: str, pipeline: str, environment: str, incarnation: str, kind: str, asked: int, by: str,
          wanted: Mapping[str, Any]) -> None:
    """Somebody asks for a replay, a discard or a reset."""
    with store.write() as connection:
        connection.execute(insert(tables.orders).values(
            order_id=order_id, pipeline=pipeline, environment=environment, incarnation=incarnation, kind=kind, asked=moment(asked),
            by=by, wanted=dict(wanted), state="open"))


def settle(store: Store, order_id: str, *, settled: int, state: str, result: Mapping[str, Any]) -> None:
    """An order was carried out (`done`) or could not be (`failed`)."""
    with store.write() as connection:
        connection.execute(update(tables.orders).where(tables.orders.c.order_id == order_id).values(
            state=state, settled=moment(settled), result=dict(result)))


def gap(store: Store, *, gap_id: str, pipeline: str, environment: str, source: str, partition: int, start: int, end: int,
        accepted: int, by: str) -> None:
    """Somebody accepts that records `[start, end)` of a partition are lost."""
    with store.write() as connection:
        connection.execute(insert(tables.gaps).values(
            gap_id=gap_id, pipeline=pipeline, environment=environment, source=source, partition=partition, start=start, end=end,
            accepted=moment(accepted), by=by))


def incident(store: Store, *, pipeline: str, environment: str, code: str, message: str, run_id: str, seen: int) -> None:
    """A run met trouble; the same code again counts up and opens it anew."""
    here = tables.incidents.c
    same = (here.pipeline == pipeline, here.environment == environment, here.code == code)
    with store.write() as connection:
        changed = connection.execute(update(tables.incidents).where(*same).values(
            last_seen=moment(seen), count=here.count + 1, message=message, run_id=run_id, open=True))
        if changed.rowcount == 0:
            connection.execute(insert(tables.incidents).values(
                pipeline=pipeline, environment=environment, code=code, first_seen=moment(seen), last_seen=moment(seen), count=1,
                message=message, run_id=run_id, open=True))


def resolved(store: Store, *, pipeline: str, environment: str) -> int:
    """A run ended well: its pipeline's incidents are closed; how many."""
    here = tables.incidents.c
    with store.write() as connection:
        return connection.execute(update(tables.incidents).where(
            here.pipeline == pipeline, here.environment == environment, here.open).values(open=False)).rowcount


def release(store: Store, *, release: str, pipeline: str, environment: str, created: int, plan: str) -> None:
    """A release exists; saying so again changes nothing."""
    here = tables.releases.c
    with store.write() as connection:
        known = select(here.release).where(here.release == release, here.pipeline == pipeline, here.environment == environment)
        if connection.execute(known).first() is None:
            connection.execute(insert(tables.releases).values(
                release=release, pipeline=pipeline, environment=environment, created=moment(created), plan=plan))


def listing(store: Store, what: str, pipeline: str, environment: str) -> list[dict[str, Any]]:
    """The rows of `orders`, `gaps`, `incidents` or `releases` of one pipeline, the newest first."""
    newest = {"orders": "order_id", "gaps": "gap_id", "incidents": "last_seen", "releases": "created"}[what]
    table: Table = tables.metadata.tables[what]
    query = select(table).where(table.c.pipeline == pipeline, table.c.environment == environment).order_by(table.c[newest].desc())
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
