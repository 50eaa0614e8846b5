"""`mainstem sql`: a query over outputs, quarantine, tables and run facts."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mainstem.cli import show
from mainstem.cli.app import Environment, FileOption, Output, OutputOption, Settings, app, examples, opened


@app.command(epilog=examples("""mainstem sql "SELECT * FROM climate ORDER BY window_start DESC LIMIT 5\"""",
                             """mainstem sql "SELECT reason, count(*) FROM quarantine GROUP BY 1\"""",
                             """mainstem sql --at 3 --output csv "SELECT * FROM climate\""""))
def sql(query: Annotated[str, typer.Argument(metavar="QUERY", help="DuckDB SQL; `-` reads it from stdin.")],
        at: Annotated[str | None, typer.Option("--at", metavar="EPOCH|TIME", help="As of an epoch of the present incarnation, or a moment "
                                               "(RFC 3339): it also reaches what was before a reset or rebuild, which count anew.",
                                               show_default="the last complete epoch")] = None,
        file: FileOption = None, environment: Environment = None, output: OutputOption = Output.table,
        settings: Settings = None) -> None:
    """Ask what was written, all as of one complete epoch.

    Relations: outputs, `quarantine`, tables, and the facts of runs: `runs`, `epochs`, `legs`, `incidents`.
    """
    text = sys.stdin.read() if query == "-" else query
    show.arrow("sql", opened(file, environment, settings).sql(text, at), output)
