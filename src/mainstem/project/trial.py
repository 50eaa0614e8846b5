"""Running a pipeline once in a throw-away place on rows that somebody gives: what a test case needs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.clock import HandClock, SystemClock
from mainstem.engines import journal
from mainstem.engines.epoch import Epochs
from mainstem.engines.kernels import tables
from mainstem.engines.lease import Lease
from mainstem.engines.local.engine import Local
from mainstem.engines.planning import Planner, Wish
from mainstem.engines.site import QUARANTINE, Site
from mainstem.errors import UserCodeError
from mainstem.plan.words import Map, Node, Plan, Read, Table, Write
from mainstem.plugs import Budget
from mainstem.project.place import scratch

if TYPE_CHECKING:
    from mainstem.project.place import Opened


def trial(opened: Opened, given: Mapping[str, Sequence[Any]], looked_up: Mapping[str, Sequence[Any]], clock: int | None,
          flush: bool) -> dict[str, list[dict[str, Any]]]:
    """Rows of every output, of every step that ends in none, and of the quarantine.

    `given`: source -> records, as mappings or as text that stands as it is. `clock`: when they arrive (microseconds UTC);
    without it long after any of them. Sources that are not named get no records. Where the pipeline has functions of the
    user the records are run once more, one epoch each: UserCodeError `python.cut` if that gives other rows, because a
    function over a batch must satisfy f(a + b) = f(a) + f(b).
    """
    whole = _played(opened, given, looked_up, clock, flush, None)
    functions = [node.step for node in opened.plan.of(Map) if isinstance(node.word, Map) and node.word.deterministic]
    if functions and flush:
        cut = _played(opened, given, looked_up, clock, flush, Budget(1, 1))
        for output in whole:
            if _content(whole[output]) != _content(cut[output]):
                raise UserCodeError(
                    "python.cut", f"{output} has other rows when the input is cut differently", where=", ".join(functions),
                    why="a function must give the same rows for a batch as for its parts, and not look across rows",
                    fix="make it work row by row, use a window for what looks across rows, or say `deterministic: false`")
    return whole


def _content(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows as a multiset, without what an epoch adds to them."""
    own = ("epoch", "incarnation", "clock", "place", "id")
    return sorted(json.dumps({name: value for name, value in row.items() if name not in own}, default=str) for row in rows)


def _played(opened: Opened, given: Mapping[str, Sequence[Any]], looked_up: Mapping[str, Sequence[Any]], clock: int | None,
            flush: bool, budget: Budget | None) -> dict[str, list[dict[str, Any]]]:
    with scratch("case") as name:
        folder = Path(name)
        plan = _replaced(opened.plan, folder, given, looked_up)
        place = dataclasses.replace(opened.place, lake=str(folder / "lake"), work=str(folder / "work"))
        Path(place.work).mkdir()
        site = Site(plan, place, code=tuple(opened.settings.python_folders))
        hands = HandClock(clock if clock is not None else SystemClock().now())
        home = journal.begin(Path(place.work), hands.now(), "case")
        lease, engine = Lease(home.folder, hands), Local(1, opened.settings.memory)
        try:
            return _rows(site, Epochs(site, engine, home, lease, hands), Planner(site, hands, Wish(flush=flush, budget=budget)))
        finally:
            engine.close()
            lease.release()


def _rows(site: Site, epochs: Epochs, planner: Planner) -> dict[str, list[dict[str, Any]]]:
    while (planned := planner.next(epochs.number, epochs.journal.incarnation, "case", epochs.head)) is not None:
        planned.tables = tables.pin_all(site, {}, planned.clock)
        epochs.run(epochs.plan(planned))
    epochs.mark_last()
    manifest = epochs.finish()
    found: dict[str, list[dict[str, Any]]] = {}
    for node in site.plan.of(Write):
        version = manifest.outputs[node.name]["version"] if manifest else None
        found[node.step] = site.sink(node).read(version).to_pylist() if version is not None else []
    version = manifest.outputs[QUARANTINE]["version"] if manifest else None
    found[QUARANTINE] = site.quarantine().read(version).to_pylist() if version is not None else []
    return found


def _replaced(plan: Plan, folder: Path, given: Mapping[str, Sequence[Any]], looked_up: Mapping[str, Sequence[Any]]) -> Plan:
    """The same plan, reading from files that hold the given records, and writing every output to a table of its own."""
    nodes = []
    for node in plan.nodes:
        if isinstance(node.word, Read):
            nodes.append(_fed(node, node.word, folder, given.get(node.name, ())))
        elif isinstance(node.word, Write):
            word = Write(sink="delta", options={"table": node.step}, mode=node.word.mode, key=node.word.key)
            nodes.append(_with(node, word))
        else:
            nodes.append(node)
    changed = tuple(_table(table, folder, looked_up[table.name]) if table.name in looked_up else table for table in plan.tables)
    return Plan(pipeline=plan.pipeline, nodes=tuple(nodes), tables=changed, origins=plan.origins, legs=plan.legs)


def _fed(node: Node, word: Read, folder: Path, records: Sequence[Any]) -> Node:
    """Texts go through the source's own format; mappings as JSON lines, whatever the format is."""
    path = folder / f"{node.name}.records"
    plain = all(isinstance(record, str) for record in records) and bool(records)
    lines = [record if isinstance(record, str) else json.dumps(record, default=str) for record in records]
    path.write_text("".join(line + "\n" for line in lines))
    form, options = (word.format, word.format_options) if plain else ("json", word.format_options if word.format == "json" else {})
    declared = word.declared
    if not plain and word.format != "json":
        declared = tuple(dataclasses.replace(column, null=(), decimal=".") for column in declared)
    return _with(node, Read(source="files", options={"path": str(path)}, format=form, format_options=options, declared=declared,
                            time=word.time, unknown=word.unknown, missing=word.missing))


def _table(table: Table, folder: Path, records: Sequence[Any]) -> Table:
    path = folder / f"{table.name}.table"
    path.write_text("".join(json.dumps(record, default=str) + "\n" for record in records))
    return Table(name=table.name, source="files", options={"path": str(path)}, format="json", format_options={}, key=table.key,
                 columns=table.columns, refresh=table.refresh, latest=table.latest)


def _with(node: Node, word: Read | Write) -> Node:
    return Node(name=node.name, step=node.step, word=word, inputs=node.inputs, columns=node.columns, origin=node.origin)

