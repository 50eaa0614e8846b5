"""`mainstem test`: the YAML cases beside a pipeline."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mainstem.cli import show
from mainstem.cli.app import Environment, FileOption, Output, OutputOption, app, examples, opened
from mainstem.cli.screen import visible

Paths = Annotated[list[str] | None, typer.Argument(metavar="CASES", help="Files or folders of cases.",
                                                     show_default="tests/ beside the pipeline")]
_COLUMNS = ["case", "file", "ok", "seconds", "diff"]


@app.command("test", epilog=examples("mainstem test", "mainstem test tests/greenhouse.yaml", "mainstem test -o json"))
def cases(paths: Paths = None, file: FileOption = None, environment: Environment = None,
          output: OutputOption = Output.table) -> None:
    """Run the cases beside a pipeline. Given rows, expected rows, with event time; exit code 1 if one fails, 2 if there is none."""
    report = opened(file, environment).test(paths or ())
    if output is Output.table:
        for case in report.cases:
            print(visible(f"{'ok  ' if case.ok else 'FAIL'}  {case.name}   {case.seconds * 1000:.0f} ms"))
            if not case.ok:
                print("      " + visible(case.diff).rstrip().replace("\n", "\n      "))
    else:
        show.rows("test", [{"case": case.name, **{name: getattr(case, name) for name in _COLUMNS[1:]}} for case in report.cases],
                  output, _COLUMNS)
    failed = sum(not case.ok for case in report.cases)
    print(f"{len(report.cases) - failed} passed, {failed} failed", file=sys.stderr)
    if not report.cases:
        print("there are no cases: write one in tests/, as `mainstem init` does", file=sys.stderr)
    if failed or not report.cases:
        raise typer.Exit(1 if failed else 2)
