"""`mainstem build`: make a release of the present plan and code."""

from __future__ import annotations

from mainstem.cli import show
from mainstem.cli.app import Environment, FileArgument, Output, OutputOption, Settings, app, examples, opened


@app.command(epilog=examples("mainstem build greenhouse.yaml"))
def build(file: FileArgument = None, environment: Environment = None, output: OutputOption = Output.table,
          settings: Settings = None) -> None:
    """Make a release. Plan and user code under the hash of their content: equal content, equal release."""
    made = opened(file, environment, settings).build()
    if output is Output.table:
        show.fields(made.items())
    else:
        show.rows("build", [made], output)
