"""Old rows leave the ledger: the newest epochs and runs of a pipeline stay, and what a run came to stays with the run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, or_, select, update

from mainstem.ledger import tables
from mainstem.ledger.runs import add_up
from mainstem.ledger.store import Store

_AT_ONCE = 500                            # epochs in one transaction: a run that wants to write does not wait long


def thin(store: Store, pipeline: str, environment: str, keep: int, dry_run: bool = False) -> int:
    """Keep the newest `keep` epochs and runs of a pipeline, and the releases that they name; how many rows went (or would).

    What a run that has no account yet did in epochs that go is added up in it first, so that its account stays whole.
    """
    mine = (pipeline, environment)
    gone = 0
    while True:
        with store.write() if not dry_run else store.read() as connection:
            last = _last_to_go(connection, mine, keep, 0 if dry_run else _AT_ONCE)
            if last is not None and not dry_run:
                _add_up(connection, mine, last)
            found = sum(_delete(connection, table, where, dry_run) for table, where in _past(mine, last)) if last is not None else 0
            if last is None or dry_run:
                runs = _delete(connection, tables.runs, _old_runs(connection, mine, keep), dry_run)
                return gone + found + runs + _delete(connection, tables.releases, _unnamed(mine), dry_run)
        gone += found


def _of(table: Table, mine: tuple[str, str]) -> ColumnElement[bool]:
    return and_(table.c.pipeline == mine[0], table.c.environment == mine[1])


def _last_to_go(connection: Connection, mine: tuple[str, str], keep: int, at_once: int) -> tuple[str, int] | None:
    """(incarnation, epoch) of the newest epoch that goes now; None if all may stay. `at_once`: no more than that (0: all)."""
    here = tables.epochs.c
    order = (here.incarnation, here.epoch)
    query: Select[Any] = select(*order).where(_of(tables.epochs, mine))
    newest = connection.execute(query.order_by(*(column.desc() for column in order)).offset(keep).limit(1)).first()
    if newest is None:
        return None
    if at_once:
        some = connection.execute(query.where(_upto(tables.epochs, newest[0], newest[1])).order_by(*order).limit(at_once)).all()
        newest = some[-1]
    return newest[0], newest[1]


def _upto(table: Table, incarnation: str, epoch: int) -> ColumnElement[bool]:
    """Incarnations are UUIDs of version 7: their names rise with time."""
    here = table.c
    return or_(here.incarnation < incarnation, and_(here.incarnation == incarnation, here.epoch <= epoch))


def _past(mine: tuple[str, str], last: tuple[str, int]) -> list[tuple[Table, ColumnElement[bool]]]:
    """The rows of every epoch up to this one, the epochs themselves last."""
    own = select(tables.epochs.c.incarnation).where(_of(tables.epochs, mine))
    return [(tables.outputs, and_(tables.outputs.c.incarnation.in_(own), _upto(tables.outputs, *last))),
            *((table, and_(_of(table, mine), _upto(table, *last))) for table in (tables.legs, tables.epochs))]


def _add_up(connection: Connection, mine: tuple[str, str], last: tuple[str, int]) -> None:
    """Write into the runs that have no account what they did in the epochs that go."""
    runs, epochs = tables.runs, tables.epochs
    going = select(epochs).where(_of(epochs, mine), _upto(epochs, *last), epochs.c.run_id.is_not(None))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(going.order_by(epochs.c.incarnation, epochs.c.epoch)).mappings():
        found.setdefault(row["run_id"], []).append(dict(row))
    for run_id, past in found.items():
        run = connection.execute(select(runs.c.account, runs.c.thinned).where(runs.c.run_id == run_id)).first()
        if run is None or run.account:
            continue
        before = run.thinned or {"account": [], "rows": 0, "epochs": 0}
        thinned = {"account": add_up(connection, past, before["account"]), "rows": before["rows"] + sum(row["rows"] for row in past),
                   "epochs": before["epochs"] + sum(row["epoch"] - row["first"] + 1 for row in past)}
        connection.execute(update(runs).where(runs.c.run_id == run_id).values(thinned=thinned))


def _old_runs(connection: Connection, mine: tuple[str, str], keep: int) -> ColumnElement[bool]:
    here = tables.runs.c
    newest = select(here.run_id).where(_of(tables.runs, mine)).order_by(here.run_id.desc())
    first = connection.execute(newest.offset(keep).limit(1)).scalar()
    return and_(_of(tables.runs, mine), here.run_id <= (first or ""), here.ended.is_not(None))


def _unnamed(mine: tuple[str, str]) -> ColumnElement[bool]:
    """Releases that no run and no epoch names; the newest stays: it may be about to run."""
    here = tables.releases.c
    named = [select(table.c.release).where(_of(table, mine)) for table in (tables.runs, tables.epochs)]
    newest = select(func.max(here.created)).where(_of(tables.releases, mine)).scalar_subquery()
    return and_(_of(tables.releases, mine), *(here.release.not_in(names) for names in named), here.created != newest)


def _delete(connection: Connection, table: Table, where: ColumnElement[bool], dry_run: bool) -> int:
    if dry_run:
        return connection.execute(select(func.count()).select_from(table).where(where)).scalar_one()
    return connection.execute(delete(table).where(where)).rowcount
