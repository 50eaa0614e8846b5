"""Replay: rows of the quarantine enter again at Read, under the present release, in an ordinary epoch.

They go only down the legs where they were set aside, pass unjudged every dedupe that they had passed, neither move nor
hold the watermark, and are late where their window has closed (design section 5). One epoch carries out one order, so
that one set of legs and passed dedupes holds for all of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mainstem import plugs
from mainstem.engines import orders
from mainstem.engines.contract import EpochPlan
from mainstem.engines.kernels.duck import query
from mainstem.engines.law import REPLAY
from mainstem.engines.read import stamp
from mainstem.engines.site import Site
from mainstem.engines.tasks import Outcome, Task
from mainstem.plan.words import Dedupe, Fold, Plan, Read


@dataclass(frozen=True)
class Way:
    """Where replayed rows may go."""

    only: frozenset[str]  # nodes above and below the one where they left
    passed: frozenset[str]  # dedupes that they had passed


def way(plan: Plan, epoch: EpochPlan) -> Way | None:
    """The way of this epoch's replay, None if it has none."""
    if not epoch.orders:
        return None
    node = epoch.orders[0]["node"]
    above, below = _reach(plan, node, up=True), _reach(plan, node, up=False)
    passed = {name for name in above - {node} if _dedupes(plan, name)}
    return Way(frozenset(above | below), frozenset(passed))


def _dedupes(plan: Plan, name: str) -> bool:
    word = plan.node(name).word
    return isinstance(word, Fold) and isinstance(word.body, Dedupe)


def _reach(plan: Plan, name: str, *, up: bool) -> set[str]:
    found, open_ = set(), [name]
    while open_:
        here = open_.pop()
        if here not in found:
            found.add(here)
            open_ += plan.node(here).inputs if up else [reader.name for reader in plan.readers(here)]
    return found


def run_replay(plan: Plan, epoch: EpochPlan, site: Site, tables: Mapping[str, pa.Table]) -> list[Callable[[], Outcome]]:
    """The read task of an epoch's replay order."""
    found = way(plan, epoch)
    return [lambda: _read(plan, epoch, site, tables, found)] if found else []


def _read(plan: Plan, epoch: EpochPlan, site: Site, tables: Mapping[str, pa.Table], where: Way) -> Outcome:
    order = epoch.orders[0]
    node = plan.node(order["source"])
    assert isinstance(node.word, Read)
    assert node.origin is not None
    rows = orders.rows_of(site.work, order["id"])
    task = Task(site, epoch, node.name, 0, tables, (0, node.name, 0, 0), only=where.only)
    source = site.source(node.name)
    raws, partitions, positions = (
        rows.column("raw").to_pylist(),
        rows.column("partition").to_pylist(),
        rows.column("position").to_pylist(),
    )
    for raw, partition, position in zip(raws, partitions, positions):
        chunk = source.fetch(epoch.progress.get(node.name), partition, position) if raw is None else None
        if chunk is None:
            facts = source.facts_at(epoch.progress.get(node.name), position) if hasattr(source, "facts_at") else {}
            chunk = plugs.Chunk(data=(raw or b"") + b"\n", start=position, facts=facts)
        decoded = site.format(node.name, node.word).decode(chunk, query)
        decoded = plugs.Decoded(
            decoded.rows,
            decoded.record,
            decoded.rejects,
            np.full(len(decoded.position), position, np.int64),
            decoded.raw,
            decoded.unknown,
            decoded.absent,
        )
        stamp(task, node, chunk, decoded, partition, None, lambda _p, _n: None, origin=node.origin + REPLAY)
        task.made[f"replay:{node.name}"] += 1
    return task.finish()
