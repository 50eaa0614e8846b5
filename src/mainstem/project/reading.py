"""Reading what was published: outputs, quarantine, tables and run facts, all of one complete epoch."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING

from mainstem.clock import iso
from mainstem.engines import journal
from mainstem.engines.site import QUARANTINE
from mainstem.errors import MainstemError, SpecError
from mainstem.plan.words import Plan, Table, Write
from mainstem.project import release

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.columns import Columns
    from mainstem.engines.journal import Manifest
    from mainstem.engines.site import Site
    from mainstem.plugs import Sink
    from mainstem.project.place import Opened


def manifest_at(opened: Opened, at: str | None) -> Manifest | None:
    """The newest manifest, or the one of epoch N or of a moment (RFC 3339); None if nothing was published yet."""
    home = journal.current(opened.work)
    found = journal.incarnations(opened.work)
    homes = [home] if home else found[-1:]
    for place in [*homes, *reversed(found[:-1])]:
        numbers = place.epochs("manifest")
        if at is None and numbers:
            return place.manifest(numbers[-1])
        if at is not None:
            wanted = _wanted(at)
            if at.isdigit() and int(at) > (numbers[-1] if numbers else 0):
                continue                                   # not that far yet: an incarnation before it may have been
            for number in reversed(numbers):
                manifest = place.manifest(number)
                if wanted(manifest):
                    return manifest
    if at is None:
        return None
    newest = manifest_at(opened, None)
    raise SpecError(
        "read.no_version",
        f"there is no complete epoch at {at!r}",
        where=str(opened.work),
        why=f"the newest is {newest.epoch}, of {iso(newest.clock)}" if newest else "nothing was published yet",
        fix="give an epoch number or a time like 2026-01-01T12:00:00Z",
    )


def _wanted(at: str) -> Callable[[Manifest], bool]:
    if at.isdigit():
        return lambda manifest: manifest.epoch <= int(at)      # the state as of epoch N: the newest that was complete by then
    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError as error:
        raise SpecError(
            "read.bad_time", f"{at!r} is neither an epoch nor a time", fix="write 12 or 2026-01-01T12:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise SpecError("read.bad_time", f"{at!r} has no zone", fix=f"write {at}Z for UTC")
    limit = int(moment.timestamp() * 1_000_000)
    return lambda manifest: manifest.clock <= limit


def read(opened: Opened, name: str, at: str | None = None) -> pa.Table:
    """One output, the quarantine or a table, as Arrow."""
    found = relations(opened, at)
    if name not in found:
        raise SpecError(
            "read.unknown",
            f"there is nothing called {name!r} to read",
            where=str(opened.file),
            fix=f"there are: {', '.join(sorted(found))}",
        )
    return found[name]()


def relations(opened: Opened, at: str | None = None) -> dict[str, Callable[[], pa.Table]]:
    """What can be read, by name; each a function that reads it."""
    manifest = manifest_at(opened, at)
    plan: Plan = release.plan_of(opened.work, manifest.release) if manifest else opened.plan
    site = opened.site(plan)
    found: dict[str, Callable[[], pa.Table]] = {}
    for node in plan.of(Write):
        version = manifest.outputs.get(node.name, {}).get("version") if manifest else None
        found[node.step] = _reader(opened, node.step, site.sink(node), version, node.columns)
    from mainstem.engines.aside import COLUMNS

    version = manifest.outputs.get(QUARANTINE, {}).get("version") if manifest else None
    found[QUARANTINE] = _reader(opened, QUARANTINE, site.quarantine(), version, COLUMNS)
    for table in plan.tables:
        if table.latest is None:
            found.setdefault(table.name, _table(site, table))
    from mainstem.project.records import facts

    return found | {name: (lambda name=name: facts(opened)[name]) for name in ("runs", "epochs", "legs", "incidents")}


def _reader(opened: Opened, name: str, sink: Sink, version: int | None, columns: Columns) -> Callable[[], pa.Table]:
    def rows() -> pa.Table:
        import pyarrow as pa

        from mainstem.engines.agreement import journal_there

        if version is None:
            if sink.identity():
                journal_there(opened.place, name, sink, [home.incarnation for home in journal.incarnations(opened.work)])
            return pa.schema([(column.name, column.type.arrow) for column in columns]).empty_table()
        return sink.read(version)

    return rows


def _table(site: Site, table: Table) -> Callable[[], pa.Table]:
    def rows() -> pa.Table:
        from mainstem.clock import SystemClock
        from mainstem.engines.kernels import tables

        return tables.open_pinned(tables.pin_all(site, {}, SystemClock().now())[table.name]["path"])

    return rows


def sql(opened: Opened, text: str, at: str | None = None) -> pa.Table:
    """A query over `relations`; only those that it names are read. Columns of one name are told apart: `house`, `house_1`."""
    from mainstem.engines.kernels.duck import query
    from mainstem.plan.sql import asked

    found = relations(opened, at)
    wanted = set(asked(text))
    unknown = sorted(wanted - set(found))
    if unknown:
        close = difflib.get_close_matches(unknown[0], found, 1)
        raise SpecError(
            "read.unknown",
            f"there is nothing called {unknown[0]!r} to read",
            why=f"there are: {', '.join(sorted(found))}",
            fix=f"did you mean {close[0]!r}?" if close else "take one of these",
        )
    try:
        answer = query(text, **{name: found[name]() for name in wanted})
        return answer.rename_columns(_apart(answer.column_names))
    except MainstemError:
        raise
    except Exception as error:  # DuckDB's own message says what is wrong with the query
        raise SpecError(
            "read.bad_query", "the query failed", why=str(error).strip(), fix="see `mainstem plan` for the columns"
        ) from error


def _apart(names: Iterable[str]) -> list[str]:
    """Each name once, as DuckDB does it in a subquery: to a later one `_1`, `_2` is added.

    >>> _apart(["house", "n", "house", "House", "house_1"])
    ['house', 'n', 'house_1', 'House_2', 'house_1_1']
    """
    taken: dict[str, str] = {}
    for name in names:
        tries = (f"{name}_{number}" if number else name for number in count())
        mine = next(one for one in tries if one.lower() not in taken)
        taken[mine.lower()] = mine
    return list(taken.values())
