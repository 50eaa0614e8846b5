"""`mainstem runs`: what ran, where every row went, why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mainstem.cli import show
from mainstem.cli.account import COLUMNS, account, outputs
from mainstem.cli.app import Environment, FileOption, Output, OutputOption, examples, group, opened

_runs = group("runs", "What ran, where every row went, why it ended.")
_SHORT = 13                               # characters of an id that tell the millisecond of its run
_COLUMNS = ["run_id", "started", "seconds", "why", "rows", "epochs"]


@_runs.command("list", epilog=examples("mainstem runs list", "mainstem runs list --output json"))
def list_(limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many, the newest first.")] = 20,
          file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table) -> None:
    """Runs of a pipeline, the newest first."""
    found = opened(file, environment).runs(limit)
    if output is Output.table:
        found = [{**row, "run_id": row["run_id"][:_SHORT], "started": row["started"][:19] + "Z", "why": _brief(row)} for row in found]
    show.rows("runs.list", found, output, _COLUMNS if output is Output.table else None, empty="it has not run yet")


@_runs.command("show", epilog=examples("mainstem runs show last", "mainstem runs show --output json"))
def show_(run_id: Annotated[str, typer.Argument(metavar="RUN", help="Its id, the beginning of it, or `last`.")] = "last",
          file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table) -> None:
    """One run: the account of every leg, its epochs and outputs."""
    run = opened(file, environment).show_run(run_id)
    if output is Output.json:
        show.document("runs.show", run)
    elif output is Output.csv:
        show.rows("runs.show", run.get("account") or [], output, COLUMNS)
    else:
        hidden = ("account", "manifests", "outputs", "drift", "files", "outcomes", "notes")
        show.fields((name, value) for name, value in run.items() if name not in hidden)
        print()
        account(run.get("account") or [])
        if run.get("outputs"):
            print()
            outputs(run["outputs"])
        _met(run)


def _met(run: Mapping[str, Any]) -> None:
    """Columns that came or went unasked, files that were not simply read, and what rows met in steps."""
    drift = [{"source": source, "what": what, "first": place} for source, seen in run["drift"].items() for what, place in seen.items()]
    notes = [{"step": step, "what": what, "rows": rows} for step, counts in run.get("notes", {}).items() for what, rows in counts.items()
             if rows and not what.endswith((".ok", ".failed"))]             # these are in the account
    for kind, found in (("drift", drift), ("files", run["files"]), ("notes", notes)):
        if found:
            print()
            show.rows(kind, found, Output.table)


def _brief(run: Mapping[str, Any]) -> str:
    """Why a run ended, in a few words; `running` while nobody said that it ended."""
    why = run.get("why") or "running"
    return ": ".join(why.split(": ")[:2]) if why.startswith("failed: ") else why
