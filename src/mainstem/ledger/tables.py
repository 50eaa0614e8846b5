"""The tables of the ledger. A newer one needs a numbered migration in `migrations/versions` and a new HEAD here.

Moments are text, RFC 3339 in UTC with six digits of the second, so that they sort and read alike everywhere.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

HEAD = "0004"                             # the newest migration: what a ledger must stand at

metadata = MetaData()

# One row per run: somebody started a pipeline, and this is how it went.
runs = Table(
    "runs", metadata,
    Column("run_id", String(36), primary_key=True),               # UUIDv7: sorts by start
    Column("pipeline", String(200), nullable=False),
    Column("environment", String(200), nullable=False),
    Column("incarnation", String(36), nullable=False),
    Column("release", String(64), nullable=False),
    Column("engine", String(32), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String(27), nullable=False),
    Column("ended", String(27)),
    Column("why", Text),                                          # end | hold | limit | stopped | died | failed: ...
    Column("exit_code", Integer),
    Column("first_epoch", BigInteger),
    Column("last_epoch", BigInteger),
    Column("epochs", BigInteger, nullable=False, default=0),
    Column("rows", BigInteger, nullable=False, default=0),        # records read
    Column("account", JSON),                                      # one entry per leg, whether published or not
    Column("met", JSON),                                          # {drift, files, notes}: what it met besides its rows
    Column("thinned", JSON),                                      # {account, rows, epochs} of its epochs whose rows are gone
    Index("runs_of_pipeline", "pipeline", "environment", "run_id"),
)

# One row per manifest: epochs `first` to `epoch`, finished everywhere.
epochs = Table(
    "epochs", metadata,
    Column("incarnation", String(36), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("run_id", String(36)),                                 # the run that finished it; NULL if rebuilt from manifests
    Column("pipeline", String(200), nullable=False),
    Column("environment", String(200), nullable=False),
    Column("release", String(64), nullable=False),
    Column("clock", String(27), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Index("epochs_of_run", "run_id"),
)

# The account of a manifest: made + held_before = delivered + filtered + quarantined + late + held.
legs = Table(
    "legs", metadata,
    Column("incarnation", String(36), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("leg", String(400), primary_key=True),
    Column("pipeline", String(200), nullable=False),
    Column("environment", String(200), nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("held_before", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("filtered", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("reasons", JSON, nullable=False),                      # "fate: step: reason" -> rows
)

# The version of each output that holds an epoch.
outputs = Table(
    "outputs", metadata,
    Column("incarnation", String(36), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("output", String(200), primary_key=True),
    Column("version", BigInteger),
    Column("rows", BigInteger, nullable=False),
)

# What went wrong, one row per kind of trouble of a pipeline.
incidents = Table(
    "incidents", metadata,
    Column("pipeline", String(200), primary_key=True),
    Column("environment", String(200), primary_key=True),
    Column("code", String(100), primary_key=True),
    Column("first_seen", String(27), nullable=False),
    Column("last_seen", String(27), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("run_id", String(36), nullable=False),                 # the newest run that met it
    Column("open", Boolean, nullable=False),                      # a later run that ends well closes it
)

# Releases that runs named.
releases = Table(
    "releases", metadata,
    Column("release", String(64), primary_key=True),
    Column("pipeline", String(200), primary_key=True),
    Column("environment", String(200), primary_key=True),
    Column("created", String(27), nullable=False),
)
