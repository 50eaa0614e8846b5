"""The ledger opens quickly, migrates, waits for locks, and says clearly what is wrong with it."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select

from mainstem.errors import RefusedError, TransientError
from mainstem.ledger import register, runs, store, tables


def test_the_migrations_make_the_tables_that_the_code_knows():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        store.migrate(connection)
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
        names = inspect(connection).get_table_names()
    assert differences == []
    assert {"alembic_version", *tables.metadata.tables} == set(names)


def test_head_is_the_newest_migration():
    folder = store.Path(store.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [tables.HEAD]


def test_a_new_ledger_stands_at_head_in_wal_mode_with_its_folder_made(tmp_path):
    path = tmp_path / "a" / "b" / "ledger.db"
    store.open_store(path).close()
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT version_num FROM alembic_version").fetchall() == [(tables.HEAD,)]
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_existing_ledger_is_only_looked_at(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    store.open_store(path).close()
    monkeypatch.setattr(store, "_bring_up", lambda *_: pytest.fail("it stands where it should"))
    store.open_store(path).close()


def test_an_old_ledger_is_led_through_the_migrations(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        plain.execute("INSERT INTO alembic_version VALUES ('0000')")
    met = []
    monkeypatch.setattr(store, "migrate", met.append)
    store.open_store(path)
    assert len(met) == 1


def test_a_newer_ledger_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    store.open_store(path).close()
    with sqlite3.connect(path) as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RefusedError, match="newer mainstem") as met:
        store.open_store(path)
    assert met.value.code == "ledger.newer"


def releases(ledger):
    with ledger.read() as connection:
        return [dict(row) for row in connection.execute(select(tables.releases)).mappings()]


def test_a_locked_ledger_is_waited_for_and_then_named(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = store.open_store(path, wait=0.1)
    plain = sqlite3.connect(path, isolation_level=None)
    plain.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="locked") as met:
        register.release(ledger, release="r", pipeline="p", environment="e", created=0)
    assert met.value.code == "ledger.busy"
    assert met.value.exit_code == 4
    assert releases(ledger) == [], "reading goes on while somebody writes"
    plain.execute("ROLLBACK")
    register.release(ledger, release="r", pipeline="p", environment="e", created=0)
    assert len(releases(ledger)) == 1


def test_a_lock_that_is_let_go_in_time_is_no_error(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = store.open_store(path, wait=5)
    plain = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    plain.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, lambda: plain.execute("ROLLBACK"))
    timer.start()
    register.release(ledger, release="r", pipeline="p", environment="e", created=0)
    timer.join()
    assert releases(ledger)[0]["created"] == "1970-01-01T00:00:00.000000Z"


def test_a_damaged_ledger_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is no database, but it is long enough to be looked at" * 40)
    with pytest.raises(RefusedError, match="damaged") as met:
        store.open_store(path)
    assert met.value.code == "ledger.damaged"


def test_a_ledger_in_a_place_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TransientError) as met:
        store.open_store(tmp_path / "file" / "ledger.db")
    assert met.value.code == "ledger.unreachable"


def test_a_full_ledger_disk_is_an_outage_and_not_a_bug(tmp_path):
    ledger = store.open_store(tmp_path / "ledger.db")
    rows = [{"release": str(number), "pipeline": "p", "environment": "e", "created": "", "plan": "x" * 1000}
            for number in range(2000)]

    def fill():
        with ledger.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
            connection.execute(tables.releases.insert(), rows)

    with pytest.raises(TransientError) as met:
        fill()
    assert met.value.code == "ledger.unreachable"
    assert runs.listing(ledger) == []
