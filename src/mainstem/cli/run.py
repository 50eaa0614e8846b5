"""`mainstem run`: run to the end of the input, follow it, or only look."""

from __future__ import annotations

import dataclasses
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mainstem.cli import show
from mainstem.cli.account import COLUMNS, account, outputs
from mainstem.cli.app import (
    Engine,
    Environment,
    FileArgument,
    Output,
    OutputOption,
    Quiet,
    Settings,
    Verbose,
    app,
    examples,
    opened,
)
from mainstem.cli.screen import watching

if TYPE_CHECKING:
    from mainstem.project.run import RunResult


class Accept(StrEnum):
    """What to do about a breaking change."""

    reset = "reset"
    rebuild = "rebuild"


@app.command(epilog=examples("mainstem run greenhouse.yaml", "mainstem run --follow", "mainstem run --show located --limit 5",
                             "mainstem run --accept rebuild"))
def run(
    file: FileArgument = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more when the input ends, until stopped.")] = False,
    flush: Annotated[bool, typer.Option("--flush", help="Take the present end of a growing input as its end.")] = False,
    show_step: Annotated[str | None, typer.Option("--show", metavar="STEP",
                                                  help="Only look at rows of this step; nothing is written.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="With --show: how many rows (20).")] = None,
    accept: Annotated[Accept | None, typer.Option("--accept", help="A breaking change: `reset` begins the state of changed steps "
                                                  "anew, `rebuild` reads everything again.")] = None,
    takeover: Annotated[bool, typer.Option("--takeover", help="Take the pipeline from a runner that is thought dead.")] = False,
    environment: Environment = None,
    engine: Engine = None,
    output: OutputOption = Output.table,
    quiet: Quiet = False,
    verbose: Verbose = False,
    settings: Settings = None,
) -> None:
    """Run a pipeline and print where every row went.

    Ctrl-C or SIGTERM finishes the epoch and stops; a second one stops at once. Either way it goes on when started again.

    Exit codes: 0 done; 3 more rows were set aside than `limits` allows; 130 or 143 stopped by Ctrl-C or SIGTERM before the end of
    its input, nothing of it published (a follower has published what it read and ends with 0).
    """
    if limit is not None and show_step is None:
        raise typer.BadParameter("it belongs to --show STEP", param_hint="--limit")
    pipeline = opened(file, environment, settings)
    with watching(quiet, verbose) as screen:
        if show_step is not None:
            found = pipeline.look(show_step, limit or 20)
        else:
            result = pipeline.run(follow=follow, flush=flush, accept=accept.value if accept else None,
                                  takeover=takeover, engine=engine)
    if show_step is not None:
        show.arrow("look", found, output)
        return
    _print(result, output)
    if not quiet:
        screen.line(summary(pipeline.name, result))
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _print(result: RunResult, output: Output) -> None:
    if output is Output.json:
        show.document("run", dataclasses.asdict(result))
        return
    if output is Output.csv:
        show.rows("run", result.account, output, COLUMNS)
        return
    account(result.account)
    if result.outputs:
        print()
        outputs(result.outputs)
    if result.files:
        print()
        show.rows("files", result.files, output)
        if earlier := sum(result.outcomes.values()) - len(result.files):
            print(f"and {show.counted(earlier, 'file')} before these")
    sys.stdout.flush()


_WHY = {"end": "read to the end of its input", "hold": "read all that is there now",
        "limit": "stopped at a limit; it goes on from here when started again",
        "stopped": "stopped; it goes on from here when started again"}


_LEFT = ("unreadable", "corrupt", "too_large", "bad_format", "record_too_long", "vanished")      # of the outcomes of files


def summary(name: str, result: RunResult) -> str:
    """One line: what, how much, how long, why it ended."""
    rate = f", {show.counted(round(result.rows / result.seconds), 'row')}/s" if result.seconds and result.rows else ""
    held = sum(leg.get("held", 0) for leg in result.account)
    waiting = f"; {held:,} rows wait in what is open (more input or --flush closes it)" if result.why == "hold" and held else ""
    unpublished = "" if result.published else "; nothing of it is published yet"
    left = sum(count for outcome, count in result.outcomes.items() if outcome in _LEFT)
    files = f"; {show.counted(left, 'file')} {'was' if left == 1 else 'were'} not read, see above" if left else ""
    why = _WHY.get(result.why, result.why)
    return (f"{name}: {show.counted(result.rows, 'row')} in {result.seconds:.1f} s{rate}; {why}{waiting}{unpublished}{files}\n"
            f"run {result.run_id}   release {result.release}")
