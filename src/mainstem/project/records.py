"""What ran, read from the ledger. Needs no Arrow: `runs list` stays quick."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from mainstem.errors import SpecError
from mainstem.ledger import runs as ledger
from mainstem.ledger import store

if TYPE_CHECKING:
    import pyarrow as pa

    from mainstem.project.place import Opened


def runs(opened: Opened, limit: int = 50) -> list[dict[str, Any]]:
    """Runs of this pipeline, the newest first."""
    return [_timed(run) for run in ledger.listing(store.open_store(opened.settings.ledger_url), opened.name, opened.environment, limit)]


def _timed(run: dict[str, Any]) -> dict[str, Any]:
    """With how long it took, beside its end; None while it runs, and after a death that nobody could write down."""
    began, ended = (dt.datetime.fromisoformat(run[name]) if run[name] else None for name in ("started", "ended"))
    seconds = round((ended - began).total_seconds(), 3) if began and ended else None
    return {key: value for name, fact in run.items() for key, value in ((name, fact), *((("seconds", seconds),) if name == "ended" else ()))}


def show_run(opened: Opened, run_id: str) -> dict[str, Any]:
    """One run with its account; by its id, the beginning of it, or `last`."""
    if run_id == "last":
        newest = runs(opened, 1)
        run_id = newest[0]["run_id"] if newest else "none"
    known = store.open_store(opened.settings.ledger_url)
    found = ledger.find(known, run_id)
    if found is None and (several := ledger.beginning(known, run_id)):
        raise SpecError("runs.unknown", f"several runs begin with {run_id!r}", why=f"the newest of them: {', '.join(several)}",
                        fix="give more of its id; `last` is the newest run of this pipeline")
    if found is None:
        raise SpecError("runs.unknown", f"there is no run {run_id!r}", fix="`mainstem runs list` shows them; `last` is the newest")
    met = found.pop("met") or {}
    kinds: dict[str, Any] = {"drift": {}, "files": [], "outcomes": {}, "notes": {}, "seams": []}
    return _timed(found) | {kind: met.get(kind, empty) for kind, empty in kinds.items()}


def facts(opened: Opened) -> dict[str, pa.Table]:
    """The run facts as tables for SQL, by name: `runs`, `epochs`, `legs`, `incidents`."""
    import pyarrow as pa

    found = {}
    rows = ledger.facts(store.open_store(opened.settings.ledger_url), opened.name, opened.environment)
    kinds = {int: pa.int64(), str: pa.string(), float: pa.float64(), bool: pa.bool_()}
    for table in ledger.FACTS:
        hidden = (*ledger.BULKY, "pipeline", "environment")
        fields = [(column.name, kinds.get(column.type.python_type, pa.string())) for column in table.c if column.name not in hidden]
        plain = [
            {key: value if isinstance(value, int | float | str | None) else _text(value) for key, value in row.items()}
            for row in rows[table.name]
        ]
        found[table.name] = pa.Table.from_pylist(plain, schema=pa.schema(fields))
    return found


def _text(value: Any) -> str:
    import json

    return json.dumps(value, sort_keys=True)
