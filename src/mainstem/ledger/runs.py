"""Runs and their accounts: what a run leaves behind, and how it is read.

`project_manifest` may see a manifest as often as it likes: a manifest is known by (incarnation, epoch).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from mainstem.clock import iso
from mainstem.ledger import tables
from mainstem.ledger.store import Store

FACTS = (tables.runs, tables.epochs, tables.legs, tables.incidents)      # what `mainstem sql` knows by these names
BULKY = ("account", "met", "thinned")    # columns of runs that lists leave out
_COUNTS = ("made", "held_before", "delivered", "filtered", "quarantined", "late", "held")


def moment(us: int) -> str:
    """RFC 3339 with six digits of the second, so that texts sort like the moments.

    >>> moment(0), moment(1_500_000)
    ('1970-01-01T00:00:00.000000Z', '1970-01-01T00:00:01.500000Z')
    """
    text = iso(us)
    return text if "." in text else f"{text[:-1]}.000000Z"


def start(store: Store, *, run_id: str, pipeline: str, environment: str, incarnation: str, release: str, started: int,
          engine: str, host: str, pid: int) -> None:
    """A run begins (it holds the lease): whoever was still running this pipeline is known to be dead."""
    with store.write() as connection:
        mine = (tables.runs.c.pipeline == pipeline, tables.runs.c.environment == environment, tables.runs.c.ended.is_(None))
        for dead in connection.execute(select(tables.runs.c.run_id, tables.runs.c.thinned).where(*mine)).mappings().all():
            connection.execute(update(tables.runs).where(tables.runs.c.run_id == dead["run_id"]).values(
                ended=moment(started), why="died", **_so_far(connection, dict(dead))))
        connection.execute(insert(tables.runs).values(
            run_id=run_id, pipeline=pipeline, environment=environment, incarnation=incarnation, release=release,
            started=moment(started), engine=engine, host=host, pid=pid, epochs=0, rows=0))


def _so_far(connection: Connection, run: Mapping[str, Any]) -> dict[str, int]:
    """Rows and epochs that a run has published, of one that nobody ended: its line says so only at its end."""
    here, before = tables.epochs.c, run["thinned"] or {"rows": 0, "epochs": 0}
    rows, epochs = connection.execute(select(
        func.coalesce(func.sum(here.rows), 0), func.coalesce(func.sum(here.epoch - here.first + 1), 0)
    ).where(here.run_id == run["run_id"])).one()
    return {"rows": before["rows"] + rows, "epochs": before["epochs"] + epochs}


def end(store: Store, *, run_id: str, ended: int, why: str, exit_code: int, rows: int, epochs: int,
        account: Iterable[Mapping[str, Any]], met: Mapping[str, Any] | None = None) -> None:
    """A run ended, well or badly; `account` has one entry per leg, also of what was not published.

    `met` is what it met besides its rows, by kind: drift, files, notes.
    """
    with store.write() as connection:
        connection.execute(update(tables.runs).where(tables.runs.c.run_id == run_id).values(
            ended=moment(ended), why=why, exit_code=exit_code, rows=rows, epochs=epochs, account=[dict(row) for row in account],
            met=dict(met or {})))


def project_manifest(store: Store, run_id: str | None, manifest: Mapping[str, Any]) -> None:
    """Write down a manifest: its epochs, the account of every leg, the versions of its outputs. Twice is as good as once."""
    with store.write() as connection:
        _project(connection, run_id, manifest)


def newest(store: Store, incarnation: str) -> int:
    """The newest epoch of an incarnation whose manifest is written down, 0 if there is none."""
    with store.read() as connection:
        found = connection.execute(select(func.max(tables.epochs.c.epoch)).where(tables.epochs.c.incarnation == incarnation)).scalar()
        return found or 0


def rebuild(store: Store, manifests: Iterable[Mapping[str, Any]]) -> int:
    """Write down many manifests in one go, to mend a ledger that was lost; how many there were."""
    count = 0
    with store.write() as connection:
        for manifest in manifests:
            _project(connection, None, manifest)
            count += 1
    return count


def _project(connection: Connection, run_id: str | None, manifest: Mapping[str, Any]) -> None:
    key = {"incarnation": manifest["incarnation"], "epoch": manifest["epoch"]}
    names = {"pipeline": manifest["pipeline"], "environment": manifest["environment"]}
    first = manifest.get("first", manifest["epoch"])
    here = tables.epochs.c
    known = select(here.run_id).where(here.incarnation == key["incarnation"], here.epoch == key["epoch"])
    run_id = connection.execute(known).scalar() or run_id     # who finished it first is who finished it
    for table in (tables.epochs, tables.legs, tables.outputs):
        connection.execute(delete(table).where(table.c.incarnation == key["incarnation"], table.c.epoch == key["epoch"]))
    connection.execute(insert(tables.epochs).values(
        **key, **names, first=first, run_id=run_id, release=manifest.get("release", ""), clock=moment(manifest.get("clock", 0)),
        rows=manifest.get("rows", 0), seconds=manifest.get("seconds", 0.0)))
    account = [{**key, **names, "leg": leg, **{name: row.get(name, 0) for name in _COUNTS}, "reasons": dict(row.get("reasons", {}))}
               for leg, row in manifest.get("account", {}).items()]
    if account:
        connection.execute(insert(tables.legs), account)
    outputs = [{**key, "output": name, "version": fact.get("version"), "rows": fact.get("rows", 0)}
               for name, fact in manifest.get("outputs", {}).items()]
    if outputs:
        connection.execute(insert(tables.outputs), outputs)
    if run_id:
        _widen(connection, run_id, first, manifest["epoch"])


def _widen(connection: Connection, run_id: str, first: int, last: int) -> None:
    """A run reaches from its first to its last epoch."""
    here = tables.runs.c
    connection.execute(update(tables.runs).where(here.run_id == run_id).values(
        first_epoch=func.coalesce(here.first_epoch, first), last_epoch=last))


def listing(store: Store, pipeline: str | None = None, environment: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Runs, the newest first, without their accounts; of one that has not ended what it has published so far."""
    wanted = [column for column in tables.runs.c if column.name not in ("account", "met")]
    query = select(*wanted).order_by(tables.runs.c.run_id.desc()).limit(limit)
    if pipeline is not None:
        query = query.where(tables.runs.c.pipeline == pipeline)
    if environment is not None:
        query = query.where(tables.runs.c.environment == environment)
    with store.read() as connection:
        found = [dict(row) | ({} if row["ended"] else _so_far(connection, dict(row))) for row in connection.execute(query).mappings()]
    return [{name: fact for name, fact in row.items() if name not in BULKY} for row in found]


def beginning(store: Store, text: str, limit: int = 10) -> list[str]:
    """Ids of runs that begin so, the newest first."""
    here = tables.runs.c.run_id
    with store.read() as connection:
        return list(connection.execute(select(here).where(here.startswith(text, autoescape=True)).order_by(here.desc()).limit(limit)).scalars())


def find(store: Store, run_id: str) -> dict[str, Any] | None:
    """One run with its account and its epochs; by its id or the only id that begins so. None if there is none."""
    runs, epochs = tables.runs, tables.epochs
    with store.read() as connection:
        found = connection.execute(select(runs).where(runs.c.run_id.startswith(run_id, autoescape=True)).limit(2)).mappings().all()
        if len(found) != 1:
            return None
        run = dict(found[0]) | ({} if found[0]["ended"] else _so_far(connection, dict(found[0])))
        query = select(epochs).where(epochs.c.run_id == run["run_id"]).order_by(epochs.c.epoch)
        run["manifests"] = [dict(row) for row in connection.execute(query).mappings()]
        last = run["manifests"][-1] if run["manifests"] else None
        run["outputs"] = _outputs(connection, last) if last else {}
        before = run.pop("thinned") or {"account": []}
        if not run["account"]:
            run["account"] = add_up(connection, run["manifests"], before["account"])
        return run


def _outputs(connection: Connection, last: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    here = tables.outputs.c
    query = select(here.output, here.version, here.rows).where(here.incarnation == last["incarnation"], here.epoch == last["epoch"])
    return {row.output: {"version": row.version, "rows": row.rows} for row in connection.execute(query.order_by(here.output))}


def add_up(connection: Connection, manifests: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The account of these manifests, the oldest first, after an account of what was before them."""
    here, total = tables.legs.c, {row["leg"]: {**row, "reasons": dict(row["reasons"])} for row in before}
    for manifest in manifests:
        query = select(tables.legs).where(here.incarnation == manifest["incarnation"], here.epoch == manifest["epoch"])
        for row in connection.execute(query.order_by(here.leg)).mappings():
            empty = {"leg": row["leg"], **dict.fromkeys(_COUNTS, 0), "held_before": row["held_before"], "reasons": {}}
            leg = total.setdefault(row["leg"], empty)
            for name in _COUNTS:
                if name != "held_before":
                    leg[name] = row[name] if name == "held" else leg[name] + row[name]
            for reason, count in row["reasons"].items():
                leg["reasons"][reason] = leg["reasons"].get(reason, 0) + count
    return list(total.values())


def facts(store: Store, pipeline: str, environment: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of FACTS of one pipeline, for SQL over run facts."""
    found = {}
    with store.read() as connection:
        for table in FACTS:
            columns = [column for column in table.c if column.name not in (*BULKY, "pipeline", "environment")]
            query = select(*columns).where(table.c.pipeline == pipeline, table.c.environment == environment)
            found[table.name] = [dict(row) for row in connection.execute(query.order_by(*table.primary_key.columns)).mappings()]
    return found
