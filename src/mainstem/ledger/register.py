"""What people should know of a pipeline: its incidents and its releases."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from mainstem.ledger import tables
from mainstem.ledger.runs import moment
from mainstem.ledger.store import Store


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


def release(store: Store, *, release: str, pipeline: str, environment: str, created: int) -> None:
    """A release exists; saying so again changes nothing."""
    here = tables.releases.c
    with store.write() as connection:
        known = select(here.release).where(here.release == release, here.pipeline == pipeline, here.environment == environment)
        if connection.execute(known).first() is None:
            connection.execute(insert(tables.releases).values(
                release=release, pipeline=pipeline, environment=environment, created=moment(created)))
