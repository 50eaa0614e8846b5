"""The tables that rows are looked up in, pinned for one epoch: by content hash, or as of the epoch before (`latest`)."""

from __future__ import annotations

import pyarrow as pa

from mainstem.batch import KEY_GROUPS, NONE
from mainstem.engines import staging
from mainstem.engines.contract import EpochPlan
from mainstem.engines.fold import input_schemas
from mainstem.engines.kernels import tables
from mainstem.engines.site import Site
from mainstem.plan.words import Table


def load_tables(site: Site, epoch: EpochPlan) -> dict[str, pa.Table]:
    """Every table of the plan as plan-N pinned it."""
    return {table.name: _load(site, epoch, table) for table in site.plan.tables}


def _load(site: Site, epoch: EpochPlan, table: Table) -> pa.Table:
    if table.latest is not None:
        return _latest(site, epoch, table.latest)
    pinned = epoch.tables[table.name]
    return site.newest(f"table/{table.name}", pinned["hash"], lambda: tables.open_pinned(pinned["path"]))


def _latest(site: Site, epoch: EpochPlan, fold: str) -> pa.Table:
    from mainstem.engines.kernels import latest

    node = site.plan.node(fold)
    files = [file for file in epoch.state if file.node == fold]
    state = staging.load_state(site.work, files, 0, KEY_GROUPS, NONE, latest.schema(node, input_schemas(site, node)))
    return latest.table(node, state)
