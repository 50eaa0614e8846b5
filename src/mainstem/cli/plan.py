"""`mainstem plan`: what running a pipeline would do, before it does it."""

from __future__ import annotations

from typing import Any

from mainstem.cli import show
from mainstem.cli.app import Environment, FileArgument, Output, OutputOption, Settings, app, examples, opened


@app.command(epilog=examples("mainstem plan greenhouse.yaml", "mainstem plan --output json"))
def plan(file: FileArgument = None, environment: Environment = None, output: OutputOption = Output.table,
         settings: Settings = None) -> None:
    """What running it would do. Graph, legs, column types, guarantees and why, and what an edit does to the state that is there."""
    explained = show.plain(opened(file, environment, settings).plan())
    if output is Output.json:
        show.document("plan", explained)
    else:
        _sections(explained, output)


def _sections(explained: dict[str, Any], output: Output) -> None:
    """What is plain first, then every list as a table under its name."""
    show.fields((name, value) for name, value in explained.items() if not isinstance(value, list | dict))
    for name, value in explained.items():
        if isinstance(value, dict):
            value = [{"name": key, **(item if isinstance(item, dict) else {"value": item})} for key, item in value.items()]
        if not isinstance(value, list) or not value:
            continue
        print(f"\n{name}")
        if all(isinstance(item, dict) for item in value):
            show.rows(name, value, output)
        else:
            for item in value:
                print(f"  {show.cell(item)}")
