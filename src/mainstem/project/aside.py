"""The quarantine as a person sees it: what is open, one record in full, replay and discard."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mainstem.batch import NOTED
from mainstem.engines import journal, orders
from mainstem.engines.site import QUARANTINE
from mainstem.errors import ConcurrencyError, RefusedError, SpecError
from mainstem.plan.words import Check
from mainstem.project.reading import read
from mainstem.reasons import REASONS

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.project.place import Opened


def everything(opened: Opened) -> pa.Table:
    """Every row that was ever set aside, published or only prepared, with `state` and `published` beside it.

    `state`: open, ordered, replayed, discarded, or noted for what is only said of a row that goes on. A stopped bounded run is
    not published; its rows are shown all the same.
    """
    import pyarrow as pa

    published = read(opened, QUARANTINE)
    parts = [published.append_column("published", pa.array([True] * published.num_rows, pa.bool_()))]
    home = journal.current(opened.work)
    if home is not None:
        numbers = home.epochs("manifest")
        for epoch in home.epochs("prepared"):
            if epoch > (numbers[-1] if numbers else 0):
                parts += [_unpublished(file.path, published.schema) for file in home.prepared(epoch).outputs.get(QUARANTINE, [])]
    rows = pa.concat_tables(parts)
    handled = orders.handled(opened.work)
    fates = rows.column("fate").to_pylist()
    states = [handled.get(key, NOTED if fate == NOTED else "open") for key, fate in zip(orders.keys(rows), fates)]
    return rows.append_column("state", pa.array(states, pa.string()))


def _unpublished(path: str, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(path, partitioning=None).cast(schema)
    return rows.append_column("published", pa.array([False] * rows.num_rows, pa.bool_()))


def chosen(
    opened: Opened,
    ids: Sequence[str] = (),
    *,
    step: str | None = None,
    reason: str | None = None,
    rule: str | None = None,
    state: str | None = "open",
) -> pa.Table:
    """The rows that the filters name, the newest first."""
    import pyarrow as pa

    rows = everything(opened)
    _known(opened, rows, step=step, reason=reason, rule=rule)
    keep = []
    for row in rows.select(["id", "node", "reason", "rules", "state"]).to_pylist():
        keep.append(
            (not ids or row["id"] in ids)
            and (step is None or row["node"].split("/")[0] == step)
            and (reason is None or row["reason"] == reason)
            and (rule is None or rule in (row["rules"] or []))
            and (state is None or row["state"] == state)
        )
    missing = set(ids) - set(rows.column("id").to_pylist())
    if missing:
        raise SpecError(
            "quarantine.unknown",
            f"there is no quarantined record {sorted(missing)[0]!r}",
            fix="`mainstem quarantine list` shows their ids",
        )
    return rows.filter(pa.array(keep, pa.bool_())).sort_by([("epoch", "descending"), ("clock", "descending"), ("position", "descending")])


def _known(opened: Opened, rows: pa.Table, **filters: str | None) -> None:
    """Refuse a filter that names nothing of this pipeline: a slip of the pen would look like an empty quarantine."""
    there: dict[str, set[str]] = {
        "step": {name.split("/")[0] for name in rows.column("node").to_pylist()} | {node.step for node in opened.plan.nodes},
        "reason": set(rows.column("reason").to_pylist()) | set(REASONS),
        "rule": {name for names in rows.column("rules").to_pylist() for name in names or []}
        | {rule.name for node in opened.plan.of(Check) if isinstance(node.word, Check) for rule in node.word.rules}}
    for what, name in filters.items():
        if name is not None and name not in there[what]:
            close = difflib.get_close_matches(name, there[what], 1)
            met = sorted(set(rows.column("reason").to_pylist()) if what == "reason" else there[what])
            raise SpecError("quarantine.unknown", f"there is no {what} {name!r}", where=f"--{what}",
                            fix=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(met) or 'none'}")


def listing(opened: Opened, *, step: str | None, reason: str | None, rule: str | None, limit: int | None) -> pa.Table:
    """Open rows, the newest first, all if `limit` is None; notes where their reason is asked for."""
    import pyarrow as pa

    rows = chosen(opened, step=step, reason=reason, rule=rule, state=None)
    asked = ("open", NOTED) if reason is not None else ("open",)
    return rows.filter(pa.array([state in asked for state in rows.column("state").to_pylist()], pa.bool_())).slice(0, limit)


def show(opened: Opened, id_: str) -> dict[str, Any]:
    """One record with its bytes; fetched from the source where only the typed row was kept."""
    row: dict[str, Any] = chosen(opened, [id_], state=None).slice(0, 1).to_pylist()[0]
    if row["raw"] is None:
        row["raw"] = _fetch(opened, row)
    return row


def _fetch(opened: Opened, row: dict[str, Any]) -> bytes | None:
    """The bytes of a record through its `_at`, where the source can read it again."""
    from mainstem.engines import replay as replaying
    from mainstem.plan.words import Read

    name = row["origin"].removeprefix("replay:")
    if name not in {node.name for node in opened.plan.of(Read)}:
        return None
    site = opened.site()
    chunk = replaying.fetched(site, name, _progress(opened, name), row)
    return replaying.bytes_of(site, name, chunk, row["position"]) if chunk is not None else None


def _progress(opened: Opened, source: str) -> Mapping[str, Any] | None:
    """How far a source has been read."""
    home = journal.current(opened.work)
    numbers = home.epochs("prepared") if home is not None else []
    return home.prepared(numbers[-1]).progress.get(source) if home is not None and numbers else None


def replay(
    opened: Opened, ids: Sequence[str] = (), *, step: str | None = None, reason: str | None = None, rule: str | None = None
) -> dict[str, Any]:
    """Order a replay of open rows and carry it out, unless a live runner takes it up.

    {ordered, replayed, taken_by}: rows of this order, rows that were carried out (with those of orders that an earlier
    command left behind), and who else runs the pipeline.
    """
    from mainstem.plan.words import Read
    from mainstem.project import release
    from mainstem.project.incarnation import refuse_breaking

    home = journal.current(opened.work)
    if home is not None:
        refuse_breaking(opened, home, release.build(opened))
    before, taken = _carried_out(opened)
    rows = chosen(opened, ids, step=step, reason=reason, rule=rule)
    if not all(rows.column("published").to_pylist()):
        raise RefusedError(
            "replay.unpublished",
            "an unfinished run has not published what is quarantined",
            where=str(opened.work),
            fix="finish it with `mainstem run`, then replay",
        )
    _order(opened, "replay", rows, {node.name for node in opened.plan.of(Read)})
    done, taken = (0, taken) if taken else _carried_out(opened)
    return {"ordered": rows.num_rows, "replayed": before + done, "taken_by": taken}


def _incarnation(opened: Opened) -> str:
    """The one that an order given now belongs to."""
    home = journal.current(opened.work)
    return home.incarnation if home is not None else ""


def _carried_out(opened: Opened) -> tuple[int, str]:
    """Carry out the orders that wait: how many rows they had, and who does it instead if somebody runs the pipeline."""
    from mainstem.clock import SystemClock
    from mainstem.project.run import run

    count = sum(order.rows for order in orders.pending(opened.work, _incarnation(opened)))
    if not count:
        return 0, ""
    try:
        run(opened, only_orders=True, clock=SystemClock())
    except ConcurrencyError as error:
        if error.code != "run.held":
            raise
        return 0, error.what
    return count, ""


def discard(
    opened: Opened, ids: Sequence[str] = (), *, step: str | None = None, reason: str | None = None, rule: str | None = None
) -> dict[str, Any]:
    """Mark open rows as discarded; they stay in the quarantine table."""
    rows = chosen(opened, ids, step=step, reason=reason, rule=rule)
    _order(opened, "discard", rows, None)
    return {"discarded": rows.num_rows}


def _order(opened: Opened, kind: str, rows: pa.Table, sources: set[str] | None) -> list[orders.Order]:
    import pyarrow as pa

    from mainstem.clock import SystemClock
    from mainstem.engines.replay import pinned

    groups: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows.select(["origin", "node"]).to_pylist()):
        source = row["origin"].removeprefix("replay:")
        if sources is not None and source not in sources:
            raise RefusedError(
                "replay.made_row",
                f"{row['origin']} made this row; only records of a source can be replayed",
                where=row["node"],
                fix="replay the records that it was made of, or discard it",
            )
        groups.setdefault((source, row["node"]), []).append(index)
    given, now, site = [], SystemClock().now(), opened.site()
    for (source, node), indices in sorted(groups.items()):
        part = rows.take(pa.array(indices))
        if kind == "replay":
            part = pinned(site, source, _progress(opened, source), part)
        given.append(orders.give(opened.work, now, kind, source, node, part, _incarnation(opened)))
    return given
