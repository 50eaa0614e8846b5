"""The ledger's database: opened quickly, migrated when it is old, its errors translated. The only file that knows which database.

SQLite in WAL mode by default: a status command reads while a run writes. Any SQLAlchemy address of PostgreSQL works too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from mainstem.errors import MainstemError, RefusedError, TransientError
from mainstem.ledger.tables import HEAD, metadata

WAIT = 10.0                               # seconds that a locked ledger is waited for


class Store:
    """An open ledger. `read` and `write` give a connection in a transaction of its own."""

    def __init__(self, engine: Engine, address: str, wait: float) -> None:
        self._engine, self.address, self._wait = engine, address, wait

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look; a writer does not wait for it."""
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One change, all or nothing; waits for another writer, then TransientError `ledger.busy`."""
        with self._translated(), self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._error(error) from error

    def _error(self, error: DBAPIError) -> MainstemError:
        said = str(error.orig)
        if "locked" in said or "busy" in said:
            return TransientError("ledger.busy", "the ledger is locked by another process", where=self.address,
                                  why=f"waited {self._wait:g} s: {said}", fix="try again; look for a process that holds it")
        if "not a database" in said or "malformed" in said:
            return RefusedError("ledger.damaged", "the ledger is damaged", where=self.address, why=said,
                                fix="move it away: the next run begins a new one; no data and no state is lost, only history")
        return TransientError("ledger.unreachable", "the ledger cannot be used", where=self.address, why=said,
                              fix="make the folder writable, make room, or correct `ledger:` in mainstem.yaml")


def open_store(address: str | Path, wait: float = WAIT) -> Store:
    """The ledger at a path or a database address; created or migrated if need be. Waits at most `wait` seconds for locks."""
    url = str(address) if "://" in str(address) else f"sqlite:///{address}"
    if url.startswith("sqlite"):
        engine = _sqlite(url, wait)
    else:
        engine = create_engine(url, pool_pre_ping=True)
    store = Store(engine, make_url(url).render_as_string(hide_password=True), wait)
    with store.read() as connection:
        standing = _standing(connection)
    if standing != HEAD:
        with store.write() as connection:
            _bring_up(connection, store)
    return store


def _sqlite(url: str, wait: float) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TransientError("ledger.unreachable", "the ledger's folder cannot be made", where=path, why=str(error),
                                 fix="make the folder writable, or correct `ledger:` in mainstem.yaml") from error
    engine = create_engine(url, connect_args={"timeout": wait})

    @event.listens_for(engine, "connect")
    def _opened(connection: Any, _: Any) -> None:
        connection.isolation_level = None     # we say BEGIN ourselves: the driver would begin too late
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")   # a power loss may cost history, never data: it is a projection

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _standing(connection: Connection) -> str | None:
    """The migration that the database stands at; None if it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _bring_up(connection: Connection, store: Store) -> None:
    """Make a new ledger, or lead an old one through the migrations. Another process may have been first."""
    standing = _standing(connection)
    if standing is None:
        # The tables as they are now; tests hold the migrations to give the same. Alembic itself is slow to import.
        metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    elif standing > HEAD:
        raise RefusedError("ledger.newer", f"a newer mainstem made this ledger (it stands at {standing}, this one knows {HEAD})",
                           where=store.address, fix="use that version of mainstem, or another ledger")
    elif standing < HEAD:
        migrate(connection)


def migrate(connection: Connection) -> None:
    """Lead a database through the migrations, inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
