"""`mainstem check`, `schema` and `explain`: what is wrong with a file, what may stand in it, what a code means."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from mainstem.cli import show
from mainstem.cli.app import Environment, FileArgument, Output, OutputOption, Settings, app, examples, opened
from mainstem.cli.screen import near


@app.command(epilog=examples("mainstem check greenhouse.yaml", "mainstem check --output json"))
def check(file: FileArgument = None, environment: Environment = None, output: OutputOption = Output.table,
          settings: Settings = None) -> None:
    """Every problem of a pipeline file at once. Each with place, code, why and what to do; exit code 2 if there is any."""
    pipeline = opened(file, environment, settings)
    problems = pipeline.check()
    if output is Output.table:
        for problem in problems:
            print(near(f"{problem.file}:{problem.line}:{problem.column}: {problem.what} [{problem.code}]"))
            for text in (problem.why, problem.fix):
                if text:
                    print("    " + text.replace("\n", "\n    "))
        count = f"{len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}"
        for remark in pipeline.remarks():
            print(near(f"note: {remark}"), file=sys.stderr)
        print(f"{pipeline.name}: {count}", file=sys.stderr)
    else:
        columns = ["file", "line", "column", "code", "what", "why", "fix"]
        show.rows("check", [{name: getattr(problem, name) for name in columns} for problem in problems], output, columns)
    if problems:
        raise typer.Exit(2)


@app.command(epilog=examples("mainstem schema > pipeline.schema.json"))
def schema() -> None:
    """The JSON Schema of the pipeline file, for editors."""
    from mainstem import project

    json.dump(project.schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


@app.command(epilog=examples("mainstem explain spec.unknown_key", "mainstem explain late"))
def explain(
    code: Annotated[str, typer.Argument(help="The code that stands in an error, or the reason of a quarantined record.")],
    output: OutputOption = Output.table,
) -> None:
    """What an error code or a quarantine reason means."""
    from mainstem import project

    page = project.explain(code)
    if output is Output.table:
        print(f"{page['code']}: {page['title']}\n\n{page['meaning']}\n\n{page['fix']}")
    else:
        show.rows("explain", [page], output)
