"""`mainstem maintain` and `mainstem reset`: keep the folders small; begin anew."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mainstem.cli import show
from mainstem.cli.app import Environment, FileArgument, Output, OutputOption, Quiet, Settings, Verbose, app, examples, opened
from mainstem.cli.screen import watching

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command(epilog=examples("mainstem maintain --dry-run", "mainstem maintain greenhouse.yaml"))
def maintain(file: FileArgument = None, dry_run: DryRun = False, environment: Environment = None,
             output: OutputOption = Output.table, quiet: Quiet = False, verbose: Verbose = False,
             settings: Settings = None) -> None:
    """Keep the folders small. Compacts tables and drops old versions, journals, state and leftovers that nobody needs."""
    with watching(quiet, verbose):
        done = opened(file, environment, settings).maintain(dry_run)
    _report("maintain", done, output)


@app.command(epilog=examples("mainstem reset --dry-run", "mainstem reset --yes"))
def reset(file: FileArgument = None, dry_run: DryRun = False,
          yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
          environment: Environment = None, output: OutputOption = Output.table) -> None:
    """Forget positions and state. The next run reads its input from the start and replaces what is in its tables."""
    pipeline = opened(file, environment)
    if not dry_run and not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("reset asks before it acts, and nobody is there to answer; say --yes", param_hint="--yes")
        typer.confirm(f"Reset {pipeline.name}?", abort=True, err=True)
    _report("reset", pipeline.reset(dry_run), output)


def _report(kind: str, done: dict[str, Any], output: Output) -> None:
    if output is Output.table:
        show.fields(done.items())
    else:
        show.rows(kind, [done], output)
